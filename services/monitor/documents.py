"""What is known of drift as JSON, for `attendant monitor` and for programs."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from attendant.statistics.detector import Alarm, LengthReport, SetReport, StreamReport
from services.monitor.watch import Snapshot


def drift_document(snapshots: Iterable[Snapshot]) -> dict[str, Any]:
    """Versions in alphabetical order. Numbers that do not exist are null."""
    ordered = sorted(snapshots, key=lambda snapshot: str(snapshot.name))
    return {"versions": [_version(snapshot) for snapshot in ordered]}


def _version(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "model": snapshot.name.model,
        "version": snapshot.name.version,
        "reference_sha256": snapshot.sha256 or None,
        "sets": [_set(found) for found in snapshot.report.sets],
        "correlations": [_plain(asdict(found)) for found in snapshot.report.correlations],
    }


def _set(found: SetReport) -> dict[str, Any]:
    return {
        "modalities": found.name,
        "status": found.status,
        "samples": found.samples,
        "reference_samples": found.reference_size,
        "windows": [_window(length) for length in found.lengths],
    }


def _window(found: LengthReport) -> dict[str, Any]:
    return _plain(
        {
            "window": str(found.length),
            "size": found.length.size,
            "filled": found.filled,
            "compared": found.windows,
            "log_evidence": found.log_evidence,
            "log_threshold": found.log_threshold,
            "alarms": found.alarms,
            "map_jsd": found.map_jsd,
            "map_threshold": found.map_threshold,
        }
    ) | {
        "last_alarm": None if found.last_alarm is None else _alarm(found.last_alarm),
        "streams": [_stream(stream) for stream in found.streams],
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "evidence": alarm.evidence,
        "streams": [{"stream": stream.key, "share": share} for stream, share in alarm.streams],
    }


def _stream(found: StreamReport) -> dict[str, Any]:
    figures = asdict(found)
    del figures["watched"]
    return {"stream": found.watched.stream.key, "group": found.watched.group} | _plain(figures)


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
    }
