"""The mosaics of CIFAR-10 that the models of Table 2 are trained and measured on, and single ones to ask about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attendant.errors import AttendantError, Reason
from attendant.training.cifar import read_cifar
from attendant.training.mosaics import (
    ERROR_MODE_MODELS,
    ERROR_MODES,
    ImageProtocol,
    Mosaics,
    Split,
    cifar_mosaics,
    plane_mosaics,
    pool_mosaics,
)

CIFAR_MODELS = "sdc-cifar-"
RISK_MOSAICS = 10_000
RISK_SEEDS = 1, 2


@dataclass(frozen=True)
class SdcSets:
    """30,000 mosaics for training, 10,000 of each other kind. The risk's two sets are of different held-out images."""

    training: Mosaics
    held_out: Mosaics
    authors: Mosaics  # of training images, as the paper's test mosaics
    risk_fitting: Mosaics
    risk_measuring: Mosaics
    classes: tuple[str, ...]


def read_sets(data: Path) -> SdcSets:
    """From a data folder; DataError names what is missing or wrong."""
    images = read_cifar(data)
    halves = (images.held_out & ~images.second_half, images.held_out & images.second_half)
    fitting, measuring = (
        pool_mosaics(images, half, RISK_MOSAICS, split=Split.TEST, seed=seed)
        for half, seed in zip(halves, RISK_SEEDS, strict=True)
    )
    training = cifar_mosaics(images, Split.TRAINING)
    return SdcSets(
        training,
        cifar_mosaics(images, Split.TEST),
        cifar_mosaics(images, Split.TEST, protocol=ImageProtocol.AUTHORS),
        fitting,
        measuring,
        images.classes[: training.classes],
    )


def draw_held_out(model: str, number: int, find_data: Callable[[], Path]) -> tuple[Mosaics, str]:
    """One mosaic, the `number`-th of those held out for a model of that name, and the name of its class.

    AttendantError where the model is none that mosaics can be drawn for.
    """
    if model.startswith(CIFAR_MODELS):
        images = read_cifar(find_data())
        drawn = cifar_mosaics(images, Split.TEST, number + 1)
        classes = images.classes
    elif model in ERROR_MODE_MODELS:
        plane = ERROR_MODES[ERROR_MODE_MODELS.index(model)]
        drawn = plane_mosaics(plane, number + 1, split=Split.TEST)
        classes = name_classes(drawn.classes)
    else:
        names = ", ".join((f"{CIFAR_MODELS}...", *ERROR_MODE_MODELS))
        raise AttendantError(
            f"no mosaics can be drawn for {model!r}; they can for {names}", Reason.INVALID_INPUT
        )
    last = drawn.some(slice(number, None))
    return last, classes[int(last.labels[0])]


def name_classes(count: int) -> tuple[str, ...]:
    """What the classes of points are called."""
    return tuple(f"class {label}" for label in range(1, count + 1))
