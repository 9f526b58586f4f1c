"""Whole gateways that share a real Valkey: what is computed, what is not, and what the caller gets."""

import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from fake_worker import until
from meddling_proxy import behind_a_proxy
from prometheus_client import CollectorRegistry
from sample_models import MODELS
from valkey_server import running_valkey

from attendant.methods import ExplainOptions, PermutationOptions
from attendant.types import CacheStatus, Timing, Tweet
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import CacheMode, encode_explain_request
from attendant.wire.responses import decode_explain_response
from services.gateway.cache import LruCache
from services.gateway.explanations import Answer, Explanations
from services.gateway.metrics import Metrics
from services.gateway.redis_cache import RedisCache
from services.redis_connection import connect

TWEET = Tweet("what a day", attributes=("sky",))
EXPLAIN = encode_explain_request("sarcasm", TWEET, request_id="mine")


@pytest.fixture
def server(tmp_path):
    with running_valkey(tmp_path) as running:
        yield running


@pytest.fixture
def share(server, launch):
    """Start a gateway on the shared cache."""

    def start(models=None, **settings):
        return launch(models, **{"redis_url": server.url, "redis_seconds": 1.0} | settings)

    return start


async def explain(gateway, request=EXPLAIN):
    return decode_explain_response(await gateway.call("Explain", request))


async def wait_for_entry(gateway, count=1):
    await until(lambda: _written(gateway))


async def _written(gateway):
    return await gateway.metric("attendant_cache_written_bytes_total") > 0


@pytest.mark.parametrize(("delay", "capacity"), [(0.0, 10_000), (0.005, 0)])
async def test_sixteen_at_once_ask_the_server_once(server, delay, capacity):
    """Whether it answers on the spot, and the first puts into memory what it says, or takes its time."""
    metrics = Metrics(CollectorRegistry())
    client = connect(server.url, 5.0)
    async with behind_a_proxy(server, delay) as slow:
        url = slow if delay else server.url
        far = RedisCache(connect(url, 5.0), ttl=100.0, seconds=5.0, metrics=metrics)
        explanations = Explanations(LruCache(capacity, 100.0, time.monotonic), far, metrics)

        async def compute() -> Answer:
            return Answer(b"response", Timing())

        async def find():
            if (found := explanations.recall("key")) is not None:
                return found
            asked = explanations.ask("key", "single")
            found = explanations.receive("key", asked)
            return found or await explanations.find("key", compute, "single", asked)

        async def is_kept() -> bool:
            return await client.exists("attendant:explanation:{key}") == 1

        far.put("key", b"response")
        await until(is_kept)
        await explanations.find("another", compute, "single")
        await until(lambda: far._reads._line is not None and not far._writes)
        await client.config_resetstat()
        found = await asyncio.gather(*(find() for _ in range(16)))
        assert {(answer.response, status) for answer, status in found} == {(b"response", CacheStatus.HIT)}
        assert (await client.info("commandstats"))["cmdstat_get"]["calls"] == 1
        await explanations.close()
    await client.aclose()


async def test_sixteen_at_once_on_two_gateways_cost_one_computation(share):
    async with share() as one, share() as other:
        for gateway in (one, other):
            gateway.worker.gate.clear()
        asked = [asyncio.create_task(explain(gateway)) for gateway in (one, other) * 8]
        await until(lambda: one.worker.rows or other.worker.rows)
        await asyncio.sleep(0.05)
        for gateway in (one, other):
            gateway.worker.gate.set()
        answers = await asyncio.gather(*asked)
        assert len(one.worker.rows) + len(other.worker.rows) == 1
        assert sorted(answer.cache for answer in answers) == [CacheStatus.HIT] * 15 + [CacheStatus.MISS]
        assert {answer.prediction.probability for answer in answers} == {0.75}


async def test_a_cached_answer_has_the_fresh_ones_bytes(share):
    """Apart from what stands at its end: cache status, timing and request id."""
    async with share() as one, share(cache_bytes=0) as other:
        fresh = await one.call("Explain", EXPLAIN)
        body = one.worker.response(Row(Operation.EXPLAIN, b"", "sarcasm", "1"))
        await wait_for_entry(one)
        near, far = await one.call("Explain", EXPLAIN), await other.call("Explain", EXPLAIN)
        for answer in (fresh, near, far):
            assert answer.startswith(body)
            assert len(answer) - len(body) < 120
        assert [decode_explain_response(answer).cache for answer in (fresh, near, far)] == [
            CacheStatus.MISS,
            CacheStatus.HIT,
            CacheStatus.HIT,
        ]
        assert other.worker.rows == []
        assert await one.metric('attendant_cache_hits_total{source="memory"}') == 1
        assert await other.metric('attendant_cache_hits_total{source="redis"}') == 1


async def test_other_weights_under_the_same_version_share_nothing(share):
    model = MODELS["sarcasm"]
    version = model.versions["1"]
    files = {name: replace(entry, sha256="0" * 64) for name, entry in version.files.items()}
    changed = replace(model, versions={**model.versions, "1": replace(version, files=files)})
    models = {**MODELS, "sarcasm": changed}
    async with share() as one, share(models) as other:
        other.worker.models = models
        await explain(one)
        await wait_for_entry(one)
        assert (await explain(other)).cache is CacheStatus.MISS
        assert (await explain(other)).cache is CacheStatus.HIT
        assert (await explain(one)).cache is CacheStatus.HIT


async def test_a_worker_with_other_weights_than_the_manifest_fills_no_entry(share):
    """So it is for moments of a roll-out. The answer names the weights that made it."""
    async with share() as gateway:
        gateway.worker.models = {}
        for _ in range(2):
            assert (await explain(gateway)).cache is CacheStatus.MISS
        assert await gateway.metric("attendant_cache_bytes") == 0


async def test_other_options_share_nothing(share):
    other_options = encode_explain_request(
        "irony", TWEET, options=ExplainOptions(permutation=PermutationOptions())
    )
    async with share() as one, share() as other:
        await explain(one, encode_explain_request("irony", TWEET))
        await wait_for_entry(one)
        assert (await explain(other, other_options)).cache is CacheStatus.MISS


async def test_an_answer_cut_by_the_deadline_is_nobody_elses(share):
    async with share() as one, share() as other:
        body = one.worker.response(Row(Operation.EXPLAIN, b"", "sarcasm", "1"))
        for gateway in (one, other):
            gateway.worker.reply = Reply(response=body, truncated=True)
            gateway.worker.gate.clear()
        asked = [asyncio.create_task(explain(gateway)) for gateway in (one, other) * 2]
        await until(lambda: one.worker.rows or other.worker.rows)
        for gateway in (one, other):
            gateway.worker.gate.set()
        answers = await asyncio.gather(*asked)
        assert {answer.cache for answer in answers} == {CacheStatus.MISS}
        assert len(one.worker.rows) + len(other.worker.rows) == 4
        assert await one.metric("attendant_cache_written_bytes_total") == 0


async def test_a_cancelled_caller_fails_none_of_those_who_wait(share):
    async with share() as gateway:
        gateway.worker.gate.clear()
        leader = asyncio.create_task(explain(gateway))
        await until(lambda: gateway.worker.rows)
        others = [asyncio.create_task(explain(gateway)) for _ in range(3)]
        await asyncio.sleep(0.05)
        leader.cancel()
        await until(lambda: len(gateway.worker.rows) == 2)
        gateway.worker.gate.set()
        assert sorted(answer.cache for answer in await asyncio.gather(*others)) == [
            CacheStatus.HIT,
            CacheStatus.HIT,
            CacheStatus.MISS,
        ]


async def test_a_waiting_callers_own_deadline_counts(share):
    async with share() as gateway:
        gateway.worker.gate.clear()
        leader = asyncio.create_task(explain(gateway))
        await until(lambda: gateway.worker.rows)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.call("Explain", EXPLAIN, timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        gateway.worker.gate.set()
        await leader
        assert len(gateway.worker.rows) == 1


async def test_refresh_replaces_and_bypass_leaves_alone(share):
    async with share() as one, share() as other:
        for mode, status in (
            (CacheMode.BYPASS, CacheStatus.BYPASS),
            (CacheMode.REFRESH, CacheStatus.REFRESHED),
        ):
            request = encode_explain_request("sarcasm", TWEET, cache_mode=mode)
            assert (await explain(one, request)).cache is status
        await wait_for_entry(one)
        assert (await explain(other)).cache is CacheStatus.HIT
        assert len(one.worker.rows) == 2


@asynccontextmanager
async def load(gateway, seconds):
    """Explanations of ever new tweets by four callers; gives what became of each."""
    outcomes = []
    end = time.monotonic() + seconds

    async def caller(number):
        count = 0
        while time.monotonic() < end:
            count += 1
            started = time.monotonic()
            request = encode_explain_request("sarcasm", Tweet(f"caller {number} asks {count}"))
            try:
                await gateway.call("Explain", request)
                failed = None
            except grpc.aio.AioRpcError as error:
                failed = error
            outcomes.append((started, time.monotonic() - started, failed))

    callers = [asyncio.create_task(caller(number)) for number in range(4)]
    yield outcomes
    await asyncio.gather(*callers)


@pytest.mark.parametrize("fault", ["pause", "kill"])
async def test_a_server_lost_under_load_fails_no_request(share, server, fault):
    async with share(redis_seconds=0.05) as gateway:
        async with load(gateway, 1.5) as outcomes:
            await asyncio.sleep(0.4)
            lost = time.monotonic()
            getattr(server, fault)()
        assert [failed for _, _, failed in outcomes if failed] == []
        assert await gateway.metric("attendant_cache_breaker_open") == 1
        # Each caller may have had one request that waited for 50 ms; a busy machine may add to it.
        usual = statistics.median(seconds for started, seconds, _ in outcomes if started + seconds < lost)
        after = [seconds for started, seconds, _ in outcomes if started > lost - 0.05]
        assert sum(seconds > usual + 0.04 for seconds in after) <= max(4, len(after) / 4)
        # Asked at most once by every caller, and by the probes, which are not counted.
        assert await gateway.metric('attendant_cache_errors_total{kind="unavailable"}') <= 8


@pytest.mark.parametrize(("delay", "opens"), [(0.005, False), (0.24, True), (2.0, True)])
async def test_a_slow_server_is_waited_for_up_to_the_limit(share, server, delay, opens):
    async with behind_a_proxy(server, delay) as url, share(redis_url=url, redis_seconds=0.3) as gateway:
        started = time.monotonic()
        for number in range(5):
            await explain(gateway, encode_explain_request("sarcasm", Tweet(f"tweet {number}")))
        assert time.monotonic() - started < 1.5
        assert await gateway.metric("attendant_cache_breaker_open") == opens


@pytest.mark.parametrize("rubbish", [b"*-7\r\nwhat?\r\n", b":5\r\n"])
async def test_corrupted_replies_fail_no_request(share, server, rubbish):
    """No protocol of Redis, or answers to other questions: it is left alone for a while."""
    async with behind_a_proxy(server, change=lambda _: rubbish) as url, share(redis_url=url) as gateway:
        for number in range(5):
            await explain(gateway, encode_explain_request("sarcasm", Tweet(f"tweet {number}")))
        assert await gateway.metric("attendant_cache_breaker_open") == 1


async def test_a_gateway_drains_while_the_server_does_not_answer(share, server):
    async with share(redis_seconds=0.05) as gateway:
        await explain(gateway)
        server.pause()
        started = time.monotonic()
        await gateway.drain()
        assert time.monotonic() - started < 5
