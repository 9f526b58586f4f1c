"""The images of a mosaic in a grid, the paler the less weight they have."""

import math
from dataclasses import dataclass

import numpy as np

from attendant.errors import AttendantError
from attendant.images import Pixels, decode
from attendant.pictures.style import INK, RIGHT, Page, heat
from attendant.pictures.views import View

_WIDTH = 4.7
_LARGEST = 1.4  # of a tile
_GAP = 0.22
_LABEL = 0.3
_PALEST = 0.35
_BLANK = np.full((1, 1, 3), 235, np.uint8)
_OUTWARDS = (0.035, 0.085)  # inches from the tile's frame to that of the focus and of the foreground


@dataclass(frozen=True)
class Tiles:
    """JPEG, PNG or WebP bytes, in a grid that is as square as can be."""

    images: tuple[bytes, ...]
    caption = "Pale ones got little weight; frames are coloured by it."
    width = _WIDTH

    @property
    def height(self) -> float:
        return math.ceil(len(self.images) / self._columns) * self._step[1]

    @property
    def _columns(self) -> int:
        return math.ceil(math.sqrt(len(self.images)))

    @property
    def _size(self) -> float:
        return min(_LARGEST, (_WIDTH - (self._columns - 1) * _GAP) / self._columns)

    @property
    def _step(self) -> tuple[float, float]:
        return self._size + _GAP, self._size + _GAP + _LABEL

    def draw(self, page: Page, left: float, top: float, view: View, foreground: int | None) -> None:
        focus = int(view.weights.argmax())
        for index, (image, weight, shade) in enumerate(
            zip(self.images, view.weights, view.shades, strict=True)
        ):
            row, column = divmod(index, self._columns)
            x, y = left + _OUTWARDS[1] + column * self._step[0], top + row * self._step[1]
            axes = page.chart(x, y, self._size, self._size)
            axes.imshow(_pixels(image), aspect="auto", alpha=_PALEST + (1 - _PALEST) * float(shade) ** 0.5)
            axes.set_axis_off()
            page.frame(x, y, self._size, self._size, heat()(float(shade)), thickness=2.5)
            if index == focus:
                self._outline(page, x, y, _OUTWARDS[0], INK, dashed=False)
            if index == foreground:
                self._outline(page, x, y, _OUTWARDS[1], RIGHT, dashed=True)
            page.write(
                x + self._size / 2,
                y + self._size + _LABEL / 2 + 0.07,
                f"{index}: {weight:.0%}",
                size=9 if self._size > 0.7 else 7,
                bold=index == focus,
                align="center",
                room=self._step[0],
            )

    def _outline(self, page: Page, x: float, y: float, out: float, colour: str, *, dashed: bool) -> None:
        side = self._size + 2 * out
        page.frame(x - out, y - out, side, side, colour, thickness=2.2, dashed=dashed)


def _pixels(image: bytes) -> Pixels:
    """Grey where they cannot be read here."""
    try:
        return decode(image).pixels
    except AttendantError:
        return _BLANK
