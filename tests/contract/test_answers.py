"""What both real backends answer, and that they answer the same."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from attendant.client import Client
from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    PermutationOptions,
)
from attendant.types import MODALITIES, REGIONS, AttentionKind, Modality, Tweet, WarningCode
from attendant.v1 import service_pb2
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response

RAW = "Oh GREAT, another Monday… I just ❤️ waiting 2 hours in line @united #blessed https://t.co/x1 🙃"
WORDS = ("woman", "uniform", "flag")


@pytest.fixture(scope="module")
def photograph():
    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()


@pytest.fixture(scope="module")
def screenshot():
    """Something like a picture of a chat: flat colours and lines of dark marks."""
    pixels = np.full((900, 500, 3), 245, np.uint8)
    for row in range(40, 860, 60):
        pixels[row : row + 14, 30 : 120 + (row * 7) % 330] = 40
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def stripped(response):
    """A response without what the gateway appends and without timing: what must not differ."""
    message = service_pb2.ExplainResponse.FromString(response)
    for field in ("timing", "request_id", "cache"):
        message.ClearField(field)
    return message.SerializeToString()


def test_a_full_tweet_is_answered_with_every_vector(service, photograph):
    with Client(service.address) as client:
        result = client.explain(Tweet(RAW, photograph, WORDS), cache_mode=CacheMode.BYPASS)
    attention = result.attention
    text = attention.axis(Modality.TEXT)
    assert text is not None
    assert {"<user>", "<num>", "<emoji>", "#", "great"} <= set(text.labels)
    lengths = {Modality.TEXT: len(text.labels), Modality.IMAGE: REGIONS, Modality.ATTRIBUTE: len(WORDS)}
    kinds = [vector.kind for vector in attention.vectors]
    assert [kinds.count(kind) for kind in AttentionKind] == [9, 3, 1, 0]
    for vector in attention.vectors:
        assert vector.weights.sum() == pytest.approx(1, abs=1e-5)
        assert len(vector.weights) == (3 if vector.target is None else lengths[vector.target])
    for target in MODALITIES:
        of_target = [v for v in attention.vectors if v.target is target]
        sources = [v.weights for v in of_target if v.kind is AttentionKind.REPRESENTATION]
        (mean,) = [v.weights for v in of_target if v.kind is AttentionKind.REPRESENTATION_MEAN]
        np.testing.assert_allclose(np.mean(sources, axis=0), mean, atol=1e-6)
    assert 0 <= result.prediction.probability <= 1
    assert result.model.name == "sarcasm"
    assert result.timing.total >= result.timing.inference > 0


def test_a_picture_alone_is_given_words(service, screenshot):
    with Client(service.address) as client:
        result = client.explain(image=screenshot)
    axis = result.attention.axis(Modality.ATTRIBUTE)
    assert axis is not None
    assert len(axis.labels) == len(axis.scores) == 5
    codes = {warning.code for warning in result.warnings}
    assert {WarningCode.ATTRIBUTES_PREDICTED, WarningCode.MODALITY_ABSENT} <= codes


def test_predict_and_explain_agree(service, photograph):
    with Client(service.address) as client:
        predicted = client.predict(Tweet(RAW, photograph))
        explained = client.explain(Tweet(RAW, photograph))
    assert predicted.prediction == explained.prediction
    assert predicted.model == explained.model


def test_models_are_listed_with_what_they_run_on(service):
    with Client(service.address) as client:
        models = {model.name: model for model in client.list_models()}
    assert all(model.ready for model in models.values())
    model = models["sarcasm"]
    assert model.runtime is not None
    assert model.runtime.provider == (
        "CUDAExecutionProvider" if "cuda" in model.runtime.device else "CPUExecutionProvider"
    )


@pytest.mark.parametrize("kind", ["full", "text", "image", "attributes"])
def test_both_backends_answer_with_the_same_bytes(services, photograph, kind):
    tweet = {
        "full": Tweet(RAW, photograph, WORDS),
        "text": Tweet(RAW),
        "image": Tweet(image=photograph),
        "attributes": Tweet(attributes=WORDS),
    }[kind]
    request = encode_explain_request("sarcasm", tweet, cache_mode=CacheMode.BYPASS)
    answers = {stripped(one.call("Explain", request)) for one in services}
    assert len(answers) == 1
    predictions = set()
    for one in services:
        message = service_pb2.PredictResponse.FromString(
            one.call("Predict", encode_predict_request("sarcasm", tweet))
        )
        message.ClearField("timing")
        message.ClearField("request_id")
        predictions.add(message.SerializeToString())
    assert len(predictions) == 1


METHODS = {
    "permutation": PermutationOptions(),
    "gradient": GradientOptions(),
    "class_activation": ClassActivationOptions(),
    "leave_one_out": LeaveOneOutOptions(),
    "adversarial": AdversarialOptions(steps=50),
    "erasure": ErasureOptions(),
    "cross_modal": CrossModalOptions(),
    "box_alignment": BoxAlignmentOptions((Box(0.2, 0.1, 0.5, 0.6),)),
}


@pytest.mark.parametrize("method", METHODS)
def test_both_backends_explain_with_the_same_bytes(services, photograph, method):
    request = encode_explain_request(
        "sarcasm",
        Tweet(RAW, photograph, WORDS),
        options=ExplainOptions(**{method: METHODS[method]}),
        cache_mode=CacheMode.BYPASS,
    )
    one, other = (service.call("Explain", request) for service in services)
    assert stripped(one) == stripped(other)
    answer = decode_explain_response(one)
    assert getattr(answer.explanations, method) is not None
    assert "EXPLANATION_TRUNCATED" not in {warning.code for warning in answer.warnings}
    assert answer.timing.total > answer.timing.explanation > 0


def test_predictions_do_not_wait_for_explanations(service, photograph):
    probe = ExplainOptions(cross_modal=CrossModalOptions(random_masks=200))
    request = encode_explain_request("sarcasm", Tweet(RAW, photograph, WORDS), options=probe)
    with ThreadPoolExecutor(1) as caller:
        slow = caller.submit(service.call, "Explain", request)
        time.sleep(0.2)
        for _ in range(20):
            service.call("Predict", encode_predict_request("sarcasm", Tweet(RAW)))
        assert not slow.done()
    assert decode_explain_response(slow.result()).explanations.cross_modal


def test_an_explanation_is_cached_and_is_the_same(service, photograph):
    tweet = Tweet("cached once", photograph)
    requests = [
        encode_explain_request("sarcasm", tweet, cache_mode=mode)
        for mode in (CacheMode.USE, CacheMode.USE, CacheMode.REFRESH, CacheMode.BYPASS)
    ]
    answers = [service.call("Explain", request) for request in requests]
    assert len({stripped(answer) for answer in answers}) == 1
    statuses = [service_pb2.ExplainResponse.FromString(answer).cache for answer in answers]
    assert statuses == [1, 2, 4, 3]  # miss, hit, refreshed, bypass
