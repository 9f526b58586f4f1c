"""Who watches how attention behaves: monitors that read from Redis, or one in this process."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog

from attendant.statistics.samples import Samples
from attendant.wire.samples import encode_samples
from services.gateway.breaker import describe
from services.gateway.watching import Source
from services.monitor.feed import NAMES, stream_key
from services.monitor.local import LocalMonitor
from services.monitor.references import Name
from services.redis_connection import Client, disconnect

log = structlog.get_logger()

# Entries of some tens of explanations that a version's stream keeps for a monitor that is away; the oldest go first.
LENGTH = 2048
SECONDS = 1.0  # for one entry
PAUSE_SECONDS = 1.0  # before Redis is tried again that did not take one
NAME_SECONDS = 60.0  # how often the stream's name is told anew


class RedisSink:
    """A stream for each version of a model. What Redis does not take is not kept."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._told: dict[Name, float] = {}  # when each stream's name was told
        self._closed_until = 0.0

    async def put(self, source: Source, samples: Samples) -> bool:
        if self._clock() < self._closed_until:
            return False
        try:
            async with asyncio.timeout(SECONDS):
                await self._add(Name(source.model, source.version), source.weights_digest, samples)
        except Exception as error:  # noqa: BLE001 - some of redis-py's errors have no base of its own
            self._closed_until = self._clock() + PAUSE_SECONDS
            log.debug("explanations were not taken", error=describe(error))
            return False
        return True

    async def close(self) -> None:
        await disconnect(self._client)

    async def _add(self, name: Name, digest: str, samples: Samples) -> None:
        if self._clock() >= self._told.get(name, -NAME_SECONDS) + NAME_SECONDS:
            await self._client.sadd(NAMES, str(name))
            self._told[name] = self._clock()
        fields: dict[Any, Any] = {"digest": digest, "samples": encode_samples(samples)}
        await self._client.xadd(stream_key(name), fields, maxlen=LENGTH, approximate=True)


class LocalSink:
    """A monitor in this process, for one gateway without Redis."""

    def __init__(self, monitor: LocalMonitor) -> None:
        self._monitor = monitor

    async def put(self, source: Source, samples: Samples) -> bool:
        return self._monitor.put(source.model, source.version, source.weights_digest, samples)

    async def close(self) -> None:
        await asyncio.to_thread(self._monitor.close)
