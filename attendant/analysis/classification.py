"""How good a binary classifier is: pure numpy. N examples; labels 0 or 1, 1 being the positive class."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.intervals import RESAMPLES, SEED, Estimate, bootstrap, proportion

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

    def __str__(self) -> str:
        return f"accuracy {self.accuracy:.4f}, F1 {self.f1:.4f}, calibration error {self.ece:.3f} ({self.n} rows)"


@dataclass(frozen=True)
class ClassificationEstimates:
    """The scores, each with its 95 % interval.

    The interval of `ece` is for the error itself, without what the chance of few rows in a bin adds to the figure.
    `ece_if_calibrated` is what a model would score on these rows if its probabilities were true: the mean, and where
    95 % of such scores lie. A figure inside it is no sign of miscalibration.
    """

    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    ece: Estimate
    ece_if_calibrated: Estimate


@dataclass(frozen=True)
class Reliability:
    """Bins of P(positive), of equal width: examples (`counts`), their mean P (`forecast`), positive share (`observed`).

    The last two are NaN in an empty bin.
    """

    counts: NDArray[np.int64]
    forecast: Probabilities
    observed: Probabilities


def score(labels: Labels, probabilities: Probabilities, threshold: float = 0.5) -> ClassificationScores:
    """Scores of P(positive), N, against labels, N; positive from `threshold` on.

    Raises ValueError for no examples, other shapes, other labels, or probabilities outside [0, 1].
    """
    _check(labels, probabilities)
    predicted = probabilities >= threshold
    positive = labels == 1
    hits = int((predicted & positive).sum())
    return ClassificationScores(
        accuracy=float((predicted == positive).mean()),
        precision=_ratio(hits, int(predicted.sum())),
        recall=_ratio(hits, int(positive.sum())),
        f1=float(_f1(predicted, positive)),
        ece=calibration_error(labels, probabilities),
        n=len(labels),
    )


def estimate(
    labels: Labels, probabilities: Probabilities, threshold: float = 0.5, seed: int = SEED
) -> ClassificationEstimates:
    """What `score` gives, with intervals: Wilson's for shares, bootstraps over rows for F1 and calibration error.

    Raises ValueError as `score` does.
    """
    _check(labels, probabilities)
    predicted = probabilities >= threshold
    positive = labels == 1
    hits = int((predicted & positive).sum())
    error = bootstrap(_calibration_errors, labels, probabilities, method="basic", seed=seed)
    return ClassificationEstimates(
        accuracy=proportion(int((predicted == positive).sum()), len(labels)),
        precision=proportion(hits, int(predicted.sum())),
        recall=proportion(hits, int(positive.sum())),
        f1=bootstrap(_f1, predicted, positive, seed=seed),
        ece=replace(error, low=max(0.0, error.low), high=max(0.0, error.high)),
        ece_if_calibrated=_error_if_calibrated(probabilities, seed),
    )


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = ECE_BINS) -> float:
    """Expected calibration error: |mean label - mean P(positive)| in bins of equal width, weighed by their examples.

    Bin b of n is [b / n, (b + 1) / n), the last one closed.
    """
    _check(labels, probabilities)
    return float(_calibration_errors(labels, probabilities, bins=bins))


def reliability(labels: Labels, probabilities: Probabilities, bins: int = ECE_BINS) -> Reliability:
    """What the calibration error is made of, bin by bin."""
    _check(labels, probabilities)
    bin_of = _bin(probabilities, bins)
    counts = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        forecast = np.bincount(bin_of, probabilities, bins) / counts
        observed = np.bincount(bin_of, labels, bins) / counts
    return Reliability(counts, forecast, observed)


def area_under_roc(labels: Labels, scores: Probabilities) -> Estimate:
    """How often a positive scores above a negative, ties as half; interval after Hanley & McNeil 1982.

    NaN where one of the classes is missing: nothing is told apart.
    """
    from scipy import stats  # noqa: PLC0415 - it takes a second

    positives = int((labels == 1).sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return Estimate(np.nan, 0.0, 1.0)
    ranks = stats.rankdata(scores)
    area = float((ranks[labels == 1].sum() / positives - (positives + 1) / 2) / negatives)
    both_above, above_both = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (positives - 1) * (both_above - area**2) + (negatives - 1) * (above_both - area**2)
    half = 1.959963984540054 * float(np.sqrt(variance / (positives * negatives)))
    return Estimate(area, max(0.0, area - half), min(1.0, area + half))


def _bin(probabilities: Probabilities, bins: int) -> NDArray[np.int64]:
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def _calibration_errors(
    labels: NDArray[Any],
    probabilities: Probabilities,
    axis: int = -1,  # noqa: ARG001 - always the last
    bins: int = ECE_BINS,
) -> NDArray[np.float64]:
    """Labels and probabilities S x N, or N, to errors S, or one."""
    shape = labels.shape[:-1]
    sets = int(np.prod(shape))
    bin_of = _bin(probabilities, bins).reshape(sets, -1) + bins * np.arange(sets)[:, None]
    gaps = np.bincount(bin_of.ravel(), (labels - probabilities).ravel(), bins * sets)
    return np.asarray(np.abs(gaps).reshape(*shape, bins).sum(-1) / labels.shape[-1])


def _error_if_calibrated(probabilities: Probabilities, seed: int) -> Estimate:
    """Labels are drawn from the probabilities themselves."""
    generator = np.random.default_rng(seed)
    errors = np.array(
        [
            _calibration_errors(generator.random(len(probabilities)) < probabilities, probabilities)
            for _ in range(RESAMPLES)
        ]
    )
    low, high = np.quantile(errors, (0.025, 0.975))
    return Estimate(float(errors.mean()), float(low), float(high))


def _f1(predicted: NDArray[np.bool_], positive: NDArray[np.bool_], axis: int = -1) -> NDArray[np.float64]:
    """2 hits / (predicted + positive), 0 where there is neither."""
    hits = (predicted & positive).sum(axis)
    return np.asarray(2 * hits / np.maximum(predicted.sum(axis) + positive.sum(axis), 1))


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
