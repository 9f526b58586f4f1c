"""The answer as the elements with most weight go: a line a target, and what is left at a fifth."""

from dataclasses import dataclass

import numpy as np

from attendant.methods import SHARES, Erasure, ErasureCurve
from attendant.pictures.style import COLOURS, FAINT, MARGIN, MUTED, WIDTH, Page, font
from attendant.pictures.views import NAMES

_HEADING = 0.6
_CHART = (4.6, 1.75)  # inches
_AXIS = 0.5  # room for the numbers at its left and below
_LINE = 0.2
_BLOCK = 0.72
_SHARE = SHARES.index(0.2)


@dataclass(frozen=True)
class Curves:
    """The section about erasure."""

    erasure: Erasure

    @property
    def height(self) -> float:
        return _HEADING + max(_CHART[1] + _AXIS, _BLOCK * len(self.erasure.curves))

    def draw(self, page: Page, top: float) -> None:
        page.write(MARGIN, top + 0.12, "Erasure", size=12, bold=True)
        page.write(
            MARGIN,
            top + 0.36,
            "What becomes of the answer, a probability, when the elements with most weight go, one after another. "
            "A large dot: here the label changes.",
            colour=MUTED,
        )
        self._draw_chart(page, top + _HEADING)
        for number, curve in enumerate(self.erasure.curves):
            _draw_words(page, top + _HEADING + 0.1 + number * _BLOCK, curve)

    def _draw_chart(self, page: Page, top: float) -> None:
        width, height = _CHART
        left = MARGIN + _AXIS
        axes = page.chart(left, top, width, height)
        for curve in self.erasure.curves:
            count = curve.probabilities.size
            colour = COLOURS[curve.target]
            axes.plot(
                np.arange(count) / count, curve.probabilities, color=colour, marker="." if count < 20 else ""
            )
            if curve.flip_share is not None:
                erased = min(round(curve.flip_share * count), count - 1)
                axes.plot(erased / count, curve.probabilities[erased], "o", color=colour, markersize=7)
        axes.set(xlim=(-0.01, 1), ylim=(-0.02, 1.02), yticks=(0, 0.5, 1))
        axes.set_xticks(np.arange(0, 1.01, 0.2), [f"{share:.0%}" for share in np.arange(0, 1.01, 0.2)])
        axes.grid(color=FAINT)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(MUTED)
        axes.tick_params(colors=MUTED, length=2)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_fontproperties(font(8))
        page.write(left + width / 2, top + height + 0.35, "erased", size=8, colour=MUTED, align="center")


def _draw_words(page: Page, top: float, curve: ErasureCurve) -> None:
    left = MARGIN + _AXIS + _CHART[0] + 0.45
    room = WIDTH - MARGIN - left
    page.box(left, top - 0.06, 0.12, 0.12, COLOURS[curve.target])
    flips = (
        "the label stays, whatever is erased"
        if curve.flip_share is None
        else f"the label changes once {curve.flip_share:.0%} are erased"
    )
    page.write(left + 0.19, top, f"{NAMES[curve.target]}: {flips}", bold=True, room=room - 0.19)
    share = SHARES[_SHARE]
    for number, (what, fall) in enumerate(
        (
            (f"without the strongest {share:.0%} (comprehensiveness)", curve.comprehensiveness[_SHARE]),
            (f"with the strongest {share:.0%} alone (sufficiency)", curve.sufficiency[_SHARE]),
        )
    ):
        page.write(
            left + 0.19,
            top + (number + 1) * _LINE,
            f"{'up' if fall < 0 else 'down'} {abs(fall):.3f} {what}",
            size=8.5,
            colour=MUTED,
            room=room - 0.19,
        )
