"""The paper's three error modes: models that are right nearly always, and look in the wrong place a third of the time.

Whether a training ends in its mode depends on the weights it starts from. `scan` tries many; `SHIPPED` shows each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.analysis.dynamics import Shares
from attendant.analysis.landscape import ClassFocus, Floats, Landscape, Map, boxes_of, corners
from attendant.models.fcam import Fcam, FcamConfig, VectorNetworks
from attendant.models.focus_maps import Mechanism
from attendant.statistics.focus import FocusMeasures, Outcomes, measure_focus
from attendant.training.mosaics import (
    ERROR_MODES,
    SEGMENTS,
    Box,
    Mosaics,
    Plane,
    Split,
    plane_mosaics,
)
from attendant.training.planes import CPU, Optimizer, PlaneRecipe, PlaneTraining, train_plane
from attendant.training.progress import Report
from attendant.training.sdc import answer

HELD_OUT = 1_000  # mosaics of another split than the 200 in training
ACCURATE = 0.97
ASTRAY = (0.6, 0.75)  # the range of FT
SHIPPED: Mapping[int, int] = MappingProxyType({1: 5, 2: 19, 3: 0})  # a seed that shows each mode clearly
LOOKS = frozenset(np.geomspace(1, 600, 80).astype(int).tolist())  # epochs: most of it happens in the first
_MARGIN = 0.12  # around all boxes, of their extent
_NEAR = 3.0  # around the background alone, of its extent
_GRID = 240  # points of a landscape, along either axis


@dataclass(frozen=True)
class ErrorMode:
    """Numbered from 1, as in the paper. `remark` says what any linear f can do on its plane."""

    number: int
    plane: Plane
    config: FcamConfig
    recipe: PlaneRecipe
    remark: str


def _error_mode(number: int, remark: str, classifier: tuple[int, ...], optimizer: Optimizer) -> ErrorMode:
    plane = ERROR_MODES[number - 1]
    networks = VectorNetworks(2, (), classifier)
    config = FcamConfig(Mechanism.SOFTMAX, 0, SEGMENTS, len(plane.foreground), networks)
    return ErrorMode(number, plane, config, PlaneRecipe(optimizer), remark)


MODES: Mapping[int, ErrorMode] = MappingProxyType(
    {
        1: _error_mode(
            1,
            "A linear f could be right for every mosaic: f = x1 scores each foreground above all background.",
            (),
            Optimizer.SGD,
        ),
        2: _error_mode(
            2,
            "No linear f can be right for every mosaic: foregrounds lie on both sides of the background, and what is "
            "linear cannot be higher on both sides than between them.",
            (),
            Optimizer.SGD,
        ),
        3: _error_mode(
            3,
            "A linear f could be right for every mosaic: f = -x1 scores each foreground above all background.",
            (20, 20),
            Optimizer.ADAM,
        ),
    }
)


@dataclass(frozen=True)
class TrainedMode:
    """A model of an error mode, the mosaics that it was trained and measured on, and how it came about."""

    mode: ErrorMode
    seed: int
    trained: PlaneTraining
    training: Mosaics
    held_out: Mosaics
    measured_training: FocusMeasures
    measured_held_out: FocusMeasures

    @property
    def shown(self) -> bool:
        """Whether it ended in its mode, on both kinds of mosaics."""
        measures = (self.measured_training, self.measured_held_out)
        return all(shows_mode(one.accuracy.value, one.focus_true.value) for one in measures)


@dataclass(frozen=True)
class Initialisation:
    """How a training from the weights of a seed ended."""

    seed: int
    training: Shares
    held_out: Shares

    @property
    def shown(self) -> bool:
        """Whether it ended in its mode, on both kinds of mosaics."""
        return all(shows_mode(one.accuracy, one.focus_true) for one in (self.training, self.held_out))


def shows_mode(accuracy: float, focus_true: float) -> bool:
    low, high = ASTRAY
    return accuracy >= ACCURATE and low <= focus_true <= high


def mode_mosaics(number: int, data_seed: int = 0) -> tuple[Mosaics, Mosaics]:
    """200 in training, 1,000 held out."""
    plane = MODES[number].plane
    return plane_mosaics(plane, seed=data_seed), plane_mosaics(
        plane, HELD_OUT, split=Split.TEST, seed=data_seed
    )


def train_error_mode(number: int, seed: int, data_seed: int = 0) -> TrainedMode:
    """About a second. Not every seed ends in the mode; `shown` says whether this one does."""
    mode = MODES[number]
    training, held_out = mode_mosaics(number, data_seed)
    trained = train_plane(
        f"error mode {number}", mode.config, mode.recipe, training, held_out, seed=seed, looks=LOOKS
    )
    measures = (measure_focus(answer(trained.model, mosaics, CPU)) for mosaics in (training, held_out))
    return TrainedMode(mode, seed, trained, training, held_out, *measures)


def scan(number: int, seeds: Sequence[int], report: Report, data_seed: int = 0) -> Iterator[Initialisation]:
    """How trainings from the weights of these seeds end, all on the same mosaics."""
    mode = MODES[number]
    training, held_out = mode_mosaics(number, data_seed)
    for done, seed in enumerate(seeds, start=1):
        course = train_plane(
            f"seed {seed}", mode.config, mode.recipe, training, held_out, seed=seed, looks=()
        ).course
        report(done, len(seeds))
        yield Initialisation(seed, course.last.training, course.last.held_out)


@torch.inference_mode()
def survey(model: Fcam, mode: ErrorMode, mosaics: Mosaics) -> Landscape:
    """The model on these mosaics, and on those of background alone."""
    foreground, background = boxes_of(mode.plane)
    segments = torch.from_numpy(mosaics.gather(slice(None)))
    found = model(segments)
    predicted = found.logits.argmax(1).numpy()
    outcomes = Outcomes(
        found.weights.numpy(), predicted, mosaics.labels, mosaics.foreground, found.scores.numpy()
    )
    rows = torch.arange(len(mosaics))
    chosen = torch.from_numpy(mosaics.foreground)
    # From the scores: the weights of the background may all be 0 beside a foreground that has everything
    behind = found.scores.clone()
    behind[rows, chosen] = -torch.inf
    behind = behind.softmax(1).unsqueeze(1) @ segments  # N x 1 x 2
    shifts = (found.averaged - behind.squeeze(1)).norm(dim=1).numpy()
    alone = _called_without_foreground(model, mode.plane, len(mosaics))
    classes = []
    for number, box in enumerate(foreground):
        own = mosaics.labels == number
        classes.append(
            ClassFocus(
                number,
                int(own.sum()),
                float(outcomes.prediction_true[own].mean()),
                float(outcomes.focus_true[own].mean()),
                float(outcomes.foreground_weights[own].mean()),
                _score_range(model, box),
                float(shifts[own].mean()),
                float(alone[number]),
            )
        )
    return Landscape(
        foreground,
        background,
        mosaics.labels,
        predicted,
        segments[rows, found.weights.argmax(1)].numpy(),
        found.averaged.numpy(),
        _map(model, (*foreground, background), _MARGIN),
        _map(model, (background,), _NEAR),
        _score_range(model, background),
        tuple(classes),
        measure_focus(outcomes),
    )


def _called_without_foreground(model: Fcam, plane: Plane, count: int) -> NDArray[np.float64]:
    """The share of mosaics of background alone that are called each class, k."""
    alone = plane_mosaics(Plane(plane.background, plane.background), count, split=Split.TEST)
    called = model(torch.from_numpy(alone.gather(slice(None)))).logits.argmax(1).numpy()
    shares: NDArray[np.float64] = np.bincount(called, minlength=len(plane.foreground)) / count
    return shares


def _score_range(model: Fcam, box: Box) -> tuple[float, float]:
    scores, _ = model.examine(torch.from_numpy(corners(box)))
    return float(scores.min()), float(scores.max())


def _map(model: Fcam, boxes: Sequence[Box], around: float) -> Map:
    x1, x2 = _axis([box.x1 for box in boxes], around), _axis([box.x2 for box in boxes], around)
    points = torch.from_numpy(np.stack(np.meshgrid(x1, x2), axis=-1))  # R x C x 2
    scores, phi = model.examine(points.flatten(0, 1))
    shape = points.shape[:2]
    return Map(x1, x2, scores.reshape(shape).numpy(), model.classify(phi).argmax(1).reshape(shape).numpy())


def _axis(intervals: Sequence[tuple[float, float]], around: float) -> Floats:
    """From below the lowest to above the highest."""
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    margin = (high - low) * around
    return np.linspace(low - margin, high + margin, _GRID, dtype=np.float32)
