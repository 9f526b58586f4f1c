"""Whether attention drifts: windows of explanations against a reference, and evidence added up over the windows until
it is enough for an alarm whose rate of false ones is known (spec: attention drift; docs/adr/0015).

n explanations a window, m in the reference, K streams watched.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.summaries import MEAN, Samples, Statistic, Stream, streams
from attendant.types import Modality

Floats = NDArray[np.float64]

LEAST = 20  # values; fewer in a window say nothing
_SMALLEST = 1e-290  # of p: its evidence, times what can be there before an alarm, is still a float
# Two samples of m of one population are nearer than 1.358 sqrt(2 / m) with 95 % (Kolmogorov and Smirnov). A quarter of
# 1 / sqrt(n) is lost in the noise of a window.
_APART, _LOST = 1.358 * np.sqrt(2), 0.25


@dataclass(frozen=True)
class Watched:
    """A stream that counts for the alarm, with its share of the weight; shares add up to 1 over a set of modalities."""

    stream: Stream
    group: str
    weight: float


@dataclass(frozen=True)
class Comparison:
    """A stream of a window against the reference.

    `distance` is the Kolmogorov distance of the two, in [0, 1]; `tolerance` what of it the reference's own size
    excuses; `p_value` in [0, 1] of a window of `n` being farther away than that; `evidence` its e-value, 1 where too
    few values were there to compare.
    """

    watched: Watched
    n: int
    distance: float
    tolerance: float
    p_value: float
    evidence: float


@cache
def watch(modalities: tuple[Modality, ...]) -> tuple[Watched, ...]:
    """What is watched of explanations with these modalities: few streams, in groups of the same weight.

    How spread out the attention over each modality is, by every source; where in the image it lies; what the modalities
    weigh; how far sources disagree; how long the inputs are; what is answered.
    """
    groups: dict[str, list[Stream]] = {}
    for stream in streams(modalities):
        group = _group(stream, alone=len(modalities) == 1)
        if group:
            groups.setdefault(group, []).append(stream)
    return tuple(
        Watched(stream, group, 1 / len(groups) / len(members))
        for group, members in groups.items()
        for stream in members
    )


def compare(window: Samples, reference: Samples) -> tuple[Comparison, ...]:
    """Every watched stream of a window; ValueError where the two are of different modalities."""
    if window.modalities != reference.modalities:
        raise ValueError(f"a window of {window.modalities} and a reference of {reference.modalities}")
    return tuple(
        _compare(watched, window.column(watched.stream), reference.column(watched.stream))
        for watched in watch(window.modalities)
    )


def kolmogorov_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The largest difference of two empirical distribution functions, in [0, 1]; neither may be empty."""
    x, y = np.sort(np.asarray(first, np.float64)), np.sort(np.asarray(second, np.float64))
    jumps = np.concatenate([x, y])
    below = (np.searchsorted(values, jumps, side="right") / len(values) for values in (x, y))
    return float(np.abs(np.subtract(*below)).max())


def tolerance(reference: int, window: int) -> float:
    """The Kolmogorov distance that a reference of m values excuses in a window of n.

    The reference is as far from the population that it was drawn from in every window, so that its error would add up
    to an alarm. What two halves of the same data may differ by is not held against a window: 1.358 sqrt(2 / m) less
    0.25 / sqrt(n), at least 0.
    """
    return max(0.0, float(_APART / np.sqrt(reference) - _LOST / np.sqrt(window)))


def p_value(distance: float, n: int, excused: float = 0.0) -> float:
    """Of a window of n being at least so far from a population that is itself within `excused` of the reference.

    Kolmogorov-Smirnov, exact for continuous values and conservative where values repeat.
    """
    from scipy.stats import kstwo  # noqa: PLC0415 - scipy.stats takes a second, which a worker would pay

    return float(kstwo.sf(max(0.0, distance - excused), n))


def e_values(p_values: ArrayLike) -> Floats:
    """Evidence in p-values in [0, 1]: (1 - p + p ln p) / (p ln^2 p) (Vovk and Wang 2021, the mixture of k p^(k-1)).

    Expects at most 1 of valid p-values; 1/2 for p = 1, and without bound as p goes to 0.
    """
    p = np.clip(np.asarray(p_values, np.float64), _SMALLEST, 1.0)
    logs = np.log(p)
    near = logs > -1e-4  # the quotient is 0 / 0 at 1; its series is 1/2 - ln p / 6
    safe = np.where(near, -1.0, logs)
    evidence: Floats = np.where(near, 0.5 - logs / 6, (1 - p + p * logs) / (p * safe**2))
    return evidence


class Evidence:
    """Adds evidence up over windows until it is enough: a mixture of Shiryaev-Roberts processes, one a stream.

    M_k <- (1 + M_k) e_k for each stream, and an alarm where their weighted sum is at least A = `run_length`. If every
    stream stays within its tolerance, E[e_k | what was before] <= 1, so that the sum less the number of windows is a
    supermartingale, whatever the streams have to do with each other: on average at least A windows pass before a false
    alarm. One stream that drifts grows at its own pace, and pays for the others once, with the logarithm of its weight.
    """

    def __init__(self, weights: ArrayLike, run_length: float) -> None:
        self.weights = np.asarray(weights, np.float64)
        if not np.isclose(self.weights.sum(), 1) or (self.weights <= 0).any():
            raise ValueError("weights are positive and add up to 1")
        self.run_length = run_length
        self.processes: Floats = np.zeros(len(self.weights))

    @property
    def total(self) -> float:
        return float(self.weights @ self.processes)

    @property
    def shares(self) -> Floats:
        """Each stream's part of the total: whose drift it is. All 0 where there is no evidence."""
        parts = self.weights * self.processes
        return parts / parts.sum() if parts.any() else parts

    def add(self, evidence: ArrayLike) -> bool:
        """One window's e-values, one a stream: whether that makes an alarm. After one, `clear`."""
        self.processes = (1 + self.processes) * np.asarray(evidence, np.float64)
        return self.total >= self.run_length

    def clear(self) -> None:
        self.processes = np.zeros_like(self.processes)


def _compare(watched: Watched, window: NDArray[np.float32], reference: NDArray[np.float32]) -> Comparison:
    values, usual = window[np.isfinite(window)], reference[np.isfinite(reference)]
    n = len(values)
    if min(n, len(usual)) < LEAST:
        return Comparison(watched, n, 0.0, 1.0, 1.0, 1.0)
    distance, excused = kolmogorov_distance(values, usual), tolerance(len(usual), n)
    p = p_value(distance, n, excused)
    return Comparison(watched, n, distance, excused, p, float(e_values(p)))


_GROUPS = {
    Statistic.LOG_RATIO: "weights of the modalities",
    Statistic.DISAGREEMENT: "disagreement",
    Statistic.ELEMENT_COUNT: "length",
    Statistic.PROBABILITY: "answers",
}
_PLACE = (Statistic.CENTRE_ROW, Statistic.CENTRE_COLUMN, Statistic.BORDER_MASS)


def _group(stream: Stream, *, alone: bool) -> str:
    """Empty for what is not watched: other ways to say the same, and a single source, which is its mean."""
    if stream.statistic is Statistic.ENTROPY_RATIO and stream.target in tuple(Modality):
        return "" if alone and stream.source != MEAN else f"attention over {stream.target}"
    if stream.statistic in _PLACE:
        return "place in the image" if stream.source == MEAN else ""
    return _GROUPS.get(stream.statistic, "")
