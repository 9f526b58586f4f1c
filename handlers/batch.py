"""What every handler does with a batch: independent rows in, as many replies in the same order out, no exception."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attendant.errors import AttendantError, deadline_exceeded, internal, version_not_found
from attendant.types import ModelRef, Outcome, Runtime
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.responses import encode_explain_response, encode_predict_response

logger = logging.getLogger(__name__)

Entries = Mapping[str, bytes | bytearray]


class ServedModel(Protocol):
    """One version of a model, as a handler sees it. Instances and prepared instances are of its own types."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def runtime(self) -> Runtime: ...

    def prepare(self, instance: Any) -> Any:
        """Raises AttendantError for an instance that cannot be answered."""
        ...

    def infer(self, prepared: Sequence[Any]) -> list[Outcome]: ...


Models = Mapping[tuple[str, str], ServedModel]


def answer_batch(batch: Sequence[Entries], models: Models, decode: Callable[[bytes], Any]) -> list[bytes]:
    """A reply for each row. Rows of one model and version share a forward pass, whatever is asked of them.

    `decode` reads the instance out of a request and raises AttendantError where it is not of the models' kind.
    """
    replies: dict[int, Reply] = {}
    waiting: dict[ServedModel, list[tuple[int, Row, Any]]] = defaultdict(list)
    for position, entries in enumerate(batch):
        try:
            row = Row.from_entries(entries)
            model = _find(models, row)
            if row.operation is Operation.DESCRIBE:
                replies[position] = Reply(runtime=model.runtime)
            else:
                waiting[model].append((position, row, _prepare(model, row, decode)))
        except AttendantError as error:
            replies[position] = Reply(failure=error)
        except Exception:
            logger.exception("row could not be prepared")
            replies[position] = Reply(failure=internal())
    for model, rows in waiting.items():
        replies |= _answer_rows(model, rows)
    return [replies[position].to_bytes() for position in range(len(batch))]


def _find(models: Models, row: Row) -> ServedModel:
    try:
        return models[row.model, row.version]
    except KeyError:
        known = tuple(version for name, version in models if name == row.model)
        raise version_not_found(row.model, row.version, known) from None


def _prepare(model: ServedModel, row: Row, decode: Callable[[bytes], Any]) -> Any:
    if row.budget is not None and row.budget <= 0:
        raise deadline_exceeded("the deadline passed while the request waited for a worker")
    return model.prepare(decode(row.request))


def _answer_rows(model: ServedModel, rows: Sequence[tuple[int, Row, Any]]) -> dict[int, Reply]:
    """Should the batch fail, each row is tried alone, so that only the row that fails is answered with a failure."""
    started = time.perf_counter()
    try:
        outcomes = model.infer([prepared for _, _, prepared in rows])
    except Exception:
        logger.exception("a batch of %d rows failed", len(rows))
        if len(rows) == 1:
            return {rows[0][0]: Reply(failure=internal())}
        return {position: reply for row in rows for position, reply in _answer_rows(model, [row]).items()}
    seconds = time.perf_counter() - started
    return {
        position: Reply(response=_encode(row, outcome, model.ref), inference_seconds=seconds)
        for (position, row, _), outcome in zip(rows, outcomes, strict=True)
    }


def _encode(row: Row, outcome: Outcome, ref: ModelRef) -> bytes:
    encode = encode_explain_response if row.operation is Operation.EXPLAIN else encode_predict_response
    return encode(outcome, ref)
