"""What is written is what is read, and what the gateway appends leaves the rest alone."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.errors import AttendantError, Reason, Violation, invalid
from attendant.methods import (
    BoxAlignment,
    ErasureOptions,
    ExplainOptions,
    Explanations,
    Method,
    PermutationOptions,
)
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionVector,
    Axis,
    CacheStatus,
    Focus,
    Modality,
    ModelDescription,
    ModelRef,
    Mosaic,
    MosaicShape,
    Outcome,
    Prediction,
    Runtime,
    Timing,
    Tweet,
    Warning_,
    WarningCode,
)
from attendant.v1 import explanation_pb2, service_pb2
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.options import read_options
from attendant.wire.requests import (
    CacheMode,
    decode_request,
    encode_explain_request,
    encode_predict_request,
    encode_stream_request,
    read_mosaic,
    read_tweet,
)
from attendant.wire.responses import (
    decode_explain_response,
    decode_models,
    decode_predict_response,
    encode_explain_response,
    encode_models,
    encode_predict_response,
    finish_explain_response,
    finish_predict_response,
)

REF = ModelRef("sarcasm", "1", "ab" * 32)
TIMING = Timing(0.25, 0.5, 0.125, 1.0)


def outcome() -> Outcome:
    weights = np.array([0.5, 0.25, 0.25], np.float32)
    return Outcome(
        Prediction("sarcastic", 0.75, (("not sarcastic", 0.25), ("sarcastic", 0.75))),
        Attention(
            (
                AttentionVector(AttentionKind.REPRESENTATION, weights, Modality.TEXT, Modality.TEXT),
                AttentionVector(
                    AttentionKind.REPRESENTATION, weights[::-1].copy(), Modality.TEXT, Modality.IMAGE
                ),
                AttentionVector(AttentionKind.REPRESENTATION_MEAN, weights, Modality.TEXT),
                AttentionVector(AttentionKind.MODALITY, weights),
            ),
            (Axis(Modality.TEXT, ("so", "much", "fun")), Axis(Modality.IMAGE, grid_rows=14, grid_columns=14)),
        ),
        (Warning_(WarningCode.TEXT_TRUNCATED, "cut"),),
    )


tweets = st.builds(Tweet, st.text(), st.binary(), st.lists(st.text()).map(tuple))


@given(tweets)
def test_a_tweet_survives_both_requests(tweet):
    options = ExplainOptions(permutation=PermutationOptions(samples=7, seed=3))
    assert read_tweet(decode_request(encode_predict_request("m", tweet))) == tweet
    message = decode_request(encode_explain_request("m", tweet, options=options))
    assert read_tweet(message) == tweet
    assert read_options(message.options) == options


mosaics = st.builds(
    Mosaic,
    st.lists(st.binary() | st.lists(st.floats(width=32, allow_nan=False)).map(tuple)).map(tuple),
    st.none() | st.integers(0, 2**32 - 1),
)


@given(mosaics)
def test_a_mosaic_survives_every_request(mosaic):
    request = encode_explain_request("m", mosaic)
    streamed = service_pb2.ExplainStreamRequest.FromString(encode_stream_request(request)).request
    for message in (
        decode_request(encode_predict_request("m", mosaic)),
        decode_request(request),
        streamed,
    ):
        assert read_mosaic(message) == mosaic
        assert message.instance.mosaic.HasField("foreground_index") == (mosaic.foreground_index is not None)


@pytest.mark.parametrize("index", [-1, 2**32])
def test_an_index_that_no_message_can_hold_is_refused_as_the_service_would(index):
    mosaic = Mosaic(((1.0,), (2.0,)), index)
    for encode in (encode_predict_request, encode_explain_request):
        with pytest.raises(AttendantError) as caught:
            encode("m", mosaic)
        assert caught.value == invalid("instance.mosaic.foreground_index", f"it is {index}; 0 to 1 are taken")


def test_each_kind_of_instance_is_told_from_the_other():
    for instance, read, says in (
        (Mosaic((b"", b"")), read_tweet, "instance: this model takes a tweet"),
        (Tweet("a"), read_mosaic, "instance: this model takes a mosaic"),
    ):
        with pytest.raises(AttendantError, match=says) as caught:
            read(decode_request(encode_explain_request("m", instance)))
        assert caught.value.reason is Reason.INVALID_INPUT
    with pytest.raises(AttendantError, match="takes a mosaic"):
        read_mosaic(service_pb2.ExplainRequest())


def test_every_method_is_a_field_of_the_options_and_of_the_response():
    names = {field.name for field in explanation_pb2.ExplainOptions.DESCRIPTOR.fields}
    assert names == set(Method)
    assert names <= {field.name for field in service_pb2.ExplainResponse.DESCRIPTOR.fields}
    message = service_pb2.ExplainRequest.FromString(
        encode_explain_request(
            "m", Tweet("a"), options=ExplainOptions(erasure=ErasureOptions()), cache_mode=CacheMode.BYPASS
        )
    )
    assert [field.name for field, _ in message.options.ListFields()] == ["erasure"]
    assert message.cache_mode == service_pb2.ExplainRequest(cache_mode="CACHE_MODE_BYPASS").cache_mode


@pytest.mark.parametrize("request_bytes", [b"\xff\xff\xff", service_pb2.ExplainRequest().SerializeToString()])
def test_what_is_no_tweet_is_refused(request_bytes):
    with pytest.raises(AttendantError) as caught:
        read_tweet(decode_request(request_bytes))
    assert caught.value.reason is Reason.INVALID_INPUT


def test_a_predict_response_survives():
    response = finish_predict_response(encode_predict_response(outcome(), REF), TIMING, "r1")
    result = decode_predict_response(response)
    assert (result.prediction, result.model, result.warnings) == (
        outcome().prediction,
        REF,
        outcome().warnings,
    )
    assert (result.timing, result.request_id) == (TIMING, "r1")


def test_an_explain_response_survives():
    computed = Explanations(box_alignment=BoxAlignment(0.5, 0.25, 0.125, 7))
    worker = encode_explain_response(outcome(), REF, computed)
    response = finish_explain_response(worker, TIMING, "r1", CacheStatus.HIT)
    assert response.startswith(worker)
    result = decode_explain_response(response)
    assert result.cache is CacheStatus.HIT
    assert result.explanations == computed
    assert result.attention.axes == outcome().attention.axes
    for sent, received in zip(outcome().attention.vectors, result.attention.vectors, strict=True):
        assert (sent.kind, sent.target, sent.source) == (received.kind, received.target, received.source)
        np.testing.assert_array_equal(sent.weights, received.weights)


foci = st.builds(
    Focus,
    index=st.integers(0, 63),
    risk=st.floats(0, 1, width=32),
    nnz=st.integers(0, 64),
    dist=st.floats(0, 1, width=32),
    entropy=st.floats(0, 5, width=32),
    is_true=st.none() | st.booleans(),
)


@given(st.none() | foci)
def test_where_a_model_looked_survives(focus):
    response = encode_explain_response(replace(outcome(), focus=focus), REF)
    assert decode_explain_response(response).focus == focus


@pytest.mark.parametrize("number", ["nan", "inf", "1e300"])
@pytest.mark.parametrize("name", ["risk", "dist", "entropy"])
def test_a_focus_without_numbers_does_not_leave_the_worker(name, number):
    focus = replace(Focus(0, 0.5, 1, 0.0, 0.0), **{name: float(number)})
    with pytest.raises(ValueError, match=rf"focus\.{name} is "):
        encode_explain_response(replace(outcome(), focus=focus), REF)


def test_summaries_and_disagreement_travel_with_the_vectors():
    message = service_pb2.ExplainResponse.FromString(encode_explain_response(outcome(), REF))
    entropy = 0.5 * np.log(2) + 0.5 * np.log(4)
    assert message.attention.vectors[0].summary.entropy_ratio == pytest.approx(entropy / np.log(3), abs=1e-6)
    assert message.attention.vectors[0].summary.max_index == 0
    mixture = np.array([0.375, 0.25, 0.375])
    divergence = -(mixture * np.log(mixture)).sum() - entropy
    (disagreement,) = message.attention.disagreements
    assert disagreement.jensen_shannon == pytest.approx(divergence, abs=1e-6)


def test_what_a_newer_server_adds_is_left_out():
    message = service_pb2.ExplainResponse.FromString(encode_explain_response(outcome(), REF))
    message.attention.vectors.add(kind=99, weights=[1.0])
    message.attention.axes.add(modality=99)
    message.warnings.add(code="SOMETHING_NEW", message="new")
    result = decode_explain_response(message.SerializeToString())
    assert len(result.attention.vectors) == len(outcome().attention.vectors)
    assert len(result.attention.axes) == len(outcome().attention.axes)
    assert result.warnings[-1].code == "SOMETHING_NEW"


def test_models_survive():
    model = ModelDescription(
        name="sarcasm",
        classes=("no", "yes"),
        modalities=MODALITIES,
        versions=("1", "2"),
        default_version="1",
        methods=("permutation",),
        digests={"1": "a", "2": "b"},
        descriptions={"1": "first", "2": "second"},
        ready=True,
        runtime=Runtime("cpu", "CPUExecutionProvider", 2),
    )
    images = replace(model, modalities=(Modality.SEGMENT,), mosaic=MosaicShape(9, (32, 32, 3)))
    vectors = replace(images, mosaic=MosaicShape(64, (2,)))
    assert decode_models(encode_models((model, images, vectors))) == (model, images, vectors)


failures = st.builds(
    AttendantError,
    st.text(),
    st.sampled_from(Reason),
    st.lists(st.builds(Violation, st.text(), st.text())).map(tuple),
    st.dictionaries(st.text(), st.text()),
)


@given(failures)
def test_a_failure_survives_the_envelope(error):
    assert Reply.from_bytes(Reply(failure=error).to_bytes()).failure == error


@pytest.mark.parametrize(
    "reply",
    [Reply(response=b"abc", inference_seconds=0.5), Reply(runtime=Runtime("cpu", "torch", 1)), Reply(b"")],
)
def test_a_reply_survives_the_envelope(reply):
    assert Reply.from_bytes(reply.to_bytes()) == reply


@given(st.sampled_from(Operation), st.binary(), st.text(), st.text())
def test_a_row_survives_torchserve_input(operation, request_bytes, model, version):
    row = Row(operation, request_bytes, model, version)
    assert Row.from_entries(row.to_entries()) == row


def test_a_budget_shrinks_while_it_waits():
    entries = Row(Operation.PREDICT, budget=0.02).to_entries()
    time.sleep(0.03)
    budget = Row.from_entries(entries).budget
    assert budget is not None
    assert budget < 0


def test_an_invalid_field_is_named():
    error = invalid("instance.tweet.image", "too large; at most 5 bytes")
    assert error.violations == (Violation("instance.tweet.image", "too large; at most 5 bytes"),)
    assert str(error) == "instance.tweet.image: too large; at most 5 bytes"
