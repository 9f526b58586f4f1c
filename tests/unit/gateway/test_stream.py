"""ExplainStream over gRPC: windows, failures of items, cancellation; and its end when the server closes."""

import asyncio

import grpc
import pytest
from fake_worker import until

from attendant.errors import AttendantError, Reason, invalid
from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainStreamRequest, ExplainStreamResponse
from attendant.wire.envelope import Reply
from attendant.wire.requests import encode_explain_request, encode_stream_request
from attendant.wire.statuses import Status
from services.gateway.stream import explain_stream


def item(name: str, text: str = "", model: str = "sarcasm") -> bytes:
    return encode_stream_request(encode_explain_request(model, Tweet(text or name), request_id=name))


async def answers(call) -> dict[str, ExplainStreamResponse]:
    found = {}
    async for data in call:
        message = ExplainStreamResponse.FromString(data)
        assert message.request_id not in found
        found[message.request_id] = message
    return found


async def test_every_item_is_answered_under_its_name(gateway):
    names = [f"item {n}" for n in range(100)]
    found = await answers(gateway.stream(item(name) for name in names))
    assert sorted(found) == sorted(names)
    for name, message in found.items():
        assert message.WhichOneof("outcome") == "response"
        assert message.response.request_id == name
        assert message.response.prediction.label == "sarcastic"
    assert gateway.worker.most_active <= 16
    series = 'attendant_requests_total{code="OK",method="ExplainStream",model="sarcasm"}'
    assert await gateway.metric(series) == 100


async def test_an_item_fails_alone(gateway):
    gateway.worker.reply = Reply(failure=invalid("instance.tweet.image", "the image is damaged"))
    items = [
        item("unknown", model="nope"),
        item("long", text="x" * 20_000),
        b"\xff\xff",
        item("damaged"),
    ]
    found = await answers(gateway.stream(iter(items)))
    statuses = {name: Status.from_message(message.error) for name, message in found.items()}
    assert {name: status.reason for name, status in statuses.items()} == {
        "unknown": "MODEL_NOT_FOUND",
        "long": "INVALID_INPUT",
        "": "INVALID_INPUT",
        "damaged": "INVALID_INPUT",
    }
    assert statuses["long"].violations[0].field == "instance.tweet.text"
    assert statuses["damaged"].violations[0].description == "the image is damaged"


async def test_items_that_do_not_fit_the_lane_wait(launch):
    async with launch(max_explain_in_flight=4) as gateway:
        found = await answers(gateway.stream(item(f"{n}") for n in range(40)))
        assert all(message.HasField("response") for message in found.values())
        assert len(found) == 40
        assert gateway.worker.most_active <= 2


async def test_single_requests_get_through_beside_a_stream(launch):
    async with launch(max_explain_in_flight=4) as gateway:
        gateway.worker.gate.clear()
        stream = asyncio.ensure_future(answers(gateway.stream(item(f"{n}") for n in range(20))))
        await until(lambda: gateway.worker.active >= 2)
        single = asyncio.ensure_future(
            gateway.call("Explain", encode_explain_request("sarcasm", Tweet("single")))
        )
        await until(lambda: gateway.worker.active >= 3)
        gateway.worker.gate.set()
        await single
        assert len(await stream) == 20


async def test_answers_come_as_they_are_ready(gateway):
    call = gateway.stream()
    await call.write(item("first"))
    assert ExplainStreamResponse.FromString(await call.read()).request_id == "first"
    await call.write(item("second"))
    assert ExplainStreamResponse.FromString(await call.read()).request_id == "second"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_repeated_items_come_from_the_cache(gateway):
    call = gateway.stream()
    for name in ("a", "b"):
        await call.write(item(name, text="same"))
        message = ExplainStreamResponse.FromString(await call.read())
    assert message.response.request_id == "b"
    assert len(gateway.worker.rows) == 1
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_client_that_leaves_takes_its_work_with_it(gateway):
    gateway.worker.gate.clear()
    call = gateway.stream(item(f"{n}") for n in range(100))
    await until(lambda: gateway.worker.active >= 16)
    call.cancel()
    await until(lambda: not gateway.worker.active)
    assert gateway.worker.cancelled == 16
    assert await gateway.metric('attendant_in_flight{model="sarcasm",work="explain"}') == 0


class Source:
    """Items to read, counted."""

    def __init__(self, count: int) -> None:
        self.items = iter(range(count))
        self.read = 0

    async def __call__(self) -> bytes | None:
        number = next(self.items, None)
        if number is None:
            return None
        self.read += 1
        return ExplainStreamRequest(request={"request_id": f"{number}"}).SerializeToString()


async def test_no_more_is_read_than_the_window_holds():
    source, gate = Source(20), asyncio.Event()

    async def explain(_request: bytes) -> bytes:
        await gate.wait()
        return b"\x0a\x00"

    stream = explain_stream(source, explain, 3, asyncio.Event())
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    assert source.read == 3
    gate.set()
    await first
    # One answer was taken; the others wait for their reader, and nothing is read for them.
    await asyncio.sleep(0.02)
    assert source.read == 3
    assert len([answer async for answer in stream]) == 19
    assert source.read == 20


async def test_a_closing_server_answers_what_it_read_and_says_so():
    closing, gate = asyncio.Event(), asyncio.Event()
    source = Source(3)

    async def read() -> bytes | None:
        item = await source()
        if item is None:
            await asyncio.Event().wait()
        return item

    async def explain(_request: bytes) -> bytes:
        await gate.wait()
        return b"\x0a\x00"

    stream = explain_stream(read, explain, 10, closing)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    closing.set()
    await asyncio.sleep(0.02)
    gate.set()
    found = [await first]

    async def rest():
        async for answer in stream:
            found.append(answer)  # noqa: PERF401 - it ends with an error

    with pytest.raises(AttendantError) as caught:
        await rest()
    assert len(found) == 3
    assert caught.value.reason is Reason.BACKEND_UNAVAILABLE


@pytest.mark.parametrize("length", [1, 127, 128, 16_383, 16_384, 3_000_000])
async def test_a_response_of_any_length_is_framed_as_protobuf_does(length):
    response = ExplainStreamResponse(response={"request_id": "x" * length}).response

    async def explain(_request: bytes) -> bytes:
        return response.SerializeToString()

    (answer,) = [answer async for answer in explain_stream(Source(1), explain, 1, asyncio.Event())]
    message = ExplainStreamResponse.FromString(answer)
    assert message == ExplainStreamResponse(request_id="0", response=response)
