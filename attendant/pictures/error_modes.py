"""Why a model of an error mode is right though it looks in the wrong place: three panels, read from left to right."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attendant.analysis.landscape import Floats, Landscape, Map, corners, reasons
from attendant.pictures.charts import dress, sheet
from attendant.pictures.classes import COLOURS, SHAPES
from attendant.pictures.style import FAINT, INK, MUTED, font, heat
from attendant.training.mosaics import Box

_HEIGHT = 5.2  # inches
_SHOWN = 40  # mosaics of each class
_LEVELS = 9
_TINT = 0.28  # how strong a class's colour is where it is a region's
_LINE = 165  # characters
_NARROW = 0.1  # of the panel: a background smaller than this is shown enlarged as well
_HATCH = "////"
_ROOM = 0.25  # around what is enlarged, of its extent


def draw_error_mode(landscape: Landscape, title: str) -> Figure:
    """What f scores and what is attended to, what g reads and calls it, and what becomes of each class."""
    measures = landscape.measures
    figure = sheet(
        f"{title}: accuracy {measures.accuracy.value:.1%}, focus true (FT) {measures.focus_true.value:.1%}",
        _HEIGHT,
    )
    focus, classifier, bars = figure.subplots(1, 3, width_ratios=(1.25, 1.25, 0.8))
    _draw_focus(focus, landscape)
    _draw_classifier(classifier, landscape)
    _draw_classes(bars, landscape)
    lines = [line for reason in reasons(landscape) for line in textwrap.wrap(reason, _LINE)]
    figure.supxlabel(
        "\n".join(lines), x=0.02, ha="left", fontproperties=font(8.5), color=INK, parse_math=False
    )
    return figure


def _draw_focus(axes: Axes, landscape: Landscape) -> None:
    area = landscape.whole
    axes.contourf(area.x1, area.x2, area.scores, _LEVELS, cmap=heat(), alpha=0.75)
    lines = axes.contour(area.x1, area.x2, area.scores, _LEVELS, colors=MUTED, linewidths=0.5, linestyles="-")
    axes.clabel(lines, fontsize=6.5, colors=INK)
    _draw_boxes(axes, landscape)
    _draw_points(axes, landscape, landscape.attended)
    dress(axes, "1. Where it looks\nred: a high score f; marks: the segment with most weight", "x1", "x2")


def _draw_classifier(axes: Axes, landscape: Landscape) -> None:
    _draw_regions(axes, landscape, landscape.whole)
    _draw_boxes(axes, landscape)
    _draw_points(axes, landscape, landscape.averaged)
    dress(axes, "2. What it sees there\nshade: the class g gives; marks: the average g reads", "x1", "x2")
    _enlarge(axes, landscape)


def _draw_regions(axes: Axes, landscape: Landscape, area: Map) -> None:
    tints = [_tint(COLOURS[one.number]) for one in landscape.classes]
    axes.pcolormesh(
        area.x1,
        area.x2,
        area.classes,
        cmap=ListedColormap(tints),
        vmin=-0.5,
        vmax=len(tints) - 0.5,
        rasterized=True,
    )


def _draw_boxes(axes: Axes, landscape: Landscape) -> None:
    """Each named on the side away from the background, for averages lie on the other."""
    behind = landscape.background
    _draw_box(axes, behind, MUTED, hatch=_HATCH)
    _name_box(axes, behind, "background", INK, above=False)
    for number, (box, colour) in enumerate(zip(landscape.foreground, COLOURS, strict=False)):
        _draw_box(axes, box, colour)
        _name_box(axes, box, f"class {number + 1}", colour, above=sum(box.x2) > sum(behind.x2))


def _draw_box(axes: Axes, box: Box, colour: str, hatch: str = "") -> None:
    (left, right), (low, high) = box.x1, box.x2
    axes.add_patch(
        Rectangle(
            (left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=1.6, hatch=hatch
        )
    )


def _name_box(axes: Axes, box: Box, name: str, colour: str, *, above: bool) -> None:
    axes.annotate(
        name,
        (sum(box.x1) / 2, box.x2[1] if above else box.x2[0]),
        (0, 4 if above else -4),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        fontproperties=font(8, bold=True),
        color=colour,
        zorder=6,
        bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
    )


def _draw_points(axes: Axes, landscape: Landscape, points: Floats) -> None:
    """A mark a mosaic, of its class."""
    for one in landscape.classes:
        own = points[landscape.labels == one.number][:_SHOWN]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=16,
            marker=SHAPES[one.number],
            color=COLOURS[one.number],
            edgecolors="white",
            linewidths=0.4,
            zorder=4,
        )


def _enlarge(axes: Axes, landscape: Landscape) -> None:
    """The surroundings of a background too small to be seen in the panel."""
    box, near = landscape.background, landscape.near
    if box.x2[1] - box.x2[0] > _NARROW * float(np.ptp(landscape.whole.x2)):
        return
    part = axes.inset_axes((0.42, 0.58, 0.56, 0.4))
    _draw_regions(part, landscape, near)
    _draw_box(part, box, MUTED, hatch=_HATCH)
    _draw_points(part, landscape, landscape.averaged)
    astray = [one.number for one in landscape.classes if one.astray]
    shown = np.concatenate([landscape.averaged[np.isin(landscape.labels, astray)], corners(box)])
    low, high = shown.min(axis=0), shown.max(axis=0)
    low, high = low - (high - low) * _ROOM, high + (high - low) * _ROOM
    part.set(
        xlim=np.clip((low[0], high[0]), near.x1[0], near.x1[-1]),
        ylim=np.clip((low[1], high[1]), near.x2[0], near.x2[-1]),
    )
    part.tick_params(labelsize=7, colors=MUTED)
    axes.indicate_inset_zoom(part, edgecolor=INK)


def _draw_classes(axes: Axes, landscape: Landscape) -> None:
    places = np.arange(len(landscape.classes))
    for offset, name, colour, shares in (
        (-0.19, "answer right", MUTED, [one.prediction_true for one in landscape.classes]),
        (0.19, "focus right", heat()(0.75), [one.focus_true for one in landscape.classes]),
    ):
        axes.barh(places + offset, shares, 0.36, color=colour, label=name)
        for place, share in zip(places, shares, strict=True):
            axes.annotate(
                f"{share:.0%}",
                (share, place + offset),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontproperties=font(7.5),
                color=MUTED,
            )
    axes.set(xlim=(0, 1.22), xticks=(0, 0.5, 1), yticks=places)
    axes.set_xticklabels(("0", "50 %", "100 %"))
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)
    dress(axes, "3. What becomes of each class\n", "share of its mosaics", "")
    axes.set_yticklabels([f"class {one.number + 1}" for one in landscape.classes], fontproperties=font(8.5))
    axes.legend(prop=font(8), frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def _tint(colour: str) -> tuple[float, ...]:
    return tuple(1 - _TINT * (1 - part) for part in to_rgb(colour))
