"""How far distributions lie apart. Pure numpy, float64, in nats."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def entropy(weights: ArrayLike) -> NDArray[np.float64]:
    """Shannon entropy over the last axis, in nats, with 0 ln 0 = 0."""
    p = np.asarray(weights, dtype=np.float64)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    nats: NDArray[np.float64] = -np.sum(p * logs, axis=-1)
    return nats


def jensen_shannon(vectors: Sequence[ArrayLike]) -> float:
    """The generalised Jensen-Shannon divergence of k distributions with equal shares: H(mean) - mean(H).

    In [0, ln k] nats: 0 where all are the same (so for one vector), ln k where no two share an element.
    ValueError for no vector, or vectors of different lengths.
    """
    if not vectors:
        raise ValueError("a divergence needs at least one vector")
    p = np.stack([np.asarray(vector, dtype=np.float64) for vector in vectors])
    divergence = entropy(p.mean(axis=0)) - entropy(p).mean()
    return float(np.clip(divergence, 0.0, np.log(len(p))))  # rounding may leave the range


def pairwise_jensen_shannon(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """`jensen_shannon` of two distributions over the last axis, the others broadcast: in [0, ln 2] nats (Lin 1991)."""
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    clipped: NDArray[np.float64] = np.clip(divergence, 0.0, np.log(2))  # rounding may leave the range
    return clipped


def total_variation(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Half the absolute differences' sum over the last axis, the others broadcast: in [0, 1]."""
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    distance: NDArray[np.float64] = np.minimum(
        np.abs(p - q).sum(axis=-1) / 2, 1.0
    )  # rounding may leave the range
    return distance
