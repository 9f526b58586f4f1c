"""How many requests of one model may be with the backend at a time, lane by lane."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from attendant.errors import overloaded
from attendant.lanes import Lane

RETRY_AFTER = {Lane.FAST: 0.5, Lane.SLOW: 2.0}  # seconds, in which a full lane has room again
# The part of a lane's slots that bulk work may hold, so that it never shuts out single requests. The slow worker does
# one explanation at a time: what is beyond that and the next would wait in its queue while the time for it runs out.
BULK_SHARE = {Lane.FAST: 1 / 2, Lane.SLOW: 1 / 4}


class _Slots:
    def __init__(self, lane: Lane, limit: int) -> None:
        self.single = asyncio.Semaphore(limit)
        self.bulk = asyncio.Semaphore(max(1, int(limit * BULK_SHARE[lane])))


class Admission:
    """At most `limits` requests of a model in flight in each lane.

    Beyond it a single request is refused at once; bulk work waits.
    """

    def __init__(self, limits: Mapping[Lane, int]) -> None:
        self._limits = limits
        self._slots: dict[tuple[str, Lane], _Slots] = {}

    @asynccontextmanager
    async def slot(self, model: str, lane: Lane) -> AsyncIterator[None]:
        """Raises AttendantError(OVERLOADED) where every slot is taken."""
        slots = self._find(model, lane)
        if slots.single.locked():
            raise overloaded(f"model {model!r}, {lane} lane,", self._limits[lane], RETRY_AFTER[lane])
        async with slots.single:
            yield

    @asynccontextmanager
    async def bulk_slot(self, model: str, lane: Lane) -> AsyncIterator[None]:
        """Waits for its turn, first come, first served."""
        slots = self._find(model, lane)
        async with slots.bulk, slots.single:
            yield

    def _find(self, model: str, lane: Lane) -> _Slots:
        if (model, lane) not in self._slots:
            self._slots[model, lane] = _Slots(lane, self._limits[lane])
        return self._slots[model, lane]
