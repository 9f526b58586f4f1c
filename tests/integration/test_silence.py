"""What callers send is in no log: a marker goes through every call, good and bad, at the most talkative level."""

import asyncio
import base64
import contextlib
import io
import json
import urllib.parse
import warnings

import grpc
import httpx
import numpy as np
import pytest
from fake_worker import FakeWorker, until
from gateway_process import gateway_process, write_store
from PIL import Image

from attendant.client import Client, ServiceError
from attendant.tokens import hash_token
from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainRequest, ExplainStreamRequest, PredictRequest
from attendant.wire.envelope import Reply

MARKER = "zqxjkvb"  # no word, and not in any file of ours
SERVICE = "attendant.v1.AttendantService"
TOKEN = f"token-{MARKER}"
DEBUG = {"ATTENDANT_LOG_LEVEL": "debug"}


def marked_png():
    """The marker is in its bytes, as text that a reader may trip over."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG", comment=MARKER)
    return file.getvalue().replace(b"IEND", f"tEXt{MARKER}IEND".encode())


def questions(kind):
    """Requests of a kind, good and bad, each with the marker wherever a word goes."""
    for text, image, attributes, model, version in (
        (f"what a {MARKER} day", b"", [MARKER], "sarcasm", ""),
        (f"\0{MARKER}\ud7ff", marked_png(), [], "sarcasm", ""),
        ("", f"{MARKER} is no image".encode(), [], "sarcasm", ""),
        (MARKER * 5000, b"", [MARKER] * 9, "sarcasm", ""),
        (MARKER, b"", [], MARKER, ""),
        (MARKER, b"", [], "sarcasm", MARKER),
    ):
        request = kind(model=model, version=version)
        request.instance.tweet.text = text
        request.instance.tweet.image = image
        request.instance.tweet.attributes.extend(attributes)
        yield request.SerializeToString()
    yield MARKER.encode()


def bodies():
    """The same as JSON."""
    good = {"instance": {"tweet": {"text": f"what a {MARKER} day", "attributes": [MARKER]}}}
    yield json.dumps(good)
    yield json.dumps(good | {MARKER: 1})
    yield json.dumps(good | {"model": MARKER})
    yield json.dumps({"instance": {"tweet": {"image": base64.b64encode(marked_png()).decode()}}})
    yield json.dumps({"instance": {"tweet": {"image": MARKER + "!"}}})
    yield json.dumps({"instance": {"mosaic": MARKER}})
    yield f'{{"{MARKER}": 1, "{MARKER}": 2}}'
    yield f"{MARKER}{{"
    yield MARKER * 100_000


async def ask_everything(address, http, *authorizations):
    """Every RPC and route, with each authorization."""
    client = httpx.AsyncClient(trust_env=False, timeout=20)
    async with grpc.aio.insecure_channel(address) as channel, client:
        for authorization in authorizations:
            metadata = (("authorization", authorization), ("x-more", MARKER))
            for method, kind in (("Predict", PredictRequest), ("Explain", ExplainRequest)):
                for request in questions(kind):
                    await quietly(
                        channel.unary_unary(f"/{SERVICE}/{method}")(request, metadata=metadata, timeout=20)
                    )
            await quietly(channel.unary_unary(f"/{SERVICE}/{MARKER}")(b"", metadata=metadata, timeout=5))
            stream = channel.stream_stream(f"/{SERVICE}/ExplainStream")(metadata=metadata, timeout=20)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                for request in questions(ExplainRequest):
                    item = MARKER.encode()
                    with contextlib.suppress(Exception):
                        item = ExplainStreamRequest(
                            request=ExplainRequest.FromString(request)
                        ).SerializeToString()
                    await stream.write(item)
                await stream.done_writing()
                while await stream.read() is not grpc.aio.EOF:
                    pass
            headers = {"authorization": authorization, "x-more": MARKER}
            for body in bodies():
                for call in ("sarcasm:predict", "sarcasm:explain", f"{MARKER}:predict"):
                    with contextlib.suppress(httpx.TransportError):
                        await client.post(f"{http}/v1/models/{call}?{MARKER}", content=body, headers=headers)
            for path in ("/v1/models", f"/{MARKER}", f"/healthz?{MARKER}", "/metrics", "/docs", "/readyz"):
                for verb in ("GET", "POST", "DELETE"):
                    await client.request(verb, http + path, headers=headers, content=b"")
            broken = f"GET /{MARKER} {MARKER}\r\n{MARKER}\r\n\r\n".encode()
            reader, writer = await asyncio.open_connection(*urllib.parse.urlparse(http).netloc.split(":"))
            writer.write(broken)
            await reader.read()
            writer.close()


async def quietly(call):
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps([{"name": "app", "sha256": hash_token(TOKEN), "models": "*"}]))
    return path


async def test_a_gateway_says_nothing_of_what_it_was_sent_or_answered(tmp_path, tokens):
    worker = await FakeWorker().start()
    log = tmp_path / "gateway.log"
    variables = DEBUG | {"ATTENDANT_TOKENS": str(tokens)}
    async with gateway_process(write_store(tmp_path), worker.address, log=log, **variables) as gateway:
        await until(lambda: b"model is ready" in log.read_bytes())
        sent = (f"Bearer {TOKEN}", f"Bearer {TOKEN}x", f"{MARKER} {MARKER}")
        await ask_everything(gateway.address, gateway.http, *sent)
        assert worker.rows
        worker.failure = (grpc.StatusCode.INTERNAL, f"Prediction failed {MARKER}")
        await ask_everything(gateway.address, gateway.http, sent[0])
        worker.failure = None
        worker.reply = Reply()  # neither a response nor a failure
        await ask_everything(gateway.address, gateway.http, sent[0])
    await worker.stop()
    written = log.read_text()
    assert '"level": "debug"' in written
    assert '"event": "request failed"' in written
    assert '"event": "request refused"' in written
    assert MARKER not in written


@pytest.mark.parametrize("backend", ["torchserve", "embedded"])
async def test_no_log_of_a_stack_has_what_was_sent(start_stack, tokens, backend):
    """The workers' and TorchServe's logs are among them; and the whole of it takes tokens."""
    with start_stack(backend, **DEBUG, ATTENDANT_TOKENS=str(tokens)) as stack:
        await ask_everything(stack.address, stack.http, f"Bearer {TOKEN}")
        await asyncio.to_thread(ask_as_a_client, stack.address)
        files = [file for file in stack.folder.rglob("*") if file.is_file()]
    written = {file.name: file.read_bytes() for file in files if file.exists()}
    assert {"gateway.log"} < written.keys()
    assert not [name for name, content in written.items() if MARKER.encode() in content]


def ask_as_a_client(address):
    with warnings.catch_warnings(), Client(address, token=TOKEN) as client:
        explanation = client.explain(text=f"what a {MARKER} day")
        assert explanation.prediction.label
        list(client.explain_many([Tweet(MARKER), Tweet()]))
    with Client(address) as nobody, pytest.raises(ServiceError, match="a valid token is needed"):
        nobody.predict(text=MARKER)
