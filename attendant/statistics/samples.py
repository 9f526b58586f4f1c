"""What explanations look like in numbers that can be followed, to see how attention drifts (spec: attention drift).
Pure numpy.

B explanations of one set of modalities, V vectors each, S streams: the numbers of one explanation that can be followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.methods import Permutation
from attendant.statistics.divergences import entropy
from attendant.statistics.summaries import measure_shape
from attendant.types import (
    GRID,
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    Modality,
    Outcome,
)

POOLED = GRID // 2  # maps are pooled 2 x 2
MEAN = "mean"  # the source of a mean over sources
FUSION = "modality"  # the target of the fusion weights
MOSAIC = (Modality.SEGMENT,)  # the set of modalities of a mosaic

Floats = NDArray[np.float64]
_TINY = float(np.finfo(np.float32).tiny)


class Statistic(StrEnum):
    """What is measured of an explanation; docs/references.md defines each."""

    ENTROPY_RATIO = "entropy_ratio"  # H / ln L in [0, 1]; NaN for L = 1, which has no shape
    EFFECTIVE_SUPPORT = "effective_support"  # e^H / L in (0, 1]
    MAX_WEIGHT = "max_weight"
    TOP5_MASS = "top5_mass"
    NNZ = "nnz"  # #{alpha > 0.01}
    DIST = "dist"  # min_i ||alpha - e_i||_2
    CENTRE_ROW = "centre_row"  # of an image's weights, in (0, 1): 0 is the upper edge
    CENTRE_COLUMN = "centre_column"  # 0 is the left edge
    BORDER_MASS = "border_mass"  # on the 52 outermost of 196 cells; 52/196 where all weigh the same
    DISAGREEMENT = "disagreement"  # Jensen-Shannon divergence of a target's sources, nats
    ELEMENT_COUNT = "element_count"  # L
    LOG_RATIO = "log_ratio"  # isometric coordinates of the fusion weights, see `log_ratios`
    FOCUS_RISK = "focus_risk"  # of a mosaic: P(the focus is on the wrong segment)
    PROBABILITY = "probability"  # of the positive class; for mosaics of the label
    IMPACT = "impact"  # of permuting the weights of a target, in [0, 1]; NaN where that was not measured
    PRESENCE = "presence"  # of a modality in a request, 0 or 1: of the mix of requests, not of an explanation


# In the order in which `measure_shape` and `_place` return them.
_SHAPE = (
    Statistic.ENTROPY_RATIO,
    Statistic.EFFECTIVE_SUPPORT,
    Statistic.MAX_WEIGHT,
    Statistic.TOP5_MASS,
    Statistic.NNZ,
    Statistic.DIST,
)
_PLACE = (Statistic.CENTRE_ROW, Statistic.CENTRE_COLUMN, Statistic.BORDER_MASS)


@dataclass(frozen=True)
class Stream:
    """One number of an explanation. `target` is a modality or FUSION, `source` a modality or MEAN; "" for none."""

    statistic: Statistic
    target: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """As in entropy_ratio/text/image."""
        return "/".join(part for part in (self.statistic, self.target, self.source) if part)


@dataclass(frozen=True)
class Samples:
    """The statistics of N explanations that have the same modalities.

    `values` float32 N x S, in the order of `streams(modalities)`; what does not exist is NaN. `maps` float16
    N x K x 7 x 7: the image's weights, pooled, for K of its sources and their mean (K = 0 without an image).
    """

    modalities: tuple[Modality, ...]
    values: NDArray[np.float32]
    maps: NDArray[np.float16]

    def __post_init__(self) -> None:
        expected = (len(self.values), len(streams(self.modalities)))
        if self.values.shape != expected:
            raise ValueError(f"values are {self.values.shape}; {expected} are expected")
        pooled = (len(self.values), len(map_sources(self.modalities)), POOLED, POOLED)
        if self.maps.shape != pooled:
            raise ValueError(f"maps are {self.maps.shape}; {pooled} are expected")

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, some: slice) -> "Samples":
        """Those explanations alone."""
        return Samples(self.modalities, self.values[some], self.maps[some])

    def column(self, stream: Stream) -> NDArray[np.float32]:
        """That statistic of every explanation, N; ValueError for a stream that these modalities do not have."""
        return self.values[:, streams(self.modalities).index(stream)]

    def mean_maps(self) -> Floats:
        """K x 7 x 7, each summing to 1."""
        means = self.maps.astype(np.float64).mean(axis=0)
        sums: Floats = means / means.sum(axis=(-2, -1), keepdims=True)
        return sums


@cache
def streams(modalities: tuple[Modality, ...]) -> tuple[Stream, ...]:
    """The streams of explanations with these modalities, in the order that `Samples` keeps.

    Left out is what cannot vary: the top-5 mass of at most five elements, the number of regions, and whatever
    compares modalities where there is one.
    """
    return tuple(stream for stream in _measured(modalities) if _varies(stream))


def map_sources(modalities: tuple[Modality, ...]) -> tuple[str, ...]:
    """The sources whose maps of the image are kept, in order; none without an image."""
    return (*modalities, MEAN) if Modality.IMAGE in modalities else ()


def sample(outcomes: Sequence[Outcome], impacts: Sequence[Permutation | None] = ()) -> Samples:
    """The statistics of explanations of one set of modalities, with the permutation impacts of those that have some.

    ValueError for none, for sets that differ, or for a set whose vectors are not all there.
    """
    if not outcomes or (impacts and len(impacts) != len(outcomes)):
        raise ValueError(f"{len(outcomes)} explanations and {len(impacts)} impacts")
    modalities = modalities_of(outcomes[0].attention)
    rows = [_vectors(outcome.attention, modalities) for outcome in outcomes]
    lengths = np.array([[len(vector) for vector in row] for row in rows])
    weights = np.zeros((*lengths.shape, int(lengths.max())))
    for row, vectors in zip(weights, rows, strict=True):
        for line, vector in zip(row, vectors, strict=True):
            line[: len(vector)] = vector
    measured = _measure(modalities, weights, lengths)
    if modalities == MOSAIC:
        measured.append(np.array([[outcome.focus.risk if outcome.focus else np.nan] for outcome in outcomes]))
    measured.append(np.array([[outcome.prediction.probability] for outcome in outcomes]))
    measured.append(_impacts(modalities, impacts or [None] * len(outcomes)))
    values = np.concatenate(measured, axis=1)[:, _kept(modalities)]
    return Samples(modalities, values.astype(np.float32), _pooled(modalities, weights).astype(np.float16))


def concatenate(parts: Sequence[Samples]) -> Samples:
    """All of them, in order; ValueError for none and for sets that differ."""
    sets = {part.modalities for part in parts}
    if len(sets) != 1:
        raise ValueError(f"explanations of {len(sets)} sets of modalities")
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    return Samples(sets.pop(), values, np.concatenate([part.maps for part in parts]))


def modalities_of(attention: Attention) -> tuple[Modality, ...]:
    """The modalities that an explanation has vectors over, in the usual order."""
    targets = {vector.target for vector in attention.vectors}
    return tuple(modality for modality in (*MODALITIES, *MOSAIC) if modality in targets)


def name_of(modalities: tuple[Modality, ...]) -> str:
    """What a set of modalities is called: text+image+attribute."""
    return "+".join(modalities)


def log_ratios(weights: ArrayLike) -> Floats:
    """Isometric log-ratio (pivot) coordinates of D positive shares in the last axis: D - 1 of them.

    The i-th is sqrt((D - i) / (D - i + 1)) ln(x_i / geometric mean of x_{i+1} ... x_D), i from 1: each share against
    those behind it. Equal shares give zeros. A weight of 0 counts as the smallest normal float32.
    """
    logs = np.log(np.maximum(np.asarray(weights, dtype=np.float64), _TINY))
    rest = np.arange(logs.shape[-1] - 1, 0, -1)
    behind = np.cumsum(logs[..., ::-1], axis=-1)[..., ::-1][..., 1:] / rest
    coordinates: Floats = np.sqrt(rest / (rest + 1)) * (logs[..., :-1] - behind)
    return coordinates


def shares(coordinates: ArrayLike) -> Floats:
    """The D shares of D - 1 coordinates in the last axis: undoes `log_ratios`."""
    z = np.asarray(coordinates, dtype=np.float64)
    logs = np.zeros((*z.shape[:-1], z.shape[-1] + 1))
    for i in range(z.shape[-1]):  # logs are the sum of orthogonal directions, each of which sums to 0
        rest = z.shape[-1] - i
        pivot = z[..., i] * np.sqrt(rest / (rest + 1))
        logs[..., i] += pivot
        logs[..., i + 1 :] -= (pivot / rest)[..., None]
    exponentials = np.exp(logs - logs.max(axis=-1, keepdims=True))
    parts: Floats = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return parts


def _pairs(modalities: tuple[Modality, ...]) -> list[tuple[str, str]]:
    """Target and source of every vector, in order; the fusion weights last, where they can vary."""
    if modalities == MOSAIC:
        return [(Modality.SEGMENT, "")]
    pairs = [(str(target), str(source)) for target in modalities for source in (*modalities, MEAN)]
    return [*pairs, (FUSION, "")] if len(modalities) > 1 else pairs


def _measured(modalities: tuple[Modality, ...]) -> tuple[Stream, ...]:
    """What `sample` computes: in the order of `_measure`, and what an outcome says besides."""
    pairs = _pairs(modalities)
    answers = (Stream(Statistic.PROBABILITY), *(Stream(Statistic.IMPACT, t) for t in _permuted(modalities)))
    if modalities == MOSAIC:
        shape = (Stream(statistic, *pairs[0]) for statistic in _SHAPE)
        return (*shape, Stream(Statistic.FOCUS_RISK), *answers)
    return (
        *(Stream(statistic, target, source) for statistic in _SHAPE for target, source in pairs),
        *(
            Stream(statistic, Modality.IMAGE, source)
            for statistic in _PLACE
            for source in map_sources(modalities)
        ),
        *(Stream(Statistic.DISAGREEMENT, target) for target in modalities if len(modalities) > 1),
        *(Stream(Statistic.ELEMENT_COUNT, target) for target in modalities),
        *(Stream(Statistic.LOG_RATIO, pivot) for pivot in modalities[:-1]),
        *answers,
    )


def _permuted(modalities: tuple[Modality, ...]) -> tuple[str, ...]:
    """The targets whose weights can be permuted."""
    return (*modalities, FUSION) if len(modalities) > 1 else modalities


def _varies(stream: Stream) -> bool:
    if stream.statistic is Statistic.TOP5_MASS:
        return stream.target in (Modality.TEXT, Modality.IMAGE, Modality.SEGMENT)
    return stream.statistic is not Statistic.ELEMENT_COUNT or stream.target != Modality.IMAGE


@cache
def _kept(modalities: tuple[Modality, ...]) -> NDArray[np.bool_]:
    return np.array([_varies(stream) for stream in _measured(modalities)])


def _vectors(attention: Attention, modalities: tuple[Modality, ...]) -> list[NDArray[np.float32]]:
    """The weights in the order of `_pairs`; the fusion weights without absent modalities."""
    layout = tuple((vector.kind, vector.target, vector.source) for vector in attention.vectors)
    places, fusion = _find(layout, modalities)
    vectors = [attention.vectors[place].weights for place in places]
    if fusion is not None:
        vectors.append(attention.vectors[fusion].weights[_fused(modalities)])
    return vectors


@cache
def _find(
    layout: tuple[tuple[AttentionKind, Modality | None, Modality | None], ...],
    modalities: tuple[Modality, ...],
) -> tuple[tuple[int, ...], int | None]:
    """Where the vectors of `_pairs` are, and where the fusion weights, if they can vary."""
    targets = {target for _, target, _ in layout}
    present = tuple(modality for modality in (*MODALITIES, *MOSAIC) if modality in targets)
    if present != modalities:
        raise ValueError(f"explanations of {name_of(present)} and {name_of(modalities)}")
    if modalities == MOSAIC:
        return tuple(i for i, (kind, _, _) in enumerate(layout) if kind is AttentionKind.FOCUS), None
    found = {what: place for place, what in enumerate(layout)}
    try:
        places = tuple(
            found[AttentionKind.REPRESENTATION_MEAN, target, None]
            if source == MEAN
            else found[AttentionKind.REPRESENTATION, target, Modality(source)]
            for target in modalities
            for source in (*modalities, MEAN)
        )
        fusion = found[AttentionKind.MODALITY, None, None]
    except KeyError as error:
        raise ValueError(f"an explanation of {name_of(modalities)} lacks the vector {error}") from None
    return places, fusion if len(modalities) > 1 else None


@cache
def _fused(modalities: tuple[Modality, ...]) -> NDArray[np.intp]:
    """Where the weights of these modalities are in the fusion weights."""
    return np.array([MODALITIES.index(modality) for modality in modalities])


def _measure(modalities: tuple[Modality, ...], weights: Floats, lengths: NDArray[np.int64]) -> list[Floats]:
    """The statistics in the order of `_measured`, each B x some; `weights` B x V x L with zeros behind `lengths`."""
    if modalities == MOSAIC:
        return list(measure_shape(weights, lengths))
    count = len(modalities)
    pairs = count * (count + 1)
    by_target = weights[:, :pairs].reshape(len(weights), count, count + 1, -1)
    nats = entropy(weights)
    measured = list(measure_shape(weights, lengths, nats))
    if Modality.IMAGE in modalities:
        measured += _place(by_target[:, modalities.index(Modality.IMAGE), :, :REGIONS])
    if count > 1:
        measured.append(
            _disagreement(by_target[:, :, :-1], nats[:, :pairs].reshape(by_target.shape[:-1])[..., :-1])
        )
    measured.append(lengths[:, : pairs : count + 1].astype(np.float64))
    if count > 1:
        measured.append(log_ratios(weights[:, -1, :count]))
    return measured


def _impacts(modalities: tuple[Modality, ...], permuted: Sequence[Permutation | None]) -> Floats:
    """B x the targets of `_permuted`."""
    columns = {target: column for column, target in enumerate(_permuted(modalities))}
    impacts = np.full((len(permuted), len(columns)), np.nan)
    for row, found in zip(impacts, permuted, strict=True):
        for impact in found.impacts if found else ():
            row[columns[impact.target or FUSION]] = impact.impact
    return impacts


def _place(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """The statistics of _PLACE over the 14 x 14 cells in the last axis."""
    grid = weights.reshape(*weights.shape[:-1], GRID, GRID)
    rows, columns = grid.sum(axis=-1), grid.sum(axis=-2)
    total = rows.sum(axis=-1)
    middles = (np.arange(GRID) + 0.5) / GRID
    inside = grid[..., 1:-1, 1:-1].sum(axis=(-2, -1))
    return rows @ middles / total, columns @ middles / total, 1 - inside / total


def _disagreement(sources: Floats, each: Floats) -> Floats:
    """`divergences.jensen_shannon` of k sources in ... x k x L, whose entropies are ... x k."""
    nats = entropy(sources.mean(axis=-2)) - each.mean(axis=-1)
    clipped: Floats = np.clip(nats, 0.0, np.log(sources.shape[-2]))
    return clipped


def _pooled(modalities: tuple[Modality, ...], weights: Floats) -> Floats:
    """The image's vectors, B x K x 7 x 7: the sums of 2 x 2 cells."""
    sources = map_sources(modalities)
    if not sources:
        return np.zeros((len(weights), 0, POOLED, POOLED))
    first = modalities.index(Modality.IMAGE) * len(sources)
    grids = weights[:, first : first + len(sources), :REGIONS]
    sums: Floats = grids.reshape(len(weights), len(sources), POOLED, 2, POOLED, 2).sum(axis=(3, 5))
    return sums
