"""What Prometheus is told. Label values are bounded: a model that is not served, or not read, is "unknown"."""

import asyncio
import itertools
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from attendant.manifest import ModelManifest

UNKNOWN_MODEL = "unknown"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CACHE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
METHODS = ("Predict", "Explain", "ExplainStream")
FAULTS = ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED")  # gRPC codes that are the service's own
AGE_BUCKETS = (1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800)


class Metrics:
    """The gateway's metrics in a registry of its own, so that two gateways can live in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "attendant_requests",
            "Requests answered, by their gRPC code; an item of a stream is a request.",
            ["method", "model", "code"],
            registry=registry,
        )
        self.version_requests = Counter(
            "attendant_version_requests",
            "Requests that a version was to answer, by their gRPC code; not those that were refused as wrong.",
            ["model", "version", "code"],
            registry=registry,
        )
        self.version_seconds = Histogram(
            "attendant_version_seconds",
            "From handing a request for the version to the backend to its answer.",
            ["model", "version"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.started = Counter(
            "attendant_requests_started",
            "Requests that arrived, answered or not yet.",
            ["method"],
            registry=registry,
        )
        self.seconds = Histogram(
            "attendant_request_seconds",
            "From a request's arrival to its answer.",
            ["method", "model"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.refused = Counter(
            "attendant_refused",
            "Requests and items of streams that were refused before they became requests: by protocol and reason.",
            ["protocol", "reason"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "attendant_in_flight", "Requests that the backend has now.", ["model", "work"], registry=registry
        )
        self.hedges = Counter(
            "attendant_hedges",
            "Second calls for what a worker did not answer: won, lost (the first was sooner), failed (as the first),"
            " cancelled (nobody waited any more), refused (over the budget, so none was made).",
            ["outcome"],
            registry=registry,
        )
        self.model_ready = Gauge(
            "attendant_model_ready",
            "1 while the backend answers for the model in that lane.",
            ["model", "lane"],
            registry=registry,
        )
        self.cache_requests = Counter(
            "attendant_cache_requests", "Explanations by cache status.", ["result"], registry=registry
        )
        self.backend_failures = Counter(
            "attendant_backend_failures",
            "Calls that the backend did not answer, by reason.",
            ["model", "lane", "reason"],
            registry=registry,
        )
        self.backend_seconds = Histogram(
            "attendant_backend_seconds",
            "From handing a request to the backend to its answer.",
            ["model", "lane"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "attendant_queue_seconds",
            "Of that, what no worker accounts for: waiting for one, and the way there and back.",
            ["model", "lane"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.cache_hits = Counter(
            "attendant_cache_hits",
            "Explanations that were not computed for the request, by where they came from: memory, redis, or flight"
            " (another request that asked for the same at the same time).",
            ["source"],
            registry=registry,
        )
        self.cache_errors = Counter(
            "attendant_cache_errors",
            "What went wrong with the shared cache: unavailable, refused (full, read-only), corrupt, dropped (too many"
            " entries on their way).",
            ["kind"],
            registry=registry,
        )
        self.cache_seconds = Histogram(
            "attendant_cache_seconds",
            "Round trips to the shared cache.",
            ["operation"],
            buckets=CACHE_BUCKETS,
            registry=registry,
        )
        self.cache_age = Histogram(
            "attendant_cache_age_seconds",
            "Age of the explanations found in the shared cache.",
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self.cache_read_bytes = Counter(
            "attendant_cache_read_bytes", "Bytes read from the shared cache.", registry=registry
        )
        self.cache_written_bytes = Counter(
            "attendant_cache_written_bytes", "Bytes written to the shared cache.", registry=registry
        )
        self.attention_samples = Counter(
            "attendant_attention_samples",
            "Explanations whose attention was counted in the histograms.",
            ["model", "version"],
            registry=registry,
        )
        self.left_out = Counter(
            "attendant_attention_left_out_samples",
            "Explanations that were not measured, since those of the same second that were are enough.",
            ["model", "version"],
            registry=registry,
        )
        self.dropped_samples = Counter(
            "attendant_attention_drift_dropped_samples",
            "Explanations that nobody watches: queue (more than can be passed on), sink (who watches took them not),"
            " malformed.",
            ["reason"],
            registry=registry,
        )
        self.impact_samples = Counter(
            "attendant_impact_samples",
            "Explanations whose permutation impact was to be measured unasked: measured, failed, skipped (too soon"
            " after another, or the slow lane was busy).",
            ["outcome"],
            registry=registry,
        )
        self._tasks = Gauge(
            "attendant_tasks", "Asyncio tasks alive: what is in work, and a few.", registry=registry
        )
        self._tasks.set_function(_count_tasks)
        self._cache_bytes = Gauge(
            "attendant_cache_bytes", "Bytes of explanations held in this process.", registry=registry
        )
        self._cache_breaker = Gauge(
            "attendant_cache_breaker_open",
            "1 while the shared cache is not asked because it did not answer.",
            registry=registry,
        )

    def begin_at_zero(self, models: Mapping[str, ModelManifest]) -> None:
        """What alerts look at is there before it happens: the first time is an increase, too."""
        for model in models.values():
            for version in model.versions:
                self.attention_samples.labels(model.name, version)
                self.left_out.labels(model.name, version)
                for code in ("OK", *FAULTS):
                    self.version_requests.labels(model.name, version, code)
            for method, code in itertools.product(METHODS, FAULTS):
                self.requests.labels(method, model.name, code)
        for reason in ("queue", "sink", "malformed"):
            self.dropped_samples.labels(reason)

    def watch_cache(self, size: Callable[[], int]) -> None:
        self._cache_bytes.set_function(size)

    def watch_breaker(self, is_open: Callable[[], bool]) -> None:
        self._cache_breaker.set_function(is_open)


def _count_tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # nobody serves
        return 0
