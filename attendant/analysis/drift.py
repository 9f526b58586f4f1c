"""What the drift monitor does with no drift, and how soon it finds drift that was planted: simulated, window by window.

Windows are FAST explanations each, drawn with replacement from replay rows, which no reference has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import multimode

import numpy as np

from attendant.analysis.fixed_rules import Rule, judge
from attendant.analysis.pools import draw
from attendant.statistics.detector import FAST, MIX_NAME, MIX_REFERENCE, Alarm, Detector
from attendant.statistics.drift import LEAST, watch
from attendant.statistics.references import Reference
from attendant.statistics.samples import Samples, concatenate, map_sources, name_of, streams
from attendant.training.progress import Report
from attendant.types import MODALITIES, Modality

RULE_WINDOWS = 500  # that fixed rules judge: each takes them ten times as long as the detector
_TEXT, _IMAGE, _ATTRIBUTE = MODALITIES
USUAL_MIX: Mapping[tuple[Modality, ...], float] = {
    MODALITIES: 0.6,
    (_TEXT, _ATTRIBUTE): 0.1,
    (_TEXT,): 0.3,
}
FEWER_IMAGES: Mapping[tuple[Modality, ...], float] = {
    MODALITIES: 0.2,
    (_TEXT, _ATTRIBUTE): 0.2,
    (_TEXT,): 0.6,
}


@dataclass(frozen=True)
class RunLength:
    """Alarms in so many windows without drift."""

    windows: int
    alarms: int

    @property
    def mean(self) -> float | None:
        """Windows an alarm; None where there was none."""
        return self.windows / self.alarms if self.alarms else None

    @property
    def least(self) -> float:
        """The lower 95 % confidence bound of the mean, if alarms come at a constant rate: windows / 3 without one."""
        from scipy.special import gammaincinv  # noqa: PLC0415 - `attendant --help` stays fast

        return float(self.windows / gammaincinv(self.alarms + 1, 0.95))


@dataclass(frozen=True)
class RuleShares:
    """How often a fixed rule raises an alarm with no drift, in [0, 1]: in a stream, and in any stream of a window."""

    rule: Rule
    of_streams: float
    of_windows: float


@dataclass(frozen=True)
class Quiet:
    """One set of modalities without drift: how many rows of reference and replay, and streams; what came of it."""

    name: str
    reference: int
    replay: int
    streams: int
    run_length: RunLength
    rule_windows: int
    rules: tuple[RuleShares, ...]


@dataclass(frozen=True)
class Delays:
    """Windows until the alarm where a share of explanations drifts, of each simulation that had one within `most`.

    `named` is the stream with most evidence in most of these alarms.
    """

    share: float
    simulations: int
    most: int
    found: tuple[int, ...]
    named: str

    def quantile(self, q: float) -> int | None:
        """Of all simulations, the smallest that at least that share needs; None: more than `most`."""
        place = max(int(np.ceil(q * self.simulations)), 1) - 1
        return sorted(self.found)[place] if place < len(self.found) else None


Feed = Callable[[Detector], list[Alarm]]
"""Gives a detector the next window."""


def measure_quiet(
    reference: Reference,
    pool: Samples,
    windows: int,
    rng: np.random.Generator,
    report: Report,
) -> Quiet:
    """The real detector on so many windows of replay rows, and fixed rules on the first of them.

    ValueError where the reference has no such set of modalities.
    """
    found = reference.find(pool.modalities)
    if found is None:
        raise ValueError(f"no reference of {name_of(pool.modalities)}")
    detector, alarms = Detector(reference), 0
    judged = min(windows, RULE_WINDOWS)
    verdicts = []
    for number in range(windows):
        window = draw(pool, FAST, rng)
        alarms += len(detector.add(window))
        if number < judged:
            verdicts.append(_judge(window, found.samples))
        report(number + 1, windows)
    return Quiet(
        found.name,
        len(found.samples),
        len(pool),
        len(watch(pool.modalities)),
        RunLength(windows, alarms),
        judged,
        _shares(verdicts),
    )


def measure_delays(  # noqa: PLR0913, PLR0917 - what a simulation is made of
    reference: Reference,
    pool: Samples,
    drifted: Samples,
    share: float,
    simulations: int,
    most: int,
    rng: np.random.Generator,
    report: Report,
) -> Delays:
    """From the window on in which drift begins, each time by a new detector: evidence from before could only help."""

    def feed(detector: Detector) -> list[Alarm]:
        return detector.add(_dilute(pool, drifted, share, rng))

    def start() -> Detector:
        return Detector(reference)

    return _measure(start, feed, share, simulations, most, report)


def measure_mix(windows: int, rng: np.random.Generator, report: Report, references: int = 2) -> RunLength:
    """The mix of sets without drift: so many windows for each of a few detectors, whose references differ."""
    alarms = 0
    for number in range(references):
        detector, feed = _collect(rng), _mixed(USUAL_MIX, rng)
        for window in range(windows):
            alarms += len(feed(detector))
            report(number * windows + window + 1, references * windows)
    return RunLength(references * windows, alarms)


def measure_mix_delays(
    share: float, simulations: int, most: int, rng: np.random.Generator, report: Report
) -> Delays:
    """A share of the requests comes in the mix FEWER_IMAGES: twice as many are without an image."""
    mix = {
        modalities: (1 - share) * usual + share * FEWER_IMAGES[modalities]
        for modalities, usual in USUAL_MIX.items()
    }
    return _measure(lambda: _collect(rng), _mixed(mix, rng), share, simulations, most, report)


def measure_rules(windows: int, rng: np.random.Generator, report: Report) -> tuple[RuleShares, ...]:
    """Fixed rules where nothing but the rule is in doubt: Beta(5, 2), a reference of 2,409 drawn anew each time."""
    verdicts = []
    for number in range(windows):
        verdicts.append([judge(rng.beta(5, 2, FAST), rng.beta(5, 2, 2_409))])
        report(number + 1, windows)
    return _shares(verdicts)


def _measure(
    start: Callable[[], Detector], feed: Feed, share: float, simulations: int, most: int, report: Report
) -> Delays:
    found, named = [], []
    for number in range(simulations):
        detector = start()
        for window in range(1, most + 1):
            alarms = feed(detector)
            if alarms:
                found.append(window)
                named.append(alarms[0].streams[0][0].key)
                break
        report(number + 1, simulations)
    return Delays(share, simulations, most, tuple(sorted(found)), min(multimode(named), default=""))


def _dilute(pool: Samples, drifted: Samples, share: float, rng: np.random.Generator) -> Samples:
    """A window of which each explanation is drifted with a chance of `share`."""
    many = int(rng.binomial(FAST, share))
    parts = [draw(of, count, rng) for of, count in ((drifted, many), (pool, FAST - many)) if count]
    return concatenate(parts)


def _collect(rng: np.random.Generator) -> Detector:
    """A detector that has seen what it compares the mix with; without a reference it watches nothing else."""
    detector = Detector(None)
    for _ in range(MIX_REFERENCE // FAST):
        _mixed(USUAL_MIX, rng)(detector)
    return detector


def _mixed(mix: Mapping[tuple[Modality, ...], float], rng: np.random.Generator) -> Feed:
    """Windows of requests with these chances; what their explanations say is nothing to the mix."""

    def feed(detector: Detector) -> list[Alarm]:
        counts = rng.multinomial(FAST, list(mix.values()))
        return [
            alarm
            for modalities, count in zip(mix, counts.tolist(), strict=True)
            if count
            for alarm in detector.add(_blank(modalities, count))
            if alarm.modalities == MIX_NAME
        ]

    return feed


def _blank(modalities: tuple[Modality, ...], count: int) -> Samples:
    return Samples(
        modalities,
        np.zeros((count, len(streams(modalities))), np.float32),
        np.full((count, len(map_sources(modalities)), 7, 7), 1 / 49, np.float16),
    )


def _judge(window: Samples, reference: Samples) -> list[dict[Rule, bool]]:
    """What rules say of every watched stream that has values."""
    verdicts = []
    for watched in watch(window.modalities):
        columns = (part.column(watched.stream) for part in (window, reference))
        values, usual = (column[np.isfinite(column)] for column in columns)
        if min(len(values), len(usual)) >= LEAST:
            verdicts.append(judge(values, usual))
    return verdicts


def _shares(verdicts: Sequence[Sequence[Mapping[Rule, bool]]]) -> tuple[RuleShares, ...]:
    """Over windows of streams; none where there was nothing to judge."""
    if not any(verdicts):
        return ()
    return tuple(
        RuleShares(
            rule,
            float(np.mean([verdict[rule] for window in verdicts for verdict in window])),
            float(np.mean([any(verdict[rule] for verdict in window) for window in verdicts])),
        )
        for rule in Rule
    )
