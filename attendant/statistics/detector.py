"""Watches one version's explanations for drift: compares windows of them with the reference, by set of modalities, and
adds the evidence up until it makes an alarm (spec: attention drift; docs/adr/0015). No clock and no I/O: the same
explanations in the same order give the same alarms, with or without a restart in between.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, NonNegativeInt, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from attendant.statistics.correlations import Correlation, Pairs
from attendant.statistics.drift import MIX, watch, watched_values
from attendant.statistics.parcels import Parcel
from attendant.statistics.references import Reference
from attendant.statistics.samples import MOSAIC, Samples, name_of
from attendant.statistics.tracks import FAST, SLOW, Alarm, Arrays, Length, LengthReport, StreamReport, Watch
from attendant.statistics.windows import Rows
from attendant.types import MODALITIES, Modality

__all__ = [
    "FAST",
    "MIX_NAME",
    "MIX_REFERENCE",
    "RUN_LENGTH",
    "SLOW",
    "Alarm",
    "Correlation",
    "Detector",
    "Length",
    "LengthReport",
    "Report",
    "SetReport",
    "StreamReport",
]

RUN_LENGTH = 1_000.0  # fast windows, on average at least, between false alarms of one set of modalities
MIX_NAME = "mix"
MIX_REFERENCE = 2_000  # explanations, the first that come

Status = Literal["no reference", "collecting", "watching"]
_FORMAT: Literal[1] = 1  # of the state; counts up where its arrays come to mean something else


@dataclass(frozen=True)
class SetReport:
    """`name` is a set of modalities, or "mix". `samples` have come, and are compared with `reference_size`."""

    name: str
    status: Status
    samples: int
    reference_size: int
    lengths: tuple[LengthReport, ...]


@dataclass(frozen=True)
class Report:
    """Where watching stands; sets in the order of their names."""

    sets: tuple[SetReport, ...]
    correlations: tuple[Correlation, ...]


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Header:
    """Of the state: which reference it belongs to, and how many explanations of each set have come."""

    format: Literal[1]
    reference: str
    counts: Mapping[str, NonNegativeInt]


class Detector:
    """Of one model version, with the reference that was shipped with it, or none."""

    def __init__(self, reference: Reference | None, run_length: float = RUN_LENGTH) -> None:
        self._digest = _digest(reference)
        self._watches = {
            found.modalities: Watch(found.name, watch(found.modalities), _rows(found.samples), run_length)
            for found in (reference.sets if reference else ())
        }
        self._counts = dict.fromkeys(self._watches, 0)
        self._mix = _Mix(run_length)
        self._pairs = Pairs()

    def add(self, samples: Samples) -> list[Alarm]:
        """The next explanations, any number of them. How they are split into calls changes nothing."""
        if not len(samples):
            return []
        modalities = samples.modalities
        self._counts[modalities] = self._counts.get(modalities, 0) + len(samples)
        self._pairs.add(samples)
        alarms: list[Alarm] = []
        if modalities in self._watches:
            alarms += self._watches[modalities].add(_rows(samples))
        if modalities != MOSAIC:
            alarms += self._mix.add(_presence(modalities, len(samples)))
        return alarms

    def report(self) -> Report:
        sets = [self._report(modalities, count) for modalities, count in self._counts.items()]
        tweets = [count for modalities, count in self._counts.items() if modalities != MOSAIC]
        if tweets:
            sets.append(self._mix.report(sum(tweets)))
        return Report(tuple(sorted(sets, key=lambda one: one.name)), self._pairs.correlations())

    def to_bytes(self) -> bytes:
        """All that was left behind by what came; `from_bytes` goes on from there."""
        counts = {name_of(modalities): count for modalities, count in self._counts.items()}
        header = TypeAdapter(_Header).dump_json(_Header(_FORMAT, self._digest, counts)).decode()
        arrays: Arrays = {"pairs": self._pairs.rows, **self._mix.arrays()}
        for watched in self._watches.values():
            arrays |= watched.arrays()
        return Parcel(header, arrays).to_bytes()

    @classmethod
    def from_bytes(
        cls, state: bytes, reference: Reference | None, run_length: float = RUN_LENGTH
    ) -> "Detector":
        """ValueError for what is no state, or one that belongs to another reference. The run length may be another."""
        parcel = Parcel.from_bytes(state)
        header = TypeAdapter(_Header).validate_json(parcel.header)
        detector = cls(reference, run_length)
        if header.reference != detector._digest:
            raise ValueError("the state belongs to another reference")
        detector._counts |= {_modalities(name): count for name, count in header.counts.items()}
        detector._pairs.rows = parcel.take("pairs", np.float32, None, detector._pairs.rows.shape[1])
        detector._mix.resume(parcel)
        for watched in detector._watches.values():
            watched.resume(parcel)
        parcel.finish()
        return detector

    def _report(self, modalities: tuple[Modality, ...], count: int) -> SetReport:
        found = self._watches.get(modalities)
        if found is None:
            return SetReport(name_of(modalities), "no reference", count, 0, ())
        return SetReport(found.name, "watching", count, found.reference_size, found.report())


class _Mix:
    """Which modalities requests have, against the first requests that came: nobody could know beforehand."""

    def __init__(self, run_length: float) -> None:
        self._run_length = run_length
        self._first = np.empty((0, len(MIX)), np.float32)
        self._watch: Watch | None = None

    def add(self, rows: Rows) -> list[Alarm]:
        missing = MIX_REFERENCE - len(self._first)
        if missing:
            self._collect(rows.part(0, missing).values)
            rows = rows.part(missing, len(rows))
        return self._watch.add(rows) if self._watch else []

    def report(self, samples: int) -> SetReport:
        if self._watch is None:
            return SetReport(MIX_NAME, "collecting", samples, len(self._first), ())
        return SetReport(MIX_NAME, "watching", samples, MIX_REFERENCE, self._watch.report())

    def arrays(self) -> Arrays:
        arrays: Arrays = {f"{MIX_NAME}/first": self._first}
        return arrays | self._watch.arrays() if self._watch else arrays

    def resume(self, parcel: Parcel) -> None:
        first = parcel.take(f"{MIX_NAME}/first", np.float32, None, len(MIX))
        if len(first) > MIX_REFERENCE:
            raise ValueError(f"the mix was collected from {len(first)} explanations")
        self._collect(first)
        if self._watch:
            self._watch.resume(parcel)

    def _collect(self, values: NDArray[np.float32]) -> None:
        self._first = np.concatenate([self._first, values])
        if len(self._first) == MIX_REFERENCE:
            usual = Rows(self._first, np.empty((MIX_REFERENCE, 0), np.float16))
            self._watch = Watch(MIX_NAME, MIX, usual, self._run_length)


def _rows(samples: Samples) -> Rows:
    """What is watched: the streams, and the mean over the sources of the image's map, which is the last."""
    return Rows(watched_values(samples), samples.maps[:, -1:].reshape(len(samples), -1))


def _presence(modalities: tuple[Modality, ...], count: int) -> Rows:
    present = np.array([modality in modalities for modality in MODALITIES], np.float32)
    return Rows(np.broadcast_to(present, (count, len(MIX))), np.empty((count, 0), np.float16))


@cache
def _modalities(name: str) -> tuple[Modality, ...]:
    """Undoes `name_of`; ValueError for the name of no set."""
    found = tuple(Modality(part) for part in name.split("+"))
    if found not in (MOSAIC, tuple(modality for modality in MODALITIES if modality in found)):
        raise ValueError(f"{name} is no set of modalities")
    return found


def _digest(reference: Reference | None) -> str:
    """Of everything that a state depends on: the weights, the rows, and which streams of them are watched."""
    if reference is None:
        return ""
    digest = hashlib.sha256(reference.origin.weights_digest.encode())
    for found in reference.sets:
        digest.update(" ".join(one.stream.key for one in watch(found.modalities)).encode())
        digest.update(found.samples.values.tobytes())
        digest.update(found.samples.maps.tobytes())
    return digest.hexdigest()
