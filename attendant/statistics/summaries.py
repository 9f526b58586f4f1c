"""What an attention vector looks like, in seven numbers (spec: attention summaries). Pure numpy, float64."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.divergences import entropy
from attendant.types import AttentionSummary

NNZ_THRESHOLD = 0.01
TOP = 5


def summarise(weights: ArrayLike) -> AttentionSummary:
    """Summary of one vector of L >= 1 weights that sum to 1; where several are the largest, the first counts."""
    alpha = np.asarray(weights, dtype=np.float64)
    if alpha.ndim != 1 or alpha.size == 0:
        raise ValueError(f"attention weights are one vector of at least one element, not {alpha.shape}")
    length = alpha.size
    nats = float(np.clip(entropy(alpha), 0.0, np.log(length)))  # rounding may leave the range
    largest = int(alpha.argmax())
    return AttentionSummary(
        entropy_ratio=nats / float(np.log(length)) if length > 1 else 0.0,
        effective_support=float(np.exp(nats - np.log(length))),
        max_weight=float(alpha[largest]),
        max_index=largest,
        top5_mass=min(float(np.sort(alpha)[-TOP:].sum()), 1.0),
        nnz=int(np.count_nonzero(alpha > NNZ_THRESHOLD)),
        dist=_distance_to_corner(alpha),
    )


def _distance_to_corner(alpha: NDArray[np.float64]) -> float:
    """min_i ||alpha - e_i||_2. The nearest corner is that of the largest weight: ||alpha||^2 - 2 alpha_i + 1."""
    corner = np.zeros_like(alpha)
    corner[alpha.argmax()] = 1.0
    return float(np.linalg.norm(alpha - corner))
