"""A gateway without time refuses unread what it could only refuse, and nothing else."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import grpc
import pytest
from fake_worker import until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from sample_models import MODELS

from attendant.tokens import hash_token
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from attendant.wire.statuses import Status
from services.gateway import relief
from services.gateway.lanes import Work
from services.gateway.relief import WINDOW, Busyness, Waits

REQUESTS = {
    "Predict": encode_predict_request("sarcasm", Tweet("x")),
    "Explain": encode_explain_request("sarcasm", Tweet("x"), cache_mode=CacheMode.BYPASS),
}
NO_REQUEST = b"\xff\xff"  # whoever reads it finds that it is none
UNREAD = grpc.StatusCode.RESOURCE_EXHAUSTED
READ = grpc.StatusCode.INVALID_ARGUMENT


class Loop:
    """A clock, and how long a loop has waited by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited = 0.0
        self.busyness = Busyness(lambda: self.waited, lambda: self.now)

    def pass_time(self, seconds: float, share: float) -> bool:
        """So long, of which it is busy for a share."""
        self.now += seconds
        self.waited += (1 - share) * seconds
        return self.busyness.is_high()


def test_a_loop_that_waits_and_one_that_does_not():
    waits = Waits()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(waits)) as runner:
        runner.run(asyncio.sleep(0.2))
        assert waits.seconds > 0.15
        idle = waits.seconds

        async def work() -> float:
            started = time.perf_counter()
            while time.perf_counter() - started < 0.2:  # noqa: ASYNC110 - it shall be busy
                await asyncio.sleep(0)
            return time.perf_counter() - started

        seconds = runner.run(work())
    assert waits.seconds - idle < 0.1 * seconds


class PutOff:
    """Coroutines that wait for their turns on a loop of their own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.done: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, waits: Waits) -> None:
        async def one(number: int) -> None:
            await waits.turn()
            self.done.append(number)

        self.tasks = [asyncio.create_task(one(number)) for number in range(self.count)]
        await asyncio.sleep(0)  # until they wait


async def keep_busy(rounds: int) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


def on_a_loop(test):
    """Run it on a loop with such a selector, which it gets."""
    waits = Waits()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(waits)) as runner:
        return runner.run(test(waits))


def test_what_is_put_off_has_its_turns_in_order_when_there_is_nothing_else_to_do():
    async def test(waits: Waits) -> None:
        off = PutOff(5)
        await off.begin(waits)
        await keep_busy(100)
        assert off.done == []
        await asyncio.gather(*off.tasks)  # now there is nothing else
        assert off.done == [0, 1, 2, 3, 4]

    on_a_loop(test)


def test_who_has_gone_is_passed_over():
    async def test(waits: Waits) -> None:
        off = PutOff(4)
        await off.begin(waits)
        for number in (0, 2):
            off.tasks[number].cancel()
        await asyncio.gather(*off.tasks, return_exceptions=True)
        assert off.done == [1, 3]

    on_a_loop(test)


def test_nothing_is_put_off_for_ever(monkeypatch):
    monkeypatch.setattr(relief, "LONGEST_WAIT", 0.0)

    async def test(waits: Waits) -> None:
        off = PutOff(3)
        await off.begin(waits)
        await keep_busy(10)  # one in each round
        assert off.done == [0, 1, 2]

    on_a_loop(test)


def test_not_more_than_so_many_are_put_off(monkeypatch):
    monkeypatch.setattr(relief, "MOST_WAITING", 2)

    async def test(waits: Waits) -> None:
        off = PutOff(4)
        await off.begin(waits)
        assert off.done == [2, 3]
        await asyncio.gather(*off.tasks)
        assert off.done == [2, 3, 0, 1]

    on_a_loop(test)


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ((0.7, 0.8, 0.7, 0.51, 0.49, 0.7), (False, True, True, True, False, False)),
        ((1.0, 0.0, 1.0), (True, False, True)),
    ],
)
def test_a_loop_is_busy_beyond_three_quarters_of_a_window_and_until_half_of_one(shares, found):
    loop = Loop()
    assert tuple(loop.pass_time(1.001 * WINDOW, share) for share in shares) == found


@given(st.lists(st.tuples(st.floats(0.001, 0.2), st.floats(0, 1)), max_size=50))
def test_in_between_it_is_what_it_was(steps):
    loop = Loop()
    was, begun = False, 0.0
    for seconds, share in steps:
        is_high = loop.pass_time(seconds, share)
        if loop.now - begun >= WINDOW:
            was, begun = is_high, loop.now
        assert is_high == was


@asynccontextmanager
async def without_a_slot(gateway, *methods):
    """Each method's only slot is taken."""
    gateway.worker.gate.clear()
    held = [asyncio.create_task(gateway.call(method, REQUESTS[method])) for method in methods]
    await until(lambda: gateway.worker.active == len(methods))
    yield
    gateway.worker.gate.set()
    await asyncio.gather(*held)


async def end(gateway, method, metadata=None):
    ask = gateway.channel.unary_unary(f"/attendant.v1.AttendantService/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(NO_REQUEST, timeout=10, metadata=metadata)
    return caught.value


@pytest.fixture
async def busy(launch):
    """A gateway with a slot for each kind of work, whose loop never waits, as far as it knows."""
    async with launch(
        busyness=Busyness(lambda: 0.0), max_in_flight=1, max_explain_in_flight=1, max_slow_in_flight=1
    ) as gateway:
        await asyncio.sleep(WINDOW)
        yield gateway


@pytest.mark.parametrize(("full", "other"), [("Predict", "Explain"), ("Explain", "Predict")])
async def test_without_a_slot_and_without_time_a_call_is_refused_unread(busy, full, other):
    assert (await end(busy, full)).code() is READ  # there is a slot
    async with without_a_slot(busy, full):
        error = await end(busy, full)
        assert error.code() is UNREAD
        assert f"the gateway is busy, and {full.lower()} is at its limit of 1 requests" in error.details()
        (details,) = [v for k, v in error.trailing_metadata() if k == "grpc-status-details-bin"]
        assert Status.from_bytes(details).reason == "OVERLOADED"
        assert Status.from_bytes(details).retry_after == pytest.approx(0.05)
        assert (await end(busy, other)).code() is READ
    assert (await end(busy, full)).code() is READ


async def test_what_was_refused_unread_is_counted_as_nobodys(busy):
    async with without_a_slot(busy, "Predict"):
        for _ in range(3):
            await end(busy, "Predict")
    labels = 'code="RESOURCE_EXHAUSTED",method="Predict",model="unknown"'
    assert await busy.metric(f"attendant_requests_total{{{labels}}}") == 3
    assert await busy.metric('attendant_requests_started_total{method="Predict"}') == 4
    assert await busy.metric('attendant_request_seconds_count{method="Predict",model="unknown"}') == 3


async def test_who_has_a_slot_is_answered_before_anybody_is_refused(launch):
    turns, waiting = asyncio.Event(), []

    async def turn() -> None:
        waiting.append(True)
        await turns.wait()

    async with launch(busyness=Busyness(lambda: 0.0), turn=turn, max_in_flight=1) as gateway:
        await asyncio.sleep(WINDOW)
        async with without_a_slot(gateway, "Predict"):
            refused = [asyncio.create_task(end(gateway, "Predict")) for _ in range(3)]
            await until(lambda: len(waiting) == 3)
        await gateway.call("Predict", REQUESTS["Predict"])
        assert not any(task.done() for task in refused)
        turns.set()
        assert {error.code() for error in await asyncio.gather(*refused)} == {UNREAD}


async def test_a_token_is_asked_for_first(launch, tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps([{"name": "mine", "sha256": hash_token("mine"), "models": "*"}]))
    async with launch(busyness=Busyness(lambda: 0.0), tokens=tokens, max_in_flight=1) as gateway:
        await asyncio.sleep(WINDOW)
        async with gateway.server._servicer._data_plane.admission.slot(MODELS["sarcasm"], Work.PREDICT):
            for token, code in (("mine", UNREAD), ("yours", grpc.StatusCode.UNAUTHENTICATED)):
                metadata = (("authorization", f"Bearer {token}"),)
                assert (await end(gateway, "Predict", metadata=metadata)).code() is code


async def test_other_calls_are_never_refused_so(busy):
    async with without_a_slot(busy, "Predict", "Explain"):
        await busy.call("ListModels", b"")
        check = health_pb2_grpc.HealthStub(busy.channel).Check
        await check(health_pb2.HealthCheckRequest(), timeout=5)
        assert (await busy.http.post("/v1/models/sarcasm:predict", json={})).status_code == 400


async def test_with_time_left_every_call_is_read(launch):
    loop = Loop()
    async with launch(busyness=loop.busyness, max_in_flight=1) as gateway, without_a_slot(gateway, "Predict"):
        for share, code in ((0.5, READ), (1.0, UNREAD), (0.4, READ)):
            loop.pass_time(1.0, share)
            assert (await end(gateway, "Predict")).code() is code


async def test_while_the_servers_end_nothing_is_refused_so(busy):
    """Those answers are held back for a moment, so that callers send nothing into a server that ends."""
    async with without_a_slot(busy, "Predict"):
        busy.server._closing.begun = True
        assert (await end(busy, "Predict")).code() is READ
