"""The photograph under its 14 x 14 weights, one panel a source."""

from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Rectangle

from attendant.images import Pixels
from attendant.pictures.style import INK, MARGIN, MUTED, WIDTH, Page, colour_of, heat
from attendant.pictures.views import View

_GAP = 0.18
_WIDEST = 3.4
_TALLEST = 3.4
_HEADING = 0.86
_FOOTING = 0.3
_NARROW = 2.3  # narrower panels have no room for the second number
_FLATTEST = 1 / 3  # height by width


@dataclass(frozen=True)
class Photograph:
    """What to draw under the weights: square pixels as the model sees them, and height by width as a person does."""

    pixels: Pixels
    proportion: float


BLANK = Photograph(np.full((1, 1, 3), 235, np.uint8), 1.0)


@dataclass(frozen=True)
class Regions:
    """A section about the image."""

    title: str
    caption: str
    photograph: Photograph
    rows: int
    columns: int
    views: tuple[View, ...]

    @property
    def height(self) -> float:
        return _HEADING + self._panel[1] + _FOOTING

    @property
    def _panel(self) -> tuple[float, float]:
        """Width and height of a panel: the photograph's proportions, within reason."""
        count = len(self.views)
        width = min(_WIDEST, (WIDTH - 2 * MARGIN - (count - 1) * _GAP) / count)
        return width, min(_TALLEST, width * max(_FLATTEST, self.photograph.proportion))

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, self.title, size=12, bold=True)
        page.write(MARGIN, top + 0.36, self.caption, colour=MUTED)
        width, height = self._panel
        for number, view in enumerate(self.views):
            left = MARGIN + number * (width + _GAP)
            page.box(left, top + _HEADING - 0.25, 0.07, 0.18, colour_of(view))
            page.write(left + 0.15, top + _HEADING - 0.16, view.name, bold=view.main)
            self._draw_panel(page, (left, top + _HEADING, width, height), view)
            even = f" (evenly spread: {1 / view.weights.size:.1%})" if width > _NARROW else ""
            page.write(
                left + width / 2,
                top + _HEADING + height + 0.13,
                f"strongest cell {view.weights.max():.1%}{even}",
                size=7.5,
                colour=MUTED,
                align="center",
            )

    def _draw_panel(self, page: Page, place: tuple[float, float, float, float], view: View) -> None:
        left, top, width, height = place
        axes = page.chart(left, top, width, height)
        extent = (0, self.columns, self.rows, 0)
        axes.imshow(_grey(self.photograph.pixels), extent=extent, aspect="auto")
        shades = view.shades.reshape(self.rows, self.columns)
        overlay = heat()(shades)
        overlay[..., 3] = 0.75 * np.sqrt(shades)
        axes.imshow(overlay, extent=extent, aspect="auto", interpolation="nearest")
        if view.weights.any():
            row, column = divmod(int(view.weights.argmax()), self.columns)
            axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=INK, linewidth=1.6))
        axes.set_axis_off()


def _grey(pixels: Pixels) -> Pixels:
    """Greyed and lightened, so that only the weights have colour."""
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    light = (70 + luma * (185 / 255)).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=2)
