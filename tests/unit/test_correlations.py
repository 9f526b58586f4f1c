"""Live correlations against scipy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_samples import draw_samples
from scipy import stats

from attendant.statistics.correlations import LATEST, LEAST, Pairs
from attendant.statistics.samples import MOSAIC, Samples, Statistic, log_ratios, streams
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES


def explanations(modalities, weights, impacts) -> Samples:
    """With those fusion weights and impacts, N x the modalities; everything else is 0."""
    order = streams(modalities)
    values = np.zeros((len(weights), len(order)), np.float32)
    values[:, [stream.statistic is Statistic.LOG_RATIO for stream in order]] = log_ratios(weights)
    for modality, column in zip(modalities, np.transpose(impacts), strict=True):
        stream = next(one for one in order if one.key == f"impact/{modality}")
        values[:, order.index(stream)] = column
    drawn = draw_samples(modalities, len(weights), np.random.default_rng(0))
    return Samples(modalities, values, drawn.maps)


@pytest.mark.parametrize("modalities", [(TEXT, IMAGE), MODALITIES], ids="+".join)
def test_each_modality_s_weights_and_impacts_are_correlated_as_scipy_does(modalities):
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(len(modalities)), 200)
    impacts = weights * 0.5 + rng.normal(0, 0.1, weights.shape)
    unmeasured = rng.random(200) < 0.5
    impacts[unmeasured] = np.nan
    pairs = Pairs()
    pairs.add(explanations(modalities, weights, impacts))
    found = pairs.correlations()
    assert [one.modality for one in found] == list(modalities)
    for one, x, y in zip(found, weights[~unmeasured].T, impacts[~unmeasured].T, strict=True):
        expected = stats.pearsonr(x, y)
        assert one.n == (~unmeasured).sum()
        assert one.r == pytest.approx(expected.statistic, abs=1e-5)
        assert (one.low, one.high) == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=1e-5)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 900), max_size=8))
def test_the_latest_are_kept_however_they_come(lengths):
    rng = np.random.default_rng(2)
    samples = draw_samples(MODALITIES, sum(lengths) or 1, rng, measured=0.5)
    whole, split = Pairs(), Pairs()
    whole.add(samples)
    start = 0
    for length in lengths or [1]:
        split.add(samples.rows(slice(start, start + length)))
        start += length
    assert (whole.rows == split.rows).all()
    impact = [stream.key for stream in streams(MODALITIES)].index("impact/text")
    expected = samples.values[:, impact]
    assert whole.rows[:, 3].tolist() == expected[np.isfinite(expected)][-LATEST:].tolist()


@pytest.mark.parametrize("modalities", [(TEXT,), MOSAIC], ids="+".join)
def test_one_modality_has_no_weight_to_compare(modalities):
    pairs = Pairs()
    pairs.add(draw_samples(modalities, 50, np.random.default_rng(3)))
    assert pairs.correlations() == ()


def test_few_pairs_or_one_value_have_no_correlation_and_a_straight_line_has_one():
    weights = np.random.default_rng(4).dirichlet(np.ones(2), LEAST)
    for count, impacts, expected in (
        (LEAST - 1, weights, np.nan),
        (LEAST, np.full((LEAST, 2), 0.5), np.nan),
        (LEAST, weights, 1),
    ):
        pairs = Pairs()
        pairs.add(explanations((TEXT, ATTRIBUTE), weights[:count], impacts[:count]))
        text, _ = pairs.correlations()
        assert text.n == count
        assert (text.r, text.low, text.high) == pytest.approx((expected,) * 3, abs=1e-3, nan_ok=True)


def test_nothing_measured_is_nothing():
    pairs = Pairs()
    pairs.add(draw_samples(MODALITIES, 5, np.random.default_rng(5), measured=0))
    assert pairs.correlations() == ()
