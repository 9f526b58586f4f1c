"""TorchServe's Predictions call, which the embedded worker serves too, and what its statuses really mean."""

import json
from collections.abc import Callable, Mapping

import grpc
import structlog
from google.protobuf.message import DecodeError

from attendant.errors import (
    AttendantError,
    Reason,
    backend_unavailable,
    deadline_exceeded,
    internal,
    invalid,
)
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.wire.envelope import Reply, Row

log = structlog.get_logger()

METHOD = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
SMALL_BYTES = 1024 * 1024  # nobody's limit is below it
# Calls take turns between all addresses behind a name that are connected. One whose worker died would take its share
# all the same, since its connection is fine, and fail it at once for 6 to 14 s: that is more than the clients' retries
# may cost. So it is left out for some seconds. gRPC also counts calls that a caller's short deadline or cancellation
# ended: hence nearly all of a worker's calls must have failed, and many of them, and it is left out for a short time.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [
        {
            "outlier_detection_experimental": {
                "interval": "2s",
                "baseEjectionTime": "3s",
                "maxEjectionTime": "15s",
                "maxEjectionPercent": 50,
                "failurePercentageEjection": {"threshold": 95, "minimumHosts": 2, "requestVolume": 20},
                "childPolicy": [{"round_robin": {}}],
            }
        }
    ]
}
CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),  # the gateway has checked the size
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A name is looked up when a connection ends; at most so often, and not given up for so long.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.dns_ares_query_timeout", 5000),
    # A machine that vanishes closes nothing: a connection ends with what is not acknowledged for 5 s. gRPC couples that
    # to keepalive, which TorchServe allows every 5 minutes at most.
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A backend that comes back is found again at once; gRPC's own pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Predictions:
    """The client over one channel, shared by all requests."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._call = self.channel.unary_unary(
            METHOD, PredictionsRequest.SerializeToString, PredictionResponse.FromString
        )

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        """As Backend.call."""
        request = PredictionsRequest(model_name=archive, input=row.to_entries())
        try:
            response = await self._call(request, timeout=timeout)
            return Reply.from_bytes(response.prediction)
        except grpc.aio.AioRpcError as error:
            failure = translate(error.code(), error.details() or "")
            if failure.reason is Reason.INVALID_INPUT and len(row.request) < SMALL_BYTES:
                failure = backend_unavailable("the backend gave the call up")
            log.warning(
                "backend did not answer",
                archive=archive,
                code=error.code().name,
                details=_recognise(error.code(), error.details() or ""),
                reason=failure.reason.value,
            )
            raise failure from error
        except (DecodeError, ValueError) as error:
            log.exception("backend's reply cannot be read", archive=archive)
            raise internal() from error

    async def close(self) -> None:
        await self.channel.close()


def translate(code: grpc.StatusCode, details: str) -> AttendantError:
    """What a failed call means. TorchServe 0.12 uses few codes for many things, so its words are asked first."""
    for words, meaning in _WORDS:
        if words in details:
            return meaning()
    return _CODES.get(code, internal)()


def _recognise(code: grpc.StatusCode, details: str) -> str:
    """What of a backend's words may be logged: its own, not those of an exception, in which a tweet may stand."""
    known = next((words for words, _ in _WORDS if words in details), "")
    return known or (details if code is grpc.StatusCode.UNAVAILABLE else "")


_WORDS: tuple[tuple[str, Callable[[], AttendantError]], ...] = (
    # UNAVAILABLE, though trying again would fail again
    ("Prediction failed", internal),
    # INTERNAL or RESOURCE_EXHAUSTED; also how a response timeout and a response over the size limit end
    ("Worker died", lambda: backend_unavailable("the worker died; another is being started")),
    # INTERNAL; it means that the queue is full
    (
        "has no worker",
        lambda: AttendantError("the backend's queue is full", Reason.OVERLOADED, retry_after=1.0),
    ),
    # INTERNAL: not loaded yet, or no longer
    ("odel not found", lambda: backend_unavailable("the backend has not loaded the model")),
    ("odel version", lambda: backend_unavailable("the backend has not loaded the model")),
)
_CODES: Mapping[grpc.StatusCode, Callable[[], AttendantError]] = {
    grpc.StatusCode.UNAVAILABLE: lambda: backend_unavailable("the backend cannot be reached"),
    grpc.StatusCode.DEADLINE_EXCEEDED: lambda: deadline_exceeded(
        "the deadline passed while the model was working"
    ),
    # A request over TorchServe's size limit
    grpc.StatusCode.CANCELLED: lambda: invalid("request", "it is larger than the backend takes"),
}
