"""Requests: written by the client, read by the handler; the gateway passes their bytes on untouched."""

from enum import StrEnum

from google.protobuf.message import DecodeError

from attendant.errors import invalid
from attendant.methods import ExplainOptions
from attendant.types import Tweet
from attendant.v1 import instance_pb2, prediction_pb2, service_pb2
from attendant.wire.options import encode_options

ATTENTION_ALONE = ExplainOptions()


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


def encode_predict_request(model: str, tweet: Tweet, *, version: str = "", request_id: str = "") -> bytes:
    """A PredictRequest."""
    return service_pb2.PredictRequest(
        model=model, version=version, instance=_instance(tweet), request_id=request_id
    ).SerializeToString()


def encode_explain_request(
    model: str,
    tweet: Tweet,
    *,
    version: str = "",
    request_id: str = "",
    options: ExplainOptions = ATTENTION_ALONE,
    cache_mode: CacheMode = CacheMode.USE,
) -> bytes:
    """An ExplainRequest; raises AttendantError(INVALID_INPUT) where an option is 0 that cannot be."""
    return service_pb2.ExplainRequest(
        model=model,
        version=version,
        instance=_instance(tweet),
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


def _instance(tweet: Tweet) -> instance_pb2.Instance:
    return instance_pb2.Instance(
        tweet=instance_pb2.Tweet(text=tweet.text, image=tweet.image, attributes=tweet.attributes)
    )
