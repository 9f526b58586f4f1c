"""Explaining in bulk: a window of items in work, answers as they are ready, and no item ends the stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import BytesValue

from attendant.errors import AttendantError, backend_unavailable, invalid
from attendant.v1.service_pb2 import ExplainStreamRequest, ExplainStreamResponse
from services.gateway.statuses import to_status

RESPONSE_TAG = b"\x12"  # ExplainStreamResponse.response: field 2, with a length

Read = Callable[[], Awaitable[bytes | None]]
Explain = Callable[[bytes], Awaitable[bytes]]


async def explain_stream(
    read: Read, explain: Explain, window: int, closing: asyncio.Event
) -> AsyncIterator[bytes]:
    """Each item that `read` gives (None: there are no more) answered by `explain`.

    At most `window` items are in work; the next is read when one of them is answered and the answer has been taken,
    so a slow reader slows its own stream. When `closing` is set nothing more is read, what was read is answered, and
    the stream ends with BACKEND_UNAVAILABLE. Leaving early cancels what is in work.
    """
    answers: set[asyncio.Task[bytes]] = set()
    closed = asyncio.ensure_future(closing.wait())
    reading: asyncio.Future[bytes | None] | None = None
    more = True
    try:
        while more or answers:
            if more and reading is None and len(answers) < window:
                reading = asyncio.ensure_future(read())
            waited = {*answers, *((reading,) if reading else ()), *((closed,) if more else ())}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading in done:
                item = reading.result()
                reading = None
                if item is None:
                    more = False
                else:
                    answers.add(asyncio.create_task(_answer(item, explain)))
            elif closed in done:
                more = False
            for answer in answers & done:
                answers.remove(answer)
                yield answer.result()
        if closed.done():
            raise backend_unavailable("the server is closing; ask again for the items without an answer")
    finally:
        unfinished = [*answers, closed, *((reading,) if reading else ())]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


async def _answer(item: bytes, explain: Explain) -> bytes:
    """An ExplainStreamResponse, whatever happens to the item."""
    try:
        request = ExplainStreamRequest.FromString(item).request
    except DecodeError:
        failure = invalid("request", f"these bytes are no {ExplainStreamRequest.DESCRIPTOR.full_name}")
        return ExplainStreamResponse(error=to_status(failure)).SerializeToString()
    try:
        response = await explain(request.SerializeToString())
    except AttendantError as error:
        return ExplainStreamResponse(
            request_id=request.request_id, error=to_status(error)
        ).SerializeToString()
    return ExplainStreamResponse(request_id=request.request_id).SerializeToString() + _response_field(
        response
    )


def _response_field(response: bytes) -> bytes:
    """The bytes as the field `response`, unread: BytesValue writes the length, and its tag is exchanged."""
    return RESPONSE_TAG + BytesValue(value=response).SerializeToString()[1:]
