"""How much of the weight the true foreground has: the paper's Figure 6."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from attendant.analysis.focus_table import Row
from attendant.pictures.charts import dress, sheet
from attendant.pictures.classes import COLOURS
from attendant.pictures.style import FAINT, font

_HEIGHT = 4.4  # inches
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def draw_thresholds(rows: Sequence[Row], title: str) -> Figure:
    """A line for each variant that was trained, the mean of its seeds; a panel for each averaging layer."""
    trained = [row for row in rows if row.runs]
    layers = sorted({row.layer for row in trained})
    mechanisms = list(dict.fromkeys(row.mechanism for row in rows))
    figure = sheet(title, _HEIGHT)
    for axes, layer in zip(
        figure.subplots(1, len(layers), squeeze=False, sharey=True)[0], layers, strict=True
    ):
        for row in trained:
            if row.layer == layer:
                number = mechanisms.index(row.mechanism)
                _draw_curve(axes, row, COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)])
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(color=FAINT)
        dress(
            axes,
            f"averaging layer {layer}",
            "threshold",
            "mosaics whose foreground weighs more" if layer == layers[0] else "",
        )
        fresh = "† trained on fresh mosaics" if any(row.mark for row in trained) else None
        axes.legend(
            prop=font(8.5), frameon=False, loc="lower left", title=fresh, title_fontproperties=font(8)
        )
    return figure


def _draw_curve(axes: Axes, row: Row, colour: str, dashes: object) -> None:
    measured = [run.held_out for run in row.runs]
    heights = np.mean([[share.value for share in one.above] for one in measured], axis=0)
    seeds = f" ({len(measured)} seeds)" if len(measured) > 1 else ""
    label = f"{row.mechanism} {row.mark}".rstrip() + seeds
    axes.plot(measured[0].thresholds, heights, color=colour, linestyle=dashes, linewidth=1.8, label=label)
