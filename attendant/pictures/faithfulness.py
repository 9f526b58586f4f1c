"""How faithful rankings are, and how far they agree: a row a target."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attendant.analysis.faithfulness import Faithfulness, Falls, Ranking
from attendant.methods import SHARES, Method
from attendant.pictures.charts import dress, sheet
from attendant.pictures.style import FAINT, INK, METHOD_COLOURS, MUTED, font, heat, ink_on
from attendant.pictures.views import NAMES

_ROW = 3.5  # inches
_NAMES = {
    Ranking.ATTENTION: "attention",
    Ranking.GRADIENT: "gradient",
    Ranking.LEAVE_ONE_OUT: "leave-one-out",
    Ranking.PERMUTATION: "permutation",
    Ranking.RANDOM: "random",
}
_COLOURS = {
    Ranking.ATTENTION: INK,
    Ranking.GRADIENT: METHOD_COLOURS[Method.GRADIENT],
    Ranking.LEAVE_ONE_OUT: METHOD_COLOURS[Method.LEAVE_ONE_OUT],
    Ranking.PERMUTATION: METHOD_COLOURS[Method.CLASS_ACTIVATION],
    Ranking.RANDOM: MUTED,
}


def draw_faithfulness(measured: Sequence[Faithfulness], title: str) -> Figure:
    """Comprehensiveness and sufficiency by share with their 95 % intervals, and mean tau-b of each two rankings."""
    figure = sheet(title, 0.4 + _ROW * len(measured))
    rows = figure.subplots(len(measured), 3, squeeze=False)
    for (falls, holds, agreement), one in zip(rows, measured, strict=True):
        for axes, name, what in (
            (falls, "comprehensiveness", "first deleted (high is faithful)"),
            (holds, "sufficiency", "first kept alone (low is faithful)"),
        ):
            for curves in one.curves:
                _draw_curve(axes, curves.ranking, getattr(curves, name))
            axes.axhline(0, color=FAINT, zorder=0)
            axes.set_xticks(range(len(SHARES)), [f"{share:.0%}" for share in SHARES])
            dress(
                axes,
                f"{NAMES[one.target]}: {what}",
                "share of the elements, at least one",
                f"{name}: fall of p",
            )
        falls.legend(prop=font(8), frameon=False)
        _draw_matrix(agreement, one)
    return figure


def _draw_curve(axes: Axes, ranking: Ranking, falls: Falls) -> None:
    places = range(len(falls.shares))
    colour = _COLOURS[ranking]
    dashes = "--" if ranking is Ranking.RANDOM else "-"
    axes.fill_between(
        places,
        [one.low for one in falls.shares],
        [one.high for one in falls.shares],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        places,
        [one.value for one in falls.shares],
        dashes,
        color=colour,
        marker=".",
        label=_NAMES[ranking],
    )


def _draw_matrix(axes: Axes, one: Faithfulness) -> None:
    matrix = one.agreement
    shades = np.nan_to_num(matrix)
    axes.imshow(shades, cmap=heat(), vmin=0, vmax=1)
    for (row, column), tau in np.ndenumerate(matrix):
        axes.text(
            column,
            row,
            f"{tau:z.2f}" if np.isfinite(tau) else "-",
            ha="center",
            va="center",
            fontproperties=font(8),
            color=ink_on(heat()(float(shades[row, column]))),
        )
    names = list(_NAMES.values())
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    dress(axes, f"{NAMES[one.target]} of {one.n:,} tweets: mean tau-b", "", "")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
