"""Views of pictures, and what the image teacher makes of them: what the region encoder learns from.

V views of S x S pixels. A map is the teacher's at one of its depths: C channels every `stride` pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attendant.training.photographs import CHUNK
from attendant.training.progress import Report
from attendant.training.teacher import DEPTHS, Maps, Teacher

Pixels = NDArray[np.uint8]
SERVED_SHARE = (
    0.4  # of the views are cut at the scale that the encoder will see; the others between these sides
)
SIDES = (176, 448)
LIGHT, SHIFT = (0.75, 1.25), (-24.0, 24.0)


@dataclass(frozen=True)
class Views:
    """`pixels` uint8 V x S x S x 3; `maps`, one a depth, float16 V x C x S/stride x S/stride; `rows` V: whose views."""

    pixels: Pixels
    maps: Maps
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


def cut_view(picture: Pixels, side: int, generator: np.random.Generator) -> Pixels:
    """A square of a square picture, resized to `side`, mirrored and brightened at random."""
    whole = len(picture)
    served = generator.random() < SERVED_SHARE
    cut = side if served else round(generator.uniform(SIDES[0] / 448 * whole, SIDES[1] / 448 * whole))
    top, left = generator.integers(0, whole - cut + 1, 2)
    view = picture[top : top + cut, left : left + cut]
    if cut != side:
        resized = Image.fromarray(view).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        view = np.asarray(resized)
    if generator.random() < 0.5:
        view = view[:, ::-1]
    light = np.clip(np.arange(256) * generator.uniform(*LIGHT) + generator.uniform(*SHIFT), 0, 255)
    lit: Pixels = light.astype(np.uint8)[view]
    return lit


def watch(  # noqa: PLR0913, PLR0917 - all that it depends on
    pictures: Pixels,
    rows: NDArray[np.int64],
    each: int,
    side: int,
    teacher: Teacher,
    cache: Path,
    seed: int,
    report: Report,
) -> Views:
    """`each` views of every picture in `rows`, and the teacher's maps of them.

    With `each` 0 the pictures as they are, whole. `cache` is a folder that keeps them; interrupted, it goes on where
    it was.
    """
    owners = np.repeat(rows, max(each, 1))
    whole = each == 0
    side = pictures.shape[1] if whole else side
    arrays = _Arrays(cache, len(owners), side)

    def view(index: int) -> Pixels:
        picture = pictures[owners[index]]
        return picture if whole else cut_view(picture, side, np.random.default_rng([seed, index]))

    for start in range(arrays.done, len(owners), CHUNK):
        stop = min(start + CHUNK, len(owners))
        pixels = np.stack([view(index) for index in range(start, stop)])
        arrays.put(start, pixels, teacher.maps(pixels))
        report(stop, len(owners))
    return Views(*arrays.read(), owners)


class _Arrays:
    """The arrays of one set of views on disk, filled from the front."""

    def __init__(self, folder: Path, count: int, side: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._counter = folder / "rows"
        self.done = int(self._counter.read_text()) if self._counter.exists() else 0
        shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "pixels": (np.uint8, (count, side, side, 3))
        }
        for depth in DEPTHS:
            cells = side // depth.stride
            shapes[f"map{depth.block}"] = (np.float16, (count, depth.channels, cells, cells))
        self._paths = [folder / f"{name}.npy" for name in shapes]
        mode = "r+" if self.done else "w+"
        self._arrays = [
            np.lib.format.open_memmap(path, mode, np.dtype(kind), shape)
            for path, (kind, shape) in zip(self._paths, shapes.values(), strict=True)
        ]

    def put(self, start: int, pixels: Pixels, maps: Maps) -> None:
        stop = start + len(pixels)
        for array, part in zip(self._arrays, (pixels, *maps), strict=True):
            array[start:stop] = part
        if stop % (CHUNK * 20) == 0 or stop == len(self._arrays[0]):
            for array in self._arrays:
                array.flush()
            self._counter.write_text(str(stop))

    def read(self) -> tuple[Pixels, Maps]:
        pixels, *maps = (np.load(path, mmap_mode="r") for path in self._paths)
        return pixels, tuple(maps)
