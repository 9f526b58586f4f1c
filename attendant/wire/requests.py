"""Requests: written by the client, read by the handler; the gateway passes their bytes on untouched."""

from enum import StrEnum

from google.protobuf.message import DecodeError

from attendant.errors import invalid
from attendant.methods import ExplainOptions
from attendant.types import Instance, Mosaic, Segment, Tweet
from attendant.v1 import instance_pb2, prediction_pb2, service_pb2
from attendant.wire.options import encode_options

ATTENTION_ALONE = ExplainOptions()
_LARGEST = 2**32 - 1  # that a foreground_index can be on the wire


class CacheMode(StrEnum):
    """How the cache takes part in an explanation."""

    USE = "use"
    REFRESH = "refresh"
    BYPASS = "bypass"


_CACHE_MODE_TO_WIRE: dict[CacheMode, prediction_pb2.CacheMode.ValueType] = {
    CacheMode.USE: prediction_pb2.CACHE_MODE_USE,
    CacheMode.REFRESH: prediction_pb2.CACHE_MODE_REFRESH,
    CacheMode.BYPASS: prediction_pb2.CACHE_MODE_BYPASS,
}


def encode_predict_request(
    model: str, instance: Instance, *, version: str = "", request_id: str = ""
) -> bytes:
    """A PredictRequest; raises AttendantError(INVALID_INPUT) where a mosaic's foreground_index cannot be written."""
    return service_pb2.PredictRequest(
        model=model, version=version, instance=_instance(instance), request_id=request_id
    ).SerializeToString()


def encode_explain_request(
    model: str,
    instance: Instance,
    *,
    version: str = "",
    request_id: str = "",
    options: ExplainOptions = ATTENTION_ALONE,
    cache_mode: CacheMode = CacheMode.USE,
) -> bytes:
    """An ExplainRequest; raises AttendantError(INVALID_INPUT) where an option is 0 that cannot be.

    And as `encode_predict_request` does.
    """
    return service_pb2.ExplainRequest(
        model=model,
        version=version,
        instance=_instance(instance),
        request_id=request_id,
        options=encode_options(options),
        cache_mode=_CACHE_MODE_TO_WIRE[cache_mode],
    ).SerializeToString()


def encode_stream_request(explain_request: bytes) -> bytes:
    """An ExplainStreamRequest around an encoded ExplainRequest."""
    return service_pb2.ExplainStreamRequest(
        request=service_pb2.ExplainRequest.FromString(explain_request)
    ).SerializeToString()


def decode_request(request: bytes) -> service_pb2.ExplainRequest:
    """A PredictRequest or an ExplainRequest: the fields of the first are the first fields of the second.

    Raises AttendantError(INVALID_INPUT) where the bytes are no message.
    """
    try:
        return service_pb2.ExplainRequest.FromString(request)
    except DecodeError as error:
        raise invalid("request", "these bytes are not an attendant.v1 request") from error


def read_tweet(message: service_pb2.ExplainRequest) -> Tweet:
    """The tweet that is asked about; raises AttendantError(INVALID_INPUT) where there is none."""
    if message.instance.WhichOneof("instance") != "tweet":
        raise invalid("instance", "this model takes a tweet")
    tweet = message.instance.tweet
    return Tweet(tweet.text, tweet.image, tuple(tweet.attributes))


def read_mosaic(message: service_pb2.ExplainRequest) -> Mosaic:
    """The mosaic that is asked about; raises AttendantError(INVALID_INPUT) where there is none."""
    if message.instance.WhichOneof("instance") != "mosaic":
        raise invalid("instance", "this model takes a mosaic")
    mosaic = message.instance.mosaic
    return Mosaic(
        tuple(map(_read_segment, mosaic.segments)),
        mosaic.foreground_index if mosaic.HasField("foreground_index") else None,
    )


def _read_segment(segment: instance_pb2.Segment) -> Segment:
    return segment.image if segment.WhichOneof("segment") == "image" else tuple(segment.vector.values)


def _instance(instance: Instance) -> instance_pb2.Instance:
    if isinstance(instance, Tweet):
        return instance_pb2.Instance(
            tweet=instance_pb2.Tweet(text=instance.text, image=instance.image, attributes=instance.attributes)
        )
    index = instance.foreground_index
    if index is not None and not 0 <= index <= _LARGEST:
        raise invalid(
            "instance.mosaic.foreground_index", f"it is {index}; 0 to {len(instance.segments) - 1} are taken"
        )
    return instance_pb2.Instance(
        mosaic=instance_pb2.Mosaic(segments=map(_segment, instance.segments), foreground_index=index)
    )


def _segment(segment: Segment) -> instance_pb2.Segment:
    if isinstance(segment, bytes):
        return instance_pb2.Segment(image=segment)
    return instance_pb2.Segment(vector=instance_pb2.FloatVector(values=segment))
