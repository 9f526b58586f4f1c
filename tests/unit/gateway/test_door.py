"""Tokens at the door of both protocols: the right status, no work done, and nothing read before."""

import asyncio
import itertools
import json
import statistics
import time

import grpc
import pytest
import structlog
from fake_worker import until
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from attendant.client import AsyncClient, ServiceError
from attendant.errors import Reason
from attendant.tokens import hash_token
from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainStreamResponse
from attendant.wire.requests import (
    encode_explain_request,
    encode_predict_request,
    encode_stream_request,
)
from attendant.wire.statuses import Status
from services.gateway import http, renewal

SERVICE = "attendant.v1.AttendantService"
TWEET = {"instance": {"tweet": {"text": "what a day"}}}
PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))
EXPLAIN = encode_explain_request("sarcasm", Tweet("what a day"))
CALLS = {"Predict": PREDICT, "Explain": EXPLAIN, "ListModels": b""}
PATHS = [
    ("POST", "/v1/models/sarcasm:predict"),
    ("POST", "/v1/models/sarcasm:explain"),
    ("GET", "/v1/models"),
    ("GET", "/no/such/path"),
    ("POST", "/metrics/"),
]
BAD = [None, "Bearer wrong", "Bearer old", "Basic good", "Bearer", "Bearer good x"]


def entry(name, **more):
    return {"name": name, "sha256": hash_token(name), "models": "*"} | more


@pytest.fixture
def tokens(tmp_path):
    """The file; the token of an entry is its name."""
    path = tmp_path / "tokens.json"
    path.write_text(
        json.dumps(
            [
                entry("good"),
                entry("old", expires="2020-01-01"),
                entry("narrow", models=["irony", "planned"]),
                entry("slow", requests_per_second=0.5, burst=2),
                entry("steady", requests_per_second=20, burst=1),
            ]
        )
    )
    return path


@pytest.fixture
async def closed(launch, tokens):
    async with launch(tokens=tokens) as gateway:
        yield gateway


def metadata(authorization):
    return None if authorization is None else (("authorization", authorization),)


async def call(gateway, method, request, authorization):
    """The answer, or how the call failed: its code and its Status."""
    ask = gateway.channel.unary_unary(f"/{SERVICE}/{method}")
    try:
        return await ask(request, timeout=10, metadata=metadata(authorization))
    except grpc.aio.AioRpcError as error:
        (details,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
        return error.code(), Status.from_bytes(details)


def headers(authorization):
    return {} if authorization is None else {"authorization": authorization}


async def test_grpc_without_a_valid_token_is_unauthenticated(closed):
    asked = list(itertools.product([*CALLS, "NoSuchMethod"], BAD))
    for method, authorization in asked:
        code, status = await call(closed, method, CALLS.get(method, b""), authorization)
        assert (code, status.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        assert status.message.startswith("a valid token is needed")
    for authorization in BAD:
        stream = closed.channel.stream_stream(f"/{SERVICE}/ExplainStream")(
            timeout=10, metadata=metadata(authorization)
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not closed.worker.rows
    refused = await closed.metric('attendant_refused_total{protocol="grpc",reason="UNAUTHENTICATED"}')
    assert refused == len(asked) + len(BAD)


async def test_http_without_a_valid_token_is_401(closed):
    asked = list(itertools.product(PATHS, BAD))
    for (verb, path), authorization in asked:
        answer = await closed.http.request(verb, path, headers=headers(authorization), json=TWEET)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["message"].startswith("a valid token is needed")
    assert not closed.worker.rows
    refused = await closed.metric('attendant_refused_total{protocol="http",reason="UNAUTHENTICATED"}')
    assert refused == len(asked)


async def test_with_a_valid_token_everything_answers(closed):
    for method, request in CALLS.items():
        assert isinstance(await call(closed, method, request, "Bearer good"), bytes)
    for verb, path in PATHS[:3]:
        answer = await closed.http.request(verb, path, headers=headers("bearer good"), json=TWEET)
        assert answer.status_code == 200
    async with AsyncClient(closed.server.grpc_address, token="good") as client:
        items = [item async for item in client.explain_many([Tweet("a"), Tweet("b")])]
        assert [item.explanation().prediction.label for item in items] == ["sarcastic"] * 2


async def test_probes_reflection_metrics_and_the_manual_stay_open(closed):
    await until(closed.ready)
    stub = health_pb2_grpc.HealthStub(closed.channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)).status == 1
    reflect = reflection_pb2_grpc.ServerReflectionStub(closed.channel).ServerReflectionInfo(timeout=5)
    await reflect.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert SERVICE in {row.name for row in (await reflect.read()).list_services_response.service}
    reflect.cancel()
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert (await closed.http.get(path)).status_code == 200
    assert (await closed.http.get("/drift")).status_code == 404  # open, and nothing watches here


# Before the body


async def test_grpc_refuses_before_the_body_has_come(closed):
    """A client stream that never sends its message: on the wire all calls begin so."""
    silent = closed.channel.stream_unary(f"/{SERVICE}/Predict")(timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await silent
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_http_refuses_before_the_body_has_come_and_hangs_up(closed, monkeypatch):
    monkeypatch.setattr(http, "DISCARD_SECONDS", 0.1)
    host, _, port = closed.server.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer
    writer.close()


# Models


@pytest.mark.parametrize("model", ["sarcasm", "no such model"])
async def test_a_model_that_the_token_may_not_use_is_forbidden_whether_or_not_it_exists(closed, model):
    request = encode_predict_request(model, Tweet("what a day"))
    code, status = await call(closed, "Predict", request, "Bearer narrow")
    assert (code, status.reason) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert status.message == f"this token may not use model {model!r}"
    answer = await closed.http.post(
        f"/v1/models/{model}:explain", headers=headers("Bearer narrow"), json=TWEET
    )
    assert answer.status_code == 403
    assert "sarcasm" not in answer.text.replace(model, "")
    assert not closed.worker.rows
    series = 'attendant_requests_total{code="PERMISSION_DENIED",method="Predict",model="unknown"}'
    assert await closed.metric(series) == 1


async def test_an_answer_that_is_kept_is_for_those_alone_who_may_use_its_model(closed):
    """Asked with the same bytes by one after another."""
    assert isinstance(await call(closed, "Explain", EXPLAIN, "Bearer good"), bytes)
    code, _ = await call(closed, "Explain", EXPLAIN, "Bearer narrow")
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert isinstance(await call(closed, "Explain", EXPLAIN, "Bearer good"), bytes)
    assert len(closed.worker.rows) == 1


async def test_what_a_token_may_use_is_all_that_it_hears_of(closed):
    async with AsyncClient(closed.server.grpc_address, token="narrow") as client:
        assert [model.name for model in await client.list_models()] == ["irony"]
        assert (await client.predict(text="a", model="irony")).prediction.label == "sarcastic"
        with pytest.raises(ServiceError, match="no model is named 'planned'; there are: irony\n"):
            await client.predict(text="a", model="planned")
    _, status = await call(closed, "Predict", encode_predict_request("", Tweet("a")), "Bearer narrow")
    assert status.message == "model: name one of: irony"
    models = (await closed.http.get("/v1/models", headers=headers("Bearer narrow"))).json()["models"]
    assert [model["name"] for model in models] == ["irony"]


async def test_items_of_a_stream_are_checked_one_by_one(closed):
    stream = closed.channel.stream_stream(f"/{SERVICE}/ExplainStream")(
        timeout=10, metadata=metadata("Bearer narrow")
    )
    codes = {}
    for model in ("sarcasm", "irony"):
        request = encode_explain_request(model, Tweet("x"), request_id=model)
        await stream.write(encode_stream_request(request))
    await stream.done_writing()
    while (item := await stream.read()) is not grpc.aio.EOF:
        answer = ExplainStreamResponse.FromString(item)
        codes[answer.request_id] = answer.error.code
    assert codes == {"sarcasm": 7, "irony": 0}
    assert len(closed.worker.rows) == 1


# Rates


async def test_over_its_rate_a_token_is_told_when_to_come_back(closed):
    for _ in range(2):
        assert isinstance(await call(closed, "Predict", PREDICT, "Bearer slow"), bytes)
    code, status = await call(closed, "Predict", PREDICT, "Bearer slow")
    assert (code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 1.0 < status.retry_after <= 2.0
    answer = await closed.http.get("/v1/models", headers=headers("Bearer slow"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    (retry,) = [row for row in answer.json()["details"] if row["@type"].endswith(RetryInfo.DESCRIPTOR.name)]
    assert retry["retry_delay"].endswith("s")
    assert isinstance(await call(closed, "Predict", PREDICT, "Bearer good"), bytes)  # a rate each
    assert len(closed.worker.rows) == 3


async def test_a_stream_goes_at_the_rate_of_its_token(closed):
    async with AsyncClient(closed.server.grpc_address, token="steady") as client:
        started = time.monotonic()
        items = [item async for item in client.explain_many([Tweet(f"tweet {n}") for n in range(5)])]
    assert len([item.explanation() for item in items]) == 5
    assert time.monotonic() - started > 0.19  # the first at once, four at 20 a second


# Rotation


async def test_tokens_change_while_the_gateway_runs(launch, tokens, monkeypatch):
    monkeypatch.setattr(renewal, "INTERVAL", 0.02)
    with structlog.testing.capture_logs() as lines:
        async with launch(tokens=tokens) as closed:
            lines.clear()
            tokens.write_text(json.dumps([entry("new")]))
            await until(lambda: any(line["event"] == "tokens read" for line in lines))
            assert isinstance(await call(closed, "Predict", PREDICT, "Bearer new"), bytes)
            assert (await call(closed, "Predict", PREDICT, "Bearer good"))[
                0
            ] is grpc.StatusCode.UNAUTHENTICATED
            tokens.write_text("[")
            complaint = "cannot be renewed, the old one stays"
            await until(lambda: any(line["event"] == complaint for line in lines))
            assert isinstance(await call(closed, "Predict", PREDICT, "Bearer new"), bytes)


async def test_a_token_that_is_revoked_ends_with_the_next_item(launch, tokens, monkeypatch):
    monkeypatch.setattr(renewal, "INTERVAL", 0.02)
    async with launch(tokens=tokens) as gateway:
        stream = gateway.channel.stream_stream(f"/{SERVICE}/ExplainStream")(
            timeout=10, metadata=metadata("Bearer good")
        )
        await stream.write(encode_stream_request(EXPLAIN))
        assert ExplainStreamResponse.FromString(await stream.read()).error.code == 0
        with structlog.testing.capture_logs() as lines:
            tokens.write_text(json.dumps([entry("new")]))
            await until(lambda: any(line["event"] == "tokens read" for line in lines))
        await stream.write(encode_stream_request(EXPLAIN))
        assert ExplainStreamResponse.FromString(await stream.read()).error.code == 16
        await stream.done_writing()
        assert len(gateway.worker.rows) == 1


# No oracle


async def test_how_long_a_refusal_takes_says_nothing(closed):
    """Guesses in turn: nothing, one of the wrong length, and one with a valid token's whole beginning.

    The bound is generous, for machines are busy; test_access.py shows that every entry is always compared.
    """
    guesses = [None, "Bearer x", f"Bearer {'g' * 40}", "Bearer goo", "Bearer gooe"]
    seconds = {guess: [] for guess in guesses}
    for _ in range(60):
        for guess in guesses:
            started = time.perf_counter()
            code, _ = await call(closed, "Predict", PREDICT, guess)
            seconds[guess].append(time.perf_counter() - started)
            assert code is grpc.StatusCode.UNAUTHENTICATED
    medians = [statistics.median(found) for found in seconds.values()]
    assert max(medians) < 3 * min(medians)


async def test_refusals_are_logged_without_what_was_sent_and_not_one_by_one(closed):
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            await call(closed, "Predict", PREDICT, "Bearer wrong-token")
    assert "wrong-token" not in str(lines)
    told = [line for line in lines if line["event"] == "request refused"]
    assert 1 <= len(told) < 20
    assert told[0]["reason"] == Reason.UNAUTHENTICATED
