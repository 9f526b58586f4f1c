"""What is recorded of every request: its count, its seconds, and a log line where it failed. Never its content."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import structlog

from attendant.errors import AttendantError, Reason, internal
from attendant.types import CacheStatus
from services.gateway.metrics import UNKNOWN_MODEL, Metrics
from services.gateway.statuses import CODES

log = structlog.get_logger()

_OPERATORS_CONCERN = {Reason.INTERNAL, Reason.BACKEND_UNAVAILABLE}


@dataclass
class Observation:
    """Filled in as the request becomes known."""

    started: float
    model: str = UNKNOWN_MODEL
    version: str = ""  # who is to answer, once that is known
    request_id: str = ""
    cache: CacheStatus | None = None  # of an explanation that was given


class Observer:
    """Watches requests from arrival to answer. Whatever leaves it is an AttendantError or a cancellation."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # A refusal in a flood costs little more than finding these; label values are bounded.
        self._started = cache(metrics.started.labels)
        self._requests = cache(metrics.requests.labels)
        self._seconds = cache(metrics.seconds.labels)
        self._by_version = cache(metrics.version_requests.labels)
        self._by_cache = cache(metrics.cache_requests.labels)

    def elapsed(self, observation: Observation) -> float:
        """Seconds since the request arrived."""
        return self._clock() - observation.started

    @contextmanager
    def request(self, method: str) -> Iterator[Observation]:
        """One request of `method`; an exception that nobody foresaw becomes INTERNAL, with its trace in the log."""
        observation = Observation(self._clock())
        self._started(method).inc()
        code = "OK"
        try:
            yield observation
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except AttendantError as error:
            code = CODES[error.reason].grpc.name
            self._explain(error, method, observation)
            raise
        except Exception as error:
            code = CODES[Reason.INTERNAL].grpc.name
            log.exception("unexpected failure", method=method, request_id=observation.request_id)
            raise self._named(internal(), observation) from error
        finally:
            # when the answer has left
            asyncio.get_running_loop().call_soon(
                self._count, method, observation, code, self.elapsed(observation)
            )

    def note_unread(self, method: str) -> None:
        """A request of `method` that was refused for overload before anybody read whose it is."""
        self._started(method).inc()
        self._count(method, Observation(0.0), CODES[Reason.OVERLOADED].grpc.name, 0.0)

    def _count(self, method: str, observation: Observation, code: str, seconds: float) -> None:
        self._requests(method, observation.model, code).inc()
        if observation.version:
            self._by_version(observation.model, observation.version, code).inc()
        if observation.cache is not None:
            self._by_cache(observation.cache.value).inc()
        self._seconds(method, observation.model).observe(seconds)

    def _explain(self, error: AttendantError, method: str, observation: Observation) -> None:
        self._named(error, observation)
        write = log.warning if error.reason in _OPERATORS_CONCERN else log.debug
        write(
            "request failed",
            method=method,
            model=observation.model,
            request_id=observation.request_id,
            reason=error.reason.value,
        )

    @staticmethod
    def _named(error: AttendantError, observation: Observation) -> AttendantError:
        """The caller finds the request's name in the error, and with it the log line."""
        if observation.request_id:
            error.metadata["request_id"] = observation.request_id
        return error
