"""A model of points of the plane, laid open: where it looks, what it sees there, and what it calls it.

N mosaics of m segments of two numbers, k classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.focus import FocusMeasures
from attendant.training.mosaics import Box, Plane

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """The model at every point of a grid of x1 (C numbers) and x2 (R numbers)."""

    x1: Floats
    x2: Floats
    scores: Floats  # f, R x C
    classes: Indices  # of which g thinks each point, R x C


@dataclass(frozen=True)
class ClassFocus:
    """What becomes of the mosaics of a class, numbered from 0. Shares are of its mosaics."""

    number: int
    mosaics: int
    prediction_true: float
    focus_true: float
    foreground_weight: float  # mean
    score: tuple[float, float]  # the lowest and the highest f anywhere in its box
    shift: float  # mean distance between the average of a mosaic and that of its background alone
    without_foreground: float  # share of mosaics of background alone that are called this class

    @property
    def astray(self) -> bool:
        """Whether attention mostly rests on the background."""
        return self.focus_true < 0.5


@dataclass(frozen=True)
class Landscape:
    """What was found of a model on N mosaics of a plane; every distribution is a box."""

    foreground: tuple[Box, ...]
    background: Box
    labels: Indices  # N
    predicted: Indices  # N
    attended: Floats  # the segment with the largest weight, N x 2
    averaged: Floats  # what the classifier reads, N x 2
    whole: Map  # with all boxes in it
    near: Map  # the background and what lies close by
    background_score: tuple[float, float]  # the lowest and the highest f anywhere in the box
    classes: tuple[ClassFocus, ...]
    measures: FocusMeasures


def boxes_of(plane: Plane) -> tuple[tuple[Box, ...], Box]:
    """The boxes of the classes and of the background. ValueError for a plane of anything else."""
    foreground = tuple(part for part in plane.foreground if isinstance(part, Box))
    background = tuple(part for part in plane.background if isinstance(part, Box))
    if len(foreground) != len(plane.foreground) or not len(background) == len(plane.background) == 1:
        raise ValueError("a landscape is of boxes, one of them the background")
    return foreground, background[0]


def corners(box: Box) -> Floats:
    """4 x 2. What is linear is lowest and highest there, of all points of the box."""
    return np.array([(x1, x2) for x1 in box.x1 for x2 in box.x2], np.float32)


def reasons(landscape: Landscape) -> tuple[str, ...]:
    """Why classes that attention misses are recognised all the same: a sentence or two each, in plain words."""
    return tuple(_reason(one, landscape.background) for one in landscape.classes if one.astray)


def _reason(one: ClassFocus, background: Box) -> str:
    name = f"class {one.number + 1}"
    seen = (
        f"{name.capitalize()}: attention is on the background in {1 - one.focus_true:.0%} of its mosaics, and the "
        f"answer is right in {one.prediction_true:.1%}."
    )
    if one.without_foreground > 0.5:
        return (
            f"{seen} It is known by the absence of the others: of mosaics of background alone, "
            f"{one.without_foreground:.1%} are called {name}."
        )
    widest = max(high - low for low, high in (background.x1, background.x2))
    return (
        f"{seen} A trace of it is enough: {one.foreground_weight:.1%} of the weight moves the average by "
        f"{one.shift:.2f}, and the background is only {widest:.2g} wide."
    )
