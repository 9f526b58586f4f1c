"""Bad input has a defined answer, the same on both backends, and kills no worker."""

from dataclasses import dataclass

import grpc
import pytest
from evil_images import EVIL_IMAGES, Refused
from refusals import refusal

from attendant.methods import (
    Box,
    BoxAlignmentOptions,
    ErasureOptions,
    ExplainOptions,
    LeaveOneOutOptions,
    PermutationOptions,
)
from attendant.types import Modality, Tweet, WarningCode
from attendant.v1 import instance_pb2, service_pb2
from attendant.wire.requests import encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_predict_response

MEBIBYTE = 1 << 20


def still_answers(service):
    response = service.call("Predict", encode_predict_request("sarcasm", Tweet("still here")))
    return bool(decode_predict_response(response).prediction.label)


def tweet_request(**fields):
    return service_pb2.PredictRequest(
        model="sarcasm", instance=instance_pb2.Instance(tweet=instance_pb2.Tweet(**fields))
    ).SerializeToString()


def vector_request(value):
    segment = instance_pb2.Segment(vector=instance_pb2.FloatVector(values=[value]))
    return service_pb2.PredictRequest(
        model="sarcasm", instance=instance_pb2.Instance(mosaic=instance_pb2.Mosaic(segments=[segment] * 2))
    ).SerializeToString()


REFUSED = {
    "no instance": (service_pb2.PredictRequest(model="sarcasm").SerializeToString(), ["instance"]),
    "an empty tweet": (tweet_request(), ["instance.tweet"]),
    "white space": (tweet_request(text=" \n\t "), ["instance.tweet"]),
    "only a link": (tweet_request(text="https://t.co/abc"), ["instance.tweet.text"]),
    "too much text": (tweet_request(text="a" * 16385), ["instance.tweet.text"]),
    "six attributes": (tweet_request(attributes=["man"] * 6), ["instance.tweet.attributes"]),
    "an empty attribute": (tweet_request(attributes=["man", ""]), ["instance.tweet.attributes[1]"]),
    "a long attribute": (tweet_request(attributes=["x" * 65]), ["instance.tweet.attributes[0]"]),
    "a mosaic": (vector_request(1.0), ["instance"]),
    "not a number": (
        vector_request(float("nan")),
        ["instance"],
    ),
    "a long request id": (
        service_pb2.PredictRequest(
            model="sarcasm",
            request_id="x" * 129,
            instance=instance_pb2.Instance(tweet=instance_pb2.Tweet(text="a")),
        ).SerializeToString(),
        ["request_id"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_its_field(service, name):
    request, fields = REFUSED[name]
    code, reason, named = refusal(service, request)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    assert named == fields
    assert still_answers(service)


@pytest.mark.parametrize("name", EVIL_IMAGES)
def test_an_evil_image_is_refused_or_converted(service, name):
    data, expected = EVIL_IMAGES[name]
    request = encode_predict_request("sarcasm", Tweet("a picture", data))
    if isinstance(expected, Refused):
        code, reason, fields = refusal(service, request)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
        assert fields == ["instance.tweet.image"]
    else:
        result = decode_predict_response(service.call("Predict", request))
        converted = [
            warning.message for warning in result.warnings if warning.code == WarningCode.IMAGE_CONVERTED
        ]
        assert len(converted) == len(expected.conversions)
        assert all(map(str.startswith, converted, expected.conversions))
    assert still_answers(service)


def test_an_unknown_word_is_read_as_unknown_with_a_warning(service):
    response = service.call("Predict", tweet_request(attributes=["zxqj"]))
    assert "UNKNOWN_ATTRIBUTE" in {w.code for w in service_pb2.PredictResponse.FromString(response).warnings}


def test_a_long_text_is_cut_with_a_warning(service):
    response = service.call("Predict", tweet_request(text="word " * 100))
    assert "TEXT_TRUNCATED" in {w.code for w in service_pb2.PredictResponse.FromString(response).warnings}


@pytest.mark.parametrize(
    ("model", "version", "reason"), [("irony", "", "MODEL_NOT_FOUND"), ("sarcasm", "99", "VERSION_NOT_FOUND")]
)
def test_an_unknown_model_or_version_is_not_found(service, model, version, reason):
    request = encode_predict_request(model, Tweet("a"), version=version)
    assert refusal(service, request)[:2] == (grpc.StatusCode.NOT_FOUND, reason)


LINK_AND_WORD = Tweet("https://t.co/x1", attributes=("dog",))


@pytest.mark.parametrize(
    ("tweet", "options", "field"),
    [
        (Tweet("a"), ExplainOptions(permutation=PermutationOptions(samples=10**6)), "permutation.samples"),
        (Tweet("a"), ExplainOptions(box_alignment=BoxAlignmentOptions((Box(0, 0, 1, 1),))), "box_alignment"),
        # What only a worker can tell: a link is no text. Once in each lane.
        (LINK_AND_WORD, ExplainOptions(erasure=ErasureOptions((Modality.TEXT,))), "erasure.targets"),
        (
            LINK_AND_WORD,
            ExplainOptions(leave_one_out=LeaveOneOutOptions((Modality.TEXT,))),
            "leave_one_out.targets",
        ),
    ],
    ids=["range", "no image", "no text, fast", "no text, slow"],
)
def test_options_that_do_not_suit_the_tweet_are_refused(service, tweet, options, field):
    request = encode_explain_request("sarcasm", tweet, options=options)
    code, reason, fields = refusal(service, request, "Explain")
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    assert fields == [f"options.{field}"]
    assert still_answers(service)


@dataclass
class Unlimited:
    """A caller that, unlike the client, sends whatever it is given."""

    channel: grpc.Channel

    def call(self, method, request):
        return self.channel.unary_unary(f"/attendant.v1.AttendantService/{method}")(request, timeout=30)


def test_an_oversize_message_is_refused(service):
    with grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel:
        request = tweet_request(image=b"\xff\xd8" + bytes(17 * MEBIBYTE))
        code, reason, fields = refusal(Unlimited(channel), request)
    assert (code, reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT", ["request"])
    assert still_answers(service)


def test_bytes_that_are_no_message_are_refused(service):
    code, reason, _ = refusal(service, b"\xff\xff\xff\xff")
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
