"""A second worker is asked what the first does not answer: for backends of which one worker in several may stall."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from attendant.wire.envelope import Operation, Reply, Row
from services.gateway.backends.base import Backend
from services.gateway.metrics import Metrics

SHARE = 0.02  # of the calls may be made twice
SAVED = 10.0  # hedges that calls which needed none leave to others
PATIENCE = 3.0  # times what 95 of 100 calls take
SHORTEST_WAIT = 0.04  # seconds
BLOCK = 50  # calls, by which it is learned what is usual
BLOCKS = 40  # that are remembered

_Call = asyncio.Task[Reply]


class _Latencies:
    """How long calls of one kind took lately, in seconds."""

    def __init__(self) -> None:
        self._block: list[float] = []
        self._usual: deque[float] = deque(maxlen=BLOCKS)

    def add(self, seconds: float) -> None:
        self._block.append(seconds)
        if len(self._block) == BLOCK:
            self._usual.append(sorted(self._block)[int(0.95 * BLOCK)])
            self._block.clear()

    @property
    def usual(self) -> float | None:
        """What 95 of 100 calls stay within, in the best of the last blocks; None where there is none yet.

        The best: what waits behind stalled workers must not teach to wait for them.
        """
        return min(self._usual, default=None)


class HedgingBackend:
    """Any backend, of whose `archives` a call that takes too long is made a second time; the first answer counts.

    A call that fails is not made again: trying again is the client's, under a budget of its own. Where more calls take
    too long than may be made again, the one that waits longest is next. Should the second one stall as well, there is a
    third, for which the first is given up.
    """

    def __init__(
        self,
        backend: Backend,
        archives: Collection[str],
        metrics: Metrics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._backend = backend
        self._archives = frozenset(archives)
        self._metrics = metrics
        self._clock = clock
        self._latencies: dict[tuple[str, Operation], _Latencies] = defaultdict(_Latencies)
        self._budget = 0.0  # hedges that may be made now
        # Calls that wait for their turn to be made again
        self._overdue: deque[asyncio.Future[None]] = deque()

    async def start(self) -> None:
        await self._backend.start()

    async def close(self) -> None:
        await self._backend.close()

    async def ready(self, archive: str) -> bool:
        return await self._backend.ready(archive)

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        if archive not in self._archives or row.operation is Operation.DESCRIBE:
            return await self._backend.call(archive, row, timeout)
        self._budget = min(self._budget + SHARE, SAVED)
        self._spend()
        usual = self._latencies[row.model, row.operation].usual
        if usual is None:
            return await self._measure(archive, row, timeout)
        until = self._clock() + timeout
        calls = [asyncio.create_task(self._measure(archive, row, timeout))]
        try:
            while not await self._wait(calls, max(PATIENCE * usual, SHORTEST_WAIT)):
                if not await self._turn(calls, until - usual):
                    await self._wait(calls, timeout)
                    break
                if len(calls) > 1:  # both stall: the elder makes room
                    calls[-2].cancel()
                left = until - self._clock()
                calls.append(asyncio.create_task(self._measure(archive, replace(row, budget=left), left)))
            return await _choose(calls)
        finally:
            self._count(calls)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _measure(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        started = self._clock()
        reply = await self._backend.call(archive, row, timeout)
        self._latencies[row.model, row.operation].add(self._clock() - started)
        return reply

    async def _wait(self, calls: list[_Call], seconds: float) -> bool:
        """Whether there is an answer, or nothing to wait for, within that time."""
        end = self._clock() + seconds
        while not _decided(calls):
            left = end - self._clock()
            if left <= 0:
                return False
            await asyncio.wait(_pending(calls), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return True

    async def _turn(self, calls: list[_Call], latest: float) -> bool:
        """Whether the call may be made again: once the budget has it, unless it ends before, or it is too late."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._overdue.append(turn)
        self._spend()
        try:
            while not (turn.done() or _decided(calls)) and (left := latest - self._clock()) > 0:
                waited: set[asyncio.Future[Any]] = {turn, *_pending(calls)}
                await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            given = turn.done()
            turn.cancel()
        if not given:
            self._metrics.hedges.labels("refused").inc()
        elif _decided(calls) or self._clock() >= latest:
            self._budget += 1
            return False
        return given

    def _spend(self) -> None:
        """Give what there is to those that wait longest."""
        while self._overdue and (self._budget >= 1 or self._overdue[0].done()):
            turn = self._overdue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._budget -= 1

    def _count(self, calls: list[_Call]) -> None:
        """How those ended that were made besides the first."""
        answered = next((call for call in calls if _answered(call)), None)
        otherwise = "lost" if answered else "cancelled" if _pending(calls) else "failed"
        for call in calls[1:]:
            self._metrics.hedges.labels("won" if call is answered else otherwise).inc()


def _answered(call: _Call) -> bool:
    """An old worker that lacks the version says so at once: the other may have it."""
    return (
        call.done() and not call.cancelled() and call.exception() is None and not call.result().lacks_version
    )


def _pending(calls: list[_Call]) -> list[_Call]:
    return [call for call in calls if not call.done()]


def _decided(calls: list[_Call]) -> bool:
    return any(map(_answered, calls)) or not _pending(calls)


async def _choose(calls: list[_Call]) -> Reply:
    """The first answer; where none came, the first failure of what was not given up."""
    for call in calls:
        if _answered(call):
            return call.result()
    return await next((call for call in calls if not call.cancelled()), calls[0])
