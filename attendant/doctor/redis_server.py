"""Redis, or Valkey: how fast, which one, what it throws away, whose clock, and whether a monitor reads the streams."""

import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

from attendant.doctor.clock import Offset
from attendant.doctor.findings import Finding, counted, fine, found, listed
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind

PINGS = 20
SLOW_SECONDS = 0.01
OLDEST = 7
POLICY = "volatile-lfu"
LATE_ENTRIES = 1000  # of the 2,048 that a stream keeps
MOST_STREAMS = 256
LEASE_SECONDS = 1.0  # a monitor that just began takes over within so long
_NAMES, _GROUP = "attendant:samples", "monitor"


@dataclass
class NoRedisError(Exception):
    """It does not answer, or (`refused`) it does and says no."""

    why: str
    refused: bool = False

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class Stream:
    """One version's: whether a monitor's group is there and a monitor has the lease, and entries it has not read."""

    name: str
    read: bool
    unread: int


@dataclass(frozen=True)
class Server:
    """`pings` in seconds, `info` as INFO gives it, the clock's `offset`, and the streams that gateways have written."""

    pings: tuple[float, ...]
    info: Mapping[str, Any]
    offset: Offset
    streams: tuple[Stream, ...]


def connect(url: str, seconds: float) -> Any:
    """A client of one Redis that has not connected yet and tries nothing twice. Raises NoRedisError."""
    try:
        return Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        )
    except (ValueError, TypeError):  # the words may show a piece of the URL
        raise NoRedisError("the URL has options that redis-py does not know") from None


def look(
    client: Any, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.time
) -> Server:
    """Asks everything; `now` in seconds since the epoch. Raises NoRedisError."""
    try:
        client.ping()  # connects
        return Server(
            tuple(_time(client.ping) for _ in range(PINGS)),
            client.info(),
            _offset(client, now),
            _streams(client, sleep),
        )
    except (AuthenticationError, NoPermissionError) as error:
        raise NoRedisError(str(error).partition(".")[0], refused=True) from None
    except (RedisError, OSError, ValueError) as error:
        raise NoRedisError(_words(error)) from None


def check_server(place: str, server: Server) -> Iterator[Finding]:
    name, version = _release(server.info)
    median = statistics.median(server.pings)
    seen = f"{name} {version} at {place}, PING {1000 * median:.2g} ms"
    major = version.partition(".")[0]
    if name == "Redis" and not (major.isdecimal() and int(major) >= OLDEST):
        yield found(Behind.REDIS_OLD, seen)
    elif median > SLOW_SECONDS:
        yield found(Behind.REDIS_SLOW, seen)
    else:
        yield fine(Check.REDIS, seen)


def check_memory(server: Server) -> Iterator[Finding]:
    policy, limit = str(server.info.get("maxmemory_policy", "")), _number(server.info, "maxmemory")
    used = f"{_number(server.info, 'used_memory') / 2**20:,.0f} MiB"
    of = f"{used} of {limit / 2**20:,.0f} MiB" if limit else f"{used}, no limit"
    seen = f"{policy or 'no policy'}, {of}, {counted(_number(server.info, 'evicted_keys'), 'key')} evicted"
    if policy.startswith("allkeys"):
        yield found(Behind.EVICTS_ALL, seen)
    elif policy != POLICY:
        yield found(Behind.OTHER_POLICY, seen)
    if not limit:
        yield found(Behind.NO_LIMIT, seen)
    elif policy == POLICY:
        yield fine(Check.MEMORY, seen)


def check_streams(streams: Sequence[Stream]) -> Iterator[Finding]:
    unread = [stream.name for stream in streams if not stream.read]
    late = [f"{stream.name}: {stream.unread:,}" for stream in streams if stream.unread > LATE_ENTRIES]
    if unread:
        yield found(Behind.SAMPLES_UNREAD, f"nobody reads those of {listed(unread)}")
    if late:
        yield found(Behind.SAMPLES_LATE, f"entries unread: {listed(late)}")
    if not unread and not late:
        waiting = sum(stream.unread for stream in streams)
        said = f"{counted(len(streams), 'stream')} read, entries still to come: {waiting:,}"
        yield fine(Check.SAMPLES, said if streams else "no gateway has explained anything yet")


def check_silence(error: NoRedisError, place: str) -> Iterator[Finding]:
    yield found(Behind.REDIS_REFUSES if error.refused else Behind.NO_REDIS, f"{place}: {error}")


def _streams(client: Any, sleep: Callable[[float], None]) -> tuple[Stream, ...]:
    names = sorted(client.smembers(_NAMES))[:MOST_STREAMS]
    streams = tuple(_stream(client, name) for name in names)
    if all(stream.read for stream in streams):
        return streams
    sleep(LEASE_SECONDS)
    return tuple(_stream(client, name) for name in names)


def _stream(client: Any, name: str) -> Stream:
    key = f"{_NAMES}:{{{name}}}"
    try:
        groups = [group for group in client.xinfo_groups(key) if group.get("name") == _GROUP]
        unread = (groups[0].get("lag") or 0) if groups else client.xinfo_stream(key)["length"]
    except ResponseError as error:
        if str(error) != "no such key":
            raise
        return Stream(name, read=True, unread=0)
    led = bool(client.exists(f"attendant:monitor:{{{name}}}:lease"))
    return Stream(name, bool(groups) and led, int(unread))


def _offset(client: Any, now: Callable[[], float]) -> Offset:
    asked = now()
    seconds, micros = client.time()
    came = now()
    theirs = seconds + micros / 1e6
    return Offset(theirs - came, theirs - asked)


def _time(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _release(info: Mapping[str, Any]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "Valkey", str(info["valkey_version"])
    return "Redis", str(info.get("redis_version", "?"))


def _number(info: Mapping[str, Any], key: str) -> int:
    value = info.get(key, 0)
    return int(value) if isinstance(value, int | float) else 0


def _words(error: Exception) -> str:
    """redis-py's, without where it is; they never hold the password."""
    words = re.sub(r"^Error \S+ connecting to \S+\. ", "", str(error).partition("\n")[0])
    return words.rstrip(".").lower() or type(error).__name__
