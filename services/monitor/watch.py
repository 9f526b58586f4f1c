"""What is watched of one version, whoever brings the explanations: its detector, and what its alarms were for."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from attendant.statistics.detector import Alarm, Detector, Length, Report
from attendant.statistics.samples import Samples, Statistic, Stream, concatenate
from services.monitor.references import Name, References

log = structlog.get_logger()

CHANGED = 200  # explanations in a row by other weights, and they are the version's
_TOLD = 5  # streams in a log line


@dataclass(frozen=True)
class Cause:
    """What an alarm was for: the stream with the largest share of the evidence."""

    modalities: str
    length: Length
    stream: Stream


@dataclass(frozen=True)
class Snapshot:
    """A version as it is shown: frozen, so that any thread may read it.

    `alarms`: how many, by cause, and `alarmed`: when the last came, in seconds since the epoch. `foreign`: explanations
    by other weights, which were left out.
    """

    name: Name
    sha256: str  # of the reference's file; empty where there is no reference
    report: Report
    alarms: dict[Cause, int]
    alarmed: dict[Cause, float]
    foreign: int


class Watch:
    """A version's detector. It starts anew, with the reference that fits, when the weights have changed.

    While two sets of weights answer, as in a roll-out, it stays with the one that it knows until the other one has made
    CHANGED explanations in a row.
    """

    def __init__(
        self,
        name: Name,
        references: References,
        run_length: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._references = references
        self._run_length = run_length
        self._clock = clock
        self._begin(references.digest(name))

    def _begin(self, digest: str) -> None:
        self._digest = digest
        self._known = self._references.find(self.name, digest)
        self._detector = Detector(self._known.reference if self._known else None, self._run_length)
        self._alarms: Counter[Cause] = Counter()
        self._alarmed: dict[Cause, float] = {}
        self._is_new = True
        self._foreign = 0
        self._others: list[Samples] = []  # in a row, by `_other`
        self._other = digest

    def add(self, parts: Iterable[tuple[str, Samples]]) -> None:
        """Explanations in the order of their arrival, each part with the digest of the weights that made it."""
        for digest, samples in _join(parts):
            if digest == self._digest:
                self._leave_out()
                self._count(samples)
            else:
                self._hold(digest, samples)

    def _count(self, samples: Samples) -> None:
        self._is_new = False
        for alarm in self._detector.add(samples):
            cause = Cause(alarm.modalities, alarm.length, alarm.streams[0][0])
            self._alarms[cause] += 1
            self._alarmed[cause] = self._clock()
            self._tell(alarm)

    def _hold(self, digest: str, samples: Samples) -> None:
        """Until it is certain that the weights have changed."""
        if digest != self._other:
            self._leave_out()
        self._other = digest
        self._others.append(samples)
        if self._is_new or sum(map(len, self._others)) >= CHANGED:
            held, foreign = self._others, self._foreign
            log.warning("the weights are others; counted anew", **vars(self.name), digest=digest)
            self._begin(digest)
            self._foreign = foreign
            for one in held:
                self._count(one)

    def _leave_out(self) -> None:
        self._foreign += sum(map(len, self._others))
        self._others = []

    def snapshot(self) -> Snapshot:
        sha256 = self._known.sha256 if self._known else ""
        report = self._detector.report()
        return Snapshot(self.name, sha256, report, dict(self._alarms), dict(self._alarmed), self._foreign)

    def to_bytes(self) -> bytes:
        """A line of JSON, and the detector."""
        alarms = [
            [cause.modalities, cause.length, *_parts(cause.stream), count, self._alarmed[cause]]
            for cause, count in self._alarms.items()
        ]
        header = {"digest": self._digest, "alarms": alarms, "foreign": self._foreign}
        return json.dumps(header).encode() + b"\n" + self._detector.to_bytes()

    def restore(self, state: bytes) -> None:
        """Go on from what `to_bytes` gave; ValueError where it is nothing of the kind, or of another reference."""
        line, _, rest = state.partition(b"\n")
        header = json.loads(line)
        try:
            digest, foreign = str(header["digest"]), int(header["foreign"])
            alarms = [_read_cause(row) for row in header["alarms"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"no state of a version: {error!r}") from None
        known = self._references.find(self.name, digest)
        detector = Detector.from_bytes(rest, known.reference if known else None, self._run_length)
        self._begin(digest)
        self._detector, self._foreign, self._is_new = detector, foreign, False
        self._alarms = Counter({cause: count for cause, count, _ in alarms})
        self._alarmed = {cause: at for cause, _, at in alarms}

    def _tell(self, alarm: Alarm) -> None:
        log.warning(
            "attention drifts",
            **vars(self.name),
            modalities=alarm.modalities,
            window=str(alarm.length),
            evidence=round(alarm.evidence, 1),
            streams={stream.key: round(share, 3) for stream, share in alarm.streams[:_TOLD]},
        )


def _join(parts: Iterable[tuple[str, Samples]]) -> Iterable[tuple[str, Samples]]:
    """Neighbours of one set and digest as one; the order stays, because the mix of sets is watched too."""
    run: list[Samples] = []
    held = ""
    for digest, samples in parts:
        if run and (digest != held or samples.modalities != run[0].modalities):
            yield held, concatenate(run)
            run = []
        held = digest
        run.append(samples)
    if run:
        yield held, concatenate(run)


def _parts(stream: Stream) -> tuple[str, str, str]:
    return str(stream.statistic), stream.target, stream.source


def _read_cause(row: list[Any]) -> tuple[Cause, int, float]:
    modalities, length, statistic, target, source, count, at = row
    cause = Cause(modalities, Length(length), Stream(Statistic(statistic), target, source))
    return cause, int(count), float(at)
