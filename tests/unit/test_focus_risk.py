from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from attendant.analysis.classification import area_under_roc, calibration_error
from attendant.manifest import read_manifest
from attendant.models.fcam_store import load_fcam_config
from attendant.statistics.focus_risk import EVIDENCE, FocusRisk, find_evidence, fit_focus_risk

STORE = Path(__file__).resolve().parents[2] / "model_store"
SIZE = len(EVIDENCE)
ONES, ZEROS = (1.0,) * SIZE, (0.0,) * SIZE


def draw(count: int, seed: int):
    """Mosaics whose focus is wrong with a probability that falls with the largest weight."""
    rng = np.random.default_rng(seed)
    weights = softmax(rng.normal(size=(count, 9)) * rng.uniform(0.3, 4, (count, 1)), axis=1)
    probabilities = softmax(rng.normal(size=(count, 3)), axis=1)
    truth = 0.9 * (1 - weights.max(axis=1))
    return weights, probabilities, truth, rng.random(count) < truth


def test_the_evidence_by_hand() -> None:
    weights = np.array([[0.5, 0.25, 0.245, 0.005]])
    found = dict(zip(EVIDENCE, find_evidence(weights, np.array([[0.2, 0.8]]))[0], strict=True))
    assert found["entropy"] == pytest.approx(-(weights * np.log(weights)).sum())
    assert found["dist"] == pytest.approx(np.linalg.norm(weights[0] - [1, 0, 0, 0]))
    assert found["nnz"] == 3
    assert (found["rest"], found["rivalry"], found["doubt"]) == pytest.approx((0.5, 0.5, 0.2))


def test_a_known_risk_is_found() -> None:
    risk = fit_focus_risk(*_without_truth(draw(20_000, 1)))
    weights, probabilities, truth, wrong = draw(20_000, 2)
    told = risk(weights, probabilities)
    assert np.abs(told - truth).mean() < 0.03
    assert calibration_error(wrong.astype(np.int64), told) < 0.02
    best = area_under_roc(wrong.astype(np.int64), truth).value
    assert area_under_roc(wrong.astype(np.int64), told).value > best - 0.01


def _without_truth(drawn):
    weights, probabilities, _, wrong = drawn
    return weights, probabilities, wrong


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_focus_that_is_always_the_same_has_a_sure_and_finite_risk(share: float) -> None:
    weights, probabilities, _, _ = draw(500, 3)
    risk = fit_focus_risk(weights, probabilities, np.full(500, bool(share)))
    told = risk(weights, probabilities)
    assert np.abs(told - share).max() < 0.05


def test_one_hot_weights_tell_no_more_than_how_often() -> None:
    rng = np.random.default_rng(0)
    weights = np.eye(9)[rng.integers(0, 9, 4_000)]
    wrong = rng.random(4_000) < 0.3
    risk = fit_focus_risk(weights, np.full((4_000, 3), 1 / 3), wrong)
    np.testing.assert_allclose(risk(weights[:10], np.full((10, 3), 1 / 3)), wrong.mean(), atol=1e-3)


@given(st.integers(2, 12), st.floats(0.1, 30), st.integers(0, 2**32 - 1))
def test_a_risk_is_a_probability_and_the_highest_where_weights_are_even(segments, spread, seed) -> None:
    rng = np.random.default_rng(seed)
    risk = FocusRisk(
        tuple(rng.normal(size=SIZE)),
        tuple(rng.uniform(0.1, 3, SIZE)),
        tuple(rng.uniform(0, 2, SIZE)),
        tuple(np.cumsum(rng.uniform(0.01, 1, 4)) - 1),
        tuple(np.sort(rng.random(4))),
    )
    weights = softmax(rng.normal(size=(5, segments)) * spread, axis=1)
    probabilities = softmax(rng.normal(size=(5, 3)) * spread, axis=1)
    told = risk(weights, probabilities)
    even = risk(np.full((5, segments), 1 / segments), probabilities)
    assert told.shape == (5,)
    assert ((told >= 0) & (told <= even + 1e-9) & (even <= 1)).all()


@pytest.mark.parametrize("name", [f"sdc-error-mode-{number}" for number in (1, 2, 3)])
def test_shipped_risks_suspect_even_weights_and_not_a_single_one(name: str) -> None:
    folder = STORE / name
    risk = load_fcam_config(folder, read_manifest(folder).version_or_default()).focus_risk
    for certain in (0.4, 0.7, 1.0):
        probabilities = np.array([[certain, 1 - certain]])
        assert risk(np.full((1, 9), 1 / 9), probabilities) > 0.5
        assert risk(np.eye(9)[:1], probabilities) < 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean": (0.0,)}, "numbers, not 1"),
        ({"mean": (np.nan,) * SIZE}, "finite"),
        ({"deviation": ZEROS}, "above 0"),
        ({"coefficients": (-1.0,) * SIZE}, "at least 0"),
        ({"scores": (0.0,)}, "go together"),
        ({"scores": (1.0, 0.0)}, "scores rise"),
        ({"risks": (0.5, 0.4)}, "never fall"),
        ({"risks": (0.5, 1.4)}, r"in \[0, 1\]"),
    ],
)
def test_numbers_that_are_no_risk_are_refused(values, message) -> None:
    good = {"mean": ZEROS, "deviation": ONES, "coefficients": ONES, "scores": (0.0, 1.0), "risks": (0.1, 0.9)}
    FocusRisk(**good)
    with pytest.raises(ValueError, match=message):
        FocusRisk(**(good | values))


def test_the_area_under_the_curve_by_counting_pairs() -> None:
    rng = np.random.default_rng(7)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 8, 60) / 8
    positive, negative = scores[labels == 1][:, None], scores[labels == 0]
    expected = ((positive > negative) + 0.5 * (positive == negative)).mean()
    found = area_under_roc(labels, scores)
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert np.isnan(area_under_roc(np.ones(3, np.int64), np.array([0.1, 0.2, 0.3])).value)
