"""A monitor in a process of its own, and what it has to say over HTTP."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from watched_store import SARCASM, digest_of

from attendant.statistics.samples import Samples
from attendant.wire.samples import encode_samples
from services.stack.trial import free_ports


@dataclass
class Monitor:
    process: asyncio.subprocess.Process
    http: str
    log: Path

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"{self.http}{path}")

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the series with these labels; 0 where there is none."""
        rows = (await self.get("/metrics")).text.splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(row.rpartition(" ")[2])
            for row in rows
            if row.startswith((f"{name} ", f"{name}{{")) and all(label in row for label in wanted)
        )

    async def leads(self, name=SARCASM) -> bool:
        return await self.metric("attendant_monitor_leader", **vars(name)) == 1


@asynccontextmanager
async def monitor_process(store: Path, url: str, log: Path, **variables: str) -> AsyncIterator[Monitor]:
    """It listens when this begins; it may be killed before this ends."""
    port = str(*free_ports(1))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.monitor"),
            stderr=file,
            env=clean
            | {
                "ATTENDANT_MONITOR_REDIS_URL": url,
                "ATTENDANT_MONITOR_MODEL_STORE": str(store),
                "ATTENDANT_MONITOR_PORT": port,
                "ATTENDANT_MONITOR_POLL_MS": "20",
                **variables,
            },
        )
    monitor = Monitor(process, f"http://127.0.0.1:{port}", log)
    try:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await monitor.get("/healthz")).is_success:
                        break
                await asyncio.sleep(0.05)
        yield monitor
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def wait(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """For what monitors bring about; a page of metrics takes them some time, so they are not asked all the time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.1)


async def publish(client, samples: Samples, name=SARCASM, digest=None) -> None:
    """As a gateway does."""
    fields = {"digest": digest or digest_of(name), "samples": encode_samples(samples)}
    await client.xadd(f"attendant:samples:{{{name}}}", fields)
    await client.sadd("attendant:samples", str(name))
