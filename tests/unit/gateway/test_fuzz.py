"""Thousands of odd requests to a whole gateway: each is answered or refused by the table, and nothing stays behind.

`make fuzz` does the same for longer, to real models; tests/fuzz has both sides.
"""

import asyncio
from random import Random

import pytest
from fake_worker import until
from fuzz.attempts import Call, HttpRequest, Questions
from fuzz.client import Client
from fuzz.oracle import CallOutcome, HttpOutcome, judge_call, judge_http
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attendant.errors import invalid
from services.gateway.statuses import to_response, to_status

AT_ONCE = 8


@pytest.fixture
async def client(gateway):
    await until(gateway.ready)
    async with Client(gateway.server.grpc_address, f"http://{gateway.server.http_address}") as client:
        yield client


async def test_nothing_that_is_sent_breaks_it(gateway, client):
    questions = Questions(await client.models())
    good = {model: questions.known_good(model) for model in ("sarcasm", "mosaics")}
    before = {model: await client.predict(request) for model, request in good.items()}
    random, wrong, seen = Random(6), [], set()
    for _ in range(100):
        attempts = [questions.attempt(random) for _ in range(AT_ONCE)]
        for attempt, (status, problem) in zip(
            attempts, await asyncio.gather(*map(client.send, attempts)), strict=True
        ):
            seen.add((attempt.name, status))
            if problem:
                wrong.append((attempt, problem))
    assert wrong == []
    assert {("Predict", "OK"), ("Explain", "OK"), ("ExplainStream", "OK"), ("POST :predict", "200")} <= seen
    assert {("Predict", "INVALID_ARGUMENT"), ("Explain", "UNIMPLEMENTED"), ("POST :explain", "400")} <= seen
    assert {model: await client.predict(request) for model, request in good.items()} == before

    async def idle() -> bool:
        return not await client.in_flight()

    await until(idle)
    assert gateway.worker.active == 0


@pytest.fixture
async def questions(client):
    return Questions(await client.models())


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
async def test_each_request_is_answered_or_refused_with_a_reason(client, questions, random):
    """As above; what is found, hypothesis makes small."""
    attempt = questions.attempt(random)
    _, problem = await client.send(attempt)
    assert problem is None, attempt


PREDICT = Call("Predict", "/attendant.v1.AttendantService/Predict", (b"",))
POST = HttpRequest("POST :predict", "POST", "/v1/models/sarcasm:predict")


def refused(error) -> CallOutcome:
    status: Status = to_status(error)
    return CallOutcome(StatusCode.INVALID_ARGUMENT, details=status.SerializeToString())


def test_the_oracle_would_tell():
    good = invalid("model", "there is none")
    nameless = invalid("", "something")
    assert judge_call(PREDICT, refused(good)) is None
    assert "names no field" in judge_call(PREDICT, refused(nameless))
    assert "INTERNAL" in judge_call(PREDICT, CallOutcome(StatusCode.INTERNAL))
    assert "UNAVAILABLE" in judge_call(PREDICT, CallOutcome(StatusCode.UNAVAILABLE))
    assert "without details" in judge_call(PREDICT, CallOutcome(StatusCode.INVALID_ARGUMENT))
    assert "names no field" in judge_http(POST, HttpOutcome(400, {}, to_response(nameless).body))
    assert judge_http(POST, HttpOutcome(400, {}, to_response(good).body)) is None
    assert "with status 404" in judge_http(POST, HttpOutcome(404, {}, to_response(good).body))
    assert "status 500" in judge_http(POST, HttpOutcome(500, {}, b""))
    assert "status 0" in judge_http(POST, HttpOutcome(0, {}, b""))
    assert "without a status" in judge_http(POST, HttpOutcome(400, {}, b"Bad Request"))
    stream = Call("ExplainStream", "/attendant.v1.AttendantService/ExplainStream", (b"",), streams=True)
    assert "1 items had 0 answers" in judge_call(stream, CallOutcome(StatusCode.OK))
