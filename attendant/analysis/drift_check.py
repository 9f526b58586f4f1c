"""Whether the explanations of a log drift from a reference: each set of modalities at once, and window by window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from attendant.analysis.explanation_log import Logged
from attendant.statistics.detector import FAST, MIX_NAME, RUN_LENGTH, Alarm, Detector, Length
from attendant.statistics.drift import LEAST, Comparison, compare, ordered, watch, watched_values
from attendant.statistics.references import Reference
from attendant.statistics.samples import Samples, concatenate, name_of
from attendant.statistics.tracks import median
from attendant.types import Modality


@dataclass(frozen=True)
class Compared:
    """A stream of the whole log against the reference, and the medians of the two; NaN where too few have values."""

    comparison: Comparison
    median: float
    reference_median: float


@dataclass(frozen=True)
class Window:
    """The `number`-th FAST explanations of a set, from 1: ln(1 + evidence) behind it, and the alarms it completed."""

    number: int
    log_evidence: float
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True)
class CheckedSet:
    """The explanations with one set of modalities.

    `evidence` is the weighted mean of the e-values of all streams of the whole log as one window: without drift it is
    at least x with a chance of at most 1 / x. None where nothing was compared: `reference` is None, or there are fewer
    than LEAST explanations. Windows are those that are full.
    """

    name: str
    samples: Samples
    reference: Samples | None
    streams: tuple[Compared, ...]
    evidence: float | None
    windows: tuple[Window, ...]

    @property
    def drifts(self) -> bool:
        """Whether the whole log, or a window of either length, is an alarm."""
        whole = self.evidence is not None and self.evidence >= RUN_LENGTH
        return whole or any(window.alarms for window in self.windows)

    @property
    def is_compared(self) -> bool:
        """Whether a stream of it had enough values, here and in the reference."""
        return any(np.isfinite(one.comparison.evidence) for one in self.streams)


@dataclass(frozen=True)
class Checked:
    """A log: its sets by name, alarms about the mix of them, and what was left out.

    `others` are explanations of other models or versions, `foreign` those by other weights than the reference's,
    which are compared all the same.
    """

    sets: tuple[CheckedSet, ...]
    mix: tuple[Alarm, ...]
    others: int
    foreign: int

    @property
    def drifts(self) -> bool:
        return bool(self.mix) or any(one.drifts for one in self.sets)

    @property
    def is_said(self) -> bool:
        """Whether anything was compared with anything: an alarm is about something, too."""
        return self.drifts or any(one.is_compared for one in self.sets)

    @property
    def chance(self) -> float:
        """Of any alarm without drift, at most: what has added up over w windows reaches A with a chance of w / A."""
        windows = sum(len(one.windows) + 1 for one in self.sets if one.evidence is not None)
        return min((windows + sum(len(one.samples) for one in self.sets) // FAST) / RUN_LENGTH, 1.0)


def check_log(logged: Iterable[Logged], reference: Reference, model: str, version: str) -> Checked:
    """Every explanation of that version, in order."""
    rows: list[Logged] = []
    others = 0
    for one in logged:
        if (one.model, one.version) == (model, version):
            rows.append(one)
        else:
            others += 1
    sets: dict[tuple[Modality, ...], list[Samples]] = {}
    for one in rows:
        sets.setdefault(one.samples.modalities, []).append(one.samples)
    checked = [_check(concatenate(parts), reference) for parts in sets.values()]
    return Checked(
        tuple(sorted(checked, key=lambda one: one.name)),
        tuple(_watch_mix(rows)),
        others,
        sum(one.weights_digest != reference.origin.weights_digest for one in rows),
    )


def _check(samples: Samples, reference: Reference) -> CheckedSet:
    name, found = name_of(samples.modalities), reference.find(samples.modalities)
    if found is None:
        return CheckedSet(name, samples, None, (), None, ())
    if len(samples) < LEAST:
        return CheckedSet(name, samples, found.samples, (), None, ())
    window, usual = ordered(watched_values(samples)), ordered(watched_values(found.samples))
    comparisons = compare(watch(samples.modalities), window, usual)
    streams = tuple(
        Compared(comparison, median(values), median(expected))
        for comparison, values, expected in zip(comparisons, window, usual, strict=True)
    )
    told = [one for one in comparisons if np.isfinite(one.evidence)]
    evidence = sum(one.watched.weight * one.evidence for one in told)
    return CheckedSet(
        name, samples, found.samples, streams, evidence, tuple(_watch_windows(samples, reference))
    )


def _watch_windows(samples: Samples, reference: Reference) -> Iterator[Window]:
    detector, name = Detector(reference), name_of(samples.modalities)
    for number in range(1, len(samples) // FAST + 1):
        alarms = detector.add(samples.rows(slice((number - 1) * FAST, number * FAST)))
        (found,) = (one for one in detector.report().sets if one.name == name)
        (fast,) = (length for length in found.lengths if length.length is Length.FAST)
        yield Window(number, fast.log_evidence, tuple(alarm for alarm in alarms if alarm.modalities == name))


def _watch_mix(rows: Iterable[Logged]) -> Iterator[Alarm]:
    """In the order of the log; without a reference a detector watches nothing else."""
    detector = Detector(None)
    for _, same in groupby(rows, key=lambda one: one.samples.modalities):
        for alarm in detector.add(concatenate([one.samples for one in same])):
            if alarm.modalities == MIX_NAME:
                yield alarm
