"""How far distributions lie apart. Pure numpy, float64, in nats."""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SMALLEST = np.finfo(np.float64).smallest_normal  # the logarithm of which is finite


def entropy(weights: ArrayLike) -> NDArray[np.float64]:
    """Shannon entropy over the last axis, in nats, with 0 ln 0 = 0."""
    p = np.asarray(weights, dtype=np.float64)
    nats: NDArray[np.float64] = -(p * np.log(np.maximum(p, _SMALLEST))).sum(axis=-1)
    return nats


def jensen_shannon(vectors: Sequence[ArrayLike]) -> float:
    """The generalised Jensen-Shannon divergence of k distributions with equal shares: H(mean) - mean(H).

    In [0, ln k] nats: 0 where all are the same (so for one vector), ln k where no two share an element.
    ValueError for no vector, or vectors of different lengths.
    """
    if not vectors:
        raise ValueError("a divergence needs at least one vector")
    if len({np.shape(vector) for vector in vectors}) > 1:
        raise ValueError("the vectors of a divergence have the same shape")
    return jensen_shannon_each([vectors])[0]


def jensen_shannon_each(groups: Sequence[Sequence[ArrayLike]]) -> list[float]:
    """`jensen_shannon` of each group, all of as many vectors, in a group of one length; together they take little
    longer than one.
    """
    if not groups:
        return []
    p = np.zeros((len(groups), len(groups[0]), max(np.size(vectors[0]) for vectors in groups)))
    for rows, vectors in zip(p, groups, strict=True):
        length = np.size(vectors[0])
        for row, vector in zip(rows, vectors, strict=True):
            row[:length] = vector
    count, most = p.shape[1], log(p.shape[1])
    divergences = entropy(p.sum(axis=1) / count) - entropy(p).sum(axis=1) / count
    return [min(max(found, 0.0), most) for found in divergences.tolist()]  # rounding may leave the range


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
