"""The one table from a domain error to what a caller sees, over gRPC and over HTTP. No other place builds a status."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from starlette.responses import Response

from attendant.errors import AttendantError, Reason, Violation
from services.gateway.transcoding import write_json

DOMAIN = "attendant.v1"
DETAILS_KEY = "grpc-status-details-bin"

JSON = "application/json"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}  # of every answer over HTTP

# A status travels in HTTP/2 trailers, of which many clients take no more than 8 KiB.
MESSAGE_BYTES = 500
METADATA_BYTES = 128
VIOLATIONS_BYTES = 2_500

Turn = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Codes:
    """One failure in both protocols."""

    grpc: grpc.StatusCode
    http: int


CODES: Mapping[Reason, Codes] = {
    Reason.INVALID_INPUT: Codes(grpc.StatusCode.INVALID_ARGUMENT, 400),
    Reason.MODEL_NOT_FOUND: Codes(grpc.StatusCode.NOT_FOUND, 404),
    Reason.VERSION_NOT_FOUND: Codes(grpc.StatusCode.NOT_FOUND, 404),
    Reason.PATH_NOT_FOUND: Codes(grpc.StatusCode.NOT_FOUND, 404),
    Reason.VERB_NOT_ALLOWED: Codes(grpc.StatusCode.UNIMPLEMENTED, 405),
    Reason.METHOD_NOT_AVAILABLE: Codes(grpc.StatusCode.UNIMPLEMENTED, 501),
    Reason.OVERLOADED: Codes(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    Reason.RATE_LIMITED: Codes(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    Reason.BACKEND_UNAVAILABLE: Codes(grpc.StatusCode.UNAVAILABLE, 503),
    Reason.DEADLINE_EXCEEDED: Codes(grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    Reason.UNAUTHENTICATED: Codes(grpc.StatusCode.UNAUTHENTICATED, 401),
    Reason.FORBIDDEN: Codes(grpc.StatusCode.PERMISSION_DENIED, 403),
    Reason.INTERNAL: Codes(grpc.StatusCode.INTERNAL, 500),
}


def to_status(error: AttendantError) -> Status:
    """The google.rpc.Status: ErrorInfo always, BadRequest for bad input, RetryInfo where trying again may help."""
    status = Status(code=CODES[error.reason].grpc.value[0], message=shorten(error.message, MESSAGE_BYTES))
    metadata = {key: shorten(value, METADATA_BYTES) for key, value in error.metadata.items()}
    status.details.add().Pack(ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    if error.violations:
        status.details.add().Pack(BadRequest(field_violations=_field_violations(error.violations)))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(math.ceil(error.retry_after * 1000))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


async def abort(context: grpc.aio.ServicerContext[bytes, bytes], error: AttendantError) -> None:
    """End a call with the error's status; always raises."""
    code, message, trailers = _ending(error)
    try:
        await context.abort(code, message, trailers)
    except grpc.aio.AbortError as raised:
        asyncio.get_running_loop().call_soon(_forget, raised)
        raise


def refuser(error: AttendantError, turn: Turn | None = None) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Ends every call with the error's status, unread: on the wire all calls are streams, and this one reads none.

    Each after its `turn`, at once where there is none.
    """
    code, message, trailers = _ending(error)

    async def refuse(_requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        if turn is not None:
            await turn()
        context.set_code(code)
        context.set_details(message)
        context.set_trailing_metadata(trailers)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _ending(error: AttendantError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes]]]:
    status = to_status(error)
    return CODES[error.reason].grpc, status.message, ((DETAILS_KEY, status.SerializeToString()),)


def _forget(raised: grpc.aio.AbortError) -> None:
    """Where it has been. The call keeps it, and so would keep itself and its request, until garbage is collected."""
    raised.__traceback__ = raised.__context__ = None


def to_response(error: AttendantError) -> Response:
    """The same for HTTP: the status as JSON under its code."""
    response = Response(write_json(to_status(error), whole=False), CODES[error.reason].http, HEADERS, JSON)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.reason is Reason.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def shorten(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8; half a surrogate pair, which JSON can hold, becomes a "?"."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "…"


def _field_violations(violations: tuple[Violation, ...]) -> Iterator[BadRequest.FieldViolation]:
    left = VIOLATIONS_BYTES
    for number, violation in enumerate(violations):
        field = shorten(violation.field, METADATA_BYTES)
        description = shorten(violation.description, MESSAGE_BYTES)
        left -= len(field.encode()) + len(description.encode())
        if left < 0:
            rest = len(violations) - number
            yield BadRequest.FieldViolation(field="request", description=f"and {rest} more violations")
            return
        yield BadRequest.FieldViolation(field=field, description=description)
