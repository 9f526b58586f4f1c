"""Explanations in numbers, on their way from the workers' replies to whoever watches how attention behaves.

A request only leaves them here. Everything else is done in the background, many at a time.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from attendant.statistics.samples import Samples, concatenate
from attendant.types import Modality
from attendant.wire.envelope import Operation, Reply
from attendant.wire.samples import decode_samples
from services.gateway.histograms import AttentionHistograms
from services.gateway.impacts import Impacts
from services.gateway.metrics import Metrics
from services.gateway.thinning import Thinning
from services.gateway.validation import Question

log = structlog.get_logger()

INTERVAL = 1.0  # seconds between two rounds; one costs the monitor and Redis as much, however little there is
WAITING = 8192  # explanations between two rounds; some kB each
CLOSE_SECONDS = 5.0  # a slow Redis must not hold up the end
ROWS = 64  # explanations that travel together: a millisecond's work, in which no request is answered


@dataclass(frozen=True)
class Source:
    """Whose explanations they are."""

    model: str
    version: str
    weights_digest: str


class Sink(Protocol):
    """Who watches."""

    async def put(self, source: Source, samples: Samples) -> bool:
        """Whether they were taken; never raises."""

    async def close(self) -> None: ...


class Watch:
    """Counts explanations in the histograms and passes them on; what comes too fast is dropped and counted.

    Of a version's, `rate` a second at most, by chance, where more are computed.
    """

    def __init__(
        self,
        sink: Sink,
        impacts: Impacts,
        histograms: AttentionHistograms,
        metrics: Metrics,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._rate = rate
        self._clock = clock
        self._thinned: dict[tuple[str, str], Thinning] = {}
        self._left_out = metrics.left_out
        self._impacts = impacts
        self._histograms = histograms
        self._samples = metrics.attention_samples
        self._dropped = metrics.dropped_samples
        self._waiting: deque[tuple[Source, bytes]] = deque()
        self._measuring: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Pass on what is taken, round by round, until it is closed."""
        self._rounds = asyncio.create_task(self._run())

    def wants(self, question: Question) -> bool:
        """Whether the explanation that is about to be computed is to come with its numbers."""
        if question.operation is not Operation.EXPLAIN:
            return False
        name = (question.model.name, question.version.version)
        thinned = self._thinned.get(name)
        if thinned is None:
            thinned = self._thinned[name] = Thinning(self._rate, clock=self._clock)
        if thinned.choose():
            return True
        self._left_out.labels(*name).inc()
        return False

    def take(self, question: Question, reply: Reply) -> None:
        """An explanation that was just computed. Some have their impacts measured first; the request does not wait."""
        source = Source(question.model.name, question.version.version, reply.weights_digest)
        if not self._impacts.choose(question):
            self._put(source, reply.samples)
            return
        task = asyncio.create_task(self._measure(source, question, reply.samples))
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)

    async def _measure(self, source: Source, question: Question, samples: bytes) -> None:
        """Each explanation counts once: with its impacts, or as it is."""
        try:
            measured = await self._impacts.measure(question)
            if measured is not None and measured.weights_digest == source.weights_digest:
                samples = measured.samples
        finally:
            self._put(source, samples)

    def _put(self, source: Source, samples: bytes) -> None:
        if len(self._waiting) < WAITING:
            self._waiting.append((source, samples))
        else:
            self._dropped.labels("queue").inc()

    async def _run(self) -> None:
        """The last round begins when it is closed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._closing.wait()
            is_last = self._closing.is_set()
            try:
                await self._pass_on()
            except Exception:  # what nobody foresaw must not be the end of all watching
                log.exception("explanations could not be passed on")
            if is_last:
                return

    async def close(self) -> None:
        """Finish the round in work, pass on what is there, and end the sink. Nothing is measured any more.

        What is not taken within CLOSE_SECONDS is not passed on.
        """
        for task in self._measuring:
            task.cancel()
        await asyncio.gather(*self._measuring, return_exceptions=True)
        self._closing.set()
        if self._rounds is not None:
            await asyncio.wait({self._rounds}, timeout=CLOSE_SECONDS)
            self._rounds.cancel()
        await self._sink.close()

    async def _pass_on(self) -> None:
        for source, samples in self._take():
            self._histograms.add(source.model, source.version, samples)
            self._samples.labels(source.model, source.version).inc(len(samples))
            if not await self._sink.put(source, samples):
                self._dropped.labels("sink").inc(len(samples))
            await asyncio.sleep(0)

    def _take(self) -> Iterator[tuple[Source, Samples]]:
        """What waits now: ROWS at a time, those of one source and set of modalities together, in their order.

        Which set came when is lost within them: the mix of a window varies a little more by it than chance has it, far
        less than its test allows for.
        """
        for _ in range(-(-len(self._waiting) // ROWS)):
            groups: dict[tuple[Source, tuple[Modality, ...]], list[Samples]] = defaultdict(list)
            for source, data in [self._waiting.popleft() for _ in range(min(ROWS, len(self._waiting)))]:
                try:
                    samples = decode_samples(data)
                except ValueError as error:
                    self._dropped.labels("malformed").inc()
                    log.error("a worker's samples cannot be read", model=source.model, reason=str(error))  # noqa: TRY400
                else:
                    groups[source, samples.modalities].append(samples)
            for (source, _), parts in groups.items():
                yield source, concatenate(parts)
