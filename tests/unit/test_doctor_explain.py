"""Answers as they should be, and damaged ones: whatever a worker could get wrong."""

from dataclasses import replace

import grpc
import numpy as np
import pytest
from canned_service import DESCRIPTION, IMAGES, MODEL, POINTS, TIMING, focus_outcome, outcome
from doctor_stand_ins import ToldGateway

from attendant import images
from attendant.doctor import explain, samples
from attendant.doctor.line import DamagedError
from attendant.doctor.troubles.advice import Status
from attendant.doctor.troubles.service import Service
from attendant.errors import Reason
from attendant.failures import ServiceError
from attendant.types import Attention, AttentionVector, CacheStatus, Mosaic, Tweet
from attendant.wire.requests import CacheMode
from attendant.wire.responses import encode_explain_response, finish_explain_response


def encoded(answer, cache=CacheStatus.BYPASS, model=MODEL):
    return finish_explain_response(encode_explain_response(answer, model), TIMING, "", cache)


def ask(*answers, seconds=0.1, mode=CacheMode.BYPASS, model=DESCRIPTION):
    gateway = ToldGateway(list(answers))
    times = iter(np.arange(0, 100) * seconds)
    return [explain.ask(gateway, model, "1", mode, lambda: float(next(times))) for _ in answers]


def judge(answer, model=DESCRIPTION, **how):
    (given,) = ask(answer, model=model, **how)
    return list(explain.check_answer(model, given, 10))


def changed(change, number=0):
    """A full answer of which one vector is another."""
    good = outcome()
    vectors = list(good.attention.vectors)
    vectors[number] = change(vectors[number])
    return replace(
        good, attention=Attention(tuple(found for found in vectors if found is not None), good.attention.axes)
    )


def weighing(weights):
    return lambda vector: AttentionVector(
        vector.kind, np.array(weights(vector.weights), np.float32), vector.target, vector.source
    )


def test_nothing_is_wrong_with_a_good_answer():
    assert judge(encoded(outcome())) == []
    assert judge(encoded(focus_outcome(), model=replace(MODEL, name="sdc-points")), POINTS) == []
    (finding,) = explain.check_answers(ask(encoded(outcome())))
    assert finding.status is Status.OK
    assert "1 version answered" in finding.seen


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: None, "no representation of text by text"),
        (weighing(lambda weights: weights * np.nan), "is not finite"),
        (weighing(lambda weights: np.where(np.arange(weights.size) == 0, np.inf, weights)), "is not finite"),
        (weighing(lambda weights: weights * 1.001), "sums to 1.001"),
        (weighing(lambda weights: [1.5, -0.5, *[0] * (weights.size - 2)]), "has a negative weight"),
        (weighing(lambda _: [0.5, 0.5]), "has 2 weights, not 11"),
    ],
)
def test_a_damaged_vector(change, says):
    (wrong,) = explain.damages(DESCRIPTION, changed(change).attention)
    assert says in wrong


def test_every_vector_is_looked_at():
    for number in range(13):
        (finding,) = judge(encoded(changed(weighing(lambda weights: weights * 0.9), number)))
        assert finding.trouble is Service.DAMAGED


def test_a_mosaic_of_another_size():
    (finding,) = judge(encoded(focus_outcome((0.5, 0.5)), model=replace(MODEL, name="sdc-points")), POINTS)
    assert "has 2 weights, not 9" in finding.seen


def test_an_answer_without_attention():
    (finding,) = judge(encoded(replace(outcome(), attention=Attention((), ()))))
    assert finding.trouble is Service.DAMAGED
    assert "and 9 more" in finding.seen


def test_other_weights_than_listed():
    (finding,) = judge(encoded(outcome(), model=replace(MODEL, weights_digest="e" * 64)))
    assert (finding.trouble, finding.seen) == (
        Service.OTHER_WEIGHTS,
        "sarcasm 1 was answered by sarcasm 1 [eeeeeeeeeeee], not [0123456789ab]",
    )
    (unknown,) = judge(encoded(outcome(), model=replace(MODEL, version="9")))
    assert unknown.trouble is Service.OTHER_WEIGHTS


def test_a_slow_answer_is_a_warning():
    (finding,) = judge(encoded(outcome()), seconds=6)
    assert (finding.trouble, finding.status) == (Service.EXPLAIN_SLOW, Status.WARNING)


@pytest.mark.parametrize(
    ("error", "seconds", "trouble"),
    [
        (ServiceError("a", Reason.INTERNAL, code=grpc.StatusCode.INTERNAL), 0.1, Service.EXPLAIN_FAILED),
        (
            ServiceError("a", Reason.DEADLINE_EXCEEDED, code=grpc.StatusCode.DEADLINE_EXCEEDED),
            10,
            Service.EXPLAIN_LATE,
        ),
        (
            ServiceError("a", Reason.DEADLINE_EXCEEDED, code=grpc.StatusCode.DEADLINE_EXCEEDED),
            0.1,
            Service.EXPLAIN_EXPIRED,
        ),
        (DamagedError("the answer to Explain cannot be read"), 0.1, Service.DAMAGED),
    ],
)
def test_no_answer(error, seconds, trouble):
    (finding,) = judge(error, seconds=seconds)
    assert finding.trouble is trouble
    assert finding.seen.startswith("sarcasm 1: ")


@pytest.mark.parametrize(
    ("second", "trouble"),
    [
        (encoded(outcome(), CacheStatus.HIT), None),
        (encoded(outcome(), CacheStatus.MISS), Service.NOT_KEPT),
        (ServiceError("a", Reason.INTERNAL, code=grpc.StatusCode.INTERNAL), Service.EXPLAIN_FAILED),
    ],
)
def test_what_is_kept(second, trouble):
    answers = ask(encoded(outcome(), CacheStatus.MISS), second, mode=CacheMode.USE)
    (finding,) = explain.check_kept(*answers, 10)
    assert finding.trouble is trouble


def test_every_kind_of_model_has_a_question_that_it_takes():
    tweet = samples.sample(DESCRIPTION)
    assert isinstance(tweet, Tweet)
    assert all((tweet.text, tweet.image, tweet.attributes))
    assert images.decode(tweet.image).pixels.shape == (64, 64, 3)
    mosaic = samples.sample(IMAGES)
    assert isinstance(mosaic, Mosaic)
    assert {images.decode(segment).pixels.shape for segment in mosaic.segments} == {(32, 32, 3)}
    assert len(set(mosaic.segments)) == len(mosaic.segments) == 9
    numbers = samples.sample(POINTS)
    assert {len(segment) for segment in numbers.segments} == {2}
    assert samples.sample(POINTS) == numbers
