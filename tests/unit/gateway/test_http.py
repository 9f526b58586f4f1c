"""The same calls as JSON, over real HTTP."""

import base64
import io

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


@pytest.mark.parametrize(("method", "path"), [("GET", "/nope"), ("GET", "/v1/models/sarcasm:predict")])
async def test_a_path_that_is_not_there_says_where_to_look(gateway, method, path):
    answer = await gateway.http.request(method, path)
    assert answer.status_code == 404
    assert detail(answer.json(), "ErrorInfo")["reason"] == "PATH_NOT_FOUND"
    assert "/docs" in answer.json()["message"]


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
        assert detail(answer.json(), "RetryInfo")["retry_delay"] == "0.500s"
        gateway.worker.gate.set()
        await held


async def test_a_body_over_the_limit_is_refused_as_it_arrives(launch):
    async with launch(max_message_bytes=1000) as gateway:
        sent = 0

        async def body():
            nonlocal sent
            for _ in range(1000):
                sent += 10_000
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
