"""How many explanations one monitor counts in a second of one core.

    .venv/bin/python -m benchmarks.monitor          (make bench-monitor)

A real Valkey, a monitor in a process of its own, and entries as gateways write them: rows drawn with replacement from
the reference of `sarcasm`, impacts measured for few of them. Counted is the processor time of the monitor, once it has
compared its first windows; `--profile` says where it goes, without Redis and without HTTP.
"""

import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from attendant.manifest import REFERENCE, read_manifest
from attendant.statistics.detector import RUN_LENGTH
from attendant.statistics.references import Reference, read_reference
from attendant.statistics.samples import Samples, Statistic, name_of, streams
from attendant.types import MODALITIES, Modality
from attendant.wire.samples import decode_samples, encode_samples
from services.monitor.feed import PAGE
from services.monitor.references import Name, read_references
from services.monitor.watch import Watch
from services.redis_connection import connect, disconnect
from services.stack.children import Child, Program
from services.stack.trial import ROOT, free_ports
from services.stack.valkey import socket_path, valkey

VERSION = "1"
SETS = ((Modality.TEXT,), MODALITIES)
MEASURED = 0.05  # of the explanations have impacts
WARM_UP = 4_000  # explanations: a slow window, and the first explanations of the mix
GOAL = 10_000
_KEY = f"attendant:samples:{{sarcasm/{VERSION}}}"


@dataclass(frozen=True)
class Cost:
    """Of counting: seconds of the monitor's processor time, and on the clock, publishing included."""

    processor: float
    clock: float


class Monitor:
    """One that runs, asked over HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def read(self, name: str) -> float:
        rows = (await self._http.get("/metrics")).text.splitlines()
        series = f'{{model="sarcasm",version="{VERSION}"}}'
        return next(
            (float(row.rpartition(" ")[2]) for row in rows if row.startswith((name + " ", name + series))), 0
        )

    async def wait(self, name: str, value: float) -> None:
        async with asyncio.timeout(300):
            while await self.read(name) != value:  # noqa: ASYNC110 - another process brings it about
                await asyncio.sleep(0.5)


def draw(reference: Reference, modalities: tuple[Modality, ...], count: int, seed: int) -> Samples:
    """Rows of the reference, with replacement."""
    generator = np.random.default_rng(seed)
    found = reference.find(modalities)
    assert found is not None, f"no reference for {name_of(modalities)}"
    rows = generator.integers(len(found.samples), size=count)
    values = found.samples.values[rows]
    impacts = [stream.statistic is Statistic.IMPACT for stream in streams(modalities)]
    values[np.ix_(generator.random(count) >= MEASURED, np.array(impacts))] = np.nan
    return Samples(modalities, values, found.samples.maps[rows])


def draw_entries(
    reference: Reference, modalities: tuple[Modality, ...], count: int, rows: int
) -> list[bytes]:
    samples = draw(reference, modalities, count, 0)
    return [encode_samples(samples.rows(slice(first, first + rows))) for first in range(0, count, rows)]


def read_shipped(store: Path) -> tuple[Reference, str]:
    """The reference, and the digest of the weights."""
    version = read_manifest(store / "sarcasm").versions[VERSION]
    entry = version.files[REFERENCE]
    reference = read_reference(store / "sarcasm" / entry.path, entry.sha256)
    return reference, reference.origin.weights_digest


@asynccontextmanager
async def running_monitor(store: Path, folder: Path) -> AsyncIterator[tuple[Monitor, Any]]:
    """With a client of its Valkey."""
    (port,) = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")} | {
        "ATTENDANT_MONITOR_REDIS_URL": f"unix://{socket_path(folder)}",
        "ATTENDANT_MONITOR_MODEL_STORE": str(store),
        "ATTENDANT_MONITOR_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    command = (sys.executable, "-m", "services.monitor")
    children = [
        Child(valkey(folder, folder / "valkey.log")),
        Child(Program("monitor", command, environment, ROOT, folder / "monitor.log", 20.0)),
    ]
    client = connect(f"unix://{socket_path(folder)}", 5.0)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
        ) as http:
            await _wait_until_ready(http)
            yield Monitor(http), client
    finally:
        await disconnect(client)
        for child in reversed(children):
            child.stop()


async def _wait_until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def count(monitor: Monitor, client: Any, digest: str, entries: list[bytes]) -> Cost:
    before, began = await monitor.read("process_cpu_seconds_total"), time.perf_counter()
    counted = await monitor.read("attendant_monitor_entries_total")
    for first in range(0, len(entries), 100):
        pipeline = client.pipeline(transaction=False)
        for entry in entries[first : first + 100]:
            pipeline.xadd(_KEY, {"digest": digest, "samples": entry})
        await pipeline.execute()
    await monitor.wait("attendant_monitor_entries_total", counted + len(entries))
    after = await monitor.read("process_cpu_seconds_total")
    return Cost(after - before, time.perf_counter() - began)


async def bench(store: Path, explanations: int, rows: int) -> Table:
    reference, digest = read_shipped(store)
    table = Table(title=f"{explanations:,} explanations, {rows} an entry", title_justify="left")
    for column in ("", "kB an entry", "processor s", "explanations / processor s", "s with publishing"):
        table.add_column(column, justify="left" if not column else "right")
    for modalities in SETS:
        with tempfile.TemporaryDirectory(prefix="attendant-", dir="/tmp") as folder:
            async with running_monitor(store, Path(folder)) as (monitor, client):
                entries = draw_entries(reference, modalities, WARM_UP + explanations, rows)
                warm_up = WARM_UP // rows
                await count(monitor, client, digest, entries[:warm_up])
                cost = await count(monitor, client, digest, entries[warm_up:])
        table.add_row(
            name_of(modalities),
            f"{len(entries[0]) / 1e3:.1f}",
            f"{cost.processor:.2f}",
            f"{explanations / cost.processor:,.0f}",
            f"{cost.clock:.1f}",
        )
    return table


def show_profile(store: Path, modalities: tuple[Modality, ...], explanations: int, rows: int) -> None:
    """Of what the monitor's threads do with entries that were read, in this process."""
    reference, digest = read_shipped(store)
    watch = Watch(Name("sarcasm", VERSION), read_references(store), RUN_LENGTH)
    entries = draw_entries(reference, modalities, WARM_UP + explanations, rows)
    parts = [(digest, decode_samples(entry)) for entry in entries[: WARM_UP // rows]]
    watch.add(parts)
    with cProfile.Profile() as profile:
        for first in range(WARM_UP // rows, len(entries), PAGE):
            watch.add((digest, decode_samples(entry)) for entry in entries[first : first + PAGE])
        watch.snapshot()
        watch.to_bytes()
    pstats.Stats(profile).sort_stats("tottime").print_stats(15)


def main(
    explanations: Annotated[int, typer.Option(min=1000, help="Of each set of modalities.")] = 40_000,
    rows: Annotated[int, typer.Option(min=1, help="Explanations an entry.")] = 20,
    profile: Annotated[bool, typer.Option(help="Say where the time goes.")] = False,
    store: Annotated[Path, typer.Option(help="Model store with a reference.")] = ROOT / "model_store",
) -> None:
    """Count explanations with one monitor, and say what that costs."""
    console = Console(width=100)
    console.print(asyncio.run(bench(store, explanations, rows)))
    console.print(f"to reach: {GOAL:,} explanations / processor s")
    if profile:
        for modalities in SETS:
            console.print(f"\n{name_of(modalities)}")
            show_profile(store, modalities, explanations, rows)


if __name__ == "__main__":
    typer.run(main)
