"""The whole service under mixed load for minutes, while parts of it are stopped and killed.

    .venv/bin/python -m benchmarks.soak --minutes 10          (make soak)

First the mixture's capacity is measured by callers that wait for their answers; then requests arrive at a share of it,
whether or not the ones before were answered. Ends with 1 where anything happened that no fault accounts for.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import grpc
import httpx
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress

from attendant.channels import OPTIONS
from benchmarks.load import resident_megabytes
from benchmarks.mixture import (
    ARCHIVES,
    DEADLINE,
    NONE,
    Excuse,
    Load,
    Record,
    Senders,
    build_kinds,
    read_metrics,
    show,
    total,
)
from services.stack import state
from services.stack.trial import RunningStack, running_stack

# For how long callers may feel a fault. A worker that was killed opens every model before it serves: its fault ends
# some seconds after the first answer, when what has piled up is done.
FAULT_SECONDS = 20.0
RECOVERY_SECONDS = 60.0  # at most, from a worker's end to its successor's first answer
SETTLING_SECONDS = 5.0
SAMPLE_SECONDS = 5.0


_SLOWED = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"})
# Valkey's faults excuse nothing.
VALKEY_STOPPED, VALKEY_KILLED = Excuse("Valkey stopped"), Excuse("Valkey killed")
WORKER_KILLED, SLOW_WORKER_KILLED = Excuse("worker killed", _SLOWED), Excuse("slow worker killed", _SLOWED)
BURST = Excuse("burst", frozenset({"RESOURCE_EXHAUSTED"}))


class Faults:
    """Injects one fault after another, and tells which one callers may still feel."""

    def __init__(self, stack: RunningStack, burst: Callable[[], Awaitable[None]], record: Record) -> None:
        self._stack = stack
        self._burst = burst
        self._answered = record.answered
        self._fault, self._until = NONE, 0.0
        self.injected: Counter[str] = Counter()
        self.recoveries: dict[str, list[float]] = defaultdict(list)  # seconds without answers, by archive

    def during(self, started: float) -> Excuse:
        """The fault that a request that began then, and ends now, may have met."""
        return self._fault if started < self._until else NONE

    async def run(self, pause: float) -> None:
        """Until cancelled, with `pause` seconds of peace before each."""
        while True:
            for fault, inject in (
                (VALKEY_STOPPED, self._stop_valkey),
                (WORKER_KILLED, partial(self._kill_worker, "sarcasm", "predict, text")),
                (VALKEY_KILLED, self._kill_valkey),
                (BURST, self._burst),
                (SLOW_WORKER_KILLED, partial(self._kill_worker, "sarcasm_slow", "explain, gradient")),
            ):
                await asyncio.sleep(pause)
                self._fault, self._until = fault, time.monotonic() + FAULT_SECONDS
                self.injected[fault.name] += 1
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


def measure_memory(stack: RunningStack) -> dict[str, float]:
    """Megabytes of the gateway and of TorchServe; workers and Valkey come and go with the faults."""
    running = state.read(stack.folder)
    assert running is not None
    return {
        name: resident_megabytes(child.pid)
        for name, child in running.children.items()
        if name in ("gateway", "TorchServe")
    }


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
            memory = [measure_memory(stack)]

            async def watch(advance: Callable[[float], None]) -> None:
                while True:
                    await asyncio.sleep(SAMPLE_SECONDS)
                    advance(SAMPLE_SECONDS)
                    memory.append(measure_memory(stack))

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
            memory.append(measure_memory(stack))
        return report(console, load.record, faults, memory, metrics)


def report(
    console: Console,
    record: Record,
    faults: Faults,
    memory: Sequence[Mapping[str, float]],
    metrics: Mapping[str, float],
) -> bool:
    """Prints everything; whether all is well."""
    show(console, record)
    for name in memory[0]:
        values = [sample[name] for sample in memory]
        console.print(
            f"{name}: {values[0]:.0f} MB when warm, {values[-1]:.0f} at the end, {max(values):.0f} at most"
            f" ({values[-1] - values[0]:+.1f})"
        )
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
