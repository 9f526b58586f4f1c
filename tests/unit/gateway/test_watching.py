"""What becomes of the numbers that workers tell beside explanations."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from fake_worker import until
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sample_attention import SETS, outcome, random_explanation
from sample_models import MODELS, manifest
from valkey_server import running_valkey

from attendant.errors import backend_unavailable
from attendant.methods import ExplainOptions, Method, PermutationOptions
from attendant.statistics.samples import Samples, concatenate, sample
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Reply
from attendant.wire.requests import (
    ATTENTION_ALONE,
    decode_request,
    encode_explain_request,
    encode_predict_request,
)
from attendant.wire.samples import decode_samples, encode_samples
from services.gateway import watching
from services.gateway.admission import Admission
from services.gateway.histograms import AttentionHistograms
from services.gateway.impacts import AT_ONCE, BUDGET, LONGEST, OPTIONS, SHORTEST, Impacts
from services.gateway.instances import Limits
from services.gateway.lanes import Work
from services.gateway.metrics import Metrics
from services.gateway.validation import Validator
from services.gateway.watching import Source, Watch

LIMITS = Limits(message_bytes=1000, image_bytes=1000, image_pixels=1000, text_bytes=1000)
ABLE = MODELS | {"sarcasm": manifest(methods=(Method.PERMUTATION,))}
DIGEST = "d" * 64


def numbers(seed=0, modalities=SETS[0]) -> Samples:
    return sample([outcome(random_explanation(modalities, seed))])


def question(options=ATTENTION_ALONE, model="sarcasm"):
    return Validator(ABLE, LIMITS).explain(encode_explain_request(model, Tweet("hello"), options=options))


class Heap:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.found: list[tuple[Source, Samples]] = []
        self.takes = True
        self.closed = False

    async def put(self, source, samples) -> bool:
        self.found.append((source, samples))
        return self.takes

    async def close(self) -> None:
        self.closed = True

    def rows(self, source=None) -> Samples:
        return concatenate([samples for of, samples in self.found if source in {None, of}])


class SlowWorker:
    """A backend that measures impacts once its gate is open."""

    def __init__(self) -> None:
        self.rows = []
        self.archives = []
        self.gate = asyncio.Event()
        self.reply = Reply(b"x", samples=encode_samples(numbers(99)), weights_digest=DIGEST)
        self.error = None

    async def call(self, archive, row, _timeout):
        self.archives.append(archive)
        self.rows.append(row)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.reply


class Parts:
    def __init__(self, share=0.0, times=None) -> None:
        clock = count(step=10) if times is None else iter(times)  # it passes quickly
        self.metrics = Metrics(CollectorRegistry())
        self.worker = SlowWorker()
        self.heap = Heap()
        self.admission = Admission({Work.PREDICT: 1, Work.EXPLAIN: 1, Work.SLOW: 40})
        impacts = Impacts(share, self.worker, self.admission, self.metrics, lambda: 0.5, clock.__next__)
        histograms = AttentionHistograms(self.metrics.registry)
        self.now = 0.0  # stands still: how fast this machine asks says nothing
        self.watch = Watch(self.heap, impacts, histograms, self.metrics, 1000.0, lambda: self.now)

    async def end(self) -> None:
        if self.watch._rounds is None:
            self.watch.start()
        await self.watch.close()

    def take(self, seed, options=ATTENTION_ALONE, model="sarcasm", modalities=SETS[0]):
        samples = encode_samples(numbers(seed, modalities))
        self.watch.take(question(options, model), Reply(b"x", samples=samples, weights_digest=DIGEST))

    def count(self, name, **labels) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def same(found: Samples, *expected: Samples) -> None:
    np.testing.assert_array_equal(found.values, concatenate(expected).values)


async def test_explanations_travel_together_in_their_order_and_are_counted():
    parts = Parts()
    for seed in range(80):
        parts.take(seed, modalities=SETS[seed % 2])
    parts.take(80, model="irony")
    await parts.end()
    assert parts.heap.closed
    source, other = Source("sarcasm", "1", DIGEST), Source("irony", "1", DIGEST)
    for number in range(2):
        found = [s for of, s in parts.heap.found if of == source and s.modalities == SETS[number]]
        same(concatenate(found), *(numbers(seed, SETS[number]) for seed in range(number, 80, 2)))
        assert len(found) == 2  # of 81, the first 64 and the others
    same(parts.heap.rows(other), numbers(80))
    assert parts.count("attendant_attention_samples_total", model="sarcasm", version="1") == 80
    shown = "attendant_attention_entropy_ratio_count"
    assert parts.count(shown, model="irony", version="1", target="text", source="mean") == 1


async def test_it_passes_on_by_itself(monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL", 0.001)
    parts = Parts()
    parts.watch.start()
    parts.take(0)
    await until(lambda: len(parts.heap.found) == 1)
    parts.take(1)
    await until(lambda: len(parts.heap.found) == 2)
    await parts.end()


async def test_what_comes_too_fast_is_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(watching, "WAITING", 3)
    parts = Parts()
    for seed in range(5):
        parts.take(seed)
    await parts.end()
    same(parts.heap.rows(), *map(numbers, range(3)))
    assert parts.count("attendant_attention_drift_dropped_samples_total", reason="queue") == 2


async def test_what_is_not_taken_is_counted():
    parts = Parts()
    parts.heap.takes = False
    parts.take(0)
    await parts.end()
    assert parts.count("attendant_attention_drift_dropped_samples_total", reason="sink") == 1


async def test_what_cannot_be_read_is_counted_and_stops_nothing():
    parts = Parts()
    parts.watch.take(question(), Reply(b"x", samples=b"\xff", weights_digest=DIGEST))
    parts.take(1)
    await parts.end()
    same(parts.heap.rows(), numbers(1))
    assert parts.count("attendant_attention_drift_dropped_samples_total", reason="malformed") == 1


async def test_a_fault_stops_nothing(monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL", 0.001)
    parts = Parts()
    monkeypatch.setattr(parts.heap, "put", None)
    parts.watch.start()
    parts.take(0)
    await until(lambda: not parts.watch._waiting)
    monkeypatch.undo()
    parts.take(1)
    await until(lambda: bool(parts.heap.found))
    await parts.end()


async def test_a_round_in_work_is_finished_when_it_is_closed(monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL", 0.001)
    parts = Parts()
    gate, keep = asyncio.Event(), parts.heap.put

    async def put(source, samples) -> bool:
        await gate.wait()
        return await keep(source, samples)

    monkeypatch.setattr(parts.heap, "put", put)
    parts.watch.start()
    for seed in range(100):
        parts.take(seed, modalities=SETS[seed % 2])
    await until(lambda: not parts.watch._waiting or len(parts.watch._waiting) < 100)
    closing = asyncio.create_task(parts.watch.close())
    await asyncio.sleep(0.01)
    gate.set()
    await closing
    assert sum(len(samples) for _, samples in parts.heap.found) == 100


async def test_a_sink_that_takes_for_ever_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(watching, "CLOSE_SECONDS", 0.05)
    parts = Parts()

    async def put(_source, _samples) -> bool:
        return await asyncio.Event().wait()

    monkeypatch.setattr(parts.heap, "put", put)
    parts.take(0)
    async with asyncio.timeout(5):
        await parts.end()
    assert parts.heap.closed


# Impacts


async def test_impacts_are_measured_in_the_slow_lane_and_counted_once():
    parts = Parts(share=1.0)
    parts.take(0)
    await until(lambda: bool(parts.worker.rows))
    (row,) = parts.worker.rows
    assert (parts.worker.archives, row.operation, row.sample) == (["sarcasm_slow"], Operation.EXPLAIN, True)
    request = decode_request(row.request)
    assert request.instance == question().instance
    assert question(OPTIONS).options == ExplainOptions(permutation=PermutationOptions())
    assert request.options.HasField("permutation")
    parts.worker.gate.set()
    await until(lambda: bool(parts.watch._waiting))
    await parts.end()
    same(parts.heap.rows(), numbers(99))
    assert parts.count("attendant_impact_samples_total", outcome="measured") == 1


@pytest.mark.parametrize(
    ("share", "options", "model"),
    [
        (0.5, ExplainOptions(), "sarcasm"),  # 0.5 is drawn
        (1.0, ExplainOptions(permutation=PermutationOptions(samples=99)), "sarcasm"),
        (1.0, ExplainOptions(), "mosaics"),
    ],
    ids=["not drawn", "asked for", "not offered"],
)
async def test_some_are_passed_on_as_they_are(share, options, model):
    parts = Parts(share)
    if model == "mosaics":
        asked = question()
        asked = type(asked)(**vars(asked) | {"model": MODELS["mosaics"]})
        parts.watch.take(asked, Reply(b"x", samples=encode_samples(numbers(0))))
    else:
        parts.take(0, options, model)
    await parts.end()
    same(parts.heap.rows(), numbers(0))
    assert not parts.worker.rows
    assert not any(
        parts.count("attendant_impact_samples_total", outcome=outcome)
        for outcome in ("measured", "failed", "skipped")
    )


@pytest.mark.parametrize("wrong", ["error", "no samples", "other weights"])
async def test_where_it_fails_the_explanation_counts_as_it_is(wrong):
    parts = Parts(share=1.0)
    if wrong == "error":
        parts.worker.error = backend_unavailable("gone")
    else:
        samples = b"" if wrong == "no samples" else parts.worker.reply.samples
        parts.worker.reply = Reply(b"x", samples=samples, weights_digest="e" * 64)
    parts.worker.gate.set()
    parts.take(0)
    await until(lambda: bool(parts.watch._waiting))
    await parts.end()
    same(parts.heap.rows(), numbers(0))
    failed = 0 if wrong == "other weights" else 1
    assert parts.count("attendant_impact_samples_total", outcome="failed") == failed


async def test_a_busy_lane_is_left_alone():
    parts = Parts(share=1.0)
    async with AsyncExitStack() as held:
        for _ in range(10):  # what bulk work may hold
            await held.enter_async_context(parts.admission.bulk_slot(ABLE["sarcasm"], Work.SLOW))
        parts.take(0)
    assert not parts.worker.rows
    assert parts.count("attendant_impact_samples_total", outcome="skipped") == 1


async def test_they_are_measured_now_and_then():
    # made, then of each that is wanted: looked at, and again where it is measured
    parts = Parts(share=1.0, times=[0.0, 1.0, 1.0, 2.0, 3.0, 3.0])
    parts.worker.gate.set()
    for _ in range(3):
        parts.take(0)
        await until(lambda: not parts.watch._measuring)
    assert len(parts.worker.rows) == 2
    assert parts.count("attendant_impact_samples_total", outcome="skipped") == 1
    await parts.end()
    assert len(parts.heap.rows()) == 3


@pytest.mark.parametrize(
    ("spent", "pause"),
    [(0.001, SHORTEST), (0.02, 0.02 / BUDGET), (29.0, LONGEST)],
    ids=["quick", "slow", "stuck"],
)
async def test_they_take_no_more_than_their_share_of_a_worker(spent, pause):
    # made; then of each: looked at, and again where it is measured. The third comes too soon
    times = [0.0, 0.0, 0.0, 10.0, 10.0, 9.9 + pause, 10.0 + pause, 10.0 + pause]
    parts = Parts(share=1.0, times=times)
    reply = parts.worker.reply
    parts.worker.reply = replace(reply, inference_seconds=spent / 4, explanation_seconds=3 * spent / 4)
    parts.worker.gate.set()
    measured = []
    for _ in range(4):
        parts.take(0)
        await until(lambda: not parts.watch._measuring)
        measured.append(len(parts.worker.rows))
    await parts.end()
    assert measured == [1, 2, 2, 3]


async def test_few_are_measured_at_a_time_and_none_is_lost_at_the_end():
    parts = Parts(share=1.0)
    for seed in range(AT_ONCE + 2):
        parts.take(seed)
        await asyncio.sleep(0)
    await until(lambda: len(parts.worker.rows) == AT_ONCE)
    assert parts.count("attendant_impact_samples_total", outcome="skipped") == 2
    await parts.end()
    found, expected = parts.heap.rows().values, concatenate([*map(numbers, range(AT_ONCE + 2))]).values
    assert sorted(map(str, found.tolist())) == sorted(map(str, expected.tolist()))


# The whole gateway, in front of a worker that has no model


async def test_explanations_are_watched_where_the_gateway_has_no_redis(launch):
    async with launch(watch=True, impact_share=0.0) as gateway:
        request = encode_explain_request("sarcasm", Tweet("hello"))
        for _ in range(2):
            await gateway.call("Explain", request)  # the second comes from the cache
        await gateway.call("Predict", encode_predict_request("sarcasm", Tweet("hello")))
        assert [row.sample for row in gateway.worker.rows] == [True, False]
        labels = 'modalities="text+image+attribute",model="sarcasm",version="1"'

        async def counted() -> bool:
            return await gateway.metric(f"attendant_attention_drift_samples_total{{{labels}}}") == 1

        await until(counted)
        shown = (
            'attendant_attention_entropy_ratio_count{model="sarcasm",source="mean",target="text",version="1"}'
        )
        assert await gateway.metric(shown) == 1
        document = (await gateway.http.get("/drift")).json()
        (found,) = [v for v in document["versions"] if (v["model"], v["version"]) == ("sarcasm", "1")]
        names = {one["modalities"]: one["samples"] for one in found["sets"]}
        assert names["text+image+attribute"] == 1


async def test_nothing_is_watched_where_that_is_not_wanted(launch):
    async with launch(watch=False) as gateway:
        await gateway.call("Explain", encode_explain_request("sarcasm", Tweet("hello")))
        assert [row.sample for row in gateway.worker.rows] == [False]
        assert (await gateway.http.get("/drift")).status_code == 404


async def test_what_is_in_work_when_the_gateway_drains_is_passed_on(launch, tmp_path):
    with running_valkey(tmp_path) as valkey:
        async with launch(watch=True, redis_url=valkey.url, redis_seconds=1.0) as gateway:
            await gateway.call("Explain", encode_explain_request("sarcasm", Tweet("hello")))
            await gateway.drain()
        async with Redis.from_url(valkey.url) as redis:
            ((_, fields),) = await redis.xrange("attendant:samples:{sarcasm/1}")
            assert fields[b"digest"].decode() == MODELS["sarcasm"].versions["1"].digest
            np.testing.assert_array_equal(
                decode_samples(fields[b"samples"]).values, decode_samples(gateway.worker.samples).values
            )


async def test_of_more_than_the_rate_a_share_is_asked_for_and_the_others_are_counted():
    parts = Parts()
    wanted = [parts.watch.wants(question()) for _ in range(3000)]
    assert sum(wanted) == 2000  # of the first second twice the rate
    assert parts.count("attendant_attention_left_out_samples_total", model="sarcasm", version="1") == 1000
    assert parts.watch.wants(question(model="irony"))  # each version for itself
    parts.now = 2.0  # 3000 came in two seconds, two thirds of the next are wanted
    assert 580 < sum(parts.watch.wants(question()) for _ in range(1000)) < 750
    await parts.end()
