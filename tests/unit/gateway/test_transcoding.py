"""JSON in, messages out, and what is said where that fails."""

import json

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attendant.errors import AttendantError, Reason
from attendant.v1.service_pb2 import ExplainRequest, PredictRequest
from services.gateway.transcoding import read_json

TWEET = {"instance": {"tweet": {"text": "what a day", "attributes": ["sky"]}}}


def tweet(**fields) -> dict:
    return {"instance": {"tweet": fields}}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (TWEET | {"nonsense": 1, "more": 2}, ["nonsense", "more"]),
        (tweet(txt="x", images=[]), ["instance.tweet.txt", "instance.tweet.images"]),
        (tweet(text=3), ["instance.tweet.text"]),
        (tweet(text="\ud800"), ["instance.tweet.text"]),
        (TWEET | {"cache_mode": "\ud800"}, ["cache_mode"]),
        (TWEET | {"options": {"gradient": {"targets": ["\ud800"]}}}, ["options.gradient.targets"]),
        (TWEET | {"\ud800": 1}, ["request"]),
        (TWEET | {"": 1}, ["request"]),
        ({"instance": "\ud800"}, ["instance"]),
        (b'{"options": {"gradient": {"targets": [1e999]}}}', ["options.gradient.targets"]),
        (b'{"options": {"permutation": {"samples": 1e999}}}', ["options.permutation.samples"]),
        ({"instance": {"tweet": {"": 1}}}, ["request"]),
        (tweet(attributes="sky"), ["instance.tweet.attributes"]),
        (tweet(attributes=["sky", 4]), ["instance.tweet.attributes"]),
        (tweet(image="a"), ["instance.tweet.image"]),
        ({"instance": [1]}, ["instance"]),
        ({"instance": {"tweet": 3}}, ["instance.tweet"]),
        ({"instance": {"tweet": {}, "mosaic": {}}}, ["instance"]),
        ({"instance": {"mosaic": {"segments": {}}}}, ["instance.mosaic.segments"]),
        ({"instance": {"mosaic": {"segments": [{}, {"x": 1}]}}}, ["instance.mosaic.segments[1].x"]),
        ({"instance": {"mosaic": {"segments": [1]}}}, ["instance.mosaic.segments[0]"]),
        ({"instance": {"mosaic": {"foregroundIndex": -1}}}, ["instance.mosaic.foreground_index"]),
        *(
            (
                {"instance": {"mosaic": {"segments": [{"vector": {}}, {"vector": {"values": values}}]}}},
                [place],
            )
            for place in ["instance.mosaic.segments[1].vector.values"]
            for values in (["x"], [1e39], [[1]], 1)
        ),
        (
            {"instance": {"mosaic": {"segments": [{"image": "!"}]}}},
            ["instance.mosaic.segments[0].image"],
        ),
        (TWEET | {"cache_mode": "SOMETIMES"}, ["cache_mode"]),
        (TWEET | {"options": {"gradient": {"throughAttention": 3}}}, ["options.gradient.through_attention"]),
    ],
)
def test_what_the_message_cannot_take_is_named(body, fields):
    with pytest.raises(AttendantError) as caught:
        read_json(body if isinstance(body, bytes) else json.dumps(body).encode(), ExplainRequest())
    assert caught.value.reason is Reason.INVALID_INPUT
    assert [violation.field for violation in caught.value.violations] == fields
    assert all(violation.description for violation in caught.value.violations)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 10_000, b'{"a": NaN}'])
def test_a_body_that_is_no_json_object_is_bad_input(body):
    with pytest.raises(AttendantError) as caught:
        read_json(body, PredictRequest())
    assert [violation.field for violation in caught.value.violations] == ["request"]


NAMES = (
    *("instance", "tweet", "text", "image", "attributes", "mosaic", "segments", "vector", "values"),
    *("options", "permutation", "seed", "targets", "cache_mode", "requestId", "x", "[x.y]"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.builds(json.dumps, st.dictionaries(st.sampled_from(["instance", "options", "model"]), JSON)))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_a_message_or_bad_input(body):
    try:
        read_json(body.encode(), ExplainRequest())
    except AttendantError as error:
        assert error.violations  # noqa: PT017 - either may be
        assert all(violation.field and violation.description for violation in error.violations)  # noqa: PT017


@given(st.builds(PredictRequest.FromString, st.binary(max_size=0)), st.text(), st.binary(), st.text())
def test_what_json_says_is_what_the_message_says(message, text, image, name):
    message.instance.tweet.text = text
    message.instance.tweet.image = image
    message.request_id = name
    for keep in (True, False):
        read = PredictRequest()
        read_json(json_format.MessageToJson(message, preserving_proto_field_name=keep).encode(), read)
        assert read == message
