"""What may come of an attempt: an answer that makes sense, or a refusal as the service's table of statuses has it.

Never INTERNAL, UNKNOWN or 500, never an outage, never a refusal without a reason or, for bad input, without a field.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from attendant.channels import SERVICE
from attendant.errors import Reason
from attendant.v1 import service_pb2
from fuzz.attempts import Call, HttpRequest
from services.gateway.statuses import CODES, DOMAIN

# What a caller of a sound service never sees, however odd the request.
NEVER = frozenset({Reason.INTERNAL, Reason.BACKEND_UNAVAILABLE})
GRPC_CODES = frozenset(codes.grpc for reason, codes in CODES.items() if reason not in NEVER)
HTTP_CODES = frozenset({200, 307, *(codes.http for reason, codes in CODES.items() if reason not in NEVER)})
TRAILER_BYTES = 8192
HUGE = 32 << 20  # bytes of a body that is twice as large as any that is taken: the connection may be closed
_FIELDLESS = "it names no field"


@dataclass(frozen=True)
class CallOutcome:
    """`code` and what came with it; `vanished`: the client went away, so that any code will do."""

    code: grpc.StatusCode
    responses: tuple[bytes, ...] = ()
    details: bytes | None = None
    message: str = ""
    vanished: bool = False


@dataclass(frozen=True)
class HttpOutcome:
    """`status` 0: the connection was closed without an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def judge_call(call: Call, outcome: CallOutcome) -> str | None:
    """What is wrong with the outcome; None where nothing is."""
    if outcome.vanished:
        return None
    if outcome.code is grpc.StatusCode.OK:
        return _judge_responses(call, outcome.responses)
    if not call.path.startswith(f"/{SERVICE}/") or call.name == "no such method":
        return _judge_foreign(call, outcome)
    if outcome.code is grpc.StatusCode.DEADLINE_EXCEEDED and call.deadline < 1:
        return None  # the client's own clock may be first
    if outcome.code not in GRPC_CODES:
        return f"{outcome.code.name}: {outcome.message}"
    if outcome.details is None:
        return f"{outcome.code.name} without details: {outcome.message}"
    if len(outcome.details) > TRAILER_BYTES:
        return f"the details have {len(outcome.details)} bytes"
    status = status_pb2.Status.FromString(outcome.details)
    if status.code != outcome.code.value[0]:
        return f"the details say code {status.code}, the call {outcome.code.name}"
    return judge_status(status)


def judge_status(status: status_pb2.Status) -> str | None:
    """A google.rpc.Status of the service: its reason is in the table and goes with the code; bad input has a field."""
    info, fields = error_details_pb2.ErrorInfo(), []
    for detail in status.details:
        detail.Unpack(info)
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations if violation.description]
    if info.domain != DOMAIN or info.reason not in set(Reason):
        return f"no reason of ours: {info.domain!r} {info.reason!r}"
    reason = Reason(info.reason)
    if reason in NEVER:
        return f"{reason}: {status.message}"
    if CODES[reason].grpc.value[0] != status.code:
        return f"{reason} with code {status.code}"
    if not status.message:
        return f"{reason} without a sentence"
    if reason is Reason.INVALID_INPUT and not (fields and all(fields)):
        return f"{reason}: {_FIELDLESS}: {status.message}"
    return None


def judge_http(request: HttpRequest, outcome: HttpOutcome) -> str | None:
    """What is wrong with the outcome; None where nothing is."""
    if request.raw is not None:
        return None if outcome.status in (0, 100, 101, 426, 431, *HTTP_CODES) else f"status {outcome.status}"
    if outcome.status == 0 and len(request.body) > HUGE:
        return None
    if outcome.status not in HTTP_CODES:
        return f"status {outcome.status}: {outcome.body[:200]!r}"
    if outcome.status < 400:
        return None if request.verb != "POST" or outcome.status != 200 else _judge_json(outcome.body)
    if request.verb == "HEAD":
        return None
    try:
        status = json.loads(outcome.body)
        return _judge_error(status, outcome.status)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"status {outcome.status} without a status in JSON: {error!r}: {outcome.body[:200]!r}"


def _judge_error(status: dict[str, object], code: int) -> str | None:
    details = status["details"]
    assert isinstance(details, list)
    infos = [detail for detail in details if detail["@type"].endswith("/google.rpc.ErrorInfo")]
    if len(infos) != 1 or infos[0]["domain"] != DOMAIN:
        return "no ErrorInfo of ours"
    reason = Reason(infos[0]["reason"])
    if CODES[reason].http != code:
        return f"{reason} with status {code}"
    if reason is not Reason.INVALID_INPUT:
        return None
    named = [
        violation.get("field")
        for detail in details
        if detail["@type"].endswith("/google.rpc.BadRequest")
        for violation in detail["field_violations"]
    ]
    return None if named and all(named) else f"{reason}: {_FIELDLESS}: {status}"


def _judge_json(body: bytes) -> str | None:
    try:
        probability = json.loads(body)["prediction"]["probability"]
    except (ValueError, KeyError):
        return f"an answer without a prediction: {body[:200]!r}"
    return None if 0 <= probability <= 1 else f"a probability of {probability}"


def _judge_foreign(call: Call, outcome: CallOutcome) -> str | None:
    """Calls that gRPC answers by itself: health, reflection, what is not there."""
    allowed = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}
    return None if outcome.code in allowed else f"{outcome.code.name}: {outcome.message}"


def _judge_responses(call: Call, responses: tuple[bytes, ...]) -> str | None:
    try:
        if call.name == "Predict":
            return _judge_prediction(
                service_pb2.PredictResponse.FromString(*responses).prediction.probability
            )
        if call.name == "Explain":
            return _judge_prediction(
                service_pb2.ExplainResponse.FromString(*responses).prediction.probability
            )
        if call.name == "ExplainStream":
            return _judge_stream(call, responses)
    except DecodeError:
        return "the response is no message"
    return None


def _judge_stream(call: Call, responses: tuple[bytes, ...]) -> str | None:
    if len(responses) != len(call.requests):
        return f"{len(call.requests)} items had {len(responses)} answers"
    for data in responses:
        item = service_pb2.ExplainStreamResponse.FromString(data)
        outcome = item.WhichOneof("outcome")
        wrong = (
            judge_status(item.error)
            if outcome == "error"
            else _judge_prediction(item.response.prediction.probability)
            if outcome == "response"
            else "an item without an outcome"
        )
        if wrong:
            return f"an item: {wrong}"
    return None


def _judge_prediction(probability: float) -> str | None:
    return None if math.isfinite(probability) and 0 <= probability <= 1 else f"a probability of {probability}"
