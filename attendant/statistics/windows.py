"""Cutting a stream of explanations into windows. K numbers an explanation, and C cells of a map (0 without a map)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Explanations in the order in which they came: `values` float32 N x K, `maps` float16 N x C."""

    values: NDArray[np.float32]
    maps: NDArray[np.float16]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.maps.ndim != 2 or len(self.values) != len(self.maps):
            raise ValueError(f"rows of {self.values.shape} numbers and {self.maps.shape} cells")

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> "Rows":
        return Rows(self.values[start:stop], self.maps[start:stop])


class Windows:
    """Disjoint windows of several sizes, each of which divides the largest: one buffer then holds them all."""

    def __init__(self, sizes: tuple[int, ...], columns: int, cells: int) -> None:
        if any(max(sizes) % size for size in sizes):
            raise ValueError(f"not all of {sizes} divide the largest")
        self.sizes = sizes
        self._buffer = Rows(
            np.empty((max(sizes), columns), np.float32), np.empty((max(sizes), cells), np.float16)
        )
        self._filled = 0

    @property
    def begun(self) -> Rows:
        """What came since the last of the largest windows ended; from there everything can go on."""
        return self._buffer.part(0, self._filled)

    def filled(self, size: int) -> int:
        """How many rows the window of that size has so far."""
        return self._filled % size

    def resume(self, begun: Rows) -> None:
        """Goes on where another one was; ValueError for rows of another shape, or too many."""
        if len(begun) >= max(self.sizes):
            raise ValueError(f"{len(begun)} rows would have been a window")
        self._filled = 0
        self._append(begun)

    def cut(self, rows: Rows) -> Iterator[Rows]:
        """Takes rows in; yields each window that they complete, which holds until the next one is asked for."""
        start = 0
        while start < len(rows):
            missing = min(size - self.filled(size) for size in self.sizes)
            self._append(rows.part(start, start + missing))
            start += missing
            for size in self.sizes:
                if self._filled % size == 0:
                    yield self._buffer.part(self._filled - size, self._filled)
            self._filled %= max(self.sizes)

    def _append(self, rows: Rows) -> None:
        end = self._filled + len(rows)
        self._buffer.values[self._filled : end] = rows.values
        self._buffer.maps[self._filled : end] = rows.maps
        self._filled = end
