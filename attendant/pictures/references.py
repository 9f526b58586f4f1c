"""A reference in histograms: what attention looked like when a model was released."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attendant.pictures.style import COLOURS, INK, MUTED, WIDTH
from attendant.statistics.references import Column, Reference, ReferenceSet
from attendant.statistics.samples import FUSION, MEAN, MOSAIC, Statistic, Stream
from attendant.types import Modality

_BINS = 40  # of [0, 1]


def draw_reference(reference: Reference) -> Figure:
    """A row of histograms for each set of modalities."""
    sets = reference.sets
    figure = Figure(figsize=(WIDTH, 2.3 * len(sets) + 0.5), facecolor="white", layout="constrained")
    origin = reference.origin
    figure.suptitle(f"{origin.model} {origin.version}: reference statistics", color=INK)
    for axes, found in zip(figure.subplots(len(sets), 5, squeeze=False), sets, strict=True):
        for axis, (title, columns) in zip(axes, _histograms(found).items(), strict=True):
            _draw(axis, title, columns)
        axes[0].set_ylabel(f"{found.name}\nn = {len(found.samples)}", color=MUTED, fontsize=8)
        for axis in (axes[0], axes[3]):
            axis.legend(fontsize=7, frameon=False)
    return figure


def _histograms(found: ReferenceSet) -> dict[str, dict[str, Column]]:
    """What is drawn of a set, by title; columns are called by their modality, or as the fusion weights, or not."""
    column = found.samples.column
    of_mosaics = found.modalities == MOSAIC
    whose, source = ("", "") if of_mosaics else (" of means", MEAN)
    shapes = {
        f"{statistic.replace('_', ' ')}{whose}": {
            str(target): column(Stream(statistic, target, source)) for target in found.modalities
        }
        for statistic in (Statistic.ENTROPY_RATIO, Statistic.MAX_WEIGHT)
    }
    parts = (
        {"focus risk": {"": column(Stream(Statistic.FOCUS_RISK))}}
        if of_mosaics
        else {"modality weights": found.modality_weights}
    )
    answers = "P(label)" if of_mosaics else "P(sarcastic)"
    return {
        **shapes,
        **parts,
        "permutation impact": found.impacts,
        answers: {"": column(Stream(Statistic.PROBABILITY))},
    }


def _draw(axis: Axes, title: str, columns: Mapping[str, Column]) -> None:
    """Shares of explanations, one outline a column."""
    for name, column in columns.items():
        values = column[np.isfinite(column)]
        axis.hist(
            values,
            bins=[edge / _BINS for edge in range(_BINS + 1)],
            weights=np.full(len(values), 1 / max(len(values), 1)),
            histtype="step",
            color=COLOURS[Modality(name)] if name not in ("", FUSION) else MUTED,
            label=name,
        )
    if not columns:
        axis.text(0.5, 0.5, "one modality", ha="center", color=MUTED, fontsize=8, transform=axis.transAxes)
    axis.set_title(title, fontsize=9)
    axis.set_xlim(0, 1)
    axis.tick_params(labelsize=7, colors=MUTED)
    axis.spines[["top", "right"]].set_visible(False)
