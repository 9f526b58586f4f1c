"""Mosaics for selective dependence classification (spec: SDC, Algorithm 1).

A mosaic is m segments: one foreground, drawn from D_y, at a position drawn uniformly; the others are drawn from D_0,
each independently. Its label is y, drawn uniformly from k classes. After Pandey, Vashisht & Ramaswamy 2022, "On the
Interpretability of Attention Networks".

A seed fixes everything. Labels, positions, foregrounds and backgrounds of either split have a stream of random numbers
each, so a set changes with no other, and a smaller set is the beginning of a larger one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.training.cifar import Cifar

SEGMENTS = 9  # m
PLANE_MOSAICS = 200  # that the error modes were trained on
CIFAR_FOREGROUND = (0, 1, 2)  # plane, car, bird; the other seven classes are background

Indices = NDArray[np.int64]
Points = NDArray[np.float64]


class Split(IntEnum):
    """What mosaics are for. Its number is a part of the seed."""

    TRAINING = 0
    TEST = 1


class ImageProtocol(StrEnum):
    """Which images test mosaics of CIFAR-10 are drawn from."""

    LEAK_FREE = "leak-free"  # held-out images, which no training mosaic has
    AUTHORS = "authors"  # the training images again, as in the paper: for comparison


CIFAR_MOSAICS = {Split.TRAINING: 30_000, Split.TEST: 10_000}


class _Purpose(IntEnum):
    LABELS = 0
    POSITIONS = 1
    FOREGROUND = 2
    BACKGROUND = 3
    PARTS = 4


@dataclass(frozen=True)
class Mosaics:
    """N mosaics of m segments each, kept as indices N x m into a bank of elements, E x ....

    `labels` N, from 0 to `classes` - 1; `foreground` N is where the foreground is, from 0 to m - 1.
    """

    bank: NDArray[Any]
    indices: Indices
    labels: Indices
    foreground: Indices
    classes: int

    def __post_init__(self) -> None:
        if self.indices.ndim != 2 or not self.labels.shape == self.foreground.shape == (len(self),):
            raise ValueError(
                f"indices {self.indices.shape}, labels {self.labels.shape}, foreground {self.foreground.shape}; "
                "they are N x m, N, N"
            )
        for name, values, limit in (
            ("indices", self.indices, len(self.bank)),
            ("labels", self.labels, self.classes),
            ("foreground", self.foreground, self.segments),
        ):
            if values.size and not 0 <= values.min() <= values.max() < limit:
                raise ValueError(f"{name} are 0 to {limit - 1}")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def segments(self) -> int:
        """How many a mosaic has: m."""
        return int(self.indices.shape[1])

    def gather(self, rows: slice | ArrayLike) -> NDArray[Any]:
        """The segments of B mosaics, by their numbers: B x m x ...."""
        chosen = self.indices[rows if isinstance(rows, slice) else np.asarray(rows, np.int64)]
        elements: NDArray[Any] = self.bank[chosen]
        return elements

    def some(self, rows: slice) -> "Mosaics":
        """Those with these numbers, of the same bank."""
        indices, labels, foreground = (part[rows] for part in (self.indices, self.labels, self.foreground))
        return replace(self, indices=indices, labels=labels, foreground=foreground)

    @property
    def foreground_indices(self) -> Indices:
        """Of each mosaic's foreground in the bank, N."""
        return self.indices[np.arange(len(self)), self.foreground]

    @property
    def background_indices(self) -> Indices:
        """Of each mosaic's other segments in the bank, N x (m - 1)."""
        return self.indices[_others(self.foreground, self.segments)].reshape(len(self), -1)


class Distribution(Protocol):
    """Where points of the plane are drawn from."""

    def draw(self, rng: np.random.Generator, count: int) -> Points:
        """`count` points, count x 2; fewer are the beginning of more."""
        ...


@dataclass(frozen=True)
class Box:
    """Uniform on x1 x x2; each is an interval."""

    x1: tuple[float, float]
    x2: tuple[float, float]

    def draw(self, rng: np.random.Generator, count: int) -> Points:
        low, high = zip(self.x1, self.x2, strict=True)
        return rng.uniform(low, high, (count, 2))


@dataclass(frozen=True)
class Gaussian:
    """Normal around a mean; the two coordinates are independent and have one deviation."""

    mean: tuple[float, float]
    deviation: float

    def draw(self, rng: np.random.Generator, count: int) -> Points:
        return rng.normal(self.mean, self.deviation, (count, 2))


@dataclass(frozen=True)
class Plane:
    """D_1 ... D_k, one a class, and D_0: one of its parts, each as often as any other."""

    foreground: tuple[Distribution, ...]
    background: tuple[Distribution, ...]


# The paper's three error modes: a model can end near 100 % accuracy with a third of its focus wrong.
MODE_1 = Plane(  # linear f and g
    (Box((5, 6), (2, 4)), Box((5, 6), (-5, -3)), Box((8, 9), (-2, 0))),
    (Box((1, 2), (-1, 5)),),
)
MODE_2 = Plane(  # linear f and g
    (Box((5, 6), (2, 4)), Box((5, 6), (-5, -3)), Box((-3, -2), (-2, 0))),
    (Box((1, 2), (-8, 5)),),
)
MODE_3 = Plane(  # linear f, g of 2-20-20-6
    (
        Box((1.5, 1.6), (7.0, 7.1)),
        Box((1.5, 1.6), (5.0, 5.1)),
        Box((1.5, 1.6), (3.0, 3.1)),
        Box((1.5, 1.6), (1.0, 1.1)),
        Box((1.5, 1.6), (-1.0, -0.9)),
        Box((1.5, 1.6), (-3.0, -2.9)),
    ),
    (Box((2.1, 2.2), (2.0, 2.1)),),
)
ERROR_MODES = (MODE_1, MODE_2, MODE_3)
ERROR_MODE_MODELS = tuple(
    f"sdc-error-mode-{number}" for number in range(1, len(ERROR_MODES) + 1)
)  # their names

# The clusters of the set that the authors published (sdc_dataset1.npz), found in its 3,000 mosaics.
CLUSTERS = Plane(
    tuple(Gaussian(mean, 0.1) for mean in ((4.0, 6.5), (5.5, 6.0), (4.5, 4.5))),
    tuple(
        Gaussian(mean, 0.1)
        for mean in ((6.5, 4.5), (3.5, 8.0), (5.5, 8.0), (5.0, 3.0), (7.0, 6.5), (3.0, 3.5), (2.5, 5.5))
    ),
)


def plane_mosaics(
    plane: Plane,
    count: int = PLANE_MOSAICS,
    *,
    split: Split = Split.TRAINING,
    segments: int = SEGMENTS,
    seed: int = 0,
) -> Mosaics:
    """Mosaics of points, float32; every segment is a point of its own."""
    streams = _Streams(seed, split)
    labels, foreground = _compose(streams, count, segments, len(plane.foreground))
    others = count * (segments - 1)
    parts = streams.of(_Purpose.PARTS).integers(0, len(plane.background), others)
    points = np.empty((count, segments, 2), np.float32)
    points[np.arange(count), foreground] = _draw(plane.foreground, labels, streams, _Purpose.FOREGROUND)
    points[_others(foreground, segments)] = _draw(plane.background, parts, streams, _Purpose.BACKGROUND)
    indices = np.arange(count * segments, dtype=np.int64).reshape(count, segments)
    return Mosaics(points.reshape(-1, 2), indices, labels, foreground, len(plane.foreground))


def cifar_mosaics(
    images: Cifar,
    split: Split,
    count: int | None = None,
    *,
    protocol: ImageProtocol | str = ImageProtocol.LEAK_FREE,
    segments: int = SEGMENTS,
    seed: int = 0,
) -> Mosaics:
    """CIFAR-SDC: 30,000 training or 10,000 test mosaics, or `count`.

    Training mosaics are the same under both protocols, so one model can be measured under both. The authors held no
    image out: their pool was all 50,000.
    """
    leak_free = ImageProtocol(protocol) is ImageProtocol.LEAK_FREE
    pool = images.held_out if leak_free and split is Split.TEST else ~images.held_out
    number = CIFAR_MOSAICS[split] if count is None else count
    return pool_mosaics(images, pool, number, split=split, segments=segments, seed=seed)


def pool_mosaics(
    images: Cifar,
    pool: NDArray[np.bool_],
    count: int,
    *,
    split: Split,
    segments: int = SEGMENTS,
    seed: int = 0,
) -> Mosaics:
    """CIFAR-SDC from some of the images: those that `pool`, a flag an image, names."""
    return bank_mosaics(
        images.pixels,
        [np.flatnonzero(pool & (images.labels == label)) for label in CIFAR_FOREGROUND],
        np.flatnonzero(pool & ~np.isin(images.labels, CIFAR_FOREGROUND)),
        count,
        split=split,
        segments=segments,
        seed=seed,
    )


def bank_mosaics(
    bank: NDArray[Any],
    foreground: Sequence[Indices],
    background: Indices,
    count: int,
    *,
    split: Split,
    segments: int = SEGMENTS,
    seed: int = 0,
) -> Mosaics:
    """Mosaics of elements of a bank, drawn with replacement: foregrounds from one set of indices a class.

    ValueError for a class, or a background, of no elements.
    """
    if not all(len(pool) for pool in (*foreground, background)):
        raise ValueError(f"no elements: {[len(pool) for pool in foreground]} and {len(background)} behind")
    streams = _Streams(seed, split)
    labels, positions = _compose(streams, count, segments, len(foreground))
    sizes = np.array([len(pool) for pool in foreground])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    places = starts[labels] + streams.of(_Purpose.FOREGROUND).integers(0, sizes[labels])
    others = streams.of(_Purpose.BACKGROUND).integers(0, len(background), count * (segments - 1))
    indices = np.empty((count, segments), np.int64)
    indices[np.arange(count), positions] = np.concatenate(foreground)[places]
    indices[_others(positions, segments)] = background[others]
    return Mosaics(bank, indices, labels, positions, len(foreground))


@dataclass(frozen=True)
class _Streams:
    """Independent random numbers for each purpose of a split."""

    seed: int
    split: Split

    def of(self, purpose: _Purpose, part: int = 0) -> np.random.Generator:
        key = (int(self.split), int(purpose), part)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def _compose(streams: _Streams, count: int, segments: int, classes: int) -> tuple[Indices, Indices]:
    """Labels and positions, N each."""
    if count < 0 or segments < 1 or classes < 1:
        raise ValueError(f"{count} mosaics of {segments} segments, {classes} classes")
    labels = streams.of(_Purpose.LABELS).integers(0, classes, count)
    return labels, streams.of(_Purpose.POSITIONS).integers(0, segments, count)


def _others(foreground: Indices, segments: int) -> NDArray[np.bool_]:
    """Where the background is, N x m."""
    others: NDArray[np.bool_] = np.arange(segments) != foreground[:, None]
    return others


def _draw(
    distributions: Sequence[Distribution], which: Indices, streams: _Streams, purpose: _Purpose
) -> Points:
    """A point of the distribution that `which` names, for each: n x 2."""
    points = np.empty((len(which), 2))
    for number, distribution in enumerate(distributions):
        chosen = which == number
        points[chosen] = distribution.draw(streams.of(purpose, number), int(chosen.sum()))
    return points
