"""Tokens as lines of shaded words, one block a source."""

from dataclasses import dataclass

from attendant.pictures.style import (
    MARGIN,
    MUTED,
    POINT,
    WIDTH,
    Page,
    colour_of,
    fitted,
    font,
    heat,
    ink_on,
    printable,
    text_width,
)
from attendant.pictures.views import View

_SIZE = 9.5  # points
_LINE = 0.27
_GAP = 0.06
_PADDING = 0.055
_LABELS = 1.75  # the column of source names
_BLOCK_GAP = 0.13
_LONGEST = 3.0  # inches of one token
_HEADING = 0.74


@dataclass(frozen=True)
class _Place:
    """Where a word goes: line number, left edge and width in inches."""

    line: int
    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Words:
    """A section about the text."""

    title: str
    caption: str
    tokens: tuple[str, ...]
    views: tuple[View, ...]

    @property
    def height(self) -> float:
        lines = _flow(self.tokens)[-1].line + 1
        return _HEADING + len(self.views) * (lines * _LINE + _BLOCK_GAP)

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, self.title, size=12, bold=True)
        page.write(MARGIN, top + 0.36, self.caption, colour=MUTED)
        places = _flow(self.tokens)
        block = (places[-1].line + 1) * _LINE + _BLOCK_GAP
        for number, view in enumerate(self.views):
            _block(page, top + _HEADING + number * block, view, places)


def _flow(tokens: tuple[str, ...]) -> list[_Place]:
    """Breaks the tokens into lines."""
    places: list[_Place] = []
    line, x, properties = 0, 0.0, font(_SIZE)
    for token in tokens:
        shown = fitted(printable(token), properties, _LONGEST)
        width = text_width(shown, properties) + 2 * _PADDING
        if x > 0 and x + width > WIDTH - 2 * MARGIN - _LABELS:
            line, x = line + 1, 0.0
        places.append(_Place(line, x, width, shown))
        x += width + _GAP
    return places


def _block(page: Page, top: float, view: View, places: list[_Place]) -> None:
    left, colours = MARGIN + _LABELS, heat()
    page.box(MARGIN, top - 0.09, 0.07, 0.18, colour_of(view))
    page.write(MARGIN + 0.15, top, view.name, bold=view.main)
    for place, shade in zip(places, view.shades, strict=True):
        fill = colours(float(shade))
        middle = top + place.line * _LINE
        page.box(left + place.x, middle - _SIZE * POINT * 0.88, place.width, _SIZE * POINT * 1.76, fill)
        page.write(left + place.x + _PADDING, middle, place.text, size=_SIZE, colour=ink_on(fill))
