"""As many requests finish as start, over every path, and each once."""

import asyncio

import grpc
import pytest
from fake_worker import until
from prometheus_client import CollectorRegistry

from attendant.errors import AttendantError, Reason, backend_unavailable, deadline_exceeded, invalid
from attendant.methods import ExplainOptions, PermutationOptions
from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainRequest, ExplainStreamRequest
from attendant.wire.envelope import Reply
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from services.gateway.metrics import Metrics
from services.gateway.observer import Observer

PREDICT = encode_predict_request("sarcasm", Tweet("x"))
SLOW = encode_explain_request(
    "irony", Tweet("x"), options=ExplainOptions(permutation=PermutationOptions(samples=1_000))
)


class Counts:
    """A gateway's own account of its requests."""

    def __init__(self, gateway) -> None:
        self._metrics = gateway.server._servicer._data_plane.metrics

    def _sum(self, name, **labels) -> float:
        families = list(self._metrics.registry.collect())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def started(self, **labels) -> float:
        return self._sum("attendant_requests_started_total", **labels)

    def finished(self, **labels) -> float:
        return self._sum("attendant_requests_total", **labels)

    @property
    def in_flight(self) -> float:
        return self._sum("attendant_in_flight")


def explain(text, **options):
    return encode_explain_request("sarcasm", Tweet(text), cache_mode=CacheMode.BYPASS, **options)


async def fails(call, code) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code


@pytest.fixture
async def gateway(launch):
    async with launch(max_in_flight=2, max_explain_in_flight=4, max_slow_in_flight=1) as running:
        yield running


async def answered(gateway):
    """OK, over gRPC, HTTP and from the cache."""
    await gateway.call("Predict", PREDICT)
    for _ in range(2):
        await gateway.call("Explain", encode_explain_request("sarcasm", Tweet("cached")))
    tweet = {"instance": {"tweet": {"text": "x"}}}
    assert (await gateway.http.post("/v1/models/sarcasm:predict", json=tweet)).is_success
    return {"OK": 4}


async def refused(gateway):
    """Before anything is known of them, and after."""
    await fails(gateway.call("Predict", b"\xff"), grpc.StatusCode.INVALID_ARGUMENT)
    await fails(gateway.call("Explain", explain("")), grpc.StatusCode.INVALID_ARGUMENT)
    await fails(
        gateway.call("Predict", encode_predict_request("nope", Tweet("x"))), grpc.StatusCode.NOT_FOUND
    )
    gateway.worker.reply = Reply(failure=invalid("instance", "bad"))
    await fails(gateway.call("Predict", PREDICT), grpc.StatusCode.INVALID_ARGUMENT)
    return {"INVALID_ARGUMENT": 3, "NOT_FOUND": 1}


async def overloaded(gateway):
    gateway.worker.gate.clear()
    held = [asyncio.ensure_future(gateway.call("Predict", PREDICT)) for _ in range(2)]
    await until(lambda: gateway.worker.active == 2)
    await fails(gateway.call("Predict", PREDICT), grpc.StatusCode.RESOURCE_EXHAUSTED)
    gateway.worker.gate.set()
    await asyncio.gather(*held)
    return {"OK": 2, "RESOURCE_EXHAUSTED": 1}


async def late(gateway):
    """While the model works, and before it is asked; in the worker's words."""
    data_plane = gateway.server._servicer._data_plane
    gateway.worker.gate.clear()
    # Not over gRPC: on a machine that stalls the client's own clock may come first, and that is a cancellation
    for budget in (1.0, 0.0):
        with pytest.raises(AttendantError) as caught:
            await data_plane.predict(PREDICT, budget)
        assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    await until(lambda: not gateway.worker.active)
    gateway.worker.gate.set()
    gateway.worker.reply = Reply(failure=deadline_exceeded("late"))
    await fails(gateway.call("Predict", PREDICT), grpc.StatusCode.DEADLINE_EXCEEDED)
    return {"DEADLINE_EXCEEDED": 3}


async def cancelled(gateway):
    """While the worker has it, and, of a stream, while it waits for a slot."""
    gateway.worker.gate.clear()
    call = asyncio.ensure_future(gateway.call("Explain", explain("x")))
    await until(lambda: gateway.worker.active == 1)
    call.cancel()
    await until(lambda: not gateway.worker.active)
    items = [
        ExplainStreamRequest(request=ExplainRequest.FromString(explain(str(number)))) for number in range(5)
    ]
    stream = gateway.stream(item.SerializeToString() for item in items)
    await until(lambda: gateway.worker.active == 2)
    await until(lambda: Counts(gateway).started(method="ExplainStream") == 5)
    stream.cancel()
    await until(lambda: not gateway.worker.active)
    return {"CANCELLED": 6}


async def failed(gateway):
    """By the backend, and by a reply that is none."""
    gateway.worker.failure = (grpc.StatusCode.UNAVAILABLE, "")
    await fails(gateway.call("Predict", PREDICT), grpc.StatusCode.UNAVAILABLE)
    gateway.worker.failure = None
    gateway.worker.reply = Reply()
    await fails(gateway.call("Explain", SLOW), grpc.StatusCode.INTERNAL)
    return {"UNAVAILABLE": 1, "INTERNAL": 1}


async def streamed(gateway):
    requests = [ExplainRequest.FromString(explain(text)) for text in ("a", "b", "")]
    items = [ExplainStreamRequest(request=request).SerializeToString() for request in requests]
    assert len([answer async for answer in gateway.stream(iter(items))]) == 3
    return {"OK": 2, "INVALID_ARGUMENT": 1}


PATHS = (answered, refused, overloaded, late, cancelled, failed, streamed)


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_ends_as_often_as_it_begins(gateway, path):
    expected = await path(gateway)
    counts = Counts(gateway)
    await until(lambda: counts.started() == counts.finished())
    assert {code: counts.finished(code=code) for code in expected} == expected
    assert counts.finished() == sum(expected.values())
    assert counts.in_flight == 0


async def test_all_of_them_after_one_another_add_up(gateway):
    expected = 0.0
    for path in PATHS:
        expected += sum((await path(gateway)).values())
        gateway.worker.reply = None
        gateway.worker.gate.set()
    counts = Counts(gateway)
    await until(lambda: counts.started() == counts.finished() == expected)
    for method in ("Predict", "Explain", "ExplainStream"):
        assert counts.started(method=method) == counts.finished(method=method) > 0
    assert counts.in_flight == 0
    slots = gateway.server._servicer._data_plane.admission
    for model in ("sarcasm", "irony"):  # every slot is free again
        assert not any(found.own.locked() for (name, _), found in slots._slots.items() if name == model)


async def test_what_is_in_work_has_started_and_not_finished():
    metrics = Metrics(CollectorRegistry())
    with Observer(metrics).request("Predict"):
        assert (
            metrics.registry.get_sample_value("attendant_requests_started_total", {"method": "Predict"}) == 1
        )
        assert not [s for s in metrics.requests.collect()[0].samples if s.value]


@pytest.mark.parametrize(
    ("raised", "left", "code"),
    [
        (backend_unavailable("down"), Reason.BACKEND_UNAVAILABLE, "UNAVAILABLE"),
        (RuntimeError("secret"), Reason.INTERNAL, "INTERNAL"),
    ],
)
async def test_what_fails_is_counted_by_its_code_and_carries_the_requests_name(raised, left, code):
    metrics = Metrics(CollectorRegistry())

    def fail():
        with Observer(metrics).request("Predict") as observed:
            observed.model, observed.request_id = "sarcasm", "mine"
            raise raised

    with pytest.raises(AttendantError) as caught:
        fail()
    assert caught.value.reason is left
    assert caught.value.metadata["request_id"] == "mine"
    await asyncio.sleep(0)  # counted when the answer has left
    labels = {"method": "Predict", "model": "sarcasm", "code": code}
    assert metrics.registry.get_sample_value("attendant_requests_total", labels) == 1
