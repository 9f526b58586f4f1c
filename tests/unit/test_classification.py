import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.analysis.classification import calibration_error, score


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
