"""Whether the gateway gives back what it takes: memory, file descriptors and tasks after very many calls of every sort.

    .venv/bin/python -m benchmarks.memory --calls 100000          (make bench-memory)

The model is one of points in a plane, so that the gateway limits the calls. The cache in its memory is small, and full
when the measurement begins; the warm-up has more callers, so that pools of connections are as large as they get. Ends
with 1 where more than 10 MB stay, or a descriptor or a task does.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import grpc
import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from attendant.channels import OPTIONS
from benchmarks.mixture import ARCHIVES, DEADLINE, Kind, Load, Record, Senders, read_metrics, show, total
from services.stack.trial import running_stack

CALLERS, WARM_UP_CALLERS = 16, 48
LIMIT = 10.0  # megabytes
LOOKS = 8
SMALL_CACHE = str(1 << 20)  # bytes


@dataclass(frozen=True)
class Held:
    """By the gateway, while nothing is asked."""

    megabytes: float
    descriptors: int
    tasks: int


def build_kinds(senders: Senders) -> dict[str, Kind]:
    return {
        "predict": Kind(0.4, senders.predict_mosaic),
        "explain, seen before": Kind(0.25, senders.explain_mosaic_again),
        "explain": Kind(0.15, senders.explain_mosaic),
        "bad input": Kind(0.1, senders.send_bad_input, frozenset({"INVALID_ARGUMENT"})),
        "bad input over HTTP": Kind(0.05, senders.send_bad_http, frozenset({"400"})),
        "client that leaves": Kind(0.05, senders.leave_mosaic),
    }


async def look(http: httpx.AsyncClient) -> Held:
    await asyncio.sleep(
        6
    )  # entries are written; what the HTTP client closes with the next request is idle for 5 by then
    await read_metrics(http)
    looks = []
    for _ in range(LOOKS):
        await asyncio.sleep(0.13)
        looks.append(await read_metrics(http))
    assert total(looks[-1], "attendant_in_flight") == 0
    return Held(
        looks[-1]["process_resident_memory_bytes"] / 1e6,
        int(looks[-1]["process_open_fds"]),
        # The gateway asks its backend twice a second whether it is ready: eight tasks for some milliseconds
        min(int(metrics["attendant_tasks"]) for metrics in looks),
    )


async def bench(console: Console, calls: int, warm_up: int) -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(
            "embedded", ARCHIVES, Path(folder) / "stack", ATTENDANT_CACHE_BYTES=SMALL_CACHE
        ) as stack,
    ):
        async with (
            grpc.aio.insecure_channel(stack.address, OPTIONS) as channel,
            httpx.AsyncClient(base_url=stack.http, trust_env=False, timeout=DEADLINE) as http,
        ):
            load = Load(build_kinds(Senders(channel, http, b"")), seed=0)
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("calling", total=warm_up + calls)
                advance = partial(progress.advance, task)
                await load.send(warm_up, WARM_UP_CALLERS, advance)
                load.record = Record()
                before = await look(http)
                await load.send(calls, CALLERS, advance)
                after = await look(http)
            show(console, load.record)
    growth = after.megabytes - before.megabytes
    console.print(f"after {warm_up:,} calls: {before}")
    console.print(f"after {calls:,} more: {after}")
    console.print(f"{growth:+.1f} MB (to reach: less than {LIMIT:g} MB)")
    console.print(f"unexpected: {len(load.record.unexpected)} {load.record.unexpected[:5]}")
    kept = after.descriptors > before.descriptors or after.tasks > before.tasks
    return growth < LIMIT and not kept and not load.record.unexpected


def main(
    calls: Annotated[int, typer.Option(min=1, help="Calls that are counted.")] = 100_000,
    warm_up: Annotated[int, typer.Option(min=0, help="Calls before.")] = 20_000,
) -> None:
    """Call the gateway very often in every way, and look at what it still holds."""
    if not asyncio.run(bench(Console(width=110), calls, warm_up)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
