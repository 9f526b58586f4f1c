"""Any tweet and any valid options: finite numbers, and the same bytes from both real backends."""

import io
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    Diversity,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Masking,
    PermutationOptions,
)
from attendant.types import Modality, Tweet
from attendant.v1 import service_pb2
from attendant.wire.requests import CacheMode, encode_explain_request

WORDS = st.lists(st.sampled_from(["man", "sign", "screen", "no such word", "food", "flag"]), max_size=5).map(
    tuple
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(["i", "love", "mondays", "#", "so", "2", "🙃", "@you", "!"]), max_size=12).map(
        " ".join
    ),
    st.text(max_size=40),
)
SEEDS = st.integers(0, 2**64 - 1)


def _picture(side: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, 2 * side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PICTURES = {"none": b"", "tiny": _picture(3, 0), "small": _picture(60, 1)}


@st.composite
def tweets(draw) -> tuple[str, str, tuple[str, ...]]:
    """Text, the name of a picture, words: any subset of the three, at least one that the model can read."""
    text, picture, words = draw(TEXTS), draw(st.sampled_from(sorted(PICTURES))), draw(WORDS)
    return (text if words or PICTURES[picture] else f"word {text}"), picture, words


@st.composite
def options(draw, image: bool, words: bool) -> ExplainOptions:
    """Some methods with valid options; the slow ones with few steps."""

    def some(strategy):
        return draw(st.none() | strategy)

    # Text of unprintable characters is no text: only what is certainly there is asked for by name
    certain = [Modality.IMAGE] * image + [Modality.ATTRIBUTE] * (image or words)
    targets = st.lists(st.sampled_from(certain), unique=True).map(tuple) if certain else st.just(())
    boxes = st.builds(Box, st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
    return ExplainOptions(
        permutation=some(
            st.builds(
                PermutationOptions,
                targets,
                st.booleans(),
                st.integers(1, 1500),
                st.integers(1, 10),
                st.floats(0, 1, width=32),
                SEEDS,
            )
        ),
        gradient=some(st.builds(GradientOptions, st.booleans())),
        class_activation=some(
            st.builds(ClassActivationOptions, st.sampled_from(["", "sarcastic", "not sarcastic"]))
        ),
        leave_one_out=some(st.builds(LeaveOneOutOptions, targets)),
        adversarial=some(
            st.builds(
                AdversarialOptions,
                targets,
                st.integers(1, 8),
                st.integers(1, 20),
                st.sampled_from([0.001, 0.01, 0.05, 1.0]),
                st.sampled_from(Diversity),
                SEEDS,
            )
        ),
        erasure=some(st.builds(ErasureOptions, targets)),
        cross_modal=some(
            st.builds(
                CrossModalOptions,
                st.sampled_from(Masking),
                st.integers(0, 300),
                st.integers(1, 6),
                st.booleans(),
                SEEDS,
            )
        ),
        box_alignment=some(
            st.builds(BoxAlignmentOptions, st.lists(boxes, min_size=1, max_size=3).map(tuple), SEEDS)
        )
        if image
        else None,
    )


def numbers(message):
    """Every float in a message."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for one in values:
            if field.message_type is not None:
                yield from numbers(one)
            elif isinstance(one, float):
                yield one


@pytest.mark.timeout(300)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_question_gives_finite_numbers_and_the_same_bytes_on_both_backends(services, data):
    text, picture, words = data.draw(tweets())
    asked = data.draw(options(picture != "none", bool(words)))
    tweet = Tweet(text, PICTURES[picture], words)
    request = encode_explain_request("sarcasm", tweet, options=asked, cache_mode=CacheMode.BYPASS)
    answers = []
    for service in services:
        message = service_pb2.ExplainResponse.FromString(service.call("Explain", request))
        assert all(math.isfinite(number) for number in numbers(message))
        assert {method for method in asked.methods if message.HasField(method)} == set(asked.methods)
        for field in ("timing", "request_id", "cache"):
            message.ClearField(field)
        answers.append(message.SerializeToString())
    assert answers[0] == answers[1]
