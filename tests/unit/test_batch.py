"""A batch is independent rows: same length, same order, and a row's error is that row's."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sample_attention import outcome, random_explanation
from toy_explainable import ToyExplainable

from attendant.errors import Reason, internal, invalid
from attendant.lanes import Lane
from attendant.methods import (
    AdversarialOptions,
    BoxAlignmentOptions,
    ErasureOptions,
    ExplainOptions,
    Method,
    PermutationOptions,
)
from attendant.results import ExplainResult
from attendant.statistics.samples import FUSION, Statistic, Stream
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionVector,
    ModelRef,
    Outcome,
    Prediction,
    Runtime,
    Tweet,
    Warning_,
)
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_explain_request, encode_predict_request, read_tweet
from attendant.wire.responses import decode_explain_response, decode_predict_response
from attendant.wire.samples import decode_samples
from handlers import batch
from handlers.batch import answer_batch, warm_up
from handlers.worker import Context
from services.gateway.lanes import FAST_METHODS, work_of

SECONDS = 30.0  # that a batch may take
PERMUTATION = ExplainOptions(permutation=PermutationOptions())
# More than any machine does in a second.
ENDLESS = ExplainOptions(adversarial=AdversarialOptions(adversaries=20, steps=2_000))


class Echo:
    """Answers each tweet with its text.

    `bad` is refused, `large` takes 0.1 s to prepare, `boom` breaks the whole forward pass, `lost` has no answer, what
    `garbled` has cannot be encoded.
    """

    ref = ModelRef("echo", "1", "d")
    runtime = Runtime("cpu", "none", 1)

    def __init__(self) -> None:
        self.passes: list[tuple[str, list[str]]] = []

    def prepare(self, instance: Any) -> Any:
        text = instance.text
        if text == "bad":
            raise invalid("instance", "bad")
        if text == "bug":
            raise RuntimeError("a bug while preparing")
        if text == "large":
            time.sleep(0.1)
        return text

    def infer(self, prepared: Sequence[Any]) -> list[Outcome]:
        self.passes.append(("infer", list(prepared)))
        return self._answer(prepared)

    def inspect(self, prepared: Sequence[Any]) -> list[tuple[Outcome, ToyExplainable]]:
        self.passes.append(("inspect", list(prepared)))
        subjects = [_Broken() if text == "broken" else ToyExplainable() for text in prepared]
        return list(zip(self._answer(prepared), subjects, strict=True))

    @staticmethod
    def _answer(prepared: Sequence[Any]) -> list[Outcome]:
        if "boom" in prepared:
            raise RuntimeError("a bug in the model")
        vector = AttentionVector(AttentionKind.MODALITY, np.ones(1, np.float32))
        told = (Warning_("TOLD", "by the model"),)
        labels = ["\ud800" if text == "garbled" else text for text in prepared if text != "lost"]
        return [Outcome(Prediction(label, 1.0, ()), Attention((vector,), ()), told) for label in labels]


class _Broken(ToyExplainable):
    def attend(self, *_: Any) -> Any:
        raise RuntimeError("a bug while explaining")


def ask(model: Echo, *rows: Row, seconds: float = SECONDS, context: object = None) -> list[Reply]:
    entries = [row.to_entries() for row in rows]
    replies = answer_batch(entries, {("echo", "1"): model}, read_tweet, seconds, context)
    return [Reply.from_bytes(reply) for reply in replies]


def row(text: str, operation: Operation = Operation.PREDICT, **kwargs: Any) -> Row:
    request = encode_predict_request("echo", Tweet(text))
    return Row(operation, request, kwargs.pop("model", "echo"), kwargs.pop("version", "1"), **kwargs)


def explained(text: str, options: ExplainOptions, budget: float | None = None) -> Row:
    request = encode_explain_request("echo", Tweet(text), options=options)
    return Row(Operation.EXPLAIN, request, "echo", "1", budget)


def label(reply: Reply) -> str:
    assert reply.response is not None
    return decode_predict_response(reply.response).prediction.label


def explanation(reply: Reply) -> ExplainResult:
    assert reply.response is not None
    return decode_explain_response(reply.response)


def test_predict_explain_and_describe_share_a_batch():
    model = Echo()
    predict, describe, explain = ask(
        model, row("a"), row("", Operation.DESCRIBE), row("b", Operation.EXPLAIN)
    )
    assert label(predict) == "a"
    assert describe.runtime == model.runtime
    assert explanation(explain).attention.vectors
    assert model.passes == [("infer", ["a", "b"])]


class Attentive(Echo):
    @staticmethod
    def _answer(prepared: Sequence[Any]) -> list[Outcome]:
        return [outcome(random_explanation(MODALITIES, seed)) for seed, _ in enumerate(prepared)]


def test_explanations_are_sampled_where_that_is_asked_for():
    plain = row("a", Operation.EXPLAIN)
    asked = replace(plain, sample=True)
    permuted = replace(explained("b", PERMUTATION), sample=True)
    replies = ask(Attentive(), plain, asked, permuted, explained("c", PERMUTATION))
    assert [bool(reply.samples) for reply in replies] == [False, True, True, False]
    without, with_impact = (decode_samples(reply.samples) for reply in replies[1:3])
    impacts = explanation(replies[2]).explanations.permutation.impacts
    assert len(impacts) == 4
    for impact in impacts:
        column = Stream(Statistic.IMPACT, impact.target or FUSION)
        assert with_impact.column(column) == np.float32(impact.impact)
        assert np.isnan(without.column(column))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("bad"), Reason.INVALID_INPUT),
        (row("bug"), Reason.INTERNAL),
        (row("boom"), Reason.INTERNAL),
        (row("lost"), Reason.INTERNAL),
        (row("garbled"), Reason.INTERNAL),
        (row("garbled", Operation.EXPLAIN), Reason.INTERNAL),
        (row("late", budget=-1.0), Reason.DEADLINE_EXCEEDED),
        (row("x", version="9"), Reason.VERSION_NOT_FOUND),
        (row("x", model="other"), Reason.VERSION_NOT_FOUND),
        (Row(Operation.PREDICT, b"\xff", "echo", "1"), Reason.INVALID_INPUT),
        (explained("boom", PERMUTATION), Reason.INTERNAL),
        (explained("garbled", PERMUTATION), Reason.INTERNAL),
    ],
    ids=[
        "invalid",
        "bug in prepare",
        "bug in model",
        "no answer",
        "prediction not encoded",
        "attention not encoded",
        "late",
        "version",
        "model",
        "no message",
        "inspected",
        "explanation not encoded",
    ],
)
def test_a_rows_failure_is_its_own(bad, reason, caplog):
    first, failed, last = ask(Echo(), row("a"), bad, row("c"))
    assert (label(first), label(last)) == ("a", "c")
    assert failed.failure is not None
    assert failed.failure.reason is reason
    assert bool(caplog.records) == (reason is Reason.INTERNAL)
    if reason is Reason.INTERNAL:
        assert failed.failure.message == internal().message


def test_entries_that_are_no_row_are_a_failure():
    (reply,) = answer_batch([{"nonsense": b"1"}], {}, read_tweet, SECONDS)
    assert Reply.from_bytes(reply).failure is not None


def test_an_empty_batch_has_no_replies():
    assert answer_batch([], {}, read_tweet, SECONDS) == []


def test_rows_that_ask_for_methods_share_a_pass_of_their_own_after_the_others():
    model = Echo()
    rows = (
        explained("a", PERMUTATION),
        row("b"),
        explained("c", ExplainOptions(erasure=ErasureOptions())),
        row("d", Operation.EXPLAIN),
    )
    replies = ask(model, *rows)
    assert model.passes == [("infer", ["b", "d"]), ("inspect", ["a", "c"])]
    assert label(replies[1]) == "b"
    answers = [explanation(replies[position]) for position in (0, 2, 3)]
    assert [answer.prediction.label for answer in answers] == ["a", "c", "d"]
    assert [bool(answer.explanations.permutation) for answer in answers] == [True, False, False]
    assert [bool(answer.explanations.erasure) for answer in answers] == [False, True, False]
    assert [reply.explanation_seconds > 0 for reply in replies] == [True, False, True, False]
    assert all(reply.inference_seconds > 0 for reply in replies)
    assert not any(reply.truncated for reply in replies)


def test_a_prediction_is_not_explained_whatever_its_request_says():
    request = explained("a", PERMUTATION).request
    model = Echo()
    (reply,) = ask(model, Row(Operation.PREDICT, request, "echo", "1"))
    assert label(reply) == "a"
    assert model.passes == [("infer", ["a"])]


def warmed_up_with(monkeypatch, lane, methods):
    """The model's passes, and what its instance was explained by."""
    asked, model = [], Echo()
    monkeypatch.setattr(batch, "explain", lambda _subject, options, _deadline: asked.append(options))
    warm_up(model, Tweet("a"), lane, methods)
    return model.passes, asked


@pytest.mark.parametrize("lane", Lane)
def test_each_lane_is_warmed_up_with_what_it_answers(lane, monkeypatch):
    passes, (options,) = warmed_up_with(monkeypatch, lane, tuple(Method))
    assert passes == [("inspect", ["a"])]
    assert work_of(Operation.EXPLAIN, options).lane is lane
    box_alignment = {Method.BOX_ALIGNMENT}  # loads nothing
    assert set(options.methods) == (FAST_METHODS if lane is Lane.FAST else set(Method)) - box_alignment


@pytest.mark.parametrize(
    ("lane", "expected"),
    [(Lane.FAST, {Method.ERASURE}), (Lane.SLOW, {Method.ERASURE, Method.GRADIENT})],
)
def test_a_model_is_warmed_up_with_what_it_offers(lane, expected, monkeypatch):
    offered = ("erasure", "gradient", "box_alignment")  # as manifests have them
    _, (options,) = warmed_up_with(monkeypatch, lane, offered)
    assert set(options.methods) == expected


def test_a_model_that_offers_none_is_warmed_up_with_a_prediction(monkeypatch):
    assert warmed_up_with(monkeypatch, Lane.FAST, ("gradient",)) == ([("infer", ["a"])], [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (explained("b", ExplainOptions(box_alignment=BoxAlignmentOptions(()))), Reason.INVALID_INPUT),
        (explained("broken", ExplainOptions(erasure=ErasureOptions())), Reason.INTERNAL),
    ],
    ids=["what the instance has not", "bug in a method"],
)
def test_a_row_that_cannot_be_explained_fails_alone(bad, reason):
    first, failed, last = ask(Echo(), explained("a", PERMUTATION), bad, explained("c", PERMUTATION))
    assert explanation(first).explanations.permutation
    assert explanation(last).explanations.permutation
    assert failed.failure is not None
    assert failed.failure.reason is reason
    assert "bug" not in failed.failure.message


@pytest.mark.parametrize(
    ("budget", "seconds"), [(0.6, SECONDS), (None, 0.6), (600.0, 0.6)], ids=["row", "no deadline", "worker"]
)
def test_an_explanation_ends_before_its_row_or_the_worker_is_given_up(budget, seconds):
    ask(Echo(), explained("a", ENDLESS, 0.1))  # torch, which the toy is made of, takes its time at first
    (reply,) = ask(Echo(), explained("a", ENDLESS, budget), seconds=seconds)
    assert reply.truncated
    assert reply.inference_seconds + reply.explanation_seconds < 0.6
    answer = explanation(reply)
    assert answer.attention.vectors
    codes = [warning.code for warning in answer.warnings]
    assert codes[0] == "TOLD"
    assert "EXPLANATION_TRUNCATED" in codes


class Caller:
    """Gone from the given look on."""

    def __init__(self, leaves: int) -> None:
        self.looks = 0
        self._leaves = leaves

    def __call__(self) -> bool:
        self.looks += 1
        return self.looks > self._leaves


def called_by(*callers: Caller) -> Context:
    return Context({}, gone=callers)


def test_the_row_of_a_caller_that_has_gone_is_not_begun():
    model = Echo()
    callers = (Caller(99), Caller(0), Caller(1), Caller(99))  # the third goes while the others are prepared
    first, second, third, last = ask(
        model, row("a"), row("b"), row("c"), row("d"), context=called_by(*callers)
    )
    assert (label(first), label(last)) == ("a", "d")
    for reply in (second, third):
        assert reply.failure is not None
        assert reply.failure.reason is Reason.DEADLINE_EXCEEDED
    assert model.passes == [("infer", ["a", "d"])]


def test_a_row_whose_deadline_passes_while_others_are_prepared_is_not_answered():
    model = Echo()
    late, in_time = ask(model, row("a", budget=0.05), row("large", budget=10.0))
    assert late.failure is not None
    assert late.failure.reason is Reason.DEADLINE_EXCEEDED
    assert label(in_time) == "large"
    assert model.passes == [("infer", ["large"])]
    assert ask(model, row("large", budget=0.05))[0].failure is not None  # nobody is left
    assert len(model.passes) == 1


def test_explaining_stops_when_its_caller_goes():
    caller = Caller(10)
    (reply,) = ask(Echo(), explained("a", ENDLESS), context=called_by(caller))
    assert reply.truncated
    assert caller.looks < 20  # of 2,000 steps
