"""GETs over one connection, many at a time, each answered in its turn.

redis-py connects and logs in, as it would for itself, and hands the transport over: its own way to a reply, through a
pool, retries and streams, takes half as long again as the reply does.
"""

import asyncio
import os
import select
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError

from services.redis_connection import Client

PAUSE_SECONDS = 1.0  # before the next attempt, where redis-py has a connection and this gets none
WAIT_SECONDS = 0.0002  # for a reply on the spot
MOST_PASSED = 1_023  # questions that are not waited for on the spot, after waits in vain
_SELECTABLE = 1_024  # file descriptors that select can be asked about
_CHUNK = 2**18  # bytes read on the spot; what is left comes through the event loop
_NOTHING = object()


class Reads:
    """While there is no connection, redis-py is asked, and one is made in the background; `seconds` bounds each.

    In front of a cluster there is none: redis-py knows which node is to be asked.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self._client: Any = client
        self._seconds = seconds
        self._line: _Line | None = None
        self._holding: asyncio.Task[None] | None = None

    def ask(self, key: str) -> asyncio.Future[Any] | None:
        """Send the question now; None while there is no connection. The reply may be there at once."""
        return self._line.get(key) if self._line is not None and self._line.is_open else None

    def get(self, key: str) -> Awaitable[Any]:
        """Whatever comes back, in time; raises what redis-py raises, or TimeoutError."""
        reply = self.ask(key)
        if reply is not None:
            return reply
        if self._holding is None and isinstance(self._client, Redis):
            self._holding = asyncio.create_task(self._hold())
        return self._get(key)

    def drop(self) -> None:
        """It does not answer: whoever waits fails, and the next one finds no connection."""
        if self._line is not None:
            self._line.end(RedisConnectionError("the connection was given up"))

    async def close(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            await asyncio.wait({self._holding})

    async def _get(self, key: str) -> Any:
        async with asyncio.timeout(self._seconds):
            return await self._client.get(key)

    async def _hold(self) -> None:
        """Until the connection ends, whoever ends it."""
        connection = self._client.connection_pool.make_connection()
        try:
            async with asyncio.timeout(self._seconds):
                await connection.connect()
            transport = connection._writer.transport  # noqa: SLF001 - there is no other way to it
            self._line = _Line(transport, self._seconds)
            await self._line.ended.wait()
        except Exception:  # noqa: BLE001 - who asks meanwhile learns it from redis-py
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self.drop()
            self._line = None
            with suppress(RedisError, OSError):
                await connection.disconnect()
            self._holding = None


class _Line(asyncio.Protocol):
    """Takes the place of redis-py's own protocol on `transport`. A reply that nobody waits for is thrown away."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()  # until when, the longest first
        self._watch: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOTHING
        )
        self._before = transport.get_protocol()
        transport.set_protocol(self)
        self._file = transport.get_extra_info("socket").fileno()
        # What comes over TLS is not a reply before the transport has read it.
        self._can_wait = transport.get_extra_info("sslcontext") is None and self._file < _SELECTABLE
        self._to_pass = self._passes = 0

    @property
    def is_open(self) -> bool:
        return not self.ended.is_set()

    def get(self, key: str) -> asyncio.Future[Any]:
        name = key.encode()
        self._transport.write(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name))
        reply = self._loop.create_future()
        until = self._loop.time() + self._seconds
        self._waiting.append((until, reply))
        if self._watch is None:
            self._watch = self._loop.call_at(until, self._look)
        if self._can_wait and len(self._waiting) == 1:
            self._wait()
        return reply

    def _wait(self) -> None:
        """A server on this machine answers before the event loop would have come round to look.

        Nothing else goes on meanwhile: so one that takes longer is waited for ever more rarely.
        """
        if self._to_pass:
            self._to_pass -= 1
            return
        if not select.select((self._file,), (), (), WAIT_SECONDS)[0]:
            self._to_pass = self._passes = min(2 * self._passes + 1, MOST_PASSED)
            return
        self._passes = 0
        with suppress(OSError):  # the transport meets it, too
            if data := os.read(self._file, _CHUNK):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._answer(reply)
        except InvalidResponse as error:
            self.end(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.end(RedisConnectionError(f"the connection was lost: {error or 'the server closed it'}"))
        self._before.connection_lost(error)  # redis-py waits for it

    def end(self, error: Exception) -> None:
        """Whoever waits gets `error`."""
        self.ended.set()
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        while self._waiting:
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(error)

    def _answer(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):  # where the address asks for protocol 3
            return
        if not self._waiting:
            raise InvalidResponse("a reply that nobody asked for")
        _, waiting = self._waiting.popleft()
        if waiting.done():  # who asked has left
            return
        if isinstance(reply, Exception):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def _look(self) -> None:
        """One timer watches over all: none can be late while the one that waits longest is not."""
        self._watch = None
        if not self._waiting:
            return
        until, _ = self._waiting[0]
        if until <= self._loop.time():
            self.end(TimeoutError())
        else:
            self._watch = self._loop.call_at(until, self._look)
