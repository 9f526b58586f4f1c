"""How attention is distributed, as histograms for Prometheus that take many explanations at once.

N explanations of one set of modalities, V vectors or targets, E bucket edges.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from attendant.statistics.samples import Samples, Statistic, shares, streams
from attendant.types import Modality

# Attention is most often near to uniform, and impacts near to none.
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
IMPACTS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_Values = NDArray[np.float32] | NDArray[np.float64]
_Names = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Family:
    """One metric: what it shows of Samples, N x V, and the label values of the V."""

    name: str
    help: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    read: Callable[[Samples], tuple[_Names, _Values]]
    counts: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict)  # E + 1, by label values
    sums: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, model: str, version: str, samples: Samples) -> None:
        names, values = self.read(samples)
        if not names:
            return
        finite = np.isfinite(values)
        width = len(self.edges) + 1
        # All V at a time: each has its own E + 1 places in one count.
        places = np.searchsorted(self.edges, values, side="left") + width * np.arange(len(names))
        counts = np.bincount(places[finite], minlength=width * len(names)).reshape(-1, width)
        sums = np.where(finite, values, 0).sum(axis=0, dtype=np.float64)
        for name, count, total in zip(names, counts, sums.tolist(), strict=True):
            if count.any():
                key = (model, version, *name)
                self.counts[key] = self.counts.get(key, 0) + count
                self.sums[key] = self.sums.get(key, 0.0) + total

    def collect(self) -> Metric:
        metric = HistogramMetricFamily(self.name, self.help, labels=("model", "version", *self.labels))
        edges = (*(str(edge) for edge in self.edges), "+Inf")
        for key, counts in self.counts.items():
            cumulative = np.cumsum(counts).tolist()
            metric.add_metric(key, list(zip(edges, cumulative, strict=True)), self.sums[key])
        return metric


class AttentionHistograms(Collector):
    """Of the explanations that a gateway had computed; what came from a cache was counted when it was computed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.families = (
            _Family(
                "attendant_attention_entropy_ratio",
                "Entropy of an attention vector over the largest that it can have; 1: all elements weigh the same.",
                ("target", "source"),
                SHARES,
                lambda samples: _vectors(samples, Statistic.ENTROPY_RATIO),
            ),
            _Family(
                "attendant_attention_max_weight",
                "The largest weight of an attention vector.",
                ("target", "source"),
                SHARES,
                lambda samples: _vectors(samples, Statistic.MAX_WEIGHT),
            ),
            _Family(
                "attendant_modality_attention_weight",
                "What a modality weighs in the fusion, where there are several.",
                ("target",),
                SHARES,
                _modality_weights,
            ),
            _Family(
                "attendant_permutation_impact",
                "How far the answer moves when a target's weights are permuted; target modality: the fusion weights.",
                ("target",),
                IMPACTS,
                lambda samples: _targets(samples, Statistic.IMPACT),
            ),
            _Family(
                "attendant_focus_risk",
                "Probability that the focus is on the wrong segment of a mosaic.",
                (),
                SHARES,
                lambda samples: _targets(samples, Statistic.FOCUS_RISK),
            ),
        )
        registry.register(self)

    def add(self, model: str, version: str, samples: Samples) -> None:
        """Count all of them."""
        for family in self.families:
            family.add(model, version, samples)

    def collect(self) -> Iterator[Metric]:
        return (family.collect() for family in self.families)


@cache
def _columns(modalities: tuple[Modality, ...], statistic: Statistic) -> tuple[_Names, NDArray[np.int64]]:
    """Targets and sources of a statistic's streams, and where they are."""
    found = [
        (number, stream) for number, stream in enumerate(streams(modalities)) if stream.statistic is statistic
    ]
    names = tuple((stream.target, stream.source) for _, stream in found)
    return names, np.array([number for number, _ in found], np.int64)


def _vectors(samples: Samples, statistic: Statistic) -> tuple[_Names, _Values]:
    names, columns = _columns(samples.modalities, statistic)
    return names, samples.values[:, columns]


def _targets(samples: Samples, statistic: Statistic) -> tuple[_Names, _Values]:
    names, columns = _columns(samples.modalities, statistic)
    return tuple((target,) if target else () for target, _ in names), samples.values[:, columns]


def _modality_weights(samples: Samples) -> tuple[_Names, _Values]:
    _, columns = _columns(samples.modalities, Statistic.LOG_RATIO)
    if not columns.size:
        return (), samples.values[:, columns]
    return tuple((str(target),) for target in samples.modalities), shares(samples.values[:, columns])
