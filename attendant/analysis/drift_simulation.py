"""All that is simulated of a model version: every set of modalities without drift, and every planted drift."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attendant.analysis.drift import (
    Delays,
    Quiet,
    RuleShares,
    RunLength,
    measure_delays,
    measure_mix,
    measure_mix_delays,
    measure_quiet,
    measure_rules,
)
from attendant.analysis.planted import PLANTED, plant
from attendant.analysis.pools import Pools
from attendant.analysis.references import ServedModel
from attendant.statistics.drift import MIX, watch
from attendant.statistics.references import Reference
from attendant.statistics.samples import MOSAIC, Samples, name_of
from attendant.training.progress import Progress, Report
from attendant.types import Instance, Modality

SHARES = (0.1, 0.3, 1.0)  # of traffic that drifts
OTHER = "other model"  # the drift that is called by the model that answers in the place of this one
RULE_DRAWS = 5_000  # windows of Beta(5, 2)


@dataclass(frozen=True)
class Plan:
    """`windows` without drift of each set; `simulations` of each drift and share, of at most `most` windows each."""

    windows: int
    simulations: int
    most: int
    seed: int


@dataclass(frozen=True)
class Subject:
    """A model version as it serves, its reference, replay rows by set, and what may be put in its place by mistake."""

    model: ServedModel
    reference: Reference
    replay: Mapping[tuple[Modality, ...], Sequence[Instance]]
    replacement: ServedModel | None


@dataclass(frozen=True)
class PlantedDelays:
    """One drift of one set of modalities (or of the mix of them), of which `streams` are watched."""

    name: str
    what: str
    modalities: str
    streams: int
    delays: tuple[Delays, ...]


@dataclass(frozen=True)
class Simulated:
    """One model version."""

    model: str
    version: str
    quiet: tuple[Quiet, ...]
    planted: tuple[PlantedDelays, ...]


@dataclass(frozen=True)
class General:
    """What needs no model: fixed rules on Beta(5, 2), and the mix of requests without and with drift."""

    rules: tuple[RuleShares, ...]
    mix: RunLength
    fewer_images: PlantedDelays


def simulate_general(plan: Plan, progress: Progress) -> General:
    report = progress.task("the mix of requests: fewer images")
    delays = tuple(
        measure_mix_delays(
            share, plan.simulations, plan.most, _generator(plan, "mix", share), _part(report, number)
        )
        for number, share in enumerate(SHARES)
    )
    return General(
        measure_rules(
            min(plan.windows, RULE_DRAWS),
            _generator(plan, "rules"),
            progress.task("fixed rules on Beta(5, 2)"),
        ),
        measure_mix(plan.windows, _generator(plan, "mix"), progress.task("the mix of requests, no drift")),
        PlantedDelays("fewer images", "twice as many requests without an image", "mix", len(MIX), delays),
    )


def simulate(subject: Subject, plan: Plan, pools: Pools, progress: Progress) -> Simulated:
    """DataError where the service reads none of the replay rows."""
    ref = subject.model.ref
    usual = {
        found.modalities: pools.explain(
            subject.model, found.modalities, subject.replay[found.modalities], "replay"
        )
        for found in subject.reference.sets
    }
    quiet = tuple(
        measure_quiet(
            subject.reference,
            pool,
            plan.windows,
            _generator(plan, ref.name, ref.version, name_of(modalities)),
            progress.task(f"{ref.name} {ref.version}, {name_of(modalities)}: no drift"),
        )
        for modalities, pool in usual.items()
    )
    planted = tuple(
        PlantedDelays(
            name,
            what,
            name_of(drifted.modalities),
            len(watch(drifted.modalities)),
            _delays(subject, usual[drifted.modalities], drifted, name, plan, progress),
        )
        for name, what, drifted in _plant(subject, plan, pools)
    )
    return Simulated(ref.name, ref.version, quiet, planted)


def _plant(subject: Subject, plan: Plan, pools: Pools) -> Iterator[tuple[str, str, Samples]]:
    """Name, what was done, and the explanations of it."""
    for planted in PLANTED:
        if subject.reference.find(planted.modalities) and planted.modalities != MOSAIC:
            requests = plant(planted, subject.replay[planted.modalities], plan.seed)
            drifted = pools.explain(subject.model, planted.modalities, requests, planted.name)
            yield planted.name, planted.what, drifted
    other = subject.replacement
    if other is None:
        return
    for found in subject.reference.sets:
        drifted = pools.explain(other, found.modalities, subject.replay[found.modalities], "replay")
        yield OTHER, f"{other.ref.name} {other.ref.version}", drifted


def _delays(
    subject: Subject, usual: Samples, drifted: Samples, name: str, plan: Plan, progress: Progress
) -> tuple[Delays, ...]:
    ref = subject.model.ref
    modalities = name_of(usual.modalities)
    report = progress.task(f"{ref.name} {ref.version}, {modalities}: {name}")
    return tuple(
        measure_delays(
            subject.reference,
            usual,
            drifted,
            share,
            plan.simulations,
            plan.most,
            _generator(plan, ref.name, ref.version, modalities, name, share),
            _part(report, number),
        )
        for number, share in enumerate(SHARES)
    )


def _part(report: Report, number: int) -> Report:
    """Of one bar over all SHARES, what the `number`-th share tells."""
    return lambda done, of: report(number * of + done, len(SHARES) * of)


def _generator(plan: Plan, *names: object) -> np.random.Generator:
    """One for each measurement, so that none changes with what else is measured."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return np.random.default_rng((plan.seed, int.from_bytes(digest[:8])))
