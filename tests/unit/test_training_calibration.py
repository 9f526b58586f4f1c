import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit

from attendant.training.calibration import FURTHEST, LIMITS, Calibration, calibrate


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.4])
def test_the_calibration_that_labels_were_drawn_by_is_found(temperature, shift):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 50_000)
    labels = (generator.random(len(logits)) < expit((logits + shift) / temperature)).astype(np.int64)
    found = calibrate(logits, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.shift == pytest.approx(shift, abs=0.05)


def test_it_stays_within_its_limits():
    assert calibrate(np.array([5.0, -5.0]), np.array([0, 1])).temperature == pytest.approx(LIMITS[1])
    sure = calibrate(np.array([0.1, -0.1] * 50), np.array([1, 0] * 50))
    assert sure.temperature == pytest.approx(LIMITS[0])
    assert calibrate(np.zeros(4), np.ones(4, np.int64)).shift == pytest.approx(FURTHEST)


def test_nothing_to_correct_is_left_alone():
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 1.5, 100_000)
    labels = (generator.random(len(logits)) < expit(logits)).astype(np.int64)
    found = calibrate(logits, labels)
    assert found == Calibration(pytest.approx(1.0, abs=0.05), pytest.approx(0.0, abs=0.03))


@given(st.floats(*LIMITS), st.floats(-FURTHEST, FURTHEST), st.floats(-20, 20))
def test_calibration_changes_no_label(temperature, shift, logit):
    """Sarcastic by the threshold is sarcastic by the model as trained."""
    assume(abs(logit) > 1e-6)
    threshold = Calibration(temperature, shift).threshold
    assert (expit((logit + shift) / temperature) >= threshold) == (logit >= 0)
