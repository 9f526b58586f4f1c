import numpy as np
import pytest

from attendant.training.calibration import fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_finds_the_temperature_that_made_the_labels(temperature):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, 40_000)
    labels = (generator.random(len(logits)) < 1 / (1 + np.exp(-logits / temperature))).astype(np.int64)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_stays_inside_its_limits():
    assert fit_temperature(np.array([5.0, -5.0]), np.array([0, 1])) == pytest.approx(5.0, rel=0.01)
    assert fit_temperature(np.array([5.0, -5.0]), np.array([1, 0])) == pytest.approx(0.2, rel=0.01)
