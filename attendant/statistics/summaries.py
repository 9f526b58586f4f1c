"""What a vector of attention looks like, in numbers that fit on a line (spec: attention summaries). Pure numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.divergences import entropy
from attendant.types import REGIONS, Attention, AttentionSummary

NNZ_THRESHOLD = 0.01
TOP = 5

Floats = NDArray[np.float64]
_WIDTHS = (80, REGIONS)  # of tokens, words and segments; of what has an image with it


def summarise(vectors: Sequence[ArrayLike]) -> list[AttentionSummary]:
    """Of each vector of L >= 1 weights that sum to 1; where several are the largest, the first counts.

    An answer has a number for everything: the entropy ratio of one element is 0 here.
    """
    shapes = [np.shape(vector) for vector in vectors]
    for shape in shapes:
        if len(shape) != 1 or not shape[0]:
            raise ValueError(f"attention weights are one vector of at least one element, not {shape}")
    lengths = [length for (length,) in shapes]
    weights = np.zeros((len(vectors), _width(max(lengths, default=1))))
    for row, vector, length in zip(weights, vectors, lengths, strict=True):
        row[:length] = vector
    measured = zip(*(part.tolist() for part in measure_shape(weights, np.array(lengths))), strict=True)
    places = weights.argmax(axis=1).tolist()
    return [
        AttentionSummary(
            entropy_ratio=ratio if length > 1 else 0.0,
            effective_support=support,
            max_weight=largest,
            max_index=place,
            top5_mass=top5,
            nnz=int(nnz),
            dist=dist,
        )
        for length, place, (ratio, support, largest, top5, nnz, dist) in zip(
            lengths, places, measured, strict=True
        )
    ]


def summarise_each(attentions: Sequence[Attention]) -> list[list[AttentionSummary]]:
    """`summarise` of each one's vectors, to the last bit; together they take little longer than one."""
    groups: dict[int, list[int]] = {}
    for number, attention in enumerate(attentions):
        width = _width(max((vector.weights.size for vector in attention.vectors), default=1))
        groups.setdefault(width, []).append(number)
    summaries: list[list[AttentionSummary]] = [[] for _ in attentions]
    for members in groups.values():
        vectors = [vector.weights for number in members for vector in attentions[number].vectors]
        found = iter(summarise(vectors))
        for number in members:
            summaries[number] = [next(found) for _ in attentions[number].vectors]
    return summaries


def measure_shape(
    weights: Floats, lengths: NDArray[np.int64], entropies: Floats | None = None
) -> tuple[Floats, ...]:
    """Of the vectors in the last axis, which may be filled up with zeros behind `lengths` weights, each a number.

    Entropy ratio (NaN for one element, which has no shape), effective support, maximum, top-5 mass, NNZ, Dist.
    """
    logs = np.log(lengths)
    found = entropy(weights) if entropies is None else entropies
    nats = np.minimum(np.maximum(found, 0.0), logs)  # rounding may leave the range
    top = np.partition(weights, -TOP, axis=-1)[..., -TOP:] if weights.shape[-1] > TOP else weights
    # The nearest corner is that of the largest weight: ||alpha||^2 - 2 alpha_i + 1.
    from_corner = weights - (np.arange(weights.shape[-1]) == weights.argmax(axis=-1)[..., None])
    return (
        np.divide(nats, logs, out=np.full(nats.shape, np.nan), where=lengths > 1),
        np.exp(nats - logs),
        weights.max(axis=-1),
        np.minimum(top.sum(axis=-1), 1.0),
        (weights > NNZ_THRESHOLD).sum(axis=-1, dtype=np.float64),
        np.sqrt(np.square(from_corner).sum(axis=-1)),
    )


def _width(length: int) -> int:
    """How many numbers a row has, zeros behind. The last bit of a sum depends on it, and may not on the company."""
    return next((width for width in _WIDTHS if length <= width), length)
