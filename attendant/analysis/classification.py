"""How good a binary classifier is: pure numpy. N examples; labels 0 or 1, 1 being the positive class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class ClassificationScores:
    """All in [0, 1] but n: precision, recall and F1 are those of the positive class, 0 where undefined;

    `ece` is the expected calibration error.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    ece: float
    n: int


def score(labels: Labels, probabilities: Probabilities, threshold: float = 0.5) -> ClassificationScores:
    """Scores of P(positive), N, against labels, N; positive from `threshold` on.

    Raises ValueError for no examples, other shapes, other labels, or probabilities outside [0, 1].
    """
    _check(labels, probabilities)
    predicted = probabilities >= threshold
    positive = labels == 1
    hits = int((predicted & positive).sum())
    precision = _ratio(hits, int(predicted.sum()))
    recall = _ratio(hits, int(positive.sum()))
    return ClassificationScores(
        accuracy=float((predicted == positive).mean()),
        precision=precision,
        recall=recall,
        f1=_ratio(2 * precision * recall, precision + recall),
        ece=calibration_error(labels, probabilities),
        n=len(labels),
    )


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = ECE_BINS) -> float:
    """Expected calibration error: |mean label - mean P(positive)| in bins of equal width, weighed by their examples.

    Bin b of n is [b / n, (b + 1) / n), the last one closed.
    """
    _check(labels, probabilities)
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_of, weights=labels - probabilities, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _check(labels: Labels, probabilities: Probabilities) -> None:
    if labels.ndim != 1 or labels.shape != probabilities.shape or not len(labels):
        raise ValueError(
            f"labels {labels.shape} and probabilities {probabilities.shape} must be equally long, not empty"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must be in [0, 1]")
