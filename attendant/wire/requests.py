"""Requests: written by the client, read by the handler; the gateway passes their bytes on untouched."""

from collections.abc import Iterable
from enum import StrEnum

from google.protobuf.message import DecodeError

from attendant.errors import invalid
from attendant.methods import Method
from attendant.types import Tweet
from attendant.v1 import explanation_pb2, instance_pb2, prediction_pb2, service_pb2


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
    methods: Iterable[Method] = (),
    cache_mode: CacheMode = CacheMode.USE,
) -> bytes:
    """An ExplainRequest; each of `methods` is asked for with its default options."""
    options = explanation_pb2.ExplainOptions()
    for method in methods:
        getattr(options, method).SetInParent()
    return service_pb2.ExplainRequest(
        model=model,
        version=version,
        instance=_instance(tweet),
        request_id=request_id,
        options=options,
        cache_mode=_CACHE_MODE_TO_WIRE[cache_mode],
    ).SerializeToString()


def encode_stream_request(explain_request: bytes) -> bytes:
    """An ExplainStreamRequest around an encoded ExplainRequest."""
    return service_pb2.ExplainStreamRequest(
        request=service_pb2.ExplainRequest.FromString(explain_request)
    ).SerializeToString()


def decode_tweet(request: bytes) -> Tweet:
    """The tweet in a PredictRequest or ExplainRequest (their first fields are the same).

    Raises AttendantError(INVALID_INPUT) where there is no tweet or the bytes are no message.
    """
    try:
        message = service_pb2.ExplainRequest.FromString(request)
    except DecodeError as error:
        raise invalid("request", "these bytes are not an attendant.v1 request") from error
    if message.instance.WhichOneof("instance") != "tweet":
        raise invalid("instance", "this model takes a tweet")
    tweet = message.instance.tweet
    return Tweet(tweet.text, tweet.image, tuple(tweet.attributes))


def _instance(tweet: Tweet) -> instance_pb2.Instance:
    return instance_pb2.Instance(
        tweet=instance_pb2.Tweet(text=tweet.text, image=tweet.image, attributes=tweet.attributes)
    )
