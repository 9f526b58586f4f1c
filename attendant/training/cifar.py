"""CIFAR-10 (Krizhevsky 2009) as it lies in a data folder: sheets of 32 x 32 images in lossless WebP, and their labels.

The files are read, never copied. 50,000 training images take 154 MB and a few seconds to decode.
"""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attendant.analysis.rows import DataError

SIDE = 32
SHEETS = {
    "train": tuple(f"train_{number}.webp" for number in range(5)),
    "test": ("test_first1000_lossless.webp",),
}
HELD_OUT_SHARE = 51  # of 256: one image in five, about 10,000 of 50,000
HALF = 128  # of 256

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Cifar:
    """N images: `pixels` uint8 N x 32 x 32 x 3 (RGB), `labels` int64 N, `classes` the names of the labels."""

    pixels: Pixels
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.pixels.shape != (len(self.labels), SIDE, SIDE, 3) or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"{len(self.labels)} labels for pixels of {self.pixels.shape}, {self.pixels.dtype}"
            )
        if len(self) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ValueError(f"labels are 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """Whether training leaves an image out, N: by the digest of its pixels, so equal images share a side."""
        return self._digests[:, 0] < HELD_OUT_SHARE

    @cached_property
    def second_half(self) -> NDArray[np.bool_]:
        """Another such rule, N, independent of `held_out`: what is fitted on one half is measured on the other."""
        return self._digests[:, 1] < HALF

    @cached_property
    def _digests(self) -> NDArray[np.uint8]:
        """The first two bytes of each image's, N x 2."""
        digests = [hashlib.sha256(image.tobytes()).digest()[:2] for image in self.pixels]
        return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 2)


def read_cifar(data: Path, split: Literal["train", "test"] = "train") -> Cifar:
    """The 50,000 training images, or the first 1,000 of the test images. DataError names what is missing or wrong."""
    folder = data / "cifar10"
    labels, classes = _read_labels(folder / "labels.npz", split)
    pixels = np.concatenate([read_sheet(folder / name) for name in SHEETS[split]])
    if split == "test":
        labels = labels[: len(pixels)]  # all 10,000 labels lie there, and not all images
    try:
        return Cifar(pixels, labels, classes)
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from error


def read_sheet(path: Path) -> Pixels:
    """The images of one sheet, row by row from its upper left corner: uint8 N x 32 x 32 x 3."""
    _require(path)
    try:
        with Image.open(path) as image:
            sheet = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    height, width = sheet.shape[:2]
    if height % SIDE or width % SIDE:
        raise DataError(f"{path} is {width} x {height}, not a sheet of images of {SIDE} x {SIDE}")
    strips = sheet.reshape(height // SIDE, SIDE, width // SIDE, SIDE, 3)
    return strips.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)


def _read_labels(path: Path, split: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    _require(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            labels: NDArray[Any] = arrays[split]
            return labels.astype(np.int64), tuple(str(name) for name in arrays["classes"])
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no such file: {path}")
