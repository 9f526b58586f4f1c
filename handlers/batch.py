"""What every handler does with a batch: independent rows in, as many replies in the same order out, no exception."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from attendant.errors import AttendantError, deadline_exceeded, internal, version_not_found
from attendant.explainers.base import Deadline, Explainable
from attendant.explainers.catalogue import explain
from attendant.lanes import Lane
from attendant.methods import (
    AdversarialOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Method,
    PermutationOptions,
)
from attendant.statistics.summaries import summarise_each
from attendant.traces import describe_failure
from attendant.types import ModelRef, Outcome, Runtime
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.options import read_options
from attendant.wire.requests import ATTENTION_ALONE, decode_request
from attendant.wire.responses import encode_explain_response, encode_predict_response
from handlers.sampling import comparable, sample_rows

# Of the time that a row has, what explaining leaves for the answer's way home.
HOME_SECONDS = 0.05
HOME_SHARE = 0.05
HOME_MOST = 0.5  # seconds

# What a lane explains an instance by before it serves: the methods that it is asked for, with as little as will do.
WARM_UP: Mapping[Lane, ExplainOptions] = {
    Lane.FAST: ExplainOptions(permutation=PermutationOptions(), erasure=ErasureOptions()),
    Lane.SLOW: ExplainOptions(
        permutation=PermutationOptions(),
        gradient=GradientOptions(),
        class_activation=ClassActivationOptions(),
        leave_one_out=LeaveOneOutOptions(),
        adversarial=AdversarialOptions(steps=1),
        erasure=ErasureOptions(),
        cross_modal=CrossModalOptions(random_masks=1),
    ),
}

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

    def inspect(self, prepared: Sequence[Any]) -> Sequence[tuple[Outcome, Explainable]]:
        """What `infer` gives, and each instance encoded once for the explanation methods."""
        ...


Models = Mapping[tuple[str, str], ServedModel]


@dataclass(frozen=True)
class _Question:
    """A row that waits for its model. `end` is the caller's; `deadline`, sooner, is explaining's."""

    position: int
    explains: bool
    prepared: Any
    options: ExplainOptions
    sample: bool
    end: Deadline
    deadline: Deadline


def warm_up(model: ServedModel, instance: Any, lane: Lane, methods: Collection[str]) -> None:
    """Answer an instance, so that no caller waits for what is loaded when it is first needed, or meets its faults.

    With the lane's methods of those that the model offers.
    """
    prepared = [model.prepare(instance)]
    options = replace(WARM_UP[lane], **{method: None for method in Method if method not in methods})
    if not options.methods:
        model.infer(prepared)
        return
    ((_, subject),) = model.inspect(prepared)
    explain(subject, options, Deadline())


def answer_batch(
    batch: Sequence[Entries],
    models: Models,
    read: Callable[[Any], Any],
    seconds: float,
    context: Any = None,
) -> list[bytes]:
    """A reply for each row, explanations cut short where the batch would take longer than `seconds`.

    Rows of one model and version share a forward pass; those that ask for explanation methods have one of their own,
    after all others. `read` finds the instance in a request; it raises AttendantError where it is not of the models'
    kind. Nothing more is done for a row whose time has passed, or whose caller has gone; of that the embedded worker's
    `context` tells, TorchServe's does not.
    """
    replies: dict[int, Reply] = {}
    waiting: dict[tuple[ServedModel, bool], list[_Question]] = defaultdict(list)
    callers: Sequence[Callable[[], bool]] = getattr(context, "gone", ()) or (_not_known,) * len(batch)
    for position, (entries, gone) in enumerate(zip(batch, callers, strict=True)):
        try:
            row = Row.from_entries(entries)
            model = _find(models, row)
            if row.operation is Operation.DESCRIBE:
                replies[position] = Reply(runtime=model.runtime)
            else:
                question = _prepare(position, row, model, read, seconds, gone)
                waiting[model, bool(question.options.methods)].append(question)
        except AttendantError as error:
            replies[position] = Reply(failure=error)
        except Exception as error:  # noqa: BLE001 - it is the row's alone
            logger.error("row could not be prepared\n%s", describe_failure(error))  # noqa: TRY400 - says too much
            replies[position] = Reply(failure=internal())
    for (model, _), questions in sorted(waiting.items(), key=lambda group: group[0][1]):
        replies |= _answer(model, questions)
    return [replies[position].to_bytes() for position in range(len(batch))]


def _find(models: Models, row: Row) -> ServedModel:
    try:
        return models[row.model, row.version]
    except KeyError:
        known = tuple(version for name, version in models if name == row.model)
        raise version_not_found(row.model, row.version, known) from None


def _not_known() -> bool:
    return False


def _prepare(
    position: int,
    row: Row,
    model: ServedModel,
    read: Callable[[Any], Any],
    seconds: float,
    gone: Callable[[], bool],
) -> _Question:
    left = seconds if row.budget is None else min(row.budget, seconds)
    end = Deadline(left, gone=gone)
    if end.passed:
        raise _late()
    deadline = Deadline(left - min(HOME_SECONDS + HOME_SHARE * left, HOME_MOST), gone=gone)
    request = decode_request(row.request)
    options = read_options(request.options) if row.operation is Operation.EXPLAIN else ATTENTION_ALONE
    prepared = model.prepare(read(request))
    return _Question(
        position, row.operation is Operation.EXPLAIN, prepared, options, row.sample, end, deadline
    )


def _late() -> AttendantError:
    return deadline_exceeded("the deadline passed while the request waited for a worker")


def _answer(model: ServedModel, questions: Sequence[_Question]) -> dict[int, Reply]:
    """Those that somebody still waits for, together; the others not at all."""
    late: dict[int, Reply] = {}
    in_time: list[_Question] = []
    for question in questions:
        if question.end.passed:
            late[question.position] = Reply(failure=_late())
        else:
            in_time.append(question)
    return late | _answer_together(model, in_time) if in_time else late


def _answer_together(model: ServedModel, questions: Sequence[_Question]) -> dict[int, Reply]:
    """Should the batch fail, each row is tried alone, so that only the row that fails is answered with a failure."""
    started = time.perf_counter()
    try:
        answers = list(zip(questions, _run(model, questions), strict=True))
    except Exception as error:  # noqa: BLE001 - it is the row's alone
        logger.error("a batch of %d rows failed\n%s", len(questions), describe_failure(error))  # noqa: TRY400
        if len(questions) == 1:
            return {questions[0].position: Reply(failure=internal())}
        return {position: reply for one in questions for position, reply in _answer(model, [one]).items()}
    seconds = time.perf_counter() - started
    replies: dict[int, Reply] = {}
    plain: list[tuple[_Question, Outcome]] = []
    for question, (outcome, subject) in answers:
        if subject is None:
            plain.append((question, outcome))
        else:
            replies[question.position] = _attempt(partial(_explain, question, outcome, subject, model.ref))
    replies |= _reply(plain, model.ref)
    return {position: replace(reply, inference_seconds=seconds) for position, reply in replies.items()}


def _run(model: ServedModel, questions: Sequence[_Question]) -> Sequence[tuple[Outcome, Explainable | None]]:
    prepared = [question.prepared for question in questions]
    if questions[0].options.methods:
        return model.inspect(prepared)
    return [(outcome, None) for outcome in model.infer(prepared)]


def _attempt(make: Callable[[], Reply]) -> Reply:
    """Should it fail, it is the row's own failure."""
    try:
        return make()
    except AttendantError as error:
        return Reply(failure=error)
    except Exception as error:  # noqa: BLE001 - it is the row's alone
        logger.error("a row could not be answered\n%s", describe_failure(error))  # noqa: TRY400
        return Reply(failure=internal())


def _reply(answers: Sequence[tuple[_Question, Outcome]], ref: ModelRef) -> dict[int, Reply]:
    """Answers without methods. What can be is computed for all of them together."""
    numbers = sample_rows({question.position: outcome for question, outcome in answers if question.sample})
    asked = [(question.position, outcome) for question, outcome in answers if question.explains]
    each = summarise_each([outcome.attention for _, outcome in asked])
    summaries = {position: own for (position, _), own in zip(asked, each, strict=True)}

    def make(question: _Question, outcome: Outcome) -> Reply:
        position = question.position
        response = (
            encode_explain_response(outcome, ref, summaries=summaries[position])
            if question.explains
            else encode_predict_response(outcome, ref)
        )
        return Reply(response, weights_digest=ref.weights_digest, samples=numbers.get(position, b""))

    return {question.position: _attempt(partial(make, question, outcome)) for question, outcome in answers}


def _explain(question: _Question, outcome: Outcome, subject: Explainable, ref: ModelRef) -> Reply:
    started = time.perf_counter()
    explained = explain(subject, question.options, question.deadline)
    numbers = {}
    if question.sample:
        permuted = comparable(question.options.permutation, explained.explanations.permutation)
        numbers = sample_rows({question.position: outcome}, {question.position: permuted})
    outcome = replace(outcome, warnings=(*outcome.warnings, *explained.warnings))
    return Reply(
        response=encode_explain_response(outcome, ref, explained.explanations),
        explanation_seconds=time.perf_counter() - started,
        truncated=explained.truncated,
        weights_digest=ref.weights_digest,
        samples=numbers.get(question.position, b""),
    )
