"""Drift in pictures: what was simulated, and a log beside its reference."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from attendant.analysis.drift import RuleShares, RunLength
from attendant.analysis.drift_check import Checked, CheckedSet, Compared
from attendant.analysis.drift_simulation import General, PlantedDelays, Simulated
from attendant.analysis.fixed_rules import RULES, Rule
from attendant.pictures.charts import dress, sheet
from attendant.pictures.style import FAINT, INK, MUTED, RIGHT, WRONG, font, heat
from attendant.statistics.detector import RUN_LENGTH
from attendant.statistics.samples import MEAN, Samples, map_sources

_STREAMS = 4  # that are drawn of a set
_ROW = 0.32  # inches
_MARKS = {Rule.WASSERSTEIN: "o", Rule.PSI: "s", Rule.JENSEN_SHANNON: "^", Rule.KOLMOGOROV_SMIRNOV: "D"}
_LEAST_SHARE = 1e-5
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b6670", "#000000")


def draw_simulation(general: General, simulated: Sequence[Simulated]) -> Figure:
    """Left: how often which alarm comes with no drift. Right: windows until drift is found, by its share of traffic."""
    quiet = [(f"{one.model} {one.version}, {found.name}", found) for one in simulated for found in one.quiet]
    figure = sheet(
        "Drift, simulated: alarms without it, and how soon it is found", 2.4 + _ROW * max(len(quiet), 8)
    )
    left, right = figure.subplots(1, 2)
    rows: list[tuple[str, RunLength, tuple[RuleShares, ...]]] = [
        (name, found.run_length, found.rules) for name, found in quiet
    ]
    rows.append(("mix of requests", general.mix, ()))
    _draw_rates(left, rows)
    first = simulated[0]  # of all of them there were too many lines to tell apart
    planted = [
        ("", general.fewer_images),
        *((f"{first.model} {first.version}, ", one) for one in first.planted),
    ]
    _draw_delays(right, planted[: len(_LINES)])
    return figure


def draw_check(checked: Checked, title: str) -> Figure:
    """A row for each set that was compared: the streams with most evidence, and mean maps where there are images."""
    sets = [one for one in checked.sets if one.streams]
    figure = sheet(title, 0.9 + 2.3 * max(len(sets), 1))
    grid = figure.subplots(max(len(sets), 1), _STREAMS + 2, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for row, one in zip(grid, sets, strict=False):
        for axes, stream in zip(row, _strongest(one), strict=False):
            _draw_distribution(axes, one, stream)
        row[0].legend(prop=font(7), frameon=False)
        row[0].set_ylabel(f"{one.name}\nshare of explanations", fontproperties=font(8), color=MUTED)
        _draw_maps(row[_STREAMS:], one)
    return figure


def _draw_rates(axes: Axes, rows: Sequence[tuple[str, RunLength, tuple[RuleShares, ...]]]) -> None:
    places = np.arange(len(rows))
    for rule, marker in _MARKS.items():
        shares = [next((one.of_windows for one in rules if one.rule is rule), np.nan) for _, _, rules in rows]
        axes.plot(
            np.maximum(shares, _LEAST_SHARE),
            places,
            marker,
            color=MUTED,
            markersize=5,
            label=RULES[rule],
            alpha=0.8,
        )
    bounds = [1 / length.least for _, length, _ in rows]
    axes.plot(bounds, places, "<", color=RIGHT, markersize=7, label="Attendant, at most (95 %)")
    axes.axvline(
        1 / RUN_LENGTH, color=WRONG, linestyle="--", linewidth=1, label=f"stated: 1 in {RUN_LENGTH:,.0f}"
    )
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_SHARE, 1.3)
    axes.set_yticks(places, [name for name, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color=FAINT)
    dress(axes, "No drift: windows with an alarm", "share of windows of 200", "")
    axes.legend(prop=font(7.5), frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=3)


def _draw_delays(axes: Axes, planted: Sequence[tuple[str, PlantedDelays]]) -> None:
    for number, (model, drift) in enumerate(planted):
        colour = _LINES[number]
        shares = np.array([one.share for one in drift.delays]) * (1 + 0.02 * (number - len(planted) / 2))
        low, middle, high = ([one.quantile(q) or one.most for one in drift.delays] for q in (0.05, 0.5, 0.95))
        axes.plot(
            shares, middle, "o-", color=colour, markersize=4, label=f"{model}{drift.modalities}: {drift.name}"
        )
        axes.vlines(shares, low, high, color=colour, linewidth=1, alpha=0.6)
        for share, one in zip(shares, drift.delays, strict=True):
            if one.quantile(0.5) is None:
                axes.plot(share, one.most, "o", color="white", markeredgecolor=colour, markersize=6, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    shares_seen = sorted({one.share for _, drift in planted for one in drift.delays})
    axes.set_xticks(shares_seen, [f"{share:.0%}" for share in shares_seen])
    axes.minorticks_off()
    axes.set_yticks([1, 2, 5, 10, 20, 50, 100, 200], ["1", "2", "5", "10", "20", "50", "100", "200"])
    axes.grid(color=FAINT)
    title = "Planted drift: windows until the alarm (empty: most had none)"
    dress(axes, title, "share of traffic that drifts", "windows of 200, median and 5 % to 95 %")
    axes.legend(prop=font(7.5), frameon=False, loc="upper right")


def _strongest(one: CheckedSet) -> Iterator[Compared]:
    told = [stream for stream in one.streams if np.isfinite(stream.comparison.evidence)]
    yield from sorted(told, key=lambda stream: -stream.comparison.evidence)[:_STREAMS]


def _draw_distribution(axes: Axes, one: CheckedSet, stream: Compared) -> None:
    """Empirical distribution functions."""
    assert one.reference is not None
    watched = stream.comparison.watched.stream
    for samples, colour, label in ((one.reference, MUTED, "reference"), (one.samples, WRONG, "log")):
        values = samples.column(watched)
        values = np.sort(values[np.isfinite(values)])
        axes.step(
            values, np.arange(1, len(values) + 1) / len(values), where="post", color=colour, label=label
        )
    axes.set_visible(True)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    dress(axes, "", f"evidence {stream.comparison.evidence:.3g}", "")
    axes.set_title(watched.key, fontproperties=font(7), color=INK, loc="left")
    axes.tick_params(labelsize=7)


def _draw_maps(pair: Sequence[Axes], one: CheckedSet) -> None:
    """Mean maps over all sources on one scale."""
    assert one.reference is not None
    sides = (("reference", one.reference), ("log", one.samples))
    maps = [(name, found) for name, samples in sides for found in _mean_map(samples)]
    largest = max((float(found.max()) for _, found in maps), default=1.0)
    for axes, (name, found) in zip(pair, maps, strict=False):
        axes.set_visible(True)
        axes.imshow(found, cmap=heat(), vmin=0, vmax=largest)
        axes.set_axis_off()
        axes.set_title(f"image, {name}", fontproperties=font(8), color=INK)


def _mean_map(samples: Samples) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """One, or none without images."""
    sources = map_sources(samples.modalities)
    if sources:
        yield samples.mean_maps()[sources.index(MEAN)]
