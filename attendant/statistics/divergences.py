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
