"""What Prometheus is told. Label values are bounded: a model that is not served is called "unknown"."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

UNKNOWN_MODEL = "unknown"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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
        self.seconds = Histogram(
            "attendant_request_seconds",
            "From a request's arrival to its answer.",
            ["method", "model"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "attendant_in_flight", "Requests that the backend has now.", ["model", "lane"], registry=registry
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
            ["reason"],
            registry=registry,
        )
        self._cache_bytes = Gauge(
            "attendant_cache_bytes", "Bytes of explanations held in this process.", registry=registry
        )

    def watch_cache(self, size: Callable[[], int]) -> None:
        self._cache_bytes.set_function(size)
