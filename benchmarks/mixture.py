"""A mixture of requests to the whole service, and what becomes of them: what `soak` and `memory` send."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field

import grpc
import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from attendant.channels import SERVICE
from attendant.methods import ExplainOptions, GradientOptions, PermutationOptions
from attendant.types import Instance, Mosaic, Tweet
from attendant.wire.requests import encode_explain_request, encode_predict_request
from services.stack.trial import ROOT

ARCHIVES = ROOT / "build" / "archives"
WORDS = ("oh", "great", "another", "monday", "i", "just", "love", "waiting", "in", "line", "what", "a", "day")
OK = "OK"
DEADLINE = 15.0  # seconds


@dataclass(frozen=True)
class Excuse:
    """Something that was done to the service, and how requests may end for it that else may not."""

    name: str = ""
    ends: frozenset[str] = frozenset()


NONE = Excuse()


@dataclass(frozen=True)
class Kind:
    """A sort of request: its share of the load, how it is sent, and how it may end."""

    share: float
    send: Callable[[random.Random], Awaitable[None]]
    ends: frozenset[str] = frozenset({OK})


@dataclass
class Record:
    """What became of the requests: seconds by kind, outcomes by kind, and those that nothing accounts for."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_faults: Counter[str] = field(default_factory=Counter)
    answered: dict[str, float] = field(
        default_factory=dict
    )  # when the latest that got an answer was sent, by kind
    unexpected: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Kind, started: float, outcome: str, excuse: Excuse) -> None:
        self.outcomes[name, outcome] += 1
        if outcome == OK:
            self.answered[name] = max(started, self.answered.get(name, 0.0))
        if outcome in kind.ends:
            if excuse is NONE:
                self.seconds[name].append(time.monotonic() - started)
        elif outcome in excuse.ends:
            self.in_faults[f"{excuse.name}: {outcome}"] += 1
        else:
            self.unexpected.append(f"{name}: {outcome} ({excuse.name or 'no fault'})")


class Senders:
    """One method a kind of request; each raises what the service answers instead of an answer."""

    def __init__(self, channel: grpc.aio.Channel, http: httpx.AsyncClient, photograph: bytes) -> None:
        self._predict, self._explain = (
            channel.unary_unary(f"/{SERVICE}/{method}") for method in ("Predict", "Explain")
        )
        self._http = http
        self._photograph = photograph

    async def predict_text(self, rng: random.Random) -> None:
        await self._predict(encode_predict_request("sarcasm", _tweet(rng)), timeout=DEADLINE)

    async def predict_photograph(self, rng: random.Random) -> None:
        tweet = _tweet(rng, self._photograph)
        await self._predict(encode_predict_request("sarcasm", tweet), timeout=DEADLINE)

    async def predict_mosaic(self, rng: random.Random) -> None:
        await self._predict(encode_predict_request("sdc-error-mode-1", _mosaic(rng)), timeout=DEADLINE)

    async def explain_mosaic(self, rng: random.Random) -> None:
        await self._explain(encode_explain_request("sdc-error-mode-1", _mosaic(rng)), timeout=DEADLINE)

    async def explain_mosaic_again(self, rng: random.Random) -> None:
        await self.explain_mosaic(random.Random(rng.randrange(100)))

    async def predict_over_http(self, rng: random.Random) -> None:
        body = {"instance": {"tweet": {"text": _tweet(rng).text}}}
        (await self._http.post("/v1/models/sarcasm:predict", json=body)).raise_for_status()

    async def explain_seen_before(self, rng: random.Random) -> None:
        await self._ask(_tweet(random.Random(rng.randrange(100))), ExplainOptions())

    async def explain_permutation(self, rng: random.Random) -> None:
        await self._ask(_tweet(rng), ExplainOptions(permutation=PermutationOptions(samples=20)))

    async def explain_gradient(self, rng: random.Random) -> None:
        await self._ask(_tweet(rng), ExplainOptions(gradient=GradientOptions()))

    async def send_bad_input(self, rng: random.Random) -> None:
        tweet = Tweet("", rng.randbytes(100))
        await self._predict(encode_predict_request("sarcasm", tweet), timeout=DEADLINE)

    async def send_bad_http(self, rng: random.Random) -> None:
        body = rng.randbytes(rng.randrange(200))
        (await self._http.post("/v1/models/sarcasm:predict", content=body)).raise_for_status()

    async def leave(self, rng: random.Random) -> None:
        await self._leave(self.predict_photograph(rng), rng.random() * 0.02)

    async def leave_mosaic(self, rng: random.Random) -> None:
        await self._leave(self.predict_mosaic(rng), rng.random() * 0.004)

    async def hurry(self, rng: random.Random) -> None:
        await self._predict(encode_predict_request("sarcasm", _tweet(rng)), timeout=0.02)

    @staticmethod
    async def _leave(call: Coroutine[None, None, None], seconds: float) -> None:
        waiting = asyncio.create_task(call)
        await asyncio.sleep(seconds)
        waiting.cancel()
        await asyncio.wait({waiting})

    async def _ask(self, tweet: Tweet, options: ExplainOptions) -> None:
        request = encode_explain_request("sarcasm", tweet, options=options)
        await self._explain(request, timeout=DEADLINE)


def build_kinds(senders: Senders) -> dict[str, Kind]:
    """The mixture: mostly quick questions, some of each other sort."""
    return {
        "predict, text": Kind(0.36, senders.predict_text),
        "predict, photograph": Kind(0.12, senders.predict_photograph),
        "predict, mosaic": Kind(0.06, senders.predict_mosaic),
        "predict over HTTP": Kind(0.05, senders.predict_over_http),
        "explain, seen before": Kind(0.25, senders.explain_seen_before),
        "explain, permutation": Kind(0.06, senders.explain_permutation),
        "explain, gradient": Kind(0.01, senders.explain_gradient),
        "bad input": Kind(0.04, senders.send_bad_input, frozenset({"INVALID_ARGUMENT"})),
        "client that leaves": Kind(0.03, senders.leave),
        "client in a hurry": Kind(0.02, senders.hurry, frozenset({OK, "DEADLINE_EXCEEDED"})),
    }


def _tweet(rng: random.Random, photograph: bytes = b"") -> Tweet:
    return Tweet(" ".join(rng.choices(WORDS, k=rng.randint(2, 20))), photograph)


def _mosaic(rng: random.Random) -> Instance:
    """Nine points of a plane, as the models of error modes take them."""
    return Mosaic(tuple((rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(9)))


HTTP_NAMES = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


class Load:
    """Sends the mixture and records what becomes of it."""

    def __init__(self, kinds: Mapping[str, Kind], seed: int) -> None:
        self._kinds = kinds
        self._names = list(kinds)
        self._shares = [kind.share for kind in kinds.values()]
        self._rng = random.Random(seed)
        self.record = Record()
        self.excuse: Callable[[float], Excuse] = lambda _: NONE

    async def send_one(self) -> None:
        (name,) = self._rng.choices(self._names, self._shares)
        kind, started, outcome = self._kinds[name], time.monotonic(), OK
        try:
            await kind.send(random.Random(self._rng.random()))
        except grpc.aio.AioRpcError as error:
            outcome = error.code().name
        except httpx.HTTPStatusError as error:
            outcome = HTTP_NAMES.get(error.response.status_code, str(error.response.status_code))
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        self.record.add(name, kind, started, outcome, self.excuse(started))

    async def send(self, count: int, callers: int, advance: Callable[[], None]) -> None:
        """`count` requests by `callers`, each waiting for its answer."""
        remaining = iter(range(count))

        async def caller() -> None:
            for _ in remaining:
                await self.send_one()
                advance()

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def measure_capacity(self, seconds: float, callers: int) -> float:
        """Requests per second that `callers`, each waiting for its answer, get through."""
        end, count = time.monotonic() + seconds, 0

        async def caller() -> None:
            nonlocal count
            while time.monotonic() < end:
                await self.send_one()
                count += 1

        await asyncio.gather(*(caller() for _ in range(callers)))
        return count / seconds

    async def arrive(self, rate: float, seconds: float) -> None:
        """`rate` requests a second, at random moments; returns when the last one is answered."""
        begun = due = time.monotonic()
        sent: set[asyncio.Task[None]] = set()
        while due - begun < seconds:
            due += self._rng.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self.send_one())
            sent.add(task)
            task.add_done_callback(sent.discard)
        await asyncio.gather(*sent)


async def read_metrics(http: httpx.AsyncClient) -> dict[str, float]:
    lines = (await http.get("/metrics")).text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def total(metrics: Mapping[str, float], name: str) -> float:
    return sum(value for series, value in metrics.items() if series.partition("{")[0] == name)


def show(console: Console, record: Record) -> None:
    table = Table(title="Requests", title_justify="left")
    for column in ("", "requests", "ends", "p50 ms", "p99 ms", "longest ms"):
        table.add_column(column, justify="left" if column in ("", "ends") else "right")
    for name in sorted({name for name, _ in record.outcomes}):
        ends = {outcome: count for (other, outcome), count in record.outcomes.items() if other == name}
        seconds = np.array(record.seconds[name] or [np.nan]) * 1e3
        words = ", ".join(f"{outcome} {count:,}" for outcome, count in sorted(ends.items()))
        quantiles = (
            f"{value:,.0f}" for value in (np.median(seconds), np.quantile(seconds, 0.99), seconds.max())
        )
        table.add_row(name, f"{sum(ends.values()):,}", words, *quantiles)
    console.print(table)
    console.print("Latencies leave out what began while a fault could be felt.")
