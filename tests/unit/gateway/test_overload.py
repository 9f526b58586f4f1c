"""More than the backend can do: quick forms of `make bench-overload`, by counts alone."""

import asyncio
import gc
import time
from collections import Counter
from unittest.mock import patch

import grpc
from fake_worker import until

from attendant.answers import Answer
from attendant.client import AsyncClient
from attendant.errors import Reason
from attendant.failures import ServiceError
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from services.gateway.server import LIMITS

PREDICT = encode_predict_request("sarcasm", Tweet("x"))
EXPLAIN = encode_explain_request("sarcasm", Tweet("x"), cache_mode=CacheMode.BYPASS)
OK, REFUSED = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED


async def outcome(call) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return OK


async def test_a_flood_is_answered_or_refused_and_the_worker_never_has_more_than_it_should(launch):
    async with launch(max_in_flight=6) as gateway:
        gateway.worker.slots = asyncio.Semaphore(4)
        gateway.worker.seconds = 0.01
        codes: Counter[grpc.StatusCode] = Counter()
        for _ in range(20):
            codes.update(
                await asyncio.gather(*(outcome(gateway.call("Predict", PREDICT)) for _ in range(30)))
            )
        assert set(codes) == {OK, REFUSED}
        assert codes[OK] >= 20 * 6
        assert codes[OK] == len(gateway.worker.rows)  # what was refused reached nobody
        assert gateway.worker.most_active <= 6


async def test_every_prediction_is_served_while_explanations_flood(launch):
    async with launch(max_in_flight=4, max_explain_in_flight=4) as gateway:
        gateway.worker.slots = asyncio.Semaphore(4)
        gateway.worker.seconds = 0.01
        done = asyncio.Event()

        async def flood() -> Counter[grpc.StatusCode]:
            codes: Counter[grpc.StatusCode] = Counter()
            while not done.is_set():
                codes[await outcome(gateway.call("Explain", EXPLAIN))] += 1
            return codes

        floods = [asyncio.create_task(flood()) for _ in range(24)]
        await until(lambda: gateway.worker.active >= 4)
        for _ in range(50):
            await gateway.call("Predict", PREDICT)
        done.set()
        explained = sum(await asyncio.gather(*floods), Counter())
        assert explained[REFUSED] > explained[OK] > 0
        assert set(explained) == {OK, REFUSED}


async def test_a_backend_that_fails_everything_is_asked_at_most_a_tenth_more_often(gateway):
    """Retries come from one layer, the client's channel, and it has a budget."""
    gateway.worker.failure = (grpc.StatusCode.UNAVAILABLE, "")
    async with AsyncClient(gateway.server.grpc_address) as client:
        found = await asyncio.gather(
            *(client.predict(text="x") for _ in range(60)), return_exceptions=True
        )  # at once: below the lane's limit
        for _ in range(440):
            found += await asyncio.gather(client.predict(text="x"), return_exceptions=True)
    assert all(isinstance(error, ServiceError) for error in found)
    assert {error.code for error in found} == {grpc.StatusCode.UNAVAILABLE}
    assert len(found) == 500
    assert 500 < len(gateway.worker.rows) <= 550


async def test_after_an_outage_the_budget_is_earned_again(gateway):
    async with AsyncClient(gateway.server.grpc_address) as client:
        gateway.worker.failure = (grpc.StatusCode.UNAVAILABLE, "")
        await asyncio.gather(*(client.predict(text="x") for _ in range(30)), return_exceptions=True)
        gateway.worker.failure = None
        for _ in range(10):
            await asyncio.gather(*(client.predict(text="x") for _ in range(15)))
        gateway.worker.rows.clear()
        gateway.worker.failure = (grpc.StatusCode.UNAVAILABLE, "")
        await asyncio.gather(client.predict(text="x"), return_exceptions=True)
        assert len(gateway.worker.rows) == 4  # all attempts that a call may make


async def test_what_grpc_refuses_unread_is_overload_to_the_client(launch):
    """It does so beyond a thousand calls that wait, some, and three thousand, all; fewer here."""
    few = (("grpc.server.max_pending_requests", 20), ("grpc.server.max_pending_requests_hard_limit", 20))
    with patch("services.gateway.server.LIMITS", (*LIMITS, *few)):
        async with launch() as gateway, AsyncClient(gateway.server.grpc_address) as client:
            await client.predict(text="x")
            calls = [asyncio.create_task(client.predict(text="x")) for _ in range(60)]
            for _ in range(3):  # a call is made, its own task begins, and has sent it
                await asyncio.sleep(0)
            time.sleep(0.5)  # noqa: ASYNC251 - what keeps a process from reading
            found = await asyncio.gather(*calls, return_exceptions=True)
    failures = [failure for failure in found if isinstance(failure, ServiceError)]
    assert 20 <= len(found) - len(failures) < 60  # some may be handed over before
    assert {type(answer) for answer in found} == {Answer, ServiceError}
    assert {(failure.code, failure.reason) for failure in failures} == {
        (grpc.StatusCode.CANCELLED, Reason.OVERLOADED)
    }
    assert "more of them wait there than it can read" in failures[0].message


def kept() -> Counter[str]:
    """What is in memory, by the names of its types."""
    return Counter(type(found).__name__ for found in gc.get_objects())


async def test_a_refused_request_is_forgotten_at_once(launch):
    """gRPC's call keeps the exception that ends it: with that, photograph and all would stay for the collector."""
    async with launch(max_in_flight=1) as gateway:
        gateway.worker.gate.clear()
        served = asyncio.create_task(outcome(gateway.call("Predict", PREDICT)))
        await until(lambda: gateway.worker.active == 1)
        gc.collect()
        gc.disable()
        try:
            before = kept()
            for _ in range(20):
                assert await outcome(gateway.call("Predict", PREDICT)) is REFUSED
            # The last calls may end here later than at their caller's.
            await until(lambda: (kept() - before)["AbortError"] < 5)
            assert (kept() - before)["AttendantError"] < 5
        finally:
            gc.enable()
        gateway.worker.gate.set()
        assert await served is OK
