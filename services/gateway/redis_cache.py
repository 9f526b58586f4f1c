"""Explanations that all gateways share, in Redis or Valkey. It may fail at any time: then it has nothing, soon.

An entry is `HEADER`, when it was computed, a checksum and the response. A lease beside it says that somebody computes
it now; both have the key in braces, so that a cluster keeps them on one node.
"""

import asyncio
import hashlib
import secrets
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import cache, partial
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, MaxConnectionsError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.gateway.breaker import Breaker, describe
from services.gateway.metrics import Metrics
from services.gateway.redis_reads import Reads
from services.redis_connection import Client, disconnect

log = structlog.get_logger()

HEADER = b"A1"
_FIELDS = struct.Struct(">2sd16s")  # header, seconds since the epoch, checksum

LEASE_MS = 3000  # a gateway that was killed holds up the others for so long
RENEW_SECONDS = 1.0
LOOK_SECONDS = (0.01, 0.05)  # how soon a waiting gateway looks again, at first and at last
WRITES = 64  # on their way at a time; beyond it entries are dropped, for memory is bounded
_CLOSE_SECONDS = 1.0
_NO_ANSWER = (RedisConnectionError, RedisTimeoutError, InvalidResponse, TimeoutError, OSError)

# Only who holds the lease may renew it or give it back.
_RENEW = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2])"
_RELEASE = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1])"

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A response and the seconds since it was computed."""

    response: bytes
    age: float


@dataclass(frozen=True)
class Asked:
    """A question that is on its way, `since` a moment of the monotonic clock."""

    reply: asyncio.Future[Any]
    since: float


class RedisCache:
    """`ttl`: seconds that an entry is kept. `seconds`: what finding out whether there is one may take in all.

    No method raises, whatever Redis does. After a failure nothing is asked until a background probe was answered.
    """

    def __init__(self, client: Client, *, ttl: float, seconds: float, metrics: Metrics) -> None:
        self._client: Any = client
        self._ttl = ttl
        self._seconds = seconds
        self._metrics = metrics
        self._timed = cache(metrics.cache_seconds.labels)
        self._breaker = Breaker("Redis", self._probe)
        self._reads = Reads(client, seconds)
        self._writes: set[asyncio.Task[None]] = set()
        metrics.watch_breaker(lambda: self._breaker.is_open)

    def ask(self, key: str) -> Asked | None:
        """Send what `claim` asks first, so that the reply is on its way sooner; None where that cannot be done now."""
        since = time.monotonic()
        reply = None if self._breaker.is_open else self._reads.ask(_entry_key(key))
        return None if reply is None else Asked(reply, since)

    def receive(self, key: str, asked: Asked) -> Entry | None:
        """The entry, if the reply has come already and is one; anything else is for `claim` to deal with."""
        if not asked.reply.done() or asked.reply.exception() is not None:
            return None
        value = asked.reply.result()
        entry = unpack(key, value, time.time()) if isinstance(value, bytes) else None
        if entry is None or entry.age >= self._ttl:
            return None

        def count(seconds: float) -> None:
            self._timed("get").observe(seconds)
            self._count(entry)

        # when the answer has left
        asyncio.get_running_loop().call_soon(count, time.monotonic() - asked.since)
        return entry

    async def claim(self, key: str, flight: str, asked: Asked | None = None) -> "Entry | Lease":
        """The entry, once it is there, or the right to compute it, which one gateway has at a time.

        `flight` names what is computed: different work for the same entry does not wait for each other. `asked` is
        what `ask` brought.
        """
        since = time.monotonic() if asked is None else asked.since
        entry = await self._get(key, asked, since)
        seconds = max(0.0, self._seconds - (time.monotonic() - since))
        pause = LOOK_SECONDS[0]
        while entry is None:
            lease = Lease(self, key, _lease_key(key, flight))
            try:
                found = await self._run("claim", partial(self._take, lease), seconds)
            except asyncio.CancelledError:
                self._later(self._release(lease), always=True)  # it may have been taken
                raise
            if found is None:
                return lease  # it may be ours; if not, its end does nothing
            taken, value = found
            entry = self._read(key, value)
            if taken and entry is None:
                return lease
            if taken:
                self._later(self._release(lease), always=True)
            if entry is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LOOK_SECONDS[1])
                seconds = self._seconds
        return entry

    def put(self, key: str, response: bytes) -> None:
        """Keep it, in the background."""
        self._later(self._put(key, response))

    def finish(self, lease: "Lease", response: bytes | None) -> None:
        """Keep the response, if there is one, and give the lease back, in the background."""

        async def finish() -> None:
            if response is not None:
                await self._put(lease.key, response)
            await self._release(lease)

        self._later(finish(), always=True)

    async def renew(self, lease: "Lease") -> None:
        await self._run("renew", lambda: self._client.eval(_RENEW, 1, lease.name, lease.token, LEASE_MS))

    async def close(self) -> None:
        """What is on its way has a moment left."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_CLOSE_SECONDS)
        for write in self._writes:
            write.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._breaker.close()
        await self._reads.close()
        await disconnect(self._client)

    async def _get(self, key: str, asked: Asked | None, since: float) -> Entry | None:
        def reply() -> Awaitable[Any]:
            return self._reads.get(_entry_key(key)) if asked is None else asked.reply

        return self._read(key, await self._try("get", reply, since))

    def _read(self, key: str, value: Any) -> Entry | None:
        """`value`: whatever came back; what is no string belongs to another command."""
        if value is None:
            return None
        if not isinstance(value, bytes):
            self._metrics.cache_errors.labels("corrupt").inc()
            self._trip(TypeError(f"it answered a GET by {type(value).__name__}"))
            return None
        entry = unpack(key, value, time.time())
        if entry is None:
            log.warning("an entry of the cache is corrupt", key=key, bytes=len(value))
            self._metrics.cache_errors.labels("corrupt").inc()
        elif entry.age >= self._ttl:
            return None
        else:
            self._count(entry)
        return entry

    def _count(self, entry: Entry) -> None:
        self._metrics.cache_read_bytes.inc(_FIELDS.size + len(entry.response))
        self._metrics.cache_age.observe(entry.age)

    async def _take(self, lease: "Lease") -> tuple[bool, Any]:
        """In one round trip, so that an entry that was made since we looked is not made again."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(lease.name, lease.token, nx=True, px=LEASE_MS)
        pipeline.get(_entry_key(lease.key))
        taken, value = await pipeline.execute()
        return bool(taken), value

    async def _put(self, key: str, response: bytes) -> None:
        value = pack(key, response, time.time())
        if await self._run(
            "set", lambda: self._client.set(_entry_key(key), value, px=max(1, round(self._ttl * 1000)))
        ):
            self._metrics.cache_written_bytes.inc(len(value))

    async def _release(self, lease: "Lease") -> None:
        await self._run("release", lambda: self._client.eval(_RELEASE, 1, lease.name, lease.token))

    def _later(self, write: Coroutine[Any, Any, None], *, always: bool = False) -> None:
        if len(self._writes) >= WRITES and not always:
            write.close()
            self._metrics.cache_errors.labels("dropped").inc()
            return
        task = asyncio.create_task(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _run(
        self, operation: str, command: Callable[[], Awaitable[T]], seconds: float | None = None
    ) -> T | None:
        """None where there is no answer in time, and while none is to be expected."""

        async def within() -> T:
            async with asyncio.timeout(self._seconds if seconds is None else seconds):
                return await command()

        return await self._try(operation, within)

    async def _try(
        self, operation: str, command: Callable[[], Awaitable[T]], since: float | None = None
    ) -> T | None:
        """The same for a command that sees to its time itself, and may have begun before."""
        if self._breaker.is_open:
            return None
        started = time.monotonic() if since is None else since
        try:
            return await command()
        except _NO_ANSWER as error:
            self._metrics.cache_errors.labels("unavailable").inc()
            if not isinstance(error, MaxConnectionsError):
                self._trip(error)
        except RedisError as error:  # it answers, and refuses: it is full, or a replica
            self._metrics.cache_errors.labels("refused").inc()
            log.debug("Redis refused", operation=operation, error=describe(error))
        except Exception as error:  # noqa: BLE001 - some of redis-py's errors have no base of its own
            self._metrics.cache_errors.labels("unavailable").inc()
            self._trip(error)
        finally:
            self._timed(operation).observe(time.monotonic() - started)
        return None

    def _trip(self, error: Exception) -> None:
        self._breaker.trip(error)
        self._reads.drop()

    async def _probe(self) -> None:
        async with asyncio.timeout(self._seconds):
            await self._client.ping()


class Lease:
    """The right to compute an entry, renewed while this context lasts, or, where Redis is down, as good as that."""

    def __init__(self, cache: RedisCache, key: str, name: str) -> None:
        self.key = key
        self.name = name
        self.token = secrets.token_hex(8)
        self._cache = cache
        self._response: bytes | None = None

    def fill(self, response: bytes) -> None:
        """What the others wait for."""
        self._response = response

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewing.cancel()
        self._cache.finish(self, self._response)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._cache.renew(self)


def pack(key: str, response: bytes, now: float) -> bytes:
    """An entry's bytes; `now` in seconds since the epoch."""
    return _FIELDS.pack(HEADER, now, _checksum(key, now, response)) + response


def unpack(key: str, value: bytes, now: float) -> Entry | None:
    """None where the bytes are not what `pack` made for this key."""
    if len(value) < _FIELDS.size:
        return None
    header, computed, checksum = _FIELDS.unpack_from(value)
    response = value[_FIELDS.size :]
    if header != HEADER or checksum != _checksum(key, computed, response):
        return None
    return Entry(response, max(0.0, now - computed))


def _checksum(key: str, computed: float, response: bytes) -> bytes:
    digest = hashlib.sha256(f"{key} {computed!r} ".encode())
    digest.update(response)
    return digest.digest()[:16]


def _entry_key(key: str) -> str:
    return f"attendant:explanation:{{{key}}}"


def _lease_key(key: str, flight: str) -> str:
    return f"attendant:lease:{{{key}}}:{flight}"
