"""Jain and Wallace's pictures of a model: rank agreement, and how different attention could be; a row a target."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attendant.analysis.agreement import Examined
from attendant.methods import Method, RankedImportance
from attendant.pictures.charts import dress, sheet
from attendant.pictures.style import COLOURS, FAINT, METHOD_COLOURS, MUTED, font
from attendant.pictures.views import NAMES
from attendant.types import Modality

_ROW = 3.0  # inches
_BINS = 30


def draw_agreement(found: Mapping[Modality, Sequence[Examined]], title: str) -> Figure:
    """Histograms of tau, and, where there are adversaries, of epsilon-max JSD and it against the highest weight."""
    attacked = any(one.adversary is not None for examined in found.values() for one in examined)
    figure = sheet(title, 0.4 + _ROW * len(found))
    rows = figure.subplots(len(found), 3 if attacked else 1, squeeze=False)
    for axes, (target, examined) in zip(rows, found.items(), strict=True):
        _draw_taus(axes[0], target, examined)
        if attacked:
            _draw_divergences(axes[1], axes[2], target, examined)
    return figure


def _draw_taus(axes: Axes, target: Modality, examined: Sequence[Examined]) -> None:
    _draw_histogram(axes, Method.GRADIENT, "gradient", [one.gradient for one in examined])
    _draw_histogram(axes, Method.LEAVE_ONE_OUT, "leave-one-out", [one.leave_one_out for one in examined])
    axes.axvline(0, color=FAINT, zorder=0)
    axes.legend(prop=font(8), frameon=False, loc="upper left")
    axes.set_xticks((-1, -0.5, 0, 0.5, 1))
    dress(axes, f"{NAMES[target]}: does attention rank alike?", "Kendall's tau with attention", "tweets")


def _draw_histogram(axes: Axes, method: Method, name: str, importances: Sequence[RankedImportance]) -> None:
    taus = [one.kendall_tau for one in importances if one.kendall_tau is not None]
    axes.hist(
        taus, _BINS, range=(-1, 1), histtype="step", linewidth=1.5, color=METHOD_COLOURS[method], label=name
    )


def _draw_divergences(histogram: Axes, scatter: Axes, target: Modality, examined: Sequence[Examined]) -> None:
    pairs = [
        (one.max_weight, one.adversary.max_jensen_shannon)
        for one in examined
        if one.adversary is not None and one.adversary.max_jensen_shannon is not None
    ]
    weights, divergences = np.array(pairs).reshape(-1, 2).T
    most = float(np.log(2))
    colour = COLOURS[target]
    histogram.hist(divergences, _BINS, range=(0, most), color=colour)
    histogram.axvline(most, color=MUTED, linestyle="--", linewidth=1)
    without = len(examined) - len(pairs)
    note = f" ({without} without an adversary)" if without else ""
    dress(
        histogram,
        f"{NAMES[target]}: how different could it be?{note}",
        "epsilon-max JSD, nats (dashed: the most there is)",
        "tweets",
    )
    scatter.scatter(weights, divergences, s=6, color=colour, alpha=0.5, linewidth=0)
    scatter.set(xlim=(0, 1.02), ylim=(0, most * 1.03))
    dress(
        scatter, "... and where attention is concentrated?", "highest weight of attention", "epsilon-max JSD"
    )
