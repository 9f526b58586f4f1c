"""Whether attention drifts: windows of explanations against a reference, and evidence added up over the windows until
it is enough for an alarm whose rate of false ones is known (spec: attention drift; docs/adr/0015).

n explanations a window, m in the reference, K streams watched.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.samples import MEAN, Samples, Statistic, Stream, streams
from attendant.types import MODALITIES, Modality

Floats = NDArray[np.float64]
Columns = tuple[NDArray[np.float32], ...]  # one a watched stream: its finite values, ascending

LEAST = 20  # values; fewer in a window say nothing
_CERTAIN = 0.3  # distance times sqrt(n) below which p > 0.9999
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
    excuses; `p_value` in [0, 1] of a window of `n` being farther away than that; `evidence` its e-value. NaN where
    too few values were there to compare.
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
    weigh; how far sources disagree; how long the inputs are; what is answered; what permuting the weights would change.
    Of mosaics: how spread out the focus is, how likely on the wrong segment, and the last two.
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


# The modalities that requests have, whatever the explanations of each set look like.
MIX = tuple(
    Watched(Stream(Statistic.PRESENCE, modality), "mix of requests", 1 / len(MODALITIES))
    for modality in MODALITIES
)


def watched_values(samples: Samples) -> NDArray[np.float32]:
    """The watched streams alone, N x K."""
    return samples.values[:, _places(samples.modalities)]


def ordered(values: NDArray[np.float32]) -> Columns:
    """What is finite of each of K columns, ascending; `values` is N x K."""
    columns = np.sort(np.where(np.isfinite(values), values, np.nan).T)  # NaN comes last
    counts = np.isfinite(columns).sum(axis=1)
    return tuple(column[:count] for column, count in zip(columns, counts, strict=True))


def compare(watched: tuple[Watched, ...], window: Columns, reference: Columns) -> tuple[Comparison, ...]:
    """Every watched stream of a window, both `ordered`; ValueError where the numbers of columns differ."""
    sizes = np.array([(len(x), len(y)) for x, y in zip(window, reference, strict=True)])
    told = np.flatnonzero(sizes.min(axis=1) >= LEAST)
    distances, excused, p = np.full((3, len(watched)), np.nan)
    distances[told] = [_distance(window[k], reference[k]) for k in told]
    excused[told] = [tolerance(m, n) for n, m in sizes[told]]
    p[told] = p_values(distances[told], sizes[told, 0], excused[told])
    figures = np.stack([distances, excused, p, e_values(p)], axis=1).tolist()
    return tuple(
        Comparison(one, len(column), *row) for one, column, row in zip(watched, window, figures, strict=True)
    )


def kolmogorov_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The largest difference of two empirical distribution functions, in [0, 1]; neither may be empty."""
    return _distance(np.sort(np.asarray(first, np.float64)), np.sort(np.asarray(second, np.float64)))


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
    return float(p_values([distance], [n], [excused])[0])


def p_values(distances: ArrayLike, n: ArrayLike, excused: ArrayLike) -> Floats:
    """`p_value` of each. Those above 0.9999 count as 1: windows without drift have many, and they take the longest."""
    beyond = np.maximum(0.0, np.subtract(distances, excused))
    sizes = np.asarray(n, np.int64)
    p = np.ones(len(beyond))
    far = beyond * np.sqrt(sizes) > _CERTAIN
    if far.any():
        from scipy.stats import kstwo  # noqa: PLC0415 - scipy.stats takes a second, which a worker would pay

        p[far] = kstwo.sf(beyond[far], sizes[far])
    return p


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
        """One window's e-values, one a stream: whether that makes an alarm. After one, `clear`.

        A stream that the window says nothing of (NaN) stays as it is: with evidence of 1 it would grow by 1 in every
        window, up to an alarm about nothing.
        """
        grown = (1 + self.processes) * np.asarray(evidence, np.float64)
        self.processes = np.where(np.isnan(grown), self.processes, grown)
        return self.total >= self.run_length

    def clear(self) -> None:
        self.processes = np.zeros_like(self.processes)


def _distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """`kolmogorov_distance` of two that ascend. It is reached where the first jumps: just after, or just before."""
    steps = np.arange(len(x) + 1) / len(x)
    after = steps[1:] - np.searchsorted(y, x, side="right") / len(y)
    before = np.searchsorted(y, x, side="left") / len(y) - steps[:-1]
    return float(max(after.max(), before.max()))


@cache
def _places(modalities: tuple[Modality, ...]) -> NDArray[np.intp]:
    """Which columns of `Samples` are watched."""
    order = streams(modalities)
    return np.array([order.index(one.stream) for one in watch(modalities)])


_GROUPS = {
    Statistic.LOG_RATIO: "weights of the modalities",
    Statistic.DISAGREEMENT: "disagreement",
    Statistic.ELEMENT_COUNT: "length",
    Statistic.FOCUS_RISK: "focus risk",
    Statistic.PROBABILITY: "answers",
    Statistic.IMPACT: "impacts",
}
_PLACE = (Statistic.CENTRE_ROW, Statistic.CENTRE_COLUMN, Statistic.BORDER_MASS)


def _group(stream: Stream, *, alone: bool) -> str:
    """Empty for what is not watched: other ways to say the same, and a single source, which is its mean."""
    if stream == Stream(Statistic.ENTROPY_RATIO, Modality.SEGMENT):
        return "attention over the segments"
    if stream.statistic is Statistic.ENTROPY_RATIO and stream.target in tuple(Modality):
        return "" if alone and stream.source != MEAN else f"attention over {stream.target}"
    if stream.statistic in _PLACE:
        return "place in the image" if stream.source == MEAN else ""
    return _GROUPS.get(stream.statistic, "")
