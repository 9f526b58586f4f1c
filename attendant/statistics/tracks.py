"""Watching one set of modalities, or the mix of them: windows of two lengths against one reference.

K streams watched, C cells of the image's map (0 without an image).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.binned import bin_and_compare, map_divergence, map_threshold
from attendant.statistics.drift import Columns, Comparison, Evidence, Watched, compare, ordered
from attendant.statistics.parcels import Parcel
from attendant.statistics.samples import Stream
from attendant.statistics.windows import Rows, Windows

FAST, SLOW = 200, 2_000  # explanations a window
_FIGURES = 10  # of a stream in a window, see `Track._measure`

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]


class Length(StrEnum):
    """Fast windows find large drift soon, slow ones small drift at all."""

    FAST = "fast"
    SLOW = "slow"

    @property
    def size(self) -> int:
        return FAST if self is Length.FAST else SLOW


@dataclass(frozen=True)
class Alarm:
    """There is drift in explanations with these modalities, or in the mix of them.

    `evidence` is what had added up; `streams` whose it was: each one's share, which add up to 1, the largest first.
    """

    modalities: str
    length: Length
    evidence: float
    streams: tuple[tuple[Stream, float], ...]


@dataclass(frozen=True)
class StreamReport:
    """A stream in the latest window: `drift.Comparison`, the medians of both sides, and `binned.Binned`.

    NaN where there is no such figure; n = 0 before the first window. `share` is of the evidence since the last alarm.
    """

    watched: Watched
    n: int
    distance: float
    tolerance: float
    p_value: float
    log_e_value: float
    share: float
    median: float
    reference_median: float
    psi: float
    psi_threshold: float
    jsd: float
    jsd_threshold: float


@dataclass(frozen=True)
class LengthReport:
    """The windows of one length: `filled` rows are in the open one, `windows` were compared.

    An alarm is raised where `log_evidence`, which is ln(1 + evidence), reaches `log_threshold`; that clears it.
    `map_jsd` is of the image's mean maps in the latest window, nats; NaN without an image or a window.
    """

    length: Length
    filled: int
    windows: int
    log_evidence: float
    log_threshold: float
    alarms: int
    last_alarm: Alarm | None
    streams: tuple[StreamReport, ...]
    map_jsd: float
    map_threshold: float


class Watch:
    """Both lengths, cut from the same explanations. Each has twice the run length to reach: together they keep it."""

    def __init__(self, name: str, watched: tuple[Watched, ...], reference: Rows, run_length: float) -> None:
        self.name = name
        self.reference_size = len(reference)
        usual = _Usual(watched, ordered(reference.values), reference.maps)
        self._windows = Windows((FAST, SLOW), len(watched), reference.maps.shape[1])
        self._tracks = {length.size: Track(name, length, usual, 2 * run_length) for length in Length}

    def add(self, rows: Rows) -> list[Alarm]:
        alarms = (self._tracks[len(window)].add(window) for window in self._windows.cut(rows))
        return [alarm for alarm in alarms if alarm]

    def report(self) -> tuple[LengthReport, ...]:
        return tuple(track.report(self._windows.filled(size)) for size, track in self._tracks.items())

    def arrays(self) -> Arrays:
        """What `resume` goes on from."""
        begun = self._windows.begun
        arrays: Arrays = {f"{self.name}/values": begun.values, f"{self.name}/maps": begun.maps}
        for track in self._tracks.values():
            arrays |= track.arrays()
        return arrays

    def resume(self, parcel: Parcel) -> None:
        begun = self._windows.begun
        values = parcel.take(f"{self.name}/values", np.float32, None, begun.values.shape[1])
        maps = parcel.take(f"{self.name}/maps", np.float16, None, begun.maps.shape[1])
        self._windows.resume(Rows(values, maps))
        for track in self._tracks.values():
            track.resume(parcel)


@dataclass(frozen=True)
class _Usual:
    """A reference, sorted once."""

    watched: tuple[Watched, ...]
    columns: Columns
    maps: NDArray[np.float16]

    @cached_property
    def medians(self) -> list[float]:
        return [median(column) for column in self.columns]


class Track:
    """The windows of one length, and the evidence in them."""

    def __init__(self, name: str, length: Length, usual: _Usual, run_length: float) -> None:
        self._name, self._length, self._usual = name, length, usual
        self._evidence = Evidence([one.weight for one in usual.watched], run_length)
        self._windows = self._alarms = 0
        self._figures = np.full((len(usual.watched), _FIGURES), np.nan)
        self._figures[:, 0] = 0
        self._map_jsd = np.nan
        self._last = np.full(1 + len(usual.watched), np.nan)  # the last alarm's evidence and shares

    def add(self, window: Rows) -> Alarm | None:
        columns = ordered(window.values)
        found = compare(self._usual.watched, columns, self._usual.columns)
        self._figures = self._measure(found, columns)
        if window.maps.size:
            self._map_jsd = map_divergence(window.maps, self._usual.maps)
        self._windows += 1
        if not self._evidence.add([one.evidence for one in found]):
            return None
        self._alarms += 1
        self._last = np.array([self._evidence.total, *self._evidence.shares])
        self._evidence.clear()
        return self._last_alarm()

    def report(self, filled: int) -> LengthReport:
        return LengthReport(
            length=self._length,
            filled=filled,
            windows=self._windows,
            log_evidence=float(np.log1p(self._evidence.total)),
            log_threshold=float(np.log1p(self._evidence.run_length)),
            alarms=self._alarms,
            last_alarm=self._last_alarm(),
            streams=tuple(
                _report(*row)
                for row in zip(
                    self._usual.watched,
                    self._figures.tolist(),
                    self._evidence.shares.tolist(),
                    self._usual.medians,
                    strict=True,
                )
            ),
            map_jsd=self._map_jsd,
            map_threshold=self._map_threshold if np.isfinite(self._map_jsd) else np.nan,
        )

    def arrays(self) -> Arrays:
        arrays = {
            "processes": self._evidence.processes,
            "counts": np.array([self._windows, self._alarms]),
            "figures": self._figures,
            "map": np.array([self._map_jsd]),
            "alarm": self._last,
        }
        return {self._key(name): array for name, array in arrays.items()}

    def resume(self, parcel: Parcel) -> None:
        count = len(self._usual.watched)
        processes = parcel.take(self._key("processes"), np.float64, count)
        counts = parcel.take(self._key("counts"), np.int64, 2)
        if not (np.isfinite(processes) & (processes >= 0)).all() or (counts < 0).any():
            raise ValueError(f"{self._key('processes')} or their counts are out of range")
        self._evidence.processes = processes
        self._windows, self._alarms = counts.tolist()
        self._figures = parcel.take(self._key("figures"), np.float64, count, _FIGURES)
        self._map_jsd = float(parcel.take(self._key("map"), np.float64, 1)[0])
        self._last = parcel.take(self._key("alarm"), np.float64, 1 + count)
        sizes = self._figures[:, 0]
        if not (np.isfinite(sizes) & (sizes >= 0)).all() or (self._alarms and np.isnan(self._last).any()):
            raise ValueError(f"{self._key('figures')} or the last alarm are out of range")

    @cached_property
    def _map_threshold(self) -> float:
        return map_threshold(self._usual.maps, self._length.size)

    def _key(self, name: str) -> str:
        return f"{self._name}/{self._length}/{name}"

    def _measure(self, found: tuple[Comparison, ...], window: Columns) -> Floats:
        """K x the figures of `StreamReport` that are of the window alone, in its order."""
        return np.array(
            [
                (
                    *(one.n, one.distance, one.tolerance, one.p_value, np.log(one.evidence), median(column)),
                    *(cells.psi, cells.psi_threshold, cells.jsd, cells.jsd_threshold),
                )
                for one, column, cells in zip(
                    found, window, map(bin_and_compare, window, self._usual.columns), strict=True
                )
            ]
        )

    def _last_alarm(self) -> Alarm | None:
        if not self._alarms:
            return None
        evidence, *shares = self._last.tolist()
        streams = zip((one.stream for one in self._usual.watched), shares, strict=True)
        ranked = sorted(streams, key=lambda pair: -pair[1])
        return Alarm(self._name, self._length, evidence, tuple(ranked))


def _report(watched: Watched, figures: list[float], share: float, reference_median: float) -> StreamReport:
    n, distance, excused, p, log_e, median, *cells = figures
    return StreamReport(watched, int(n), distance, excused, p, log_e, share, median, reference_median, *cells)


def median(column: NDArray[np.float32]) -> float:
    """Of a column that ascends; NaN of none."""
    if not len(column):
        return np.nan
    return float(column[(len(column) - 1) // 2] + column[len(column) // 2]) / 2
