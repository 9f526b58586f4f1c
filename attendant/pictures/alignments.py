"""How attention over photographs lies on the boxes in them: histograms of cosines."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from attendant.analysis.boxes import PUBLISHED, Alignment
from attendant.pictures.charts import dress, sheet
from attendant.pictures.style import COLOURS, INK, MUTED, font
from attendant.types import Modality

_HEIGHT = 3.6  # inches
_BINS = 25


def draw_alignments(found: Sequence[Alignment], title: str) -> Figure:
    """One histogram each for all the attention, its 20 highest regions, and 20 random ones."""
    figure = sheet(title, _HEIGHT)
    panels = (
        ("all of the attention", [one.full for one in found], PUBLISHED.full),
        ("its 20 highest regions", [one.top20 for one in found], PUBLISHED.top20),
        ("20 random regions", [one.random20 for one in found], PUBLISHED.random20),
    )
    row = figure.subplots(1, len(panels), sharey=True)
    for axes, (name, cosines, published) in zip(row, panels, strict=True):
        axes.hist(cosines, _BINS, range=(0, 1), color=COLOURS[Modality.IMAGE], alpha=0.75)
        axes.axvline(np.mean(cosines), color=INK, label=f"mean {np.mean(cosines):.3f}")
        axes.axvline(published, color=MUTED, linestyle="--", label=f"published mean {published:.3f}")
        dress(axes, name, "cosine with the boxes", "photographs")
        axes.set_xlim(0, 1)
        axes.margins(y=0.4)  # room for the legend
    even = [one.even for one in found]
    row[0].hist(
        even,
        _BINS,
        range=(0, 1),
        histtype="step",
        color=MUTED,
        label=f"even attention, mean {np.mean(even):.3f}",
    )
    for axes in row:
        axes.legend(prop=font(8), edgecolor="none", loc="upper left")
    return figure
