"""A real explanation by each model that is ready, looked at number by number, and whether it is kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import grpc
import numpy as np

from attendant.answers import Explanation
from attendant.doctor.findings import Finding, counted, fine, found, listed
from attendant.doctor.line import DamagedError, Gateway, why
from attendant.doctor.samples import sample
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.service import Service
from attendant.errors import Reason
from attendant.failures import ServiceError
from attendant.questions import explain
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionVector,
    CacheStatus,
    Modality,
    ModelDescription,
)
from attendant.wire.requests import CacheMode

TOLERANCE = 1e-5  # of a vector's sum: the contract's
MUCH = 0.5  # of the time allowed

Key = tuple[AttentionKind, Modality | None, Modality | None]
Outcome = Explanation | ServiceError | DamagedError


@dataclass(frozen=True)
class Answer:
    """What came of one question to `whom`, a model and its version, and after how many seconds."""

    whom: str
    outcome: Outcome
    seconds: float


def ask(
    gateway: Gateway,
    model: ModelDescription,
    version: str,
    mode: CacheMode,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """By name: an empty version may be shared out among several."""
    call = explain(sample(model), {"model": model.name, "version": version, "cache_mode": mode})
    began = clock()
    outcome: Outcome
    try:
        outcome = gateway.ask(call)
    except (ServiceError, DamagedError) as error:
        outcome = error
    return Answer(f"{model.name} {version}", outcome, clock() - began)


def check_answer(model: ModelDescription, answer: Answer, allowed: float) -> Iterator[Finding]:
    """What is wrong with it; nothing where nothing is. `allowed` is the deadline, in seconds."""
    outcome = answer.outcome
    if not isinstance(outcome, Explanation):
        yield _failed(answer.whom, outcome, answer.seconds, allowed)
        return
    wrong = damages(model, outcome.attention)
    if wrong:
        yield found(Service.DAMAGED, f"{answer.whom}: {listed(wrong)}")
    ref = outcome.model
    said = f"{ref.name} {ref.version}"
    named = model.digests.get(ref.version, "")
    if said != answer.whom or ref.weights_digest != named:
        digests = f"{said} [{ref.weights_digest[:12]}], not [{named[:12]}]"
        yield found(Service.OTHER_WEIGHTS, f"{answer.whom} was answered by {digests}")
    if answer.seconds > MUCH * allowed:
        yield found(Service.EXPLAIN_SLOW, f"{answer.whom}: {answer.seconds:.2g} s of {allowed:g} s")


def check_answers(answers: Sequence[Answer]) -> Iterator[Finding]:
    """Of answers that nothing is wrong with."""
    if not answers:
        return
    slowest = max(answer.seconds for answer in answers)
    yield fine(
        Check.EXPLAIN,
        f"{counted(len(answers), 'version')} answered with all vectors and the weights listed, in at most"
        f" {1000 * slowest:,.0f} ms",
    )


def check_kept(first: Answer, second: Answer, allowed: float) -> Iterator[Finding]:
    """Two of the same question, which may be kept."""
    for answer in (first, second):
        if not isinstance(answer.outcome, Explanation):
            yield _failed(answer.whom, answer.outcome, answer.seconds, allowed)
            return
    cache = second.outcome.cache if isinstance(second.outcome, Explanation) else None
    if cache is CacheStatus.HIT:
        yield fine(Check.KEPT, f"{second.whom}, asked again, is a hit after {1000 * second.seconds:,.1f} ms")
    else:
        yield found(Service.NOT_KEPT, f"{second.whom}, asked again, is a {cache or 'computation'}")


def damages(model: ModelDescription, attention: Attention) -> list[str]:
    """In a few words each: vectors that the model promises and that are not there, and numbers that cannot be."""
    given = {(vector.kind, vector.target, vector.source): vector for vector in attention.vectors}
    wrong = [f"no {_name(key)}" for key in promised(model) if key not in given]
    for key, vector in given.items():
        trouble = _trouble(vector, _length(model, attention, vector))
        if trouble:
            wrong.append(f"{_name(key)} {trouble}")
    return wrong


def promised(model: ModelDescription) -> list[Key]:
    """Every vector of a full answer: of m modalities m squared, m means and one; of a mosaic one."""
    if model.mosaic is not None:
        return [(AttentionKind.FOCUS, Modality.SEGMENT, None)]
    reads = [modality for modality in MODALITIES if modality in model.modalities]
    return [
        *((AttentionKind.REPRESENTATION, target, source) for target in reads for source in reads),
        *((AttentionKind.REPRESENTATION_MEAN, target, None) for target in reads),
        (AttentionKind.MODALITY, None, None),
    ]


def _length(model: ModelDescription, attention: Attention, vector: AttentionVector) -> int | None:
    """How many weights it must have; None where nothing says so."""
    if vector.kind is AttentionKind.FOCUS:
        return model.mosaic.segments if model.mosaic is not None else None
    if vector.target is None:
        return len(MODALITIES)
    axis = attention.axis(vector.target)
    return None if axis is None else len(axis.labels) or axis.grid_rows * axis.grid_columns


def _trouble(vector: AttentionVector, length: int | None) -> str:
    weights = vector.weights.astype(np.float64)
    if not np.isfinite(weights).all():
        return "is not finite"
    if (weights < 0).any():
        return "has a negative weight"
    if abs(weights.sum() - 1) > TOLERANCE:
        return f"sums to {weights.sum():.6g}"
    return f"has {weights.size} weights, not {length}" if length not in (None, weights.size) else ""


def _failed(whom: str, error: ServiceError | DamagedError, seconds: float, allowed: float) -> Finding:
    said = f"{whom}: {why(error)}"
    if isinstance(error, DamagedError):
        return found(Service.DAMAGED, said)
    late = error.code is grpc.StatusCode.DEADLINE_EXCEEDED or error.reason is Reason.DEADLINE_EXCEEDED
    if not late:
        return found(Service.EXPLAIN_FAILED, said)
    if seconds < MUCH * allowed:
        return found(Service.EXPLAIN_EXPIRED, f"{said}, after {seconds:.2g} s of {allowed:g} s")
    return found(Service.EXPLAIN_LATE, said)


def _name(key: Key) -> str:
    kind, target, source = key
    return f"{kind}{f' of {target}' if target else ''}{f' by {source}' if source else ''}"
