"""What `attendant drift check` found, as tables and words for people and a document for programs."""

import math
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from attendant.analysis.drift_check import Checked, CheckedSet, Compared
from attendant.cli.grids import Grid
from attendant.statistics.detector import FAST, RUN_LENGTH, Alarm
from attendant.statistics.drift import LEAST
from attendant.statistics.references import Origin

_NO_NUMBER = "-"
_TINY = 1e-9
_SMALL = 0.05  # a share of the evidence that need not be told


def check_tables(checked: Checked) -> Iterator[Table]:
    """A table a set of modalities that was compared."""
    yield from (_streams(one).table() for one in checked.sets if one.streams)


def verdict(checked: Checked) -> str:
    """What all of it says, a line a thing."""
    lines = [_say(one) for one in checked.sets]
    lines += [f"mix of requests: {_alarm(alarm)}" for alarm in checked.mix]
    if checked.others:
        lines.append(f"left out: {_count(checked.others, 'explanation')} of other models or versions")
    if checked.foreign:
        lines.append(f"compared, though other weights made them: {_count(checked.foreign, 'explanation')}")
    if not checked.is_said:
        return "\n".join([*lines, "it cannot be said whether there is drift: nothing could be compared"])
    lines.append(
        f"{'DRIFT' if checked.drifts else 'no drift found'} (without drift, a log like this gives an alarm with a "
        f"chance of at most {checked.chance:.2%})"
    )
    return "\n".join(lines)


def check_document(checked: Checked, origin: Origin) -> dict[str, Any]:
    """What is not defined is null."""
    return {
        "drift": checked.drifts if checked.is_said else None,
        "chance_without_drift": checked.chance,
        "reference": {
            "model": origin.model,
            "version": origin.version,
            "weights_digest": origin.weights_digest,
        },
        "other_versions": checked.others,
        "other_weights": checked.foreign,
        "sets": [
            {
                "name": one.name,
                "samples": len(one.samples),
                "reference_size": None if one.reference is None else len(one.reference),
                "drift": one.drifts,
                "evidence": one.evidence,
                "streams": [_stream(stream) for stream in one.streams],
                "windows": [
                    {
                        "number": window.number,
                        "log_evidence": window.log_evidence,
                        "alarms": [_alarm_document(alarm) for alarm in window.alarms],
                    }
                    for window in one.windows
                ],
            }
            for one in checked.sets
        ],
        "mix": [_alarm_document(alarm) for alarm in checked.mix],
    }


def _streams(one: CheckedSet) -> Grid:
    assert one.reference is not None
    ordered = sorted(one.streams, key=lambda each: -_evidence(each))
    rows = [
        (
            each.comparison.watched.stream.key,
            f"{each.comparison.n:,}",
            f"{each.comparison.distance:.2f}",
            f"{each.comparison.tolerance:.2f}",
            "< 1e-9" if each.comparison.p_value < _TINY else f"{each.comparison.p_value:.1g}",
            _figure(each.median),
            _figure(each.reference_median),
        )
        for each in ordered
        if not math.isnan(each.comparison.evidence)
    ]
    return Grid(
        f"{one.name}: {len(one.samples):,} explanations against {len(one.reference):,}",
        "Apart: Kolmogorov distance; slack: what of it the size of the reference explains; p: of the rest. Medians: of "
        "the log, and as usual, of the reference.",
        ("stream", "n", "apart", "slack", "p", "median", "usual"),
        tuple(rows),
    )


def _say(one: CheckedSet) -> str:
    if one.reference is None:
        return f"{one.name}: {_count(len(one.samples), 'explanation')}, and no reference of such"
    if one.evidence is None:
        return f"{one.name}: {_count(len(one.samples), 'explanation')}; fewer than {LEAST} say nothing"
    alarms = [f"window {window.number}, {_alarm(alarm)}" for window in one.windows for alarm in window.alarms]
    said = (
        f"{one.name}: evidence {one.evidence:.4g} in all of it, an alarm from {RUN_LENGTH:,.0f} on",
        f"{_count(len(one.windows), 'window')} of {FAST}: {_count(len(alarms), 'alarm')}",
        *alarms,
    )
    return "; ".join(said)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def _alarm(alarm: Alarm) -> str:
    named = ", ".join(f"{stream.key} {share:.0%}" for stream, share in alarm.streams[:3] if share >= _SMALL)
    return f"{alarm.length} windows: {named}"


def _alarm_document(alarm: Alarm) -> dict[str, Any]:
    return {
        "modalities": alarm.modalities,
        "window": alarm.length,
        "evidence": alarm.evidence,
        "streams": [{"stream": stream.key, "share": share} for stream, share in alarm.streams],
    }


def _stream(one: Compared) -> dict[str, Any]:
    found = one.comparison
    figures = {
        "distance": found.distance,
        "tolerance": found.tolerance,
        "p_value": found.p_value,
        "evidence": found.evidence,
        "median": one.median,
        "reference_median": one.reference_median,
    }
    return {"stream": found.watched.stream.key, "n": found.n} | {
        name: None if math.isnan(value) else value for name, value in figures.items()
    }


def _evidence(one: Compared) -> float:
    evidence = one.comparison.evidence
    return -1.0 if math.isnan(evidence) else evidence


def _figure(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else _NO_NUMBER
