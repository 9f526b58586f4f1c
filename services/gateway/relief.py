"""Relief for a gateway that has no time left: what it could only refuse, it refuses unread.

To take a call from gRPC, read it and find that its model has no slot costs half as much again as to take it alone. If
more come than a process can refuse so, all of them wait in gRPC, before Python, and among them those that have a slot.
To take one is the smaller part of a refusal: the rest waits until the loop has nothing else to do, so that those who
have a slot are found among them, and answered, first.
"""

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache

import grpc

from attendant.errors import overloaded
from services.gateway.admission import Admission
from services.gateway.closing import Closing
from services.gateway.lanes import Work
from services.gateway.observer import Observer
from services.gateway.servicer import SERVICE
from services.gateway.statuses import Turn, refuser

WINDOW = 0.05  # seconds, at least, over which a share is taken
# Shares of a window in which the loop had something to do: busy beyond the first, until the second. Refusing unread
# takes it below the first; the same requests, read again, would take it back.
BUSY_SHARE, FREE_SHARE = 0.75, 0.5
# Refusals that wait for a turn at a time, and for how long, in seconds; beyond it they are no longer put off.
MOST_WAITING, LONGEST_WAIT = 1000, 0.5
# Unread, an explanation counts as a quick one: of slow ones hardly as many come as keep a process busy.
WORK: Mapping[str, Work] = {"Predict": Work.PREDICT, "Explain": Work.EXPLAIN}


class Waits(selectors.DefaultSelector):
    """An event loop's selector: adds up how long the loop had nothing to do, and has it do then what was put off."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._put_off: deque[tuple[float, asyncio.Future[None]]] = deque()

    async def turn(self) -> None:
        """Comes back once the loop has nothing else to do, one at a time, in order.

        After LONGEST_WAIT also beside something else; at once if MOST_WAITING wait already.
        """
        if len(self._put_off) < MOST_WAITING:
            future = asyncio.get_running_loop().create_future()
            self._put_off.append((time.perf_counter(), future))
            await future

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        is_idle = timeout is None or timeout > 0
        if self._put_off:
            ready = super().select(0)
            since, future = self._put_off[0]
            if (is_idle and not ready) or time.perf_counter() - since > LONGEST_WAIT:
                self._put_off.popleft()
                if not future.done():  # or its caller has gone
                    future.set_result(None)
            return ready
        if not is_idle:
            return super().select(timeout)
        started = time.perf_counter()
        try:
            return super().select(timeout)
        finally:
            self.seconds += time.perf_counter() - started


class Busyness:
    """Whether a loop has something to do nearly all the time. `waited`: the seconds in which it had not."""

    def __init__(self, waited: Callable[[], float], clock: Callable[[], float] = time.perf_counter) -> None:
        self._waited = waited
        self._clock = clock
        self._begun, self._waited_then = clock(), waited()
        self._is_high = False

    def is_high(self) -> bool:
        """Of the last window that is over; looked at rarely, a window is as long as that takes."""
        now = self._clock()
        if now - self._begun >= WINDOW:
            waited = self._waited()
            share = 1 - (waited - self._waited_then) / (now - self._begun)
            self._is_high = share > (FREE_SHARE if self._is_high else BUSY_SHARE)
            self._begun, self._waited_then = now, waited
        return self._is_high


class Relief(grpc.GenericRpcHandler):
    """The handler of calls that are refused unread: stands before those that read them."""

    def __init__(
        self,
        busyness: Busyness,
        turn: Turn | None,
        admission: Admission,
        observer: Observer,
        closing: Closing,
    ) -> None:
        self._turn = turn
        self._busyness = busyness
        self._admission = admission
        self._observer = observer
        self._closing = closing

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """None where the call is to be read: also while the servers end, when answers have to wait."""
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        work = WORK.get(method)
        if service != SERVICE or work is None or not self._busyness.is_high() or self._closing.begun:
            return None
        full = self._admission.find_full(work)
        if full is None:
            return None
        self._observer.note_unread(method)
        return _refuse(work, *full, self._turn)


@lru_cache(maxsize=64)
def _refuse(
    work: Work, limit: int, retry_after: float, turn: Turn | None
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    return refuser(overloaded(f"the gateway is busy, and {work}", limit, retry_after), turn)
