"""Erasure: the answer as the highest-weighted elements go (Serrano and Smith 2019; Li, Monroe and Jurafsky 2016).

L elements, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from attendant.explainers.base import Doubles, Explainable, Floats
from attendant.explainers.instance import choose_targets, predict
from attendant.methods import Erasure, ErasureCurve, ErasureOptions, share_counts
from attendant.types import Modality


def erasure(subject: Explainable, options: ErasureOptions) -> Erasure:
    """The curve of each target asked for: weights go to 0 from the highest on, ties in order; the rest is renormalised.

    Where nothing is left of the attention, the elements that are left share it equally. Comprehensiveness p - p(without
    the k highest) and sufficiency p - p(they alone) of the predicted class, in [-1, 1] (DeYoung et al. 2020), are at
    k = ceil(share L), at least 1 and at most L - 1: one element always goes, and one stays. Of one element both are 0.
    INVALID_INPUT for a target that the instance lacks.
    """
    targets = choose_targets(subject, options.targets, "options.erasure.targets")
    return Erasure(tuple(_curve(subject, target) for target in targets))


def _curve(subject: Explainable, target: Modality) -> ErasureCurve:
    weights = subject.attention(target)
    length = len(weights)
    order = np.argsort(-weights, kind="stable")
    place = np.argsort(order)  # of each element, from the highest
    counts = list(share_counts(length))  # indices, for numpy
    without = _renormalise(weights, place >= np.arange(length)[:, None])
    without[0] = weights  # to the last bit
    alone = _renormalise(weights, place < np.maximum(counts, 1)[:, None])
    answers = subject.attend(target, np.concatenate((without, alone)))  # (L + shares) x C
    labels = subject.decide(answers[:length])
    flips = np.flatnonzero(labels != labels[0])
    predicted = answers[:, predict(subject)]
    kept = predicted[length:] if length > 1 else predicted[counts]
    return ErasureCurve(
        target=target,
        probabilities=answers[:length, subject.tracked].astype(np.float32),
        flip_share=int(flips[0]) / length if len(flips) else None,
        comprehensiveness=_differences(predicted[0] - predicted[counts]),
        sufficiency=_differences(predicted[0] - kept),
    )


def _renormalise(weights: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Of L weights those in each row of `kept`, N x L, summing to 1: equal where they were 0."""
    rows = np.where(kept, weights, 0).astype(np.float64)
    empty = rows.sum(axis=1) == 0
    rows[empty] = kept[empty]
    shares: Floats = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _differences(values: Doubles) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
