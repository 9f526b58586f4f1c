"""How far the answer moves when attention is shuffled: a bar a vector, with its 95% interval."""

from dataclasses import dataclass

from attendant.methods import Permutation, PermutationImpact
from attendant.pictures.style import COLOURS, FAINT, INK, MARGIN, MUTED, WIDTH, Page
from attendant.pictures.views import NAMES
from attendant.types import Modality

_HEADING = 0.75
_ROW = 0.34
_MORE = 0.2  # what is added to a row of two lines
_BAR = 0.15
_NAMES = 1.75
_TOLD = 3.3  # the column of numbers
_LEAST = 0.05  # the end of the scale, where every impact is smaller


@dataclass(frozen=True)
class Impacts:
    """The section about permutation impact."""

    permutation: Permutation

    @property
    def height(self) -> float:
        return _HEADING + sum(map(_row_height, self.permutation.impacts))

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, "Shuffled attention", size=12, bold=True)
        page.write(
            MARGIN,
            top + 0.36,
            "How far the answer moves when weights change places, on average; the line is the 95% interval. "
            f"Bars end at {self._end:.2f}.",
            colour=MUTED,
        )
        middle = top + _HEADING
        for impact in self.permutation.impacts:
            self._draw_row(page, middle, impact)
            middle += _row_height(impact)

    @property
    def _end(self) -> float:
        return max(_LEAST, *(one.interval[1] for one in self.permutation.impacts))

    def _draw_row(self, page: Page, middle: float, one: PermutationImpact) -> None:
        name = "the inputs' weights" if one.target is None else NAMES[one.target]
        colour = MUTED if one.target is None else COLOURS[one.target]
        left, width = MARGIN + _NAMES, WIDTH - 2 * MARGIN - _NAMES - _TOLD - 0.15
        low, high = (width * bound / self._end for bound in one.interval)
        page.write(MARGIN, middle, name, bold=True, room=_NAMES - 0.1)
        page.box(left, middle - _BAR / 2, width, _BAR, FAINT)
        page.box(left, middle - _BAR / 2, width * one.impact / self._end, _BAR, colour)
        if not one.exhaustive:
            page.box(left + low, middle - 0.01, high - low, 0.02, INK)
            for end in (low, high):
                page.box(left + end - 0.01, middle - 0.05, 0.02, 0.1, INK)
        tried = f"all {one.samples} orders" if one.exhaustive else f"{one.samples} shuffles"
        cut = ", cut short" if one.truncated else ""
        page.write(
            left + width + 0.15,
            middle,
            f"{one.impact:.3f}; other label in {one.flip_share:.0%} of {tried}{cut}",
            size=8.5,
            colour=MUTED,
            room=_TOLD,
        )
        if one.target is Modality.SEGMENT:
            page.write(
                left + width + 0.15,
                middle + _MORE,
                f"median TVD of the classes' probabilities {one.median_total_variation:.3f}",
                size=8.5,
                colour=MUTED,
                room=_TOLD,
            )


def _row_height(one: PermutationImpact) -> float:
    """Focus-classify models are published with one more measure, which has a line of its own."""
    return _ROW + (_MORE if one.target is Modality.SEGMENT else 0.0)
