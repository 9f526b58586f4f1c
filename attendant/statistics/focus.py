"""Whether attention looks where it should (spec: SDC measures). Pure numpy.

N mosaics of m segments, one of which is the foreground: the one that the class depends on. After Pandey, Vashisht &
Ramaswamy 2022, "On the Interpretability of Attention Networks"; NNZ and Dist are the attention summaries' own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.divergences import entropy
from attendant.statistics.intervals import Estimate, proportion
from attendant.statistics.summaries import summarise

THRESHOLDS = tuple(step / 20 for step in range(20))  # nothing is above 1
TOLERANCE = 1e-3  # float32 weights sum to nearly 1

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """What a model made of N >= 1 mosaics.

    `weights` N x m is alpha; `predicted` and `labels` N are classes; `foreground` N is the true foreground's index;
    `scores` N x m is f, where the model has scores behind its weights.
    """

    weights: NDArray[np.floating]
    predicted: NDArray[np.integer]
    labels: NDArray[np.integer]
    foreground: NDArray[np.integer]
    scores: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or 0 in shape or not all(part.shape == shape[:1] for part in self._rows):
            raise ValueError(f"weights are {shape}, rows {[part.shape for part in self._rows]}: not N x m, N")
        if not _are_weights(self.weights):
            raise ValueError("weights are at least 0 and sum to 1")
        if not 0 <= self.foreground.min() <= self.foreground.max() < shape[1]:
            raise ValueError(f"a foreground is 0 to {shape[1] - 1}")
        if self.scores is not None and (self.scores.shape != shape or not np.isfinite(self.scores).all()):
            raise ValueError(f"scores are {self.scores.shape} finite numbers; {shape} are expected")

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def _rows(self) -> tuple[NDArray[np.integer], ...]:
        return self.predicted, self.labels, self.foreground

    @property
    def prediction_true(self) -> Flags:
        flags: Flags = self.predicted == self.labels
        return flags

    @property
    def focus_true(self) -> Flags:
        """Whether the foreground has the largest weight, N; where several have, the first counts."""
        flags: Flags = self.weights.argmax(axis=1) == self.foreground
        return flags

    @property
    def focus_strictly_true(self) -> Flags | None:
        """Whether the foreground's score is larger than every other, N.

        Not the same as `focus_true` for spherical softmax, which weighs -2 as it does 2. None without scores.
        """
        if self.scores is None:
            return None
        own = self.scores[np.arange(len(self)), self.foreground]
        flags: Flags = (self.scores < own[:, None]).sum(axis=1) == self.scores.shape[1] - 1
        return flags

    @property
    def foreground_weights(self) -> NDArray[np.floating]:
        """Alpha of the true foreground, N."""
        weights: NDArray[np.floating] = self.weights[np.arange(len(self)), self.foreground]
        return weights


@dataclass(frozen=True)
class FocusMeasures:
    """The paper's measures of N mosaics; shares with 95 % intervals. The last four shares sum to 1."""

    mosaics: int
    accuracy: Estimate
    focus_true: Estimate  # FT: the foreground has the largest weight
    focus_strictly_true: Estimate | None  # FT as the paper defines it: the strictly largest score
    ftpt: Estimate  # focus true, prediction true
    ffpt: Estimate  # focus false, prediction true
    ftpf: Estimate
    ffpf: Estimate
    nnz: float  # mean #{alpha > 0.01}: of m, though the paper prints 1 / m before it
    dist: float  # mean distance to the nearest corner of the simplex
    entropy_nats: float  # mean
    entropy_bits: float  # mean, as the authors' released code has it
    thresholds: tuple[float, ...]
    above: tuple[Estimate, ...]  # share of mosaics whose foreground weighs more than each threshold (Fig. 6)


def measure_focus(outcomes: Outcomes, thresholds: Sequence[float] = THRESHOLDS) -> FocusMeasures:
    focus, prediction = outcomes.focus_true, outcomes.prediction_true
    strictly = outcomes.focus_strictly_true
    summaries = summarise(list(outcomes.weights))
    nats = float(np.maximum(entropy(outcomes.weights), 0.0).mean())  # rounding may leave the range
    return FocusMeasures(
        mosaics=len(outcomes),
        accuracy=_share(prediction),
        focus_true=_share(focus),
        focus_strictly_true=None if strictly is None else _share(strictly),
        ftpt=_share(focus & prediction),
        ffpt=_share(~focus & prediction),
        ftpf=_share(focus & ~prediction),
        ffpf=_share(~focus & ~prediction),
        nnz=float(np.mean([summary.nnz for summary in summaries])),
        dist=float(np.mean([summary.dist for summary in summaries])),
        entropy_nats=nats,
        entropy_bits=nats / float(np.log(2)),
        thresholds=tuple(thresholds),
        above=share_above(outcomes.foreground_weights, thresholds),
    )


def share_above(weights: ArrayLike, thresholds: Sequence[float]) -> tuple[Estimate, ...]:
    """The share of N weights above each threshold; a weight at the threshold is not above it."""
    values = np.asarray(weights, np.float64)
    return tuple(_share(values > threshold) for threshold in thresholds)


def _share(flags: Flags) -> Estimate:
    return proportion(int(flags.sum()), len(flags))


def _are_weights(weights: NDArray[np.floating]) -> bool:
    sums = weights.sum(axis=1, dtype=np.float64)
    return bool((weights >= 0).all() and (np.abs(sums - 1) <= TOLERANCE).all())  # NaN is neither
