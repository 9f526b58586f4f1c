import numpy as np
import pytest

from attendant.analysis.probe import STRENGTHS, Labelled, probe


def photographs(count, seed, signal=1.0):
    """Three kinds of photographs, told apart by two of twenty features."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    features = generator.normal(size=(count, 20))
    features[:, 0] += signal * 3 * (labels == 1)
    features[:, 1] += signal * 3 * (labels == 2)
    return Labelled(features.astype(np.float32) * 5 + 2, labels)


def run(signal=1.0):
    parts = (photographs(200, seed, signal) for seed in range(3))
    return probe(*parts, 3, lambda _done, _total: None)


def test_what_can_be_read_off_is_read_off():
    assert run().hits.mean() > 0.8


def test_what_is_not_there_is_not():
    found = run(signal=0.0)
    assert found.hits.mean() == pytest.approx(1 / 3, abs=0.12)
    assert found.strength >= 0.1  # validation chooses to regularise


def test_progress_counts_the_strengths():
    seen = []
    parts = [photographs(20, seed) for seed in range(3)]
    probe(*parts, 3, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(STRENGTHS), len(STRENGTHS))


def test_a_feature_that_never_varies_does_no_harm():
    parts = [photographs(100, seed) for seed in range(3)]
    still = [
        Labelled(np.hstack([part.features, np.ones((100, 1), np.float32)]), part.labels) for part in parts
    ]
    assert probe(*still, 3, lambda _done, _total: None).hits.mean() > 0.75
