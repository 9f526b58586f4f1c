"""Requests refused before the data plane saw them: all are counted, and the log hears of some."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from attendant.errors import AttendantError, Reason
from services.gateway.metrics import Metrics

log = structlog.get_logger()

LOG_SECONDS = 1.0  # between two lines of one reason: whoever knocks without end must not fill the disk


class Refusals:
    """Neither labels nor lines hold anything that the caller sent."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._logged: dict[Reason, float] = {}
        self._silent: dict[Reason, int] = {}

    @contextmanager
    def noted(self, protocol: str) -> Iterator[None]:
        """Note the AttendantError that leaves the block, if any."""
        try:
            yield
        except AttendantError as error:
            self.note(protocol, error.reason)
            raise

    def note(self, protocol: str, reason: Reason) -> None:
        """A request over `protocol`, grpc or http, was refused."""
        self._metrics.refused.labels(protocol, reason.value).inc()
        now = self._clock()
        if now - self._logged.get(reason, -LOG_SECONDS) < LOG_SECONDS:
            self._silent[reason] = self._silent.get(reason, 0) + 1
            return
        self._logged[reason] = now
        unsaid = self._silent.pop(reason, 0)
        log.info("request refused", protocol=protocol, reason=reason.value, unsaid_before=unsaid)
