"""Permutation impact of a share of the explanations, though nobody asked for it, so that its course is known.

What that may cost is bounded, however many explanations there are to choose from and however long an answer takes.
"""

import asyncio
import random
import time
from collections.abc import Callable

from attendant.errors import AttendantError
from attendant.lanes import Lane, archive_name
from attendant.methods import ExplainOptions, Method, PermutationOptions
from attendant.v1.service_pb2 import ExplainRequest
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.options import encode_options
from services.gateway.admission import Admission
from services.gateway.backends.base import Backend
from services.gateway.lanes import Work
from services.gateway.metrics import Metrics
from services.gateway.validation import Question

AT_ONCE = 4  # of one gateway; each keeps its request in memory
BUDGET = 0.005  # of a worker's time
SHORTEST, LONGEST = 2.0, 60.0  # seconds between two, where one takes 10 ms or less, and 300 ms or more
SECONDS = 30.0  # for one
OPTIONS = ExplainOptions(permutation=PermutationOptions())  # those of the references


class Impacts:
    """Has them measured by the slow lane's workers, while those have nothing better to do."""

    def __init__(
        self,
        share: float,
        backend: Backend,
        admission: Admission,
        metrics: Metrics,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._backend = backend
        self._admission = admission
        self._outcomes = metrics.impact_samples
        self._draw = draw
        self._clock = clock
        self._next = clock()
        self._pause = SHORTEST
        self._measuring = 0

    def choose(self, question: Question) -> bool:
        """Whether those of this explanation, which was just computed, are to be measured now."""
        if question.options.permutation is not None or Method.PERMUTATION not in question.model.methods:
            return False
        if self._draw() >= self._share:
            return False
        soon = self._clock() < self._next or self._measuring >= AT_ONCE
        if soon or not self._admission.has_room(question.model, Work.SLOW):
            self._outcomes.labels("skipped").inc()
            return False
        self._next = self._clock() + self._pause
        return True

    async def measure(self, question: Question) -> Reply | None:
        """The worker's reply to the same instance, with impacts in its samples; None where there is none."""
        self._measuring += 1
        outcome = "failed"
        try:
            async with self._admission.bulk_slot(question.model, Work.SLOW):
                archive = archive_name(question.model.archive, Lane.SLOW)
                async with asyncio.timeout(SECONDS):
                    reply = await self._backend.call(archive, _row(question), SECONDS)
            self._pay(reply)
            if reply.samples:
                outcome = "measured"
                return reply
        except (AttendantError, TimeoutError):
            pass  # there is nobody to be told; it is counted
        finally:
            self._measuring -= 1
            self._outcomes.labels(outcome).inc()
        return None

    def _pay(self, reply: Reply) -> None:
        """The next pause is as long as the budget needs for what the worker has just spent."""
        spent = reply.inference_seconds + reply.explanation_seconds
        self._pause = min(max(spent / BUDGET, SHORTEST), LONGEST)


def _row(question: Question) -> Row:
    """The same instance, asked for impacts alone."""
    request = ExplainRequest(
        model=question.model.name, instance=question.instance, options=encode_options(OPTIONS)
    )
    return Row(
        Operation.EXPLAIN,
        request.SerializeToString(),
        question.model.name,
        question.version.version,
        SECONDS,
        sample=True,
    )
