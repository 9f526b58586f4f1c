"""The whole service under mixed load for minutes, while parts of it are stopped and killed.

    .venv/bin/python -m benchmarks.soak --minutes 10          (make soak)

First the mixture's capacity is measured by callers that wait for their answers; then requests arrive at a share of it,
whether or not the ones before were answered. Ends with 1 where anything happened that no fault accounts for.
"""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import grpc
import httpx
import numpy as np
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from attendant.channels import OPTIONS, SERVICE
from attendant.methods import ExplainOptions, GradientOptions, PermutationOptions
from attendant.types import Instance, Mosaic, Tweet
from attendant.wire.requests import encode_explain_request, encode_predict_request
from services.stack import state
from services.stack.trial import ROOT, RunningStack, running_stack

ARCHIVES = ROOT / "build" / "archives"
WORDS = ("oh", "great", "another", "monday", "i", "just", "love", "waiting", "in", "line", "what", "a", "day")
OK = "OK"
DEADLINE = 15.0  # seconds
# For how long callers may feel a fault. A worker that was killed opens every model before it serves: its fault ends
# some seconds after the first answer, when what has piled up is done.
FAULT_SECONDS = 20.0
RECOVERY_SECONDS = 60.0  # at most, from a worker's end to its successor's first answer
SETTLING_SECONDS = 5.0
SAMPLE_SECONDS = 5.0


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

    def add(self, name: str, kind: Kind, started: float, outcome: str, excuse: str) -> None:
        self.outcomes[name, outcome] += 1
        if outcome == OK:
            self.answered[name] = max(started, self.answered.get(name, 0.0))
        if outcome in kind.ends:
            if not excuse:
                self.seconds[name].append(time.monotonic() - started)
        elif excuse and outcome in EXCUSED[excuse]:
            self.in_faults[f"{excuse}: {outcome}"] += 1
        else:
            self.unexpected.append(f"{name}: {outcome} ({excuse or 'no fault'})")


# By fault, what a caller may see that would otherwise count against the service. Valkey's excuse nothing.
EXCUSED: Mapping[str, frozenset[str]] = {
    "worker killed": frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}),
    "slow worker killed": frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}),
    "Valkey stopped": frozenset(),
    "Valkey killed": frozenset(),
    "burst": frozenset({"RESOURCE_EXHAUSTED"}),
}


class Faults:
    """Injects one fault after another; `now` names the one that callers may still feel."""

    def __init__(self, stack: RunningStack, burst: Callable[[], Awaitable[None]], record: Record) -> None:
        self._stack = stack
        self._burst = burst
        self._answered = record.answered
        self._name, self._until = "", 0.0
        self.injected: Counter[str] = Counter()
        self.recoveries: dict[str, list[float]] = defaultdict(list)  # seconds without answers, by archive

    def during(self, started: float) -> str:
        """The fault that a request that began then, and ends now, may have met."""
        return self._name if started < self._until else ""

    async def run(self, pause: float) -> None:
        """Until cancelled, with `pause` seconds of peace before each."""
        while True:
            for name, inject in (
                ("Valkey stopped", self._stop_valkey),
                ("worker killed", partial(self._kill_worker, "sarcasm", "predict, text")),
                ("Valkey killed", self._kill_valkey),
                ("burst", self._burst),
                ("slow worker killed", partial(self._kill_worker, "sarcasm_slow", "explain, gradient")),
            ):
                await asyncio.sleep(pause)
                self._name, self._until = name, time.monotonic() + FAULT_SECONDS
                self.injected[name] += 1
                await inject()

    def _valkey(self) -> int:
        running = state.read(self._stack.folder)
        assert running is not None
        return running.children["Valkey"].pid

    async def _stop_valkey(self) -> None:
        pid = self._valkey()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(3)
        os.kill(pid, signal.SIGCONT)

    async def _kill_valkey(self) -> None:
        os.kill(self._valkey(), signal.SIGKILL)

    async def _kill_worker(self, archive: str, kind: str) -> None:
        """Waits until requests of that kind are answered again; if they are not, the fault is over nevertheless."""
        os.kill(self._stack.workers()[archive], signal.SIGKILL)
        killed = time.monotonic()
        self._until = killed + RECOVERY_SECONDS
        while self._answered.get(kind, 0.0) <= killed and time.monotonic() < self._until:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.recoveries[archive].append(time.monotonic() - killed)
        self._until = time.monotonic() + SETTLING_SECONDS


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


class Load:
    """Sends the mixture and records what becomes of it."""

    def __init__(self, kinds: Mapping[str, Kind], seed: int) -> None:
        self._kinds = kinds
        self._names = list(kinds)
        self._shares = [kind.share for kind in kinds.values()]
        self._rng = random.Random(seed)
        self.record = Record()
        self.excuse: Callable[[float], str] = lambda _: ""

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


HTTP_NAMES = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


def resident_megabytes(stack: RunningStack) -> dict[str, float]:
    """Of the gateway and of TorchServe; workers and Valkey come and go with the faults."""
    running = state.read(stack.folder)
    assert running is not None
    return {
        name: _resident(child.pid)
        for name, child in running.children.items()
        if name in ("gateway", "TorchServe")
    }


def _resident(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def read_metrics(http: httpx.AsyncClient) -> dict[str, float]:
    lines = (await http.get("/metrics")).text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def total(metrics: Mapping[str, float], name: str) -> float:
    return sum(value for series, value in metrics.items() if series.partition("{")[0] == name)


def show(console: Console, record: Record, memory: Sequence[Mapping[str, float]]) -> None:
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
    for name in memory[0] if memory else ():
        values = [sample[name] for sample in memory]
        console.print(
            f"{name}: {values[0]:.0f} MB when warm, {values[-1]:.0f} at the end, {max(values):.0f} at most"
            f" ({values[-1] - values[0]:+.1f})"
        )


async def soak(
    console: Console,
    photograph: bytes,
    *,
    backend: str,
    minutes: float,
    share: float,
    pause: float,
    seed: int,
) -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(backend, ARCHIVES, Path(folder) / "stack") as stack,
    ):
        async with (
            grpc.aio.insecure_channel(stack.address, OPTIONS) as channel,
            httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=DEADLINE) as http,
        ):
            load = Load(build_kinds(Senders(channel, http, photograph)), seed)
            capacity = await load.measure_capacity(15, 16)
            rate = share * capacity
            console.print(
                f"capacity {capacity:.0f} requests/s ({backend}); {rate:.0f}/s for {minutes:g} minutes"
            )
            load.record = Record()

            async def burst() -> None:
                await asyncio.gather(*(load.send_one() for _ in range(200)))

            faults = Faults(stack, burst, load.record)
            load.excuse = faults.during
            memory = [resident_megabytes(stack)]

            async def watch(advance: Callable[[float], None]) -> None:
                while True:
                    await asyncio.sleep(SAMPLE_SECONDS)
                    advance(SAMPLE_SECONDS)
                    memory.append(resident_megabytes(stack))

            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("soaking", total=60 * minutes)
                beside = [
                    asyncio.create_task(faults.run(pause)),
                    asyncio.create_task(watch(partial(progress.advance, task))),
                ]
                await load.arrive(rate, 60 * minutes)
                for one in beside:
                    one.cancel()
                await asyncio.wait(beside)
            for one in beside:
                if not one.cancelled():
                    one.result()
            await asyncio.sleep(2)
            metrics = await read_metrics(http)
            memory.append(resident_megabytes(stack))
        return report(console, load.record, faults, memory, metrics)


def report(
    console: Console,
    record: Record,
    faults: Faults,
    memory: Sequence[Mapping[str, float]],
    metrics: Mapping[str, float],
) -> bool:
    """Prints everything; whether all is well."""
    show(console, record, memory)
    console.print(f"faults: {', '.join(f'{name} x{count}' for name, count in faults.injected.items())}")
    for archive, seconds in faults.recoveries.items():
        times = ", ".join(f"{each:.1f}" for each in seconds)
        console.print(f"without a worker, {archive} did not answer for {times} s")
    console.print(f"felt by callers, as they may be: {dict(record.in_faults) or 'nothing'}")
    started, finished = (total(metrics, f"attendant_requests{part}_total") for part in ("_started", ""))
    in_flight = total(metrics, "attendant_in_flight")
    console.print(
        f"the gateway started {started:,.0f} and finished {finished:,.0f}; {in_flight:.0f} in flight"
    )
    console.print(f"unexpected: {len(record.unexpected)}")
    for line, count in Counter(record.unexpected).most_common(20):
        console.print(f"  {count} x {line}")
    return not record.unexpected and started == finished and not in_flight


def main(
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long.")] = 10.0,
    backend: Annotated[str, typer.Option(help="torchserve or embedded.")] = "torchserve",
    share: Annotated[float, typer.Option(min=0.01, max=2, help="Of the measured capacity.")] = 0.8,
    pause: Annotated[float, typer.Option(min=1, help="Seconds of peace before each fault.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the load.")] = 0,
) -> None:
    """Load the whole service with everything at once, break parts of it, and account for every request."""
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    soaking = soak(
        Console(width=130),
        photograph,
        backend=backend,
        minutes=minutes,
        share=share,
        pause=pause,
        seed=seed,
    )
    if not asyncio.run(soaking):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
