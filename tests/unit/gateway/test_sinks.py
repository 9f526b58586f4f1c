"""Explanations in a real Valkey, for monitors to read."""

import asyncio

import numpy as np
import pytest
from fake_worker import until
from redis.asyncio import Redis
from sample_attention import SETS, focus_on, outcome, random_explanation
from valkey_server import running_valkey

from attendant.statistics.samples import sample
from attendant.wire.samples import decode_samples
from services.gateway import sinks
from services.gateway.sinks import RedisSink
from services.gateway.watching import Source
from services.redis_connection import connect

SARCASM, MOSAICS = Source("sarcasm", "2", "d" * 64), Source("mosaics", "1", "e" * 64)
TWEETS = sample([outcome(random_explanation(SETS[-1], seed)) for seed in range(3)])
FOCUS = sample([outcome(focus_on([0.5, 0.5]), risk=0.5)])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture
async def redis(server):
    async with Redis.from_url(server.url) as client:
        await client.flushall()
        yield client


async def test_each_version_has_a_stream_and_a_name(server, redis):
    sink = RedisSink(connect(server.url, 1.0))
    assert await sink.put(SARCASM, TWEETS)
    assert await sink.put(MOSAICS, FOCUS)
    assert await sink.put(SARCASM, TWEETS.rows(slice(1)))
    await sink.close()
    assert await redis.smembers("attendant:samples") == {b"sarcasm/2", b"mosaics/1"}
    entries = await redis.xrange("attendant:samples:{sarcasm/2}")
    assert [fields[b"digest"] for _, fields in entries] == [b"d" * 64] * 2
    found = [decode_samples(fields[b"samples"]) for _, fields in entries]
    np.testing.assert_array_equal(found[0].values, TWEETS.values)
    np.testing.assert_array_equal(found[0].maps, TWEETS.maps)
    assert len(found[1]) == 1
    ((_, fields),) = await redis.xrange("attendant:samples:{mosaics/1}")
    np.testing.assert_array_equal(decode_samples(fields[b"samples"]).values, FOCUS.values)


async def test_a_stream_does_not_grow_for_ever(server, redis, monkeypatch):
    monkeypatch.setattr(sinks, "LENGTH", 100)
    sink = RedisSink(connect(server.url, 1.0))
    for _ in range(400):
        assert await sink.put(MOSAICS, FOCUS)
    await sink.close()
    assert 100 <= await redis.xlen("attendant:samples:{mosaics/1}") <= 300  # whole nodes are cut off


async def test_what_redis_does_not_take_is_told_and_tried_again_later(tmp_path, monkeypatch):
    monkeypatch.setattr(sinks, "SECONDS", 0.2)
    now = 0.0
    with running_valkey(tmp_path) as valkey:
        sink = RedisSink(connect(valkey.url, 0.2), lambda: now)
        assert await sink.put(MOSAICS, FOCUS)
        valkey.pause()
        assert not await sink.put(MOSAICS, FOCUS)
        async with asyncio.timeout(0.1):  # it is not asked again at once
            assert not await sink.put(MOSAICS, FOCUS)
        valkey.resume()

        async def is_taken() -> bool:  # a busy machine may take more than 0.2 s, once more
            nonlocal now
            now += 1.0
            return await sink.put(MOSAICS, FOCUS)

        await until(is_taken)
        await sink.close()


async def test_a_name_that_was_lost_is_told_again(server, redis):
    now = 0.0
    sink = RedisSink(connect(server.url, 1.0), lambda: now)
    assert await sink.put(MOSAICS, FOCUS)
    await redis.flushall()
    assert await sink.put(MOSAICS, FOCUS)
    assert not await redis.exists("attendant:samples")
    now = 60.0
    assert await sink.put(MOSAICS, FOCUS)
    assert await redis.smembers("attendant:samples") == {b"mosaics/1"}
    await sink.close()
