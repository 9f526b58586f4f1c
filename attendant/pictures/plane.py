"""The points of a mosaic in their plane, larger and darker with more weight."""

from dataclasses import dataclass

import numpy as np

from attendant.pictures.style import DASHES, FAINT, INK, MUTED, RIGHT, Page, font, heat
from attendant.pictures.views import View

_CHART = (4.5, 3.3)  # inches
_AXIS = 0.4  # room for the numbers at its left and below
_SMALLEST, _LARGEST = 25.0, 260.0  # areas of points, in square points of type
_RINGS = (420.0, 640.0)  # around the focus and around the foreground


@dataclass(frozen=True)
class Plane:
    """Segments of two numbers each."""

    points: tuple[tuple[float, float], ...]
    caption = "They are points here, larger and darker with more weight; the cross is their weighted mean."
    width = _AXIS + _CHART[0]
    height = _CHART[1] + _AXIS

    def draw(self, page: Page, left: float, top: float, view: View, foreground: int | None) -> None:
        axes = page.chart(left + _AXIS, top, *_CHART)
        points, focus = np.array(self.points, np.float64), int(view.weights.argmax())
        order = view.shades.argsort(kind="stable")  # the strongest are drawn last, over the others
        across, up = points[order].T
        axes.scatter(
            across,
            up,
            s=_SMALLEST + (_LARGEST - _SMALLEST) * view.shades[order],
            c=heat()(view.shades[order]),
            edgecolors=MUTED,
            linewidths=0.8,
            zorder=2,
        )
        for index, ring, colour, dashes in (
            (focus, _RINGS[0], INK, "-"),
            (foreground, _RINGS[1], RIGHT, (0, DASHES)),
        ):
            if index is not None:
                axes.scatter(
                    points[index, 0],
                    points[index, 1],
                    s=ring,
                    facecolors="none",
                    edgecolors=colour,
                    linewidths=2,
                    linestyles=[dashes],
                    zorder=3,
                )
                axes.annotate(
                    str(index),
                    points[index],
                    (0, 17),
                    textcoords="offset points",
                    ha="center",
                    fontproperties=font(9, bold=True),
                    color=INK,
                )
        axes.plot(*(view.weights.astype(np.float64) @ points), "x", color=INK, markersize=8, zorder=4)
        axes.margins(0.12)
        axes.grid(color=FAINT)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(MUTED)
        axes.tick_params(colors=MUTED, length=2)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_fontproperties(font(8))
