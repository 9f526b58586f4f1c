"""The segments of a mosaic and their weights: as pictures or as points where they are, and as bars."""

from dataclasses import dataclass
from typing import Protocol

from attendant.pictures.plane import Plane
from attendant.pictures.style import FAINT, INK, MARGIN, MUTED, RIGHT, WIDTH, Page, heat
from attendant.pictures.tiles import Tiles
from attendant.pictures.views import View
from attendant.types import Mosaic, Segment

_HEADING = 0.75
_LEGEND = 0.36
_ROW = 0.32
_BAR = 0.15
_MOST = 12  # bars
_NAMES = 1.0
_TOLD = 2.05  # the column of numbers
_GAP = 0.55


class Panel(Protocol):
    """The segments as they are; inches."""

    @property
    def caption(self) -> str: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...
    def draw(self, page: Page, left: float, top: float, view: View, foreground: int | None) -> None: ...


def panel_of(mosaic: Mosaic, view: View) -> Panel | None:
    """Images as pictures, vectors of two numbers as points; nothing for what cannot be seen, nor for another mosaic."""
    if len(mosaic.segments) != view.weights.size:
        return None
    images = tuple(segment for segment in mosaic.segments if isinstance(segment, bytes))
    points = tuple((segment[0], segment[1]) for segment in mosaic.segments if _is_point(segment))
    if len(images) == len(mosaic.segments):
        return Tiles(images)
    return Plane(points) if len(points) == len(mosaic.segments) else None


@dataclass(frozen=True)
class Segments:
    """A section about the segments."""

    view: View
    panel: Panel | None
    foreground: int | None

    @property
    def height(self) -> float:
        bars = _ROW * (len(self._shown) + (self._left_out > 0))
        return _HEADING + max(bars, self.panel.height if self.panel else 0.0) + _LEGEND

    def draw(self, page: Page, top: float) -> None:
        caption = f" {self.panel.caption}" if self.panel else ""
        page.write(MARGIN, top + 0.12, "Segments", size=12, bold=True)
        page.write(
            MARGIN,
            top + 0.36,
            f"What the model chose from, numbered from 0 as in the request.{caption}",
            colour=MUTED,
            room=WIDTH - 2 * MARGIN,
        )
        left = MARGIN
        if self.panel:
            self.panel.draw(page, left, top + _HEADING, self.view, self.foreground)
            left += self.panel.width + _GAP
        for line, index in enumerate(self._shown):
            self._draw_bar(page, left, top + _HEADING + (line + 0.5) * _ROW, index)
        if self._left_out:
            page.write(
                left,
                top + _HEADING + (len(self._shown) + 0.5) * _ROW,
                f"and {self._left_out} more",
                colour=MUTED,
            )
        self._legend(page, top + self.height - 0.1)

    @property
    def _shown(self) -> list[int]:
        """The strongest, strongest first, and among them the foreground."""
        order = [int(index) for index in (-self.view.weights).argsort(kind="stable")]
        shown = order[:_MOST]
        if self.foreground in order[_MOST:]:
            shown[-1] = self.foreground
        return shown

    @property
    def _left_out(self) -> int:
        return self.view.weights.size - len(self._shown)

    @property
    def _focus(self) -> int:
        return int(self.view.weights.argmax())

    def _draw_bar(self, page: Page, left: float, middle: float, index: int) -> None:
        share, shade = float(self.view.weights[index]), float(self.view.shades[index])
        start, width = left + _NAMES, WIDTH - MARGIN - left - _NAMES - _TOLD
        page.write(left, middle, f"segment {index}", bold=index == self._focus)
        page.box(start, middle - _BAR / 2, width, _BAR, FAINT)
        page.box(start, middle - _BAR / 2, width * share, _BAR, heat()(shade))
        page.write(start + width + 0.5, middle, f"{share:.1%}", align="right", bold=index == self._focus)
        marks = (index == self._focus, "focus"), (index == self.foreground, "foreground")
        names = ", ".join(name for marked, name in marks if marked)
        page.write(start + width + 0.6, middle, names, size=8.5, bold=True, room=_TOLD - 0.6)

    def _legend(self, page: Page, middle: float) -> None:
        """What the outlines mean."""
        if self.panel is None:
            return
        page.frame(MARGIN, middle - 0.07, 0.2, 0.14, INK)
        page.write(MARGIN + 0.28, middle, "the focus: the segment with most weight", size=8.5, colour=MUTED)
        if self.foreground is not None:
            page.frame(MARGIN + 3.0, middle - 0.07, 0.2, 0.14, RIGHT, dashed=True)
            page.write(
                MARGIN + 3.28,
                middle,
                "the foreground, as the request says: where it should look",
                size=8.5,
                colour=MUTED,
            )


def _is_point(segment: Segment) -> bool:
    return not isinstance(segment, bytes) and len(segment) == 2
