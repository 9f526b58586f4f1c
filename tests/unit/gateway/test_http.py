"""The same calls as JSON, over real HTTP."""

import asyncio
import base64
import io
import json
from contextlib import asynccontextmanager

import numpy as np
import pytest
from canned_service import MODEL as REF
from canned_service import focus_outcome
from fake_worker import until
from google.protobuf import json_format
from PIL import Image

from attendant.types import Mosaic
from attendant.v1.service_pb2 import ExplainResponse, PredictRequest
from attendant.wire.envelope import Reply
from attendant.wire.requests import decode_request, read_mosaic
from attendant.wire.responses import encode_explain_response
from services.gateway import http_server

TWEET = {"instance": {"tweet": {"text": "what a day", "attributes": ["sky"]}}}


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


async def test_predict(gateway):
    answer = await gateway.http.post("/v1/models/sarcasm:predict", json=TWEET | {"request_id": "mine"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["prediction"]["label"] == "sarcastic"
    assert body["model"] == {"name": "sarcasm", "version": "1", "weights_digest": "f" * 64}
    assert body["request_id"] == "mine"
    assert body["timing"]["total_seconds"] > 0
    assert PredictRequest.FromString(gateway.worker.rows[0].request).model == "sarcasm"


async def test_explain_gives_every_field_under_the_protos_names(gateway):
    answer = await gateway.http.post("/v1/models/sarcasm:explain", json=TWEET)
    body = answer.json()
    assert body["cache"] == "CACHE_STATUS_MISS"
    (vector,) = body["attention"]["vectors"]
    assert vector["kind"] == "ATTENTION_KIND_MODALITY"
    assert vector["weights"] == [0.5, 0.25, 0.25]
    assert vector["summary"]["max_index"] == 0  # a default is said, not left out
    assert body["warnings"] == []
    json_format.ParseDict(body, ExplainResponse())
    again = await gateway.http.post("/v1/models/sarcasm:explain", json=TWEET)
    assert again.json()["cache"] == "CACHE_STATUS_HIT"


MOSAIC = {"segments": [{"vector": {"values": [1.5, -2]}}, {"vector": {"values": [0, 4]}}]}


async def test_a_mosaic_is_a_question_too_and_where_the_model_looked_comes_back(gateway):
    gateway.worker.reply = Reply(encode_explain_response(focus_outcome(foreground=4), REF))
    body = {"instance": {"mosaic": MOSAIC | {"foreground_index": 0}}}
    answer = await gateway.http.post("/v1/models/mosaics:explain", json=body)
    assert answer.status_code == 200
    focus = answer.json()["focus"]
    assert (focus["index"], focus["nnz"], focus["is_true"]) == (4, 5, True)
    assert focus["risk"] == pytest.approx(0.042)
    (vector,) = answer.json()["attention"]["vectors"]
    assert (vector["kind"], vector["target"]) == ("ATTENTION_KIND_FOCUS", "MODALITY_SEGMENT")
    (row,) = gateway.worker.rows
    assert read_mosaic(decode_request(row.request)) == Mosaic(((1.5, -2.0), (0.0, 4.0)), 0)
    gateway.worker.reply = Reply(encode_explain_response(focus_outcome(), REF))
    answer = await gateway.http.post("/v1/models/mosaics:explain", json={"instance": {"mosaic": MOSAIC}})
    assert "is_true" not in answer.json()["focus"]
    assert answer.json()["cache"] == "CACHE_STATUS_MISS"  # where the foreground is, is part of the question


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
async def test_a_number_that_proto3_json_writes_as_a_word_is_refused_by_its_place(gateway, number):
    body = {
        "instance": {"mosaic": {"segments": [{"vector": {"values": [number, 1]}}, MOSAIC["segments"][1]]}}
    }
    answer = await gateway.http.post("/v1/models/mosaics:predict", json=body)
    assert answer.status_code == 400
    (violation,) = detail(answer.json(), "BadRequest")["field_violations"]
    assert violation["field"] == "instance.mosaic.segments[0].vector.values"
    assert not gateway.worker.rows


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
async def test_images_are_base64(gateway, encode):
    body = {"instance": {"tweet": {"image": encode(png()).decode()}}}
    assert (await gateway.http.post("/v1/models/sarcasm:predict", json=body)).status_code == 200
    assert PredictRequest.FromString(gateway.worker.rows[0].request).instance.tweet.image == png()


@pytest.mark.parametrize("spoilt", ["!!!", "AA!!AA==", "AAAA\n", "A=AA"])
async def test_what_is_no_base64_is_refused(gateway, spoilt):
    body = {"instance": {"tweet": {"text": "x", "image": spoilt}}}
    answer = await gateway.http.post("/v1/models/sarcasm:predict", json=body)
    assert answer.status_code == 400
    (violation,) = detail(answer.json(), "BadRequest")["field_violations"]
    assert violation["field"] == "instance.tweet.image"
    assert not gateway.worker.rows


async def test_both_spellings_are_taken(gateway):
    for spelling in ({"requestId": "a"}, {"request_id": "a"}):
        answer = await gateway.http.post("/v1/models/sarcasm:predict", json=TWEET | spelling)
        assert answer.json()["request_id"] == "a"


async def test_the_models(gateway):
    await until(gateway.ready)
    models = (await gateway.http.get("/v1/models")).json()["models"]
    assert [model["name"] for model in models] == ["irony", "mosaics", "sarcasm"]
    assert models[1]["mosaic"] == {"segments": 2, "segment": [2]}
    assert "mosaic" not in models[2]
    assert models[2]["ready"] is True
    assert models[2]["runtime"] == {"device": "cpu", "provider": "FakeProvider", "threads": 2}


def detail(body, kind):
    found = [row for row in body["details"] if row["@type"] == f"type.googleapis.com/google.rpc.{kind}"]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("path", "more", "code", "number", "reason"),
    [
        ("nope:predict", {}, 404, 5, "MODEL_NOT_FOUND"),
        ("sarcasm:predict", {"version": "9"}, 404, 5, "VERSION_NOT_FOUND"),
        ("sarcasm:explain", {"options": {"leaveOneOut": {}}}, 501, 12, "METHOD_NOT_AVAILABLE"),
    ],
)
async def test_errors_are_statuses_with_their_http_code(gateway, path, more, code, number, reason):
    answer = await gateway.http.post(f"/v1/models/{path}", json=TWEET | more)
    assert answer.status_code == code
    assert answer.json()["code"] == number
    info = detail(answer.json(), "ErrorInfo")
    assert (info["reason"], info["domain"]) == (reason, "attendant.v1")


async def test_bad_json_is_refused_by_field(gateway):
    body = {"instance": {"tweet": {"txt": "x"}}}
    answer = await gateway.http.post("/v1/models/sarcasm:explain", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    violations = detail(answer.json(), "BadRequest")["field_violations"]
    assert violations == [{"field": "instance.tweet.txt", "description": "Tweet has no such field"}]


async def test_the_path_names_the_model(gateway):
    answer = await gateway.http.post("/v1/models/sarcasm:predict", json=TWEET | {"model": "irony"})
    assert answer.status_code == 400
    assert detail(answer.json(), "BadRequest")["field_violations"][0]["field"] == "model"
    answer = await gateway.http.post("/v1/models/sarcasm:predict", json=TWEET | {"model": "sarcasm"})
    assert answer.status_code == 200


async def test_a_path_that_is_not_there_says_where_to_look(gateway):
    answer = await gateway.http.get("/nope")
    assert answer.status_code == 404
    assert detail(answer.json(), "ErrorInfo")["reason"] == "PATH_NOT_FOUND"
    assert "/docs" in answer.json()["message"]


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("GET", "/v1/models/sarcasm:predict", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_verb_that_a_path_does_not_take_is_405_with_those_it_does(gateway, verb, path, allowed):
    answer = await gateway.http.request(verb, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert detail(answer.json(), "ErrorInfo")["reason"] == "VERB_NOT_ALLOWED"
    assert allowed in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"instance": {"tweet": {"text": "a"}}, "instance": {"tweet": {"text": "b"}}}', "instance"),
        ('{"instance": {"tweet": {"text": "a", "text": "b"}}}', "text"),
        ('{"instance": {"mosaic": {"segments": [{"x": 1, "x": 1}]}}}', "x"),
    ],
)
async def test_a_key_that_stands_twice_is_refused_by_name(gateway, body, key):
    answer = await gateway.http.post("/v1/models/sarcasm:predict", content=body)
    assert answer.status_code == 400
    (violation,) = detail(answer.json(), "BadRequest")["field_violations"]
    assert violation == {"field": key, "description": "the key stands more than once in one object"}
    assert not gateway.worker.rows


async def test_half_a_character_is_bad_input_and_no_fault_of_ours(gateway):
    for body in ('{"\\ud800": 1}', '{"\\ud800": 1, "\\ud800": 2}', '{"model": "\\ud800"}'):
        answer = await gateway.http.post("/v1/models/sarcasm:predict", content=body)
        assert answer.status_code == 400, answer.text


async def test_what_is_refused_before_it_is_a_request_is_counted(gateway):
    await gateway.http.get("/nope/marker")
    await gateway.http.put("/v1/models")
    await gateway.http.post("/v1/models/sarcasm:predict", content="{")
    await gateway.http.post("/v1/models/sarcasm:predict", json={"model": "irony"})
    refused = {}
    for reason in ("PATH_NOT_FOUND", "VERB_NOT_ALLOWED", "INVALID_INPUT"):
        refused[reason] = await gateway.metric(
            f'attendant_refused_total{{protocol="http",reason="{reason}"}}'
        )
    assert refused == {"PATH_NOT_FOUND": 1, "VERB_NOT_ALLOWED": 1, "INVALID_INPUT": 2}
    assert "marker" not in (await gateway.http.get("/metrics")).text


# Slow, large and vanishing clients


@asynccontextmanager
async def connection(gateway):
    host, _, port = gateway.server.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


HEAD = b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


async def test_a_body_that_dribbles_in_is_given_up_after_the_default_time(launch, monkeypatch):
    async with launch(default_deadline_seconds=0.3) as gateway, connection(gateway) as (reader, writer):
        writer.write(HEAD % 1000)
        # Not to the end: what is still dribbled in after it may have the connection reset.
        answer = asyncio.ensure_future(reader.readuntil(b"DEADLINE_EXCEEDED"))
        async with asyncio.timeout(5):
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.05)
        assert answer.result().startswith(b"HTTP/1.1 504 ")
        assert b"connection: close" in answer.result()
        series = 'attendant_refused_total{protocol="http",reason="DEADLINE_EXCEEDED"}'
        assert await gateway.metric(series) == 1


async def test_the_time_that_a_body_took_is_missing_for_the_answer(launch):
    body = json.dumps(TWEET).encode()
    async with launch(default_deadline_seconds=1.5) as gateway, connection(gateway) as (reader, writer):
        gateway.worker.gate.clear()
        started = asyncio.get_running_loop().time()
        writer.write(HEAD % len(body) + body[:-1])
        await asyncio.sleep(1.2)
        writer.write(body[-1:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 504 ")
        assert asyncio.get_running_loop().time() - started < 2.5  # not 2.7


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nhost:"])
async def test_a_head_that_does_not_come_is_given_up(launch, monkeypatch, sent):
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 1.0)  # a slow machine sends what it sends by then
    async with launch() as gateway, connection(gateway) as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(10):
            assert await reader.read() == b""


async def test_a_connection_may_wait_between_two_requests(launch, monkeypatch):
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.1)
    async with launch() as gateway, connection(gateway) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(0.2)


async def test_a_head_that_is_too_large_is_refused(gateway):
    assert (await gateway.http.get("/healthz", headers={"x": "y" * 15_000})).status_code == 200
    async with connection(gateway) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000 + b"\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    assert await gateway.metric('attendant_refused_total{protocol="http",reason="INVALID_INPUT"}') == 1


async def test_a_client_that_goes_away_takes_its_work_along(gateway):
    body = json.dumps(TWEET).encode()
    gateway.worker.gate.clear()
    async with connection(gateway) as (_, writer):
        writer.write(HEAD % len(body) + body)
        await until(lambda: gateway.worker.active)
    await until(lambda: gateway.worker.cancelled == 1)
    series = 'attendant_requests_total{code="CANCELLED",method="Predict",model="sarcasm"}'
    assert await gateway.metric(series) == 1


async def test_overload_says_when_to_try_again(launch):
    async with launch(max_in_flight=1) as gateway:
        gateway.worker.gate.clear()
        request = PredictRequest(model="sarcasm")
        request.instance.tweet.text = "x"
        held = gateway.channel.unary_unary("/attendant.v1.AttendantService/Predict")(
            request.SerializeToString()
        )
        while not gateway.worker.active:
            await gateway.http.get("/healthz")
        answer = await gateway.http.post("/v1/models/sarcasm:predict", json=TWEET)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert detail(answer.json(), "RetryInfo")["retry_delay"] == "0.050s"
        gateway.worker.gate.set()
        await held


async def test_a_body_over_the_limit_is_refused_as_it_arrives(launch):
    async with launch(max_message_bytes=1000) as gateway:

        async def body():  # what a slow machine takes in within DISCARD_SECONDS
            for _ in range(100):
                yield b" " * 10_000

        answer = await gateway.http.post("/v1/models/sarcasm:predict", content=body())
        assert answer.status_code == 400
        assert "1000 bytes" in answer.json()["message"]
        large = {"instance": {"tweet": {"text": "x" * 2000}}}
        answer = await gateway.http.post("/v1/models/sarcasm:predict", json=large)
        assert answer.status_code == 400
        assert detail(answer.json(), "BadRequest")["field_violations"][0]["field"] == "request"


async def test_metrics_are_prometheus_text(gateway):
    answer = await gateway.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for name in ("attendant_requests_total", "attendant_request_seconds", "attendant_in_flight"):
        assert f"# TYPE {name.removesuffix('_total')}" in answer.text or f"# TYPE {name} " in answer.text


async def test_a_fault_of_our_own_is_an_internal_status(gateway, monkeypatch):
    readiness = gateway.server._readiness

    def broken():
        raise RuntimeError("secret")

    monkeypatch.setattr(readiness, "states", broken)
    answer = await gateway.http.get("/readyz")
    assert answer.status_code == 500
    assert detail(answer.json(), "ErrorInfo")["reason"] == "INTERNAL"
    assert "secret" not in answer.text


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_refused_request_whose_body_arrives_loses_neither_answer_nor_connection(gateway, arrives):
    """The body may come after the head; to close before it does would throw the answer away."""
    reader, writer = await asyncio.open_connection(*gateway.server.http_address.split(":"))
    writer.write(b"PUT /docs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    await asyncio.sleep(0.05)
    if arrives:
        writer.write(bytes(100_000))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 405 ")
    assert (b"connection: close" not in head) == arrives
    writer.close()
    await writer.wait_closed()


async def test_an_idle_connection_outlives_what_clients_and_balancers_keep(gateway):
    """Whoever closes first should be they: a request that meets our closing is lost."""
    assert gateway.server._http.config.timeout_keep_alive > 60
