"""The temperature that makes a probability mean something: chosen on validation."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

LIMITS = (0.2, 5.0)


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """T in [0.2, 5] with the least negative log likelihood of sigmoid(logit / T), N logits and 0/1 labels."""
    signs = 2.0 * labels - 1.0

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -signs * logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(LIMITS)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
