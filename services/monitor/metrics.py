"""What Prometheus is told of drift: read from snapshots at every scrape, so that nothing has to be kept up to date.

Labels are bounded: by the versions watched, the sets of modalities there are, and the streams watched of each. What has
no value (NaN) is left out.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from attendant.statistics.detector import MIX_NAME, LengthReport, SetReport, StreamReport
from attendant.statistics.samples import Stream
from attendant.types import Modality
from services.monitor.monitor import Monitor
from services.monitor.watch import Cause, Snapshot

_VERSION = ("model", "version")
_SET = (*_VERSION, "modalities")
_WINDOW = (*_SET, "window")
_STREAM = (*_WINDOW, "statistic", "target", "source")
_TEST = (*_STREAM, "test")
_TARGET = (*_VERSION, "target")
_GAUGES = {
    "drift_statistic": (
        _TEST,
        "How far the last window is from the reference: Kolmogorov distance, PSI, or JSD.",
    ),
    "drift_threshold": (
        _TEST,
        "What of that the reference's size excuses (ks), or chance allows (psi, jsd).",
    ),
    "drift_pvalue": (_STREAM, "Of the last window being farther away than what is excused."),
    "drift_log_e_value": (_STREAM, "Natural logarithm of the evidence in the last window."),
    "drift_share": (_STREAM, "The stream's part of the evidence that has added up."),
    "drift_log_evidence": (_WINDOW, "ln(1 + evidence) that has added up since the last alarm."),
    "drift_log_evidence_threshold": (_WINDOW, "An alarm is raised where the evidence reaches this."),
    "drift_window_samples": (_WINDOW, "Explanations in the open window."),
    "drift_reference_info": (
        (*_SET, "sha256"),
        "Explanations in the reference, and the SHA-256 of its file.",
    ),
    "drift_reference_missing": (_SET, "1 where explanations come that there is no reference for."),
    "drift_last_alarm_timestamp_seconds": (
        _STREAM,
        "When the last of these alarms came, in seconds since 1970.",
    ),
}
_COUNTERS = {
    "drift_windows": (_WINDOW, "Windows compared with the reference."),
    "drift_samples": (_SET, "Explanations counted."),
    "drift_alarms": (_STREAM, "Alarms, by the stream with the largest share of the evidence."),
    "drift_foreign_samples": (
        _VERSION,
        "Explanations by other weights than those that are watched, left out.",
    ),
}
_CORRELATIONS = {
    "correlation": "Pearson correlation of a modality's weight and its permutation impact.",
    "correlation_low": "Lower end of its 95 % interval.",
    "correlation_high": "Upper end of its 95 % interval.",
    "correlation_samples": "Explanations with both.",
}
_STREAM_GAUGES: dict[str, Callable[[StreamReport], float]] = {
    "drift_pvalue": lambda found: found.p_value,
    "drift_log_e_value": lambda found: found.log_e_value,
    "drift_share": lambda found: found.share,
}
_MAP = ("map", str(Modality.IMAGE), "mean")

Labels = Sequence[str]


class DriftMetrics(Collector):
    """`snapshots` gives what there is to show."""

    def __init__(self, snapshots: Callable[[], Iterable[Snapshot]]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        page = _Page()
        for snapshot in self._snapshots():
            _show(page, snapshot)
        return page.families()


class StreamMetrics(Collector):
    """How reading from Redis goes."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        up = GaugeMetricFamily("attendant_monitor_redis_up", "1 while Redis answers.")
        up.add_metric([], float(self._monitor.link.up))
        leader = GaugeMetricFamily(
            "attendant_monitor_leader",
            "1 where this monitor counts the version's explanations.",
            labels=_VERSION,
        )
        lag = GaugeMetricFamily(
            "attendant_monitor_lag_seconds", "From the last entry counted to the newest one.", labels=_VERSION
        )
        pending = GaugeMetricFamily(
            "attendant_monitor_pending_entries", "Entries that no saved state includes yet.", labels=_VERSION
        )
        entries = CounterMetricFamily("attendant_monitor_entries", "Entries counted.", labels=_VERSION)
        bad = CounterMetricFamily(
            "attendant_monitor_bad_entries", "Entries that are not explanations.", labels=_VERSION
        )
        lost = CounterMetricFamily(
            "attendant_monitor_lost_entries",
            "Entries that were trimmed before they were counted.",
            labels=_VERSION,
        )
        missed = GaugeMetricFamily(
            "attendant_monitor_last_loss_timestamp_seconds",
            "When the last of these were missed, in seconds since 1970.",
            labels=_VERSION,
        )
        for name, follower in self._monitor.followers.items():
            labels, status = (name.model, name.version), follower.status
            leader.add_metric(labels, float(status.leads))
            if follower.snapshot is None:
                continue
            lag.add_metric(labels, status.lag_seconds)
            pending.add_metric(labels, status.pending)
            entries.add_metric(labels, status.progress.entries)
            bad.add_metric(labels, status.progress.bad)
            lost.add_metric(labels, status.progress.lost)
            if status.progress.lost:
                missed.add_metric(labels, status.progress.lost_at)
        yield from (up, leader, lag, pending, entries, bad, lost, missed)


class _Page:
    """The families of one scrape, filled row by row."""

    def __init__(self) -> None:
        self._gauges = {
            name: GaugeMetricFamily(f"attendant_attention_{name}", text, labels=labels)
            for name, (labels, text) in _GAUGES.items()
        } | {
            name: GaugeMetricFamily(f"attendant_impact_{name}", text, labels=_TARGET)
            for name, text in _CORRELATIONS.items()
        }
        self._counters = {
            name: CounterMetricFamily(f"attendant_attention_{name}", text, labels=labels)
            for name, (labels, text) in _COUNTERS.items()
        }

    def gauge(self, name: str, labels: Labels, value: float) -> None:
        if not math.isnan(value):
            self._gauges[name].add_metric(labels, value)

    def count(self, name: str, labels: Labels, value: int) -> None:
        self._counters[name].add_metric(labels, value)

    def families(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        yield from self._gauges.values()
        yield from self._counters.values()


def _show(page: _Page, snapshot: Snapshot) -> None:
    version = (snapshot.name.model, snapshot.name.version)
    page.count("drift_foreign_samples", version, snapshot.foreign)
    for found in snapshot.report.sets:
        labels = (*version, found.name)
        page.count("drift_samples", labels, found.samples)
        if found.status == "no reference":
            page.gauge("drift_reference_missing", labels, 1)
        elif found.name != MIX_NAME:
            page.gauge("drift_reference_info", (*labels, snapshot.sha256), found.reference_size)
        for length in found.lengths:
            _show_windows(page, (*labels, str(length.length)), length)
            _show_alarms(page, (*labels, str(length.length)), found, length, snapshot)
    for one in snapshot.report.correlations:
        target = (*version, str(one.modality))
        page.gauge("correlation", target, one.r)
        page.gauge("correlation_low", target, one.low)
        page.gauge("correlation_high", target, one.high)
        page.gauge("correlation_samples", target, one.n)


def _show_windows(page: _Page, labels: Labels, length: LengthReport) -> None:
    page.count("drift_windows", labels, length.windows)
    page.gauge("drift_log_evidence", labels, length.log_evidence)
    page.gauge("drift_log_evidence_threshold", labels, length.log_threshold)
    page.gauge("drift_window_samples", labels, length.filled)
    for found in length.streams:
        stream = (*labels, *_parts(found.watched.stream))
        for name, read in _STREAM_GAUGES.items():
            page.gauge(name, stream, read(found))
        for test, statistic, threshold in (
            ("ks", found.distance, found.tolerance),
            ("psi", found.psi, found.psi_threshold),
            ("jsd", found.jsd, found.jsd_threshold),
        ):
            page.gauge("drift_statistic", (*stream, test), statistic)
            page.gauge("drift_threshold", (*stream, test), threshold)
    page.gauge("drift_statistic", (*labels, *_MAP, "jsd"), length.map_jsd)
    page.gauge("drift_threshold", (*labels, *_MAP, "jsd"), length.map_threshold)


def _show_alarms(
    page: _Page, labels: Labels, found: SetReport, length: LengthReport, snapshot: Snapshot
) -> None:
    """Every stream has its counter from the start: the first alarm is an increase, too."""
    for one in length.streams:
        stream = (*labels, *_parts(one.watched.stream))
        cause = Cause(found.name, length.length, one.watched.stream)
        page.count("drift_alarms", stream, snapshot.alarms.get(cause, 0))
        page.gauge("drift_last_alarm_timestamp_seconds", stream, snapshot.alarmed.get(cause, math.nan))


def _parts(stream: Stream) -> tuple[str, str, str]:
    return str(stream.statistic), str(stream.target), stream.source
