"""How alike two vectors are. Pure numpy, float64, and without BLAS, whose threads wait for busy cores by spinning."""

import numpy as np
from numpy.typing import ArrayLike


def length(values: ArrayLike) -> float:
    """||values||_2."""
    return float(np.sqrt(np.square(np.asarray(values, np.float64)).sum()))


def cosine(first: ArrayLike, second: ArrayLike) -> float:
    """In [-1, 1]; 0 where either is all zeros, as gradients behind dead ReLUs are."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    scale = length(a) * length(b)
    return float(np.clip((a * b).sum() / scale, -1, 1)) if scale > 0 else 0.0


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's, in [-1, 1]; 0 where it is undefined: one number, or all alike."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return cosine(a - a.mean(), b - b.mean())
