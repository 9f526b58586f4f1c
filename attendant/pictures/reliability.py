"""The reliability diagram: whether a probability means what it says."""

from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from attendant.analysis.classification import Reliability
from attendant.pictures.style import INK, MUTED, font
from attendant.statistics.intervals import proportion

_BAR = "#2563a8"
_SIZE = (6.0, 6.4)  # inches


def draw_reliability(bins: Reliability, title: str, note: str) -> Figure:
    """Observed share against forecast, with each bin's 95 % interval, above the number of rows in each bin."""
    figure = Figure(figsize=_SIZE, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = bins.counts > 0
    forecast, observed = bins.forecast[filled], bins.observed[filled]
    estimates = [
        proportion(round(share * count), int(count))
        for share, count in zip(observed, bins.counts[filled], strict=True)
    ]
    upper.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle="--", label="what it says is so")
    upper.vlines(forecast, [one.low for one in estimates], [one.high for one in estimates], color=_BAR)
    upper.plot(forecast, observed, "o", color=_BAR, label="rows of a bin, and their 95 % interval")
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.set_ylabel("share that is sarcastic", fontproperties=font(9), color=INK)
    upper.set_title(f"{title}\n{note}", fontproperties=font(9.5), color=INK, loc="left", parse_math=False)
    upper.legend(prop=font(8.5), frameon=False, loc="upper left")
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    lower.bar(edges[:-1], bins.counts, np.diff(edges), align="edge", color=_BAR, edgecolor="white")
    for edge, count in zip(edges, bins.counts, strict=False):
        lower.text(
            edge + edges[1] / 2,
            count,
            str(count),
            ha="center",
            va="bottom",
            fontproperties=font(7),
            color=MUTED,
        )
    lower.margins(y=0.2)
    lower.set_ylabel("rows", fontproperties=font(9), color=INK)
    lower.set_xlabel("P(sarcastic) that the model gives", fontproperties=font(9), color=INK)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=MUTED)
    return figure


def render_reliability(bins: Reliability, title: str, note: str, *, format: str) -> bytes:  # noqa: A002 - matplotlib's word
    """`draw_reliability` as a png, svg or pdf file."""
    file = BytesIO()
    draw_reliability(bins, title, note).savefig(file, format=format, dpi=150)
    return file.getvalue()
