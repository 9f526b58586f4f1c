"""How many requests may be with the backend at a time, by model and kind of work."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from attendant.errors import overloaded
from attendant.manifest import ModelManifest
from services.gateway.lanes import Work

# Models of one archive share its workers' queues, in TorchServe 256 requests long and, in the slow lane, 64: all of
# them together have at most so many there. What is left in the fast queue is for hedges, for the question whether a
# worker is ready, and for what has been given up but lies there still.
ARCHIVE_LIMITS: Mapping[Work, int] = {Work.PREDICT: 128, Work.EXPLAIN: 64, Work.SLOW: 48}
# The part of a kind's slots that bulk work may hold, so that it never shuts out single requests. The slow worker does
# one explanation at a time: what is beyond that and the next would wait in its queue while the time for it runs out.
BULK_SHARES: Mapping[Work, float] = {Work.PREDICT: 1 / 2, Work.EXPLAIN: 1 / 2, Work.SLOW: 1 / 4}

# Of a request's stay with the backend, in seconds, before there was one.
FIRST_GUESS: Mapping[Work, float] = {Work.PREDICT: 0.05, Work.EXPLAIN: 0.05, Work.SLOW: 1.0}
NEWEST = 0.1  # what the latest stay counts in their moving mean
SHORTEST_RETRY, LONGEST_RETRY = 0.01, 5.0  # seconds


class _Slots:
    """One model's slots for one kind of work; `archive` are those that its archive's models share."""

    def __init__(
        self, limit: int, work: Work, archive: asyncio.Semaphore, clock: Callable[[], float]
    ) -> None:
        self.limit = min(limit, ARCHIVE_LIMITS[work])
        self.archive = archive
        self.own = asyncio.Semaphore(self.limit)
        self.bulk = asyncio.Semaphore(max(1, int(self.limit * BULK_SHARES[work])))
        self._stay = FIRST_GUESS[work]  # seconds, a moving mean
        self._clock = clock

    @property
    def retry_after(self) -> float:
        """Seconds in which one of the slots is free again, by how long they were taken lately."""
        return round(min(max(self._stay / self.limit, SHORTEST_RETRY), LONGEST_RETRY), 3)

    @contextmanager
    def measured(self) -> Iterator[None]:
        started = self._clock()
        try:
            yield
        finally:
            self._stay += NEWEST * (self._clock() - started - self._stay)


class Admission:
    """At most `limits` requests of a model in flight for each kind of work, and ARCHIVE_LIMITS of an archive.

    Beyond it a single request is refused at once; bulk work waits.
    """

    def __init__(self, limits: Mapping[Work, int], clock: Callable[[], float] = time.perf_counter) -> None:
        self._limits = limits
        self._clock = clock
        self._archives: dict[tuple[str, Work], asyncio.Semaphore] = {}
        self._slots: dict[tuple[str, Work], _Slots] = {}

    def check(self, model: ModelManifest, work: Work) -> None:
        """Raises AttendantError(OVERLOADED) where every slot is taken; its `retry_after` has milliseconds."""
        slots = self._find(model, work)
        if slots.own.locked():
            raise overloaded(f"model {model.name!r}, {work},", slots.limit, slots.retry_after)
        if slots.archive.locked():
            raise overloaded(f"archive {model.archive!r}, {work},", ARCHIVE_LIMITS[work], slots.retry_after)

    def find_full(self, work: Work) -> tuple[int, float] | None:
        """The limit of a model that has no slot left for that work, and the seconds in which one is free, if any."""
        for (_, own), slots in self._slots.items():
            if own is work and slots.own.locked():
                return slots.limit, slots.retry_after
        return None

    def has_room(self, model: ModelManifest, work: Work) -> bool:
        """Whether bulk work would not have to wait for its turn."""
        slots = self._find(model, work)
        return not (slots.bulk.locked() or slots.archive.locked() or slots.own.locked())

    @asynccontextmanager
    async def slot(self, model: ModelManifest, work: Work) -> AsyncIterator[None]:
        """One of those slots; raises as `check`, which costs less where most requests are refused."""
        self.check(model, work)
        slots = self._find(model, work)
        async with slots.archive, slots.own:
            with slots.measured():
                yield

    @asynccontextmanager
    async def bulk_slot(self, model: ModelManifest, work: Work) -> AsyncIterator[None]:
        """Waits for its turn, first come, first served."""
        slots = self._find(model, work)
        async with slots.bulk, slots.archive, slots.own:
            with slots.measured():
                yield

    def _find(self, model: ModelManifest, work: Work) -> _Slots:
        if (model.name, work) not in self._slots:
            archive = self._archives.setdefault(
                (model.archive, work), asyncio.Semaphore(ARCHIVE_LIMITS[work])
            )
            self._slots[model.name, work] = _Slots(self._limits[work], work, archive, self._clock)
        return self._slots[model.name, work]
