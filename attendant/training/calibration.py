"""What makes a probability mean something: chosen on validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

LIMITS = (0.2, 5.0)
FURTHEST = 3.0


@dataclass(frozen=True)
class Calibration:
    """P(positive) = sigmoid((logit + shift) / temperature) (Platt 1999).

    The shift is for data in which the classes are less or more frequent than in training.
    """

    temperature: float
    shift: float

    @property
    def threshold(self) -> float:
        """P(positive) where the model as trained is undecided (logit 0): where labels change, unless one wants other.

        With rarer positives than in training it is below a half, and F1 is higher there than at a half.
        """
        return float(expit(self.shift / self.temperature))


def calibrate(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    """T in [0.2, 5] and shift in [-3, 3] with the least negative log likelihood, N logits and 0/1 labels."""
    signs = 2.0 * labels - 1.0

    def loss(parameters: NDArray[np.float64]) -> float:
        log_temperature, shift = parameters
        return float(np.logaddexp(0.0, -signs * (logits + shift) / np.exp(log_temperature)).mean())

    bounds = [tuple(np.log(LIMITS)), (-FURTHEST, FURTHEST)]
    found = minimize(loss, np.zeros(2), bounds=bounds, method="L-BFGS-B")
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))
