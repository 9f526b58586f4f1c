"""Against a real Valkey, well and ill."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from fake_worker import until
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from valkey_server import Valkey, running_valkey

from services.gateway.metrics import Metrics
from services.gateway.redis_cache import Entry, Lease, RedisCache, pack, unpack
from services.redis_connection import CONNECTIONS, connect

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
async def client(server: Valkey):
    client = connect(server.url, 5.0)
    await client.flushall()
    await client.config_set("maxmemory", "0")
    yield client
    await client.aclose()


@asynccontextmanager
async def open_cache(url, ttl=100.0, seconds=1.0):
    registry = CollectorRegistry()
    cache = RedisCache(connect(url, seconds), ttl=ttl, seconds=seconds, metrics=Metrics(registry))
    cache.registry = registry
    try:
        yield cache
    finally:
        await cache.close()


def count(cache, name, **labels):
    return cache.registry.get_sample_value(name, labels) or 0


def is_open(cache):
    return count(cache, "attendant_cache_breaker_open") == 1


async def compute(cache, response=b"response", flight="single", key=KEY):
    lease = await cache.claim(key, flight)
    assert isinstance(lease, Lease)
    async with lease:
        lease.fill(response)


async def found(cache, key=KEY):
    claimed = await cache.claim(key, "single")
    if isinstance(claimed, Entry):
        return claimed.response
    async with claimed:
        return None


@given(st.text(max_size=8), st.binary(max_size=64), st.floats(0, 4e9), st.floats(-10, 1e9))
def test_an_entry_is_read_as_it_was_written(key, response, now, later):
    entry = unpack(key, pack(key, response, now), now + later)
    assert entry == Entry(response, max(0.0, now + later - now))


@given(st.binary(max_size=64), st.data())
def test_a_changed_entry_is_none(response, data):
    value = pack(KEY, response, 1.5)
    position = data.draw(st.integers(0, len(value) - 1))
    flipped = bytes([value[position] ^ data.draw(st.integers(1, 255))])
    assert unpack(KEY, value[:position] + flipped + value[position + 1 :], 2.0) is None
    assert unpack(KEY, value[:position], 2.0) is None
    assert unpack(KEY, value + b"x", 2.0) is None
    assert unpack(OTHER, value, 2.0) is None


async def test_what_one_gateway_computed_the_other_finds(server, client):
    async with open_cache(server.url) as one, open_cache(server.url) as other:
        await compute(one)
        await until(lambda: client.exists(f"attendant:explanation:{{{KEY}}}"))
        claimed = await other.claim(KEY, "single")
        assert isinstance(claimed, Entry)
        assert claimed.response == b"response"
        assert 0 <= claimed.age < 5
        assert await found(other, OTHER) is None
        assert count(other, "attendant_cache_read_bytes_total") == len(b"response") + 26
    assert 90_000 < await client.pttl(f"attendant:explanation:{{{KEY}}}") <= 100_000
    assert await client.keys("attendant:lease:*") == []


async def test_what_was_asked_before_is_not_asked_again(server, client):
    async with open_cache(server.url) as cache:
        assert cache.ask(KEY) is None  # there is no connection yet
        await compute(cache)
        await until(lambda: not cache._writes)
        await until(lambda: cache._reads._line is not None)
        await client.config_resetstat()
        asked = cache.ask(KEY)
        claimed = await cache.claim(KEY, "single", asked)
        assert isinstance(claimed, Entry)
        assert claimed.response == b"response"
        assert (await client.info("commandstats"))["cmdstat_get"]["calls"] == 1
        assert count(cache, "attendant_cache_seconds_count", operation="get") == 2


async def test_who_does_not_answer_is_not_asked_and_who_waits_is_told(tmp_path):
    with running_valkey(tmp_path) as server:
        async with open_cache(server.url, seconds=0.2) as cache:
            await compute(cache)
            await until(lambda: not cache._writes and cache._reads._line is not None)
            server.pause()
            waiting = [cache.claim(KEY, "single", cache.ask(KEY)) for _ in range(5)]
            started = time.monotonic()
            for lease in await asyncio.gather(*waiting):
                async with lease:
                    pass
            assert time.monotonic() - started < 2  # 0.2 s, and what a busy machine adds
            assert is_open(cache)
            assert cache.ask(KEY) is None
            server.resume()


async def test_gateways_wait_for_the_one_that_computes(server, client):
    async with (
        open_cache(server.url) as one,
        open_cache(server.url) as other,
        open_cache(server.url) as third,
    ):
        lease = await one.claim(KEY, "single")
        assert isinstance(lease, Lease)
        async with lease:
            waiting = [asyncio.create_task(cache.claim(KEY, "single")) for cache in (other, third, other)]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in waiting)
            # Other work for the same entry goes on.
            bulk = await other.claim(KEY, "bulk")
            assert isinstance(bulk, Lease)
            async with bulk:
                pass
            lease.fill(b"once")
        assert {entry.response for entry in await asyncio.gather(*waiting)} == {b"once"}


async def test_a_gateway_that_fails_hands_over(server, client):
    async with open_cache(server.url) as one, open_cache(server.url) as other:
        lease = await one.claim(KEY, "single")
        waiting = asyncio.create_task(other.claim(KEY, "single"))
        await asyncio.sleep(0.05)
        async with lease:
            pass  # nothing was brought
        async with asyncio.timeout(1), await waiting as taken:
            assert taken.name


async def test_a_gateway_that_died_hands_over_when_its_lease_ends(server, client, monkeypatch):
    monkeypatch.setattr("services.gateway.redis_cache.LEASE_MS", 200)
    async with open_cache(server.url) as one, open_cache(server.url) as other:
        await one.claim(KEY, "single")  # and never again heard of
        started = time.monotonic()
        async with asyncio.timeout(5), await other.claim(KEY, "single") as taken:
            assert taken.name
        assert time.monotonic() - started > 0.1


async def test_a_lease_is_renewed_while_the_work_lasts(server, client, monkeypatch):
    monkeypatch.setattr("services.gateway.redis_cache.LEASE_MS", 200)
    monkeypatch.setattr("services.gateway.redis_cache.RENEW_SECONDS", 0.02)
    async with open_cache(server.url) as one, open_cache(server.url) as other:
        async with await one.claim(KEY, "single") as lease:
            waiting = asyncio.create_task(other.claim(KEY, "single"))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            lease.fill(b"late")
        assert (await waiting).response == b"late"


async def test_a_cancelled_claim_leaves_no_lease(server, client):
    async with open_cache(server.url) as cache:
        for wait in (0.0, 0.0002, 0.0005, 0.001, 0.002):
            task = asyncio.create_task(cache.claim(KEY, "single"))
            await asyncio.sleep(wait)
            if task.cancel():
                await asyncio.wait({task})
            else:
                async with task.result():
                    pass
            await until(lambda: not cache._writes)
        assert await client.keys("attendant:lease:*") == []
        assert not is_open(cache)


async def test_an_expired_lease_is_not_anothers(server, client, monkeypatch):
    """Who comes back too late neither renews nor ends the lease that somebody else has now."""
    monkeypatch.setattr("services.gateway.redis_cache.LEASE_MS", 50)
    async with open_cache(server.url) as one, open_cache(server.url) as other:
        late = await one.claim(KEY, "single")
        await asyncio.sleep(0.1)
        monkeypatch.setattr("services.gateway.redis_cache.LEASE_MS", 5000)
        now = await other.claim(KEY, "single")
        await one.renew(late)
        async with late:
            pass
        await until(lambda: not one._writes)
        assert await client.get(now.name) == now.token.encode()


async def test_an_entry_beyond_its_time_is_a_miss(server, client):
    async with open_cache(server.url, ttl=0.05) as cache:
        await compute(cache)
        await asyncio.sleep(0.1)
        assert await found(cache) is None
        await client.set(f"attendant:explanation:{{{KEY}}}", pack(KEY, b"old", time.time() - 1))
        assert await found(cache) is None


@pytest.mark.parametrize(
    "value", [b"", b"rubbish", pack(OTHER, b"another's", 1.0), pack(KEY, b"x", 1.0) + b"y"]
)
async def test_a_corrupt_entry_is_a_miss_and_replaced(server, client, value):
    async with open_cache(server.url) as cache:
        await client.set(f"attendant:explanation:{{{KEY}}}", value)
        await compute(cache, b"whole")
        assert count(cache, "attendant_cache_errors_total", kind="corrupt") >= 1
        await until(lambda: not cache._writes)
        assert await found(cache) == b"whole"


async def test_an_entry_of_another_type_is_a_miss(server, client):
    async with open_cache(server.url) as cache:
        await client.lpush(f"attendant:explanation:{{{KEY}}}", "x")
        assert await found(cache) is None
        assert count(cache, "attendant_cache_errors_total", kind="refused") >= 1
        assert not is_open(cache)


async def test_a_full_server_refuses_and_everything_else_goes_on(server, client):
    async with open_cache(server.url) as cache:
        await compute(cache)
        await until(lambda: not cache._writes)
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
        assert await found(cache) == b"response"
        await compute(cache, key=OTHER)
        await until(lambda: not cache._writes)
        assert count(cache, "attendant_cache_errors_total", kind="refused") >= 1
        assert not is_open(cache)


async def test_a_stopped_server_costs_one_wait_then_none_until_it_is_back(tmp_path):
    with running_valkey(tmp_path) as server:
        async with open_cache(server.url, seconds=0.05) as cache:
            await compute(cache)
            await until(lambda: not cache._writes)
            server.pause()
            started = time.monotonic()
            assert await found(cache) is None
            first = time.monotonic() - started
            assert is_open(cache)
            started = time.monotonic()
            for _ in range(100):
                assert await found(cache) is None
            assert time.monotonic() - started < 2  # not 100 times 50 ms
            assert first < 2  # 50 ms, and what a busy machine adds
            assert count(cache, "attendant_cache_errors_total", kind="unavailable") == 1
            server.resume()
            await until(lambda: not is_open(cache))

            async def answers() -> bool:  # a busy machine may take more than 50 ms, once more
                return await found(cache) == b"response"

            await until(answers)


async def test_a_killed_server_that_comes_back_is_used_again(tmp_path):
    with running_valkey(tmp_path) as server:
        async with open_cache(server.url) as cache:
            await compute(cache)
            server.kill()
            assert await found(cache) is None
            assert is_open(cache)
            server.start()
            await until(lambda: not is_open(cache))
            await compute(cache, b"new")
            await until(lambda: not cache._writes)
            assert await found(cache) == b"new"


async def test_a_server_that_was_never_there_is_asked_by_probes_alone(tmp_path, unused_tcp_port):
    async with open_cache(f"redis://127.0.0.1:{unused_tcp_port}") as cache:
        for _ in range(10):
            assert await found(cache) is None
        assert count(cache, "attendant_cache_errors_total", kind="unavailable") == 1


async def test_answers_are_never_mixed_up_when_calls_are_cancelled(server, client):
    """A cancelled command's answer must not be taken for the next one's."""
    keys = [f"{number:064x}" for number in range(8)]
    async with open_cache(server.url) as cache:
        for key in keys:
            await compute(cache, key.encode() * 500, key=key)
        await until(lambda: not cache._writes)

        async def ask(number):
            key = keys[number % len(keys)]
            task = asyncio.create_task(cache.claim(key, "single"))
            if number % 3 == 0:
                await asyncio.sleep(0.0001 * (number % 7))
                task.cancel()
                await asyncio.wait({task})
                return
            claimed = await task
            assert isinstance(claimed, Entry)
            assert claimed.response == key.encode() * 500

        for start in range(0, 300, 50):
            await asyncio.gather(*(ask(number) for number in range(start, start + 50)))
        assert count(cache, "attendant_cache_errors_total", kind="corrupt") == 0


async def test_more_at_once_than_connections_go_on_without(server, client):
    async with open_cache(server.url, seconds=20.0) as cache:
        await asyncio.gather(*(compute(cache, key=f"{number:064x}") for number in range(2 * CONNECTIONS)))
        assert count(cache, "attendant_cache_errors_total", kind="unavailable") > 0
        assert not is_open(cache)


async def test_writes_that_pile_up_are_dropped_and_counted(server, client):
    async with open_cache(server.url) as cache:
        for number in range(100):
            cache.put(f"{number:064x}", b"x")
        assert len(cache._writes) == 64
        assert count(cache, "attendant_cache_errors_total", kind="dropped") == 36
    assert len(await client.keys("attendant:explanation:*")) == 64


async def test_a_cluster_that_is_down_is_left_alone(unused_tcp_port):
    """Some errors of redis-py's cluster client are no RedisError."""
    async with open_cache(f"redis+cluster://127.0.0.1:{unused_tcp_port}") as cache:
        for _ in range(3):
            assert await found(cache) is None
        assert is_open(cache)
        assert count(cache, "attendant_cache_errors_total", kind="unavailable") == 1


async def test_a_claim_that_was_late_gives_back_what_it_took(tmp_path):
    """The command ran, though nobody waited for it any more."""
    with running_valkey(tmp_path) as server:
        async with open_cache(server.url, seconds=0.1) as cache:
            assert await found(cache) is None  # connected
            await until(lambda: not cache._writes)
            server.pause()
            lease = Lease(cache, KEY, f"attendant:lease:{{{KEY}}}:single")
            assert await cache._run("claim", lambda: cache._take(lease)) is None
            server.resume()
            await until(lambda: not is_open(cache))
            assert await cache._client.exists(lease.name)
            async with lease:
                pass
            await until(lambda: not cache._writes)
            assert not await cache._client.exists(lease.name)
