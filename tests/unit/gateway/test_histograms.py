"""Histograms of many explanations at once, against prometheus_client's own of one value at a time."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from sample_attention import SETS, focus_on, outcome, random_explanation

from attendant.methods import Permutation, PermutationImpact
from attendant.statistics.samples import Statistic, sample, shares, streams
from services.gateway.histograms import IMPACTS, SHARES, AttentionHistograms

NAMES = {
    Statistic.ENTROPY_RATIO: "attendant_attention_entropy_ratio",
    Statistic.MAX_WEIGHT: "attendant_attention_max_weight",
    Statistic.IMPACT: "attendant_permutation_impact",
    Statistic.FOCUS_RISK: "attendant_focus_risk",
}


def impacts(seed, modalities):
    if seed % 2:
        return None
    found = [
        PermutationImpact(target, seed % 7 / 7, 0.0, (0, 1), 0.0, 0.0, 0.0, 6, True, None)
        for target in ("text", None)
    ]
    return Permutation(tuple(found[: len(modalities)]), 0)


def lines(registry) -> dict[str, float]:
    """Series and values, but for when each was made."""
    rows = (row.rpartition(" ") for row in generate_latest(registry).decode().splitlines() if row[0] != "#")
    return {name: float(value) for name, _, value in rows if "_created" not in name}


def observe(registry, batches) -> None:
    """One value after the other."""
    known: dict[str, Histogram] = {}

    def histogram(name, labels, edges):
        if name not in known:
            known[name] = Histogram(
                name, name, ["model", "version", *labels], buckets=edges, registry=registry
            )
        return known[name]

    for samples in batches:
        for stream, column in zip(streams(samples.modalities), samples.values.T, strict=True):
            if stream.statistic not in NAMES:
                continue
            labels = {"target": stream.target, "source": stream.source}
            wanted = {
                Statistic.IMPACT: ("target",),
                Statistic.FOCUS_RISK: (),
            }.get(stream.statistic, ("target", "source"))
            edges = IMPACTS if stream.statistic is Statistic.IMPACT else SHARES
            for value in column[np.isfinite(column)].tolist():
                histogram(NAMES[stream.statistic], wanted, edges).labels(
                    "m", "1", *(labels[name] for name in wanted)
                ).observe(value)
        pivots = [s for s in streams(samples.modalities) if s.statistic is Statistic.LOG_RATIO]
        if pivots:
            weights = shares(np.stack([samples.column(pivot) for pivot in pivots], axis=1))
            for target, column in zip(samples.modalities, weights.T, strict=True):
                for value in column.tolist():
                    histogram("attendant_modality_attention_weight", ("target",), SHARES).labels(
                        "m", "1", target
                    ).observe(value)


@given(
    st.lists(
        st.tuples(st.sampled_from((*SETS, None)), st.lists(st.integers(0, 999), min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_they_count_what_one_by_one_would(drawn):
    batches = []
    for modalities, seeds in drawn:
        if modalities is None:
            batches.append(sample([outcome(focus_on([0.5, 0.3, 0.2]), risk=seed / 1000) for seed in seeds]))
        else:
            batches.append(
                sample(
                    [outcome(random_explanation(modalities, seed)) for seed in seeds],
                    [impacts(seed, modalities) for seed in seeds],
                )
            )
    together, alone = CollectorRegistry(), CollectorRegistry()
    histograms = AttentionHistograms(together)
    for samples in batches:
        histograms.add("m", "1", samples)
    observe(alone, batches)
    found, expected = lines(together), lines(alone)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert math.isclose(found[name], value, rel_tol=1e-6), name


def test_nothing_was_seen_at_first():
    registry = CollectorRegistry()
    AttentionHistograms(registry)
    assert not lines(registry)
