"""The renderings as arrays on disk: each as the service would see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attendant.models.pixels import resize
from attendant.training.checkpoints import digest_arrays, fingerprint
from attendant.training.photographs import cached_array
from attendant.training.progress import Report
from attendant.training.renderings import Kind, rendering
from attendant.types import IMAGE_SIZE

SHOWN = 16  # renderings that tell one set from another


@dataclass(frozen=True)
class Drawn:
    """N renderings; `pixels` uint8 N x 448 x 448 x 3 (on disk); `held_out` bool N: the last; `key` names the set."""

    kinds: Mapping[str, Kind]
    seed: int
    pixels: NDArray[np.uint8]
    held_out: NDArray[np.bool_]
    key: str

    def __len__(self) -> int:
        return len(self.pixels)

    def words(self, row: int) -> tuple[str, ...]:
        return rendering(row, self.seed, self.kinds).words


def load_drawn(
    kinds: Mapping[str, Kind], shown: int, held_out: int, seed: int, cache: Path, report: Report
) -> Drawn:
    """Draws `shown` renderings to learn from, and then those held out, into `cache`."""

    def draw(part: slice) -> NDArray[np.uint8]:
        drawn = [rendering(index, seed, kinds) for index in range(part.start, part.stop)]
        return np.stack([resize(picture.pixels) for picture in drawn])

    count = shown + held_out
    # named by what is drawn, as far as the first few show it
    key = fingerprint(count, digest_arrays(draw(slice(0, min(SHOWN, count)))))
    shape = (count, IMAGE_SIZE, IMAGE_SIZE, 3)
    pixels = cached_array(cache / f"renderings-{key}.npy", shape, np.uint8, draw, report)
    return Drawn(kinds, seed, pixels, np.arange(count) >= shown, key)
