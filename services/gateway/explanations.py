"""Where an explanation comes from: this process's memory, all gateways' Redis, whoever computes it now, or a worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from attendant.types import CacheStatus, Timing
from services.gateway.cache import LruCache
from services.gateway.flights import Flights
from services.gateway.metrics import Metrics
from services.gateway.redis_cache import Asked, Entry, RedisCache


@dataclass(frozen=True)
class Answer:
    """A worker's response, not yet finished, and how long it took: `queue` is what the worker does not account for.

    One that is not `whole`, because the deadline cut it or other weights made it, is for nobody else.
    """

    response: bytes
    timing: Timing
    whole: bool = True


Compute = Callable[[], Awaitable[Answer]]
Found = tuple[Answer, CacheStatus]
_NO_TIME = Timing()  # what was found took no worker's


class Explanations:
    """`far` is asked for what is not `near`; without it this process keeps to itself."""

    def __init__(self, near: LruCache, far: RedisCache | None, metrics: Metrics) -> None:
        self._near = near
        self._far = far
        self._metrics = metrics
        self._memory_hits = metrics.cache_hits.labels("memory")
        self._redis_hits = metrics.cache_hits.labels("redis")
        self._flights: Flights[Found] = Flights()
        metrics.watch_cache(lambda: near.size)

    def recall(self, key: str) -> Found | None:
        """The answer that this process itself keeps under `key`."""
        response = self._near.get(key)
        if response is None:
            return None
        self._memory_hits.inc()
        return Answer(response, _NO_TIME), CacheStatus.HIT

    def ask(self, key: str, flight: str) -> Asked | None:
        """Ask Redis for what `recall` has not, unless somebody is waiting for the same: None then, or without one."""
        return None if self._far is None or _name(key, flight) in self._flights else self._far.ask(key)

    def receive(self, key: str, asked: Asked | None) -> Found | None:
        """The answer that Redis keeps, if it has come already: then there is nothing to set up."""
        entry = None if self._far is None or asked is None else self._far.receive(key, asked)
        return None if entry is None else self._found_far(key, entry)

    async def find(self, key: str, compute: Compute, flight: str, asked: Asked | None = None) -> Found:
        """The answer under `key`: one that others keep, or `compute`'s.

        `compute` is called at most once for all who look for it meanwhile. `flight` names the way it is computed: who
        would be served on another way does not wait for this one. `asked` is what `ask` brought. Raises what `compute`
        raises.
        """

        async def lead() -> Found:
            return await self._find_far(key, compute, flight, asked)

        found, shared = await self._flights.join(_name(key, flight), lead, _is_whole)
        if shared:
            self._metrics.cache_hits.labels("flight").inc()
            return Answer(found[0].response, _NO_TIME), CacheStatus.HIT
        return found

    async def refresh(self, key: str, compute: Compute, flight: str) -> Found:
        """`compute`'s answer, which is then kept; those who ask for the same meanwhile share it."""

        async def lead() -> Found:
            answer = await compute()
            self._keep(key, answer)
            return answer, CacheStatus.REFRESHED

        found, shared = await self._flights.join(f"{_name(key, flight)}/refresh", lead, _is_whole)
        return (Answer(found[0].response, _NO_TIME), found[1]) if shared else found

    def _keep(self, key: str, answer: Answer) -> None:
        if answer.whole:
            self._near.set(key, answer.response)
            if self._far is not None:
                self._far.put(key, answer.response)

    async def close(self) -> None:
        if self._far is not None:
            await self._far.close()

    async def _find_far(self, key: str, compute: Compute, flight: str, asked: Asked | None) -> Found:
        if self._far is None:
            answer = await compute()
            self._keep(key, answer)
            return answer, CacheStatus.MISS
        claimed = await self._far.claim(key, flight, asked)
        if isinstance(claimed, Entry):
            return self._found_far(key, claimed)
        async with claimed as lease:
            answer = await compute()
            if answer.whole:
                self._near.set(key, answer.response)
                lease.fill(answer.response)
        return answer, CacheStatus.MISS

    def _found_far(self, key: str, entry: Entry) -> Found:
        self._redis_hits.inc()
        self._near.set(key, entry.response, entry.age)
        return Answer(entry.response, _NO_TIME), CacheStatus.HIT


def _name(key: str, flight: str) -> str:
    return f"{key}/{flight}"


def _is_whole(found: Found) -> bool:
    return found[0].whole
