import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.analysis.classification import calibration_error, estimate, reliability, score


def test_closed_form():
    # threshold 0.5: predicted 1, 1, 1, 0, 0, 0: two hits, one false alarm, one miss
    labels = np.array([1, 1, 0, 1, 0, 0])
    scores = score(labels, np.array([0.9, 0.5, 0.7, 0.2, 0.1, 0.49]))
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx(2 / 3)
    assert scores.n == 6


def test_nothing_predicted_and_nothing_there():
    scores = score(np.array([0, 0]), np.array([0.1, 0.2]))
    assert (scores.accuracy, scores.precision, scores.recall, scores.f1) == (1, 0, 0, 0)


def test_threshold_moves_the_class():
    assert score(np.array([1]), np.array([0.4]), threshold=0.4).accuracy == 1


def test_calibration_error_by_hand():
    # two bins of fifteen: [0.0, 0.0667) holds 0.0 and 0.06, [0.9333, 1] holds 0.95 and 1.0
    labels = np.array([0, 1, 1, 1])
    probabilities = np.array([0.0, 0.06, 0.95, 1.0])
    expected = (abs(0.5 - 0.03) * 2 + abs(1.0 - 0.975) * 2) / 4
    assert calibration_error(labels, probabilities) == pytest.approx(expected)


def test_a_calibrated_forecast_has_no_error():
    labels = np.array([1] * 7 + [0] * 3)
    assert calibration_error(labels, np.full(10, 0.7)) == pytest.approx(0)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_against_plain_counting(rows):
    labels = np.array([label for label, _ in rows])
    probabilities = np.array([probability for _, probability in rows])
    scores = score(labels, probabilities)
    hits = sum(1 for label, p in rows if label == 1 and p >= 0.5)
    predicted = sum(1 for _, p in rows if p >= 0.5)
    there = sum(label for label, _ in rows)
    assert scores.accuracy == pytest.approx(sum((p >= 0.5) == bool(label) for label, p in rows) / len(rows))
    assert scores.f1 == pytest.approx(2 * hits / (predicted + there) if predicted + there else 0)
    error = 0.0
    for number in range(15):
        chosen = [(label, p) for label, p in rows if min(int(p * 15), 14) == number]
        error += abs(sum(label for label, _ in chosen) - sum(p for _, p in chosen)) / len(rows)
    assert scores.ece == pytest.approx(error)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [([], [], "empty"), ([1], [0.1, 0.2], "equally long"), ([2], [0.1], "0 or 1"), ([1], [1.5], r"\[0, 1\]")],
)
def test_refuses(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        score(np.array(labels, dtype=np.int64), np.array(probabilities))


def forecasts(count=600, slope=1.0, seed=0):
    """Probabilities, and labels drawn from sigmoid(slope * their log-odds)."""
    generator = np.random.default_rng(seed)
    probabilities = generator.uniform(0.02, 0.98, count)
    odds = np.log(probabilities / (1 - probabilities))
    return (generator.random(count) < 1 / (1 + np.exp(-slope * odds))).astype(np.int64), probabilities


def test_estimates_are_the_scores_and_their_intervals():
    labels, probabilities = forecasts()
    scores, estimates = score(labels, probabilities), estimate(labels, probabilities)
    for name in ("accuracy", "precision", "recall", "f1", "ece"):
        assert getattr(estimates, name).value == pytest.approx(getattr(scores, name)), name
    for name in ("accuracy", "precision", "recall", "f1"):
        one = getattr(estimates, name)
        assert one.low < one.value < one.high, name
        assert one.high - one.low < 0.15, name
    assert estimate(labels, probabilities) == estimates


def test_true_probabilities_have_an_error_that_chance_explains():
    labels, probabilities = forecasts()
    found = estimate(labels, probabilities)
    assert found.ece_if_calibrated.low < found.ece.value < found.ece_if_calibrated.high
    assert found.ece_if_calibrated.low > 0.02  # what forty rows a bin do by chance
    assert found.ece.low < 0.01  # ... is left out of the interval


def test_overconfident_probabilities_have_more():
    labels, probabilities = forecasts(slope=0.3)
    found = estimate(labels, probabilities)
    assert found.ece.value > found.ece_if_calibrated.high
    assert found.ece.low > 0.05


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_the_bins_add_up_to_the_calibration_error(rows):
    labels = np.array([label for label, _ in rows])
    probabilities = np.array([probability for _, probability in rows])
    bins = reliability(labels, probabilities)
    assert bins.counts.sum() == len(rows)
    filled = bins.counts > 0
    assert np.isnan(bins.forecast[~filled]).all()
    gaps = np.abs(bins.forecast - bins.observed)[filled] @ bins.counts[filled] / len(rows)
    assert gaps == pytest.approx(calibration_error(labels, probabilities))


def test_estimates_of_nothing_predicted():
    found = estimate(np.array([0, 0]), np.array([0.1, 0.2]))
    assert found.precision.interval == (0, 1)
    assert found.f1.interval == (0, 0)
