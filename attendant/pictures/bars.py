"""Attribute words, or segments, with a bar for each source, or for each method."""

from dataclasses import dataclass

from attendant.pictures.style import FAINT, MARGIN, MUTED, WIDTH, Page, colour_of
from attendant.pictures.views import View
from attendant.types import Axis

_HEADING = 0.86
_BAR = 0.095
_ROW_GAP = 0.16
_LABELS = 2.6
_LEGEND = 1.65  # inches a name, where there is room


@dataclass(frozen=True)
class Attributes:
    """A section about attribute words or segments: the labels of an axis."""

    title: str
    caption: str
    axis: Axis
    views: tuple[View, ...]

    @property
    def height(self) -> float:
        return _HEADING + len(self.axis.labels) * self._row

    @property
    def _row(self) -> float:
        return max(len(self.views) * _BAR, 0.2) + _ROW_GAP

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, self.title, size=12, bold=True)
        page.write(MARGIN, top + 0.36, self.caption, colour=MUTED)
        self._legend(page, top + 0.6)
        for number, label in enumerate(self.axis.labels):
            self._draw_row(page, top + _HEADING + number * self._row, number, label)

    def _legend(self, page: Page, middle: float) -> None:
        step = min(_LEGEND, (WIDTH - 2 * MARGIN - _LABELS) / len(self.views))
        for number, view in enumerate(self.views):
            x = MARGIN + _LABELS + number * step
            page.box(x, middle - 0.06, 0.12, 0.12, colour_of(view))
            page.write(x + 0.19, middle, view.name, size=8, colour=MUTED)

    def _draw_row(self, page: Page, top: float, number: int, label: str) -> None:
        height = len(self.views) * _BAR
        page.write(MARGIN, top + height / 2, label, bold=True, room=_LABELS - 0.9)
        if self.axis.scores:
            page.write(
                MARGIN + _LABELS - 0.15,
                top + height / 2,
                f"{self.axis.scores[number]:.0%} sure",
                size=7.5,
                colour=MUTED,
                align="right",
            )
        left, width = MARGIN + _LABELS, WIDTH - 2 * MARGIN - _LABELS - 0.6
        for line, view in enumerate(self.views):
            share = float(view.weights[number])
            y = top + line * _BAR
            page.box(left, y, width, _BAR * 0.8, FAINT)
            page.box(left, y, width * share, _BAR * 0.8, colour_of(view))
            if view.main:
                page.write(left + width + 0.1, top + height / 2, f"{share:.0%}", size=9, bold=True)
