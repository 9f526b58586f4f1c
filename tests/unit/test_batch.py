"""A batch is independent rows: same length, same order, and a row's error is that row's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from attendant.errors import Reason, invalid
from attendant.types import Attention, AttentionKind, AttentionVector, ModelRef, Outcome, Prediction, Runtime
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.responses import decode_explain_response, decode_predict_response
from handlers.batch import answer_batch


class Echo:
    """Answers each instance with itself; `bad` is refused, `boom` breaks the whole forward pass."""

    ref = ModelRef("echo", "1", "d")
    runtime = Runtime("cpu", "none", 1)

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def prepare(self, instance: Any) -> Any:
        if instance == "bad":
            raise invalid("instance", "bad")
        if instance == "bug":
            raise RuntimeError("a bug while preparing")
        return instance

    def infer(self, prepared: Sequence[Any]) -> list[Outcome]:
        self.batches.append(list(prepared))
        if "boom" in prepared:
            raise RuntimeError("a bug in the model")
        vector = AttentionVector(AttentionKind.MODALITY, np.ones(1, np.float32))
        return [Outcome(Prediction(text, 1.0, ()), Attention((vector,), ())) for text in prepared]


def ask(model: Echo, *rows: Row) -> list[Reply]:
    replies = answer_batch([row.to_entries() for row in rows], {("echo", "1"): model}, bytes.decode)
    return [Reply.from_bytes(reply) for reply in replies]


def row(text: str, operation: Operation = Operation.PREDICT, **kwargs: Any) -> Row:
    return Row(operation, text.encode(), kwargs.pop("model", "echo"), kwargs.pop("version", "1"), **kwargs)


def label(reply: Reply) -> str:
    assert reply.response is not None
    return decode_predict_response(reply.response).prediction.label


def test_predict_explain_and_describe_share_a_batch():
    model = Echo()
    predict, describe, explain = ask(
        model, row("a"), row("", Operation.DESCRIBE), row("b", Operation.EXPLAIN)
    )
    assert label(predict) == "a"
    assert describe.runtime == model.runtime
    assert explain.response is not None
    assert decode_explain_response(explain.response).attention.vectors
    assert model.batches == [["a", "b"]]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("bad"), Reason.INVALID_INPUT),
        (row("bug"), Reason.INTERNAL),
        (row("boom"), Reason.INTERNAL),
        (row("late", budget=-1.0), Reason.DEADLINE_EXCEEDED),
        (row("x", version="9"), Reason.VERSION_NOT_FOUND),
        (row("x", model="other"), Reason.VERSION_NOT_FOUND),
    ],
    ids=["invalid", "bug in prepare", "bug in model", "late", "version", "model"],
)
def test_a_rows_failure_is_its_own(bad, reason):
    first, failed, last = ask(Echo(), row("a"), bad, row("c"))
    assert (label(first), label(last)) == ("a", "c")
    assert failed.failure is not None
    assert failed.failure.reason is reason
    if reason is Reason.INTERNAL:
        assert "bug" not in failed.failure.message


def test_entries_that_are_no_row_are_a_failure():
    (reply,) = answer_batch([{"nonsense": b"1"}], {}, bytes.decode)
    assert Reply.from_bytes(reply).failure is not None


def test_an_empty_batch_has_no_replies():
    assert answer_batch([], {}, bytes.decode) == []
