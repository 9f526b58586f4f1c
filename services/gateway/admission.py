"""How many requests of one model may be with the backend at a time."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attendant.errors import overloaded

RETRY_AFTER = 0.5  # seconds; a full lane of predictions empties faster than that


class _Lane:
    def __init__(self, limit: int) -> None:
        self.slots = asyncio.Semaphore(limit)
        # Bulk work may hold half of the slots, so that it never shuts out single requests.
        self.bulk = asyncio.Semaphore(max(1, limit // 2))


class Admission:
    """At most `limit` requests of a model in flight. Beyond it a single request is refused at once; bulk work waits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lanes: defaultdict[str, _Lane] = defaultdict(lambda: _Lane(limit))

    @asynccontextmanager
    async def slot(self, model: str) -> AsyncIterator[None]:
        """Raises AttendantError(OVERLOADED) where every slot is taken."""
        lane = self._lanes[model]
        if lane.slots.locked():
            raise overloaded(f"model {model!r}", self._limit, RETRY_AFTER)
        async with lane.slots:
            yield

    @asynccontextmanager
    async def bulk_slot(self, model: str) -> AsyncIterator[None]:
        """Waits for its turn, first come, first served."""
        lane = self._lanes[model]
        async with lane.bulk, lane.slots:
            yield
