"""What a request touches on its way, top to bottom. gRPC and HTTP both come here, with a request's bytes."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from attendant.errors import AttendantError, Reason, deadline_exceeded, internal
from attendant.lanes import Lane, archive_name
from attendant.types import CacheStatus, Timing
from attendant.wire.envelope import Reply
from attendant.wire.requests import CacheMode
from attendant.wire.responses import encode_models, finish_explain_response, finish_predict_response
from services.gateway.admission import Admission
from services.gateway.backends.base import Backend
from services.gateway.cache import Cache, explanation_key
from services.gateway.lanes import lane_of
from services.gateway.metrics import Metrics
from services.gateway.observer import Observation, Observer
from services.gateway.readiness import Readiness
from services.gateway.validation import Question, Validator

log = structlog.get_logger()

MARGIN = 0.01  # seconds of the client's time kept back for the way home

_COMPUTED = {
    CacheMode.USE: CacheStatus.MISS,
    CacheMode.REFRESH: CacheStatus.REFRESHED,
    CacheMode.BYPASS: CacheStatus.BYPASS,
}


@dataclass(frozen=True)
class Answer:
    """A worker's response, not yet finished, and how long it took: `queue` is what the worker does not account for."""

    response: bytes
    timing: Timing
    truncated: bool = False  # by the deadline


@dataclass(frozen=True)
class DataPlane:
    """Answers requests. Each method raises AttendantError; `budget` is the caller's time left in seconds, if any."""

    validator: Validator
    cache: Cache
    admission: Admission
    backend: Backend
    readiness: Readiness
    observer: Observer
    metrics: Metrics
    default_budget: float
    clock: Callable[[], float] = time.perf_counter

    async def predict(self, request: bytes, budget: float | None) -> bytes:
        """A PredictRequest's PredictResponse."""
        with self.observer.request("Predict") as observed:
            deadline = self._deadline(budget)
            question = self.validator.predict(request, observed)
            answer = await self._ask(question, deadline)
            return finish_predict_response(
                answer.response, self._finished(answer.timing, observed), question.request_id
            )

    async def explain(self, request: bytes, budget: float | None, *, bulk: bool = False) -> bytes:
        """An ExplainRequest's ExplainResponse. Bulk work waits for its turn; else a full lane is a refusal."""
        with self.observer.request("ExplainStream" if bulk else "Explain") as observed:
            deadline = None if bulk and budget is None else self._deadline(budget)
            question = self.validator.explain(request, observed)
            key = _key(question)
            status = _COMPUTED[question.cache_mode]
            answer = await self._look_up(key) if question.cache_mode is CacheMode.USE else None
            if answer is not None:
                status = CacheStatus.HIT
            else:
                answer = await self._ask(question, deadline, bulk=bulk)
                if question.cache_mode is not CacheMode.BYPASS and not answer.truncated:
                    await self.cache.set(key, answer.response)
            self.metrics.cache_requests.labels(status.value).inc()
            return finish_explain_response(
                answer.response, self._finished(answer.timing, observed), question.request_id, status
            )

    async def list_models(self) -> bytes:
        """A ListModelsResponse."""
        with self.observer.request("ListModels") as observed:
            observed.model = ""
            return encode_models(self.readiness.descriptions())

    def _deadline(self, budget: float | None) -> float:
        return self.clock() + (self.default_budget if budget is None else budget - MARGIN)

    async def _look_up(self, key: str) -> Answer | None:
        response = await self.cache.get(key)
        return None if response is None else Answer(response, Timing())

    async def _ask(self, question: Question, deadline: float | None, *, bulk: bool = False) -> Answer:
        """The backend's answer, once its lane has a slot; work whose deadline has passed is not begun.

        Without a deadline the wait for the slot does not count, and the default time begins with the work.
        """
        name, lane = question.model.name, lane_of(question.options)
        admit = self.admission.bulk_slot if bulk else self.admission.slot
        left = None if deadline is None else max(0.0, deadline - self.clock())
        try:
            async with asyncio.timeout(left), admit(name, lane):
                with self.metrics.in_flight.labels(name, lane).track_inprogress():
                    until = self._deadline(None) if deadline is None else deadline
                    return await self._call(question, lane, until)
        except TimeoutError:
            raise deadline_exceeded("the deadline passed before the model answered") from None

    async def _call(self, question: Question, lane: Lane, deadline: float) -> Answer:
        started = self.clock()
        budget = deadline - started
        if budget <= 0:
            raise deadline_exceeded("the deadline passed before the model was asked")
        try:
            archive = archive_name(question.model.archive, lane)
            reply = await self.backend.call(archive, question.row(budget), budget)
        except AttendantError as error:
            self.metrics.backend_failures.labels(error.reason.value).inc()
            raise
        return _answer(reply, self.clock() - started)

    def _finished(self, timing: Timing, observed: Observation) -> Timing:
        return Timing(timing.queue, timing.inference, timing.explanation, self.observer.elapsed(observed))


def _key(question: Question) -> str:
    return explanation_key(
        question.model.name,
        question.version.version,
        question.version.digest,
        question.instance,
        question.options,
    )


def _answer(reply: Reply, seconds: float) -> Answer:
    """Raises the reply's failure, where it is one; what broke inside a worker is told to the log alone."""
    if reply.failure is not None and reply.failure.reason is not Reason.INTERNAL:
        raise reply.failure
    if reply.response is None:
        log.error("the worker failed", failure=str(reply.failure))
        raise internal()
    queue = max(0.0, seconds - reply.inference_seconds - reply.explanation_seconds)
    timing = Timing(queue, reply.inference_seconds, reply.explanation_seconds)
    return Answer(reply.response, timing, reply.truncated)
