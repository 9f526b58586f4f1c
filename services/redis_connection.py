"""How Redis, or Valkey, is reached: by itself, through Sentinel, or as a cluster."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

SINGLE = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel")
CLUSTER = ("redis+cluster", "rediss+cluster")
SENTINEL_PORT = 26379
CONNECTIONS = 128  # commands of one gateway in flight at a time; beyond it they are refused here

Client = Redis | RedisCluster


def connect(url: str, seconds: float) -> Client:
    """A client that has not connected yet. Raises ValueError, without the URL's password, where it is no such URL.

    `seconds` bounds a connection attempt; the caller bounds the whole. Nothing is retried: what is not found in time
    can be computed.
    """
    parts = urlsplit(url)
    options: dict[str, Any] = {
        "socket_connect_timeout": seconds,
        "socket_timeout": None,
        "protocol": 2,  # one round trip fewer when connecting
        "retry": Retry(NoBackoff(), 0),
        "max_connections": CONNECTIONS,
    }
    if parts.scheme in SENTINEL:
        return _through_sentinel(parts, options)
    if parts.scheme in CLUSTER:
        # once more: where the first node says that a slot has moved
        return RedisCluster.from_url(_single(parts), **options | {"retry": Retry(NoBackoff(), 1)})
    if parts.scheme not in SINGLE:
        known = ", ".join(f"{scheme}://" for scheme in (*SINGLE, *SENTINEL, *CLUSTER))
        raise ValueError(f"it begins with {parts.scheme!r}; known are {known}")
    client: Redis = Redis.from_url(url, **options)
    return client


async def disconnect(client: Client) -> None:
    """Close every connection; those to the sentinels, redis-py would leave open."""
    await client.aclose()
    pool = getattr(client, "connection_pool", None)
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _through_sentinel(parts: SplitResult, options: dict[str, Any]) -> Redis:
    """redis+sentinel://[user:password@]host[:port][,host…]/service[/database][?options]"""
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError(
            "its path has to name Sentinel's service, as in redis+sentinel://host:26379/mymaster"
        )
    credentials, at, hosts = parts.netloc.rpartition("@")
    endpoints = [_endpoint(host) for host in hosts.split(",")]
    master = parts._replace(netloc=f"{credentials}{at}{endpoints[0][0]}", path=f"/{database}")
    given: dict[str, Any] = dict(parse_url(_single(master)))
    encrypted = given.pop("connection_class", None) is SSLConnection
    for placeholder in ("host", "port"):
        given.pop(placeholder, None)
    common = options | {"ssl": encrypted}
    sentinel = Sentinel(endpoints, sentinel_kwargs=common, **common, **given)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(service)
    return client


def _endpoint(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port or SENTINEL_PORT)


def _single(parts: SplitResult) -> str:
    return parts._replace(scheme=parts.scheme.partition("+")[0]).geturl()
