"""What a request touches on its way, top to bottom. gRPC and HTTP both come here, with a request's bytes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from attendant.errors import AttendantError, Reason, backend_unavailable, deadline_exceeded, internal
from attendant.lanes import Lane, archive_name
from attendant.types import CacheStatus, Timing
from attendant.wire.envelope import Reply
from attendant.wire.requests import CacheMode
from attendant.wire.responses import encode_models, finish_explain_response, finish_predict_response
from services.gateway.access import may_use
from services.gateway.admission import Admission
from services.gateway.backends.base import Backend
from services.gateway.explanations import Answer, Explanations, Found
from services.gateway.keys import digest_instance, explanation_key
from services.gateway.lanes import work_of
from services.gateway.metrics import Metrics
from services.gateway.observer import Observation, Observer
from services.gateway.readiness import Readiness
from services.gateway.repeats import Repeat, Repeats
from services.gateway.validation import Question, Validator, new_request_id
from services.gateway.watching import Watch

log = structlog.get_logger()

MARGIN = 0.01  # seconds of the client's time kept back for the way home


@dataclass(frozen=True)
class DataPlane:
    """Answers requests. Each method raises AttendantError; `budget` is the caller's time left in seconds, if any."""

    validator: Validator
    explanations: Explanations
    admission: Admission
    backend: Backend
    readiness: Readiness
    observer: Observer
    metrics: Metrics
    default_budget: float
    watch: Watch | None = None  # without one, nobody watches how attention behaves
    repeats: Repeats = field(default_factory=Repeats)
    clock: Callable[[], float] = time.perf_counter

    async def predict(self, request: bytes, budget: float | None) -> bytes:
        """A PredictRequest's PredictResponse."""
        with self.observer.request("Predict") as observed:
            deadline = self._deadline(budget)
            question = self.validator.predict(request, observed)
            answer = await self._ask(question, deadline)
            return finish_predict_response(
                answer.response, self._finished(answer.timing, observed), observed.request_id
            )

    async def explain(self, request: bytes, budget: float | None, *, bulk: bool = False) -> bytes:
        """An ExplainRequest's ExplainResponse. Bulk work waits for its turn; else a full lane is a refusal."""
        with self.observer.request("ExplainStream" if bulk else "Explain") as observed:
            deadline = None if bulk and budget is None else self._deadline(budget)
            answer, observed.cache = await self._explain(request, observed, deadline, bulk=bulk)
            return finish_explain_response(
                answer.response, self._finished(answer.timing, observed), observed.request_id, observed.cache
            )

    async def list_models(self) -> bytes:
        """A ListModelsResponse."""
        with self.observer.request("ListModels") as observed:
            observed.model = ""
            return encode_models(tuple(m for m in self.readiness.descriptions() if may_use(m.name)))

    def _deadline(self, budget: float | None) -> float:
        return self.clock() + (self.default_budget if budget is None else budget - MARGIN)

    def _find_repeat(self, request: bytes, observed: Observation) -> Repeat | None:
        """What is known of the request, if it came before and this caller may ask for it."""
        repeat = self.repeats.find(request)
        if repeat is None or not may_use(repeat.model):
            return None
        observed.model, observed.version = repeat.model, repeat.version
        observed.request_id = repeat.request_id or new_request_id()
        return repeat

    async def _explain(
        self, request: bytes, observed: Observation, deadline: float | None, *, bulk: bool
    ) -> Found:
        """The answer, computed now or not, as the request's cache mode has it."""
        flight = "bulk" if bulk else "single"

        async def compute() -> Answer:
            return await self._ask(question or self.validator.explain(request, observed), deadline, bulk=bulk)

        repeat, question = self._find_repeat(request, observed), None
        if repeat is None:
            question = self.validator.explain(request, observed)
            if question.cache_mode is CacheMode.BYPASS:
                return await compute(), CacheStatus.BYPASS
            key = _key(question)
            if question.cache_mode is CacheMode.REFRESH:
                async with self._until(deadline):
                    return await self.explanations.refresh(key, compute, flight)
            own_id = question.request_id if question.is_named else ""
            repeat = Repeat(question.model.name, question.version.version, key, own_id)
            self.repeats.remember(request, repeat)
        found = self.explanations.recall(repeat.key)
        if found is not None:
            return found
        asked = self.explanations.ask(repeat.key, flight)
        found = self.explanations.receive(repeat.key, asked)
        if found is not None:
            return found
        async with self._until(deadline):
            return await self.explanations.find(repeat.key, compute, flight, asked)

    async def _ask(self, question: Question, deadline: float | None, *, bulk: bool = False) -> Answer:
        """The backend's answer, once its kind of work has a slot; work whose deadline has passed is not begun.

        Without a deadline the wait for the slot does not count, and the default time begins with the work.
        """
        model, work = question.model, work_of(question.operation, question.options)
        if not bulk:
            self.admission.check(model, work)
        admit = self.admission.bulk_slot if bulk else self.admission.slot
        async with self._until(deadline), admit(model, work):
            with self.metrics.in_flight.labels(model.name, work).track_inprogress():
                until = self._deadline(None) if deadline is None else deadline
                return await self._call(question, work.lane, until)

    async def _call(self, question: Question, lane: Lane, deadline: float) -> Answer:
        started = self.clock()
        budget = deadline - started
        if budget <= 0:
            raise deadline_exceeded("the deadline passed before the model was asked")
        try:
            archive = archive_name(question.model.archive, lane)
            row = question.row(budget, sample=self.watch is not None and self.watch.wants(question))
            reply = await self.backend.call(archive, row, budget)
            _check_version(reply, question, archive)
        except AttendantError as error:
            self.metrics.backend_failures.labels(question.model.name, lane, error.reason.value).inc()
            raise
        if self.watch is not None and reply.samples:
            self.watch.take(question, reply)
        seconds = self.clock() - started
        answer = _answer(reply, question, seconds)
        self.metrics.backend_seconds.labels(question.model.name, lane).observe(seconds)
        self.metrics.version_seconds.labels(question.model.name, question.version.version).observe(seconds)
        self.metrics.queue_seconds.labels(question.model.name, lane).observe(answer.timing.queue)
        return answer

    @asynccontextmanager
    async def _until(self, deadline: float | None) -> AsyncIterator[None]:
        left = None if deadline is None else max(0.0, deadline - self.clock())
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError:
            raise deadline_exceeded("the deadline passed before the model answered") from None

    def _finished(self, timing: Timing, observed: Observation) -> Timing:
        return Timing(timing.queue, timing.inference, timing.explanation, self.observer.elapsed(observed))


def _key(question: Question) -> str:
    return explanation_key(
        question.model.name,
        question.version.version,
        question.version.digest,
        question.instance_digest or digest_instance(question.instance),
        question.options,
    )


def _check_version(reply: Reply, question: Question, archive: str) -> None:
    """A version that the worker lacks and the gateway has is no fault of the caller's: another worker may have it."""
    if not reply.lacks_version:
        return
    failure = backend_unavailable(
        f"the worker that was asked does not have version {question.version.version!r} of model"
        f" {question.model.name!r}; it may be an older one that is about to be replaced"
    )
    log.warning(
        "backend did not answer",
        archive=archive,
        details=str(reply.failure),
        reason=failure.reason.value,
    )
    raise failure


def _answer(reply: Reply, question: Question, seconds: float) -> Answer:
    """Raises the reply's failure, where it is one; what broke inside a worker is told to the log alone."""
    if reply.failure is not None and reply.failure.reason is not Reason.INTERNAL:
        raise reply.failure
    if reply.response is None:
        log.error("the worker failed", failure=str(reply.failure))
        raise internal()
    queue = max(0.0, seconds - reply.inference_seconds - reply.explanation_seconds)
    timing = Timing(queue, reply.inference_seconds, reply.explanation_seconds)
    return Answer(
        reply.response, timing, not reply.truncated and reply.weights_digest == question.version.digest
    )
