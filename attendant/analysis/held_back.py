"""What no training has seen, for every model that is shipped, in two halves: its reference is made of one, and
simulations of drift draw from the other.
"""

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attendant.analysis.references import SEED, Halves, HeldBack, hold_back_tweets
from attendant.analysis.rows import DataError
from attendant.errors import AttendantError, Reason
from attendant.manifest import ModelManifest
from attendant.statistics.samples import MOSAIC
from attendant.training.cifar import Cifar, read_cifar
from attendant.training.mosaics import (
    CIFAR_FOREGROUND,
    ERROR_MODE_MODELS,
    ERROR_MODES,
    SEGMENTS,
    Mosaics,
    Split,
    plane_mosaics,
)
from attendant.training.sdc_sets import CIFAR_MODELS
from attendant.types import Instance, Modality, Mosaic, Segment

MOSAICS = 2_000  # of either half, at most: points never end, and images do
CIFAR_RULE = (
    "the first byte of SHA-256('SEED' NUL pixels) of an image is below 128: reference; otherwise replay"
)
PLANE_RULE = "mosaics drawn with seed REFERENCE: reference; with seed REPLAY: replay"
_DRAWS = 1_000  # smaller seeds draw what models and their focus risk are fitted and measured on


def hold_back(
    manifest: ModelManifest,
    find_data: Callable[[], Path],
    *,
    seed: int = SEED,
    mosaics: int = MOSAICS,
) -> HeldBack:
    """Both halves for a model of the store, at most `mosaics` in each; the data are asked for where they are needed.

    With the seed of its reference, nothing in the replay half was in that. DataError for data that are not as they
    should be, AttendantError for a model of mosaics that none can be drawn for.
    """
    if manifest.archive == "sarcasm":
        return hold_back_tweets(find_data(), seed)
    if manifest.name.startswith(CIFAR_MODELS):
        return _of_images(read_cifar(find_data()), seed, mosaics)
    if manifest.name in ERROR_MODE_MODELS:
        return _of_points(ERROR_MODE_MODELS.index(manifest.name), seed, mosaics)
    raise AttendantError(
        f"no mosaics can be drawn for {manifest.name!r}; they can for {CIFAR_MODELS}..., "
        f"{', '.join(ERROR_MODE_MODELS)}",
        Reason.INVALID_INPUT,
    )


def replay_inputs(
    manifest: ModelManifest, find_data: Callable[[], Path], *, seed: int = SEED, mosaics: int = MOSAICS
) -> dict[tuple[Modality, ...], tuple[Instance, ...]]:
    """What simulations may draw from, by set of modalities; see `hold_back`."""
    held_back = hold_back(manifest, find_data, seed=seed, mosaics=mosaics)
    return {one.modalities: one.replay for one in held_back.sets}


def draw_once(images: Cifar, pool: NDArray[np.bool_], count: int, seed: int) -> Mosaics:
    """Mosaics of the images that `pool` flags, each of which is in one at most: `count`, or as many as there can be.

    So they are as independent as tests of their statistics take them to be. The mosaics of training and evaluation are
    drawn with replacement: of 2,000, each background would be in four or five, and halves of the images would differ by
    more than numbers of mosaics account for.
    """
    rng = np.random.default_rng(seed)
    behind = rng.permutation(np.flatnonzero(pool & ~np.isin(images.labels, CIFAR_FOREGROUND)))
    classes = [rng.permutation(np.flatnonzero(pool & (images.labels == label))) for label in CIFAR_FOREGROUND]
    count = min(count, len(behind) // (SEGMENTS - 1), *map(len, classes))
    labels, positions = rng.integers(0, len(classes), count), rng.integers(0, SEGMENTS, count)
    ahead = np.empty(count, np.int64)
    for label, members in enumerate(classes):
        ahead[labels == label] = members[: (labels == label).sum()]
    indices = np.empty((count, SEGMENTS), np.int64)
    first = np.arange(SEGMENTS) == positions[:, None]
    indices[first], indices[~first] = ahead, behind[: count * (SEGMENTS - 1)]
    return Mosaics(images.pixels, indices, labels, positions, len(classes))


def _of_images(images: Cifar, seed: int, count: int) -> HeldBack:
    """Of those that training leaves out; no image is in both halves."""
    reference = np.zeros(len(images), np.bool_)
    for number in np.flatnonzero(images.held_out):
        content = f"{seed}\0".encode() + images.pixels[number].tobytes()
        reference[number] = hashlib.sha256(content).digest()[0] < 128
    pools = images.held_out & reference, images.held_out & ~reference
    halves = [draw_once(images, pool, count, draws) for pool, draws in zip(pools, _draws(seed), strict=True)]
    if not all(map(len, halves)):
        raise DataError("too few images of CIFAR-10 are held out for a mosaic")
    inputs = "mosaics of CIFAR-10 images that training leaves out, each in one mosaic at most"
    return _held_back(inputs, CIFAR_RULE, seed, "mosaics of held-out images", halves)


def _of_points(mode: int, seed: int, count: int) -> HeldBack:
    halves = [plane_mosaics(ERROR_MODES[mode], count, split=Split.TEST, seed=draws) for draws in _draws(seed)]
    inputs = f"mosaics of points drawn from the plane of error mode {mode + 1}"
    return _held_back(inputs, PLANE_RULE, seed, "mosaics of newly drawn points", halves)


def _draws(seed: int) -> tuple[int, int]:
    """The seeds that the mosaics of the halves are drawn with."""
    return _DRAWS + 2 * seed, _DRAWS + 2 * seed + 1


def _held_back(inputs: str, rule: str, seed: int, source: str, halves: list[Mosaics]) -> HeldBack:
    drawn = dict(zip(("REFERENCE", "REPLAY"), _draws(seed), strict=True))
    for name, value in {"SEED": seed, **drawn}.items():
        rule = rule.replace(name, str(value))
    return HeldBack(inputs, rule, seed, (Halves(MOSAIC, source, *map(_as_asked, halves)),))


def _as_asked(drawn: Mosaics) -> tuple[Instance, ...]:
    """As the service is asked about them: images as PNG, points as numbers."""
    return tuple(
        Mosaic(tuple(map(_segment, segments)), int(foreground))
        for segments, foreground in zip(drawn.gather(slice(None)), drawn.foreground, strict=True)
    )


def _segment(element: NDArray[Any]) -> Segment:
    if element.ndim == 1:
        return tuple(element.tolist())
    file = BytesIO()
    Image.fromarray(element).save(file, "PNG")
    return file.getvalue()
