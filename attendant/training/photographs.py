"""The photographs as arrays on disk: each picture once, as the service would see it, always split the same way."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from attendant import images
from attendant.models.pixels import resize
from attendant.training.data import Photograph
from attendant.training.progress import Progress
from attendant.types import IMAGE_SIZE

CHUNK = 16


@dataclass(frozen=True)
class Photographs:
    """N different photographs; `pixels` uint8 N x 448 x 448 x 3 (on disk); `held_out` bool N; `key` names the set."""

    items: tuple[Photograph, ...]
    pixels: NDArray[np.uint8]
    held_out: NDArray[np.bool_]
    key: str

    def __len__(self) -> int:
        return len(self.items)


def load_photographs(items: Sequence[Photograph], cache: Path, progress: Progress) -> Photographs:
    """Leaves exact duplicates out, decodes the rest into `cache`, and holds one in ten out by its own digest."""
    unique = {hashlib.sha256(item.image).digest(): item for item in reversed(items)}
    digests = tuple(reversed(unique))
    kept = tuple(unique[digest] for digest in digests)
    key = hashlib.sha256(b"".join([*digests, resizing()])).hexdigest()[:12]

    def decode(part: slice) -> NDArray[np.uint8]:
        return np.stack([resize(images.decode(item.image).pixels) for item in kept[part]])

    shape = (len(kept), IMAGE_SIZE, IMAGE_SIZE, 3)
    pixels = cached_array(
        cache / f"pixels-{key}.npy", shape, np.uint8, decode, progress.task("decoding photographs")
    )
    held_out = np.array([item.held_out for item in kept])
    return Photographs(kept, pixels, held_out, key)


def resizing() -> bytes:
    """A digest of what `resize` makes of noise: another way to resize makes other pixels of all pictures."""
    noise = np.random.default_rng(0).integers(0, 256, (500, 400, 3), dtype=np.uint8)
    return hashlib.sha256(resize(noise).tobytes()).digest()


def cached_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    compute: Callable[[slice], NDArray[Any]],
    report: Callable[[int, int], None],
) -> NDArray[Any]:
    """The array at `path`, computed a few rows at a time when it is not there yet.

    Interrupted, it goes on where it was. `report` gets the rows done and all rows.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part, counter = path.with_suffix(".part.npy"), path.with_suffix(".rows")
        done = int(counter.read_text()) if counter.exists() and part.exists() else 0
        array = np.lib.format.open_memmap(part, "r+" if done else "w+", np.dtype(dtype), shape)
        for start in range(done, shape[0], CHUNK):
            stop = min(start + CHUNK, shape[0])
            array[start:stop] = compute(slice(start, stop))
            array.flush()
            counter.write_text(str(stop))
            report(stop, shape[0])
        del array
        part.rename(path)
        counter.unlink(missing_ok=True)
    loaded: NDArray[Any] = np.load(path, mmap_mode="r")
    return loaded
