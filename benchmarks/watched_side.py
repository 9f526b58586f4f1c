"""One side of `benchmarks.watching`: two gateways before the same workers, of which one watches, and who asks them.

The gateways share a process and the workers, so that nothing but watching tells them apart: two stacks that are started
alike differ by some percent in what they can do, for as long as they run. All that is started is on one core.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import grpc
import typer
from matplotlib.cbook import get_sample_data

from attendant.channels import OPTIONS, SERVICE
from attendant.manifest import read_store
from attendant.types import Tweet
from attendant.wire.envelope import Reply, Row
from attendant.wire.requests import CacheMode, encode_explain_request
from benchmarks.serving import TEXT
from services.gateway import impacts, watching
from services.gateway.backends.base import Backend
from services.gateway.config import GatewaySettings
from services.gateway.main import build_backend, build_server
from services.logs import configure_logs
from services.monitor.config import MonitorSettings
from services.stack.children import Child, Program
from services.stack.proc import family
from services.stack.trial import ROOT, free_ports
from services.stack.valkey import socket_path, valkey

ARCHIVES = ("sarcasm", "sarcasm_slow")
CONCURRENCY = 32
IDLE_SECONDS = 5.0
WATCH_RATE = float(os.environ.get("ATTENDANT_WATCH_RATE", GatewaySettings.model_fields["watch_rate"].default))

Ask = grpc.aio.UnaryUnaryMultiCallable
app = typer.Typer()


@dataclass(frozen=True)
class Phase:
    """Which gateway is asked until `end`; answers count after `begin`. Both on the monotonic clock."""

    watched: bool
    begin: float
    end: float


class Shared:
    """A backend for several servers: it begins with the first and ends with the last."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._users = 0

    async def start(self) -> None:
        self._users += 1
        if self._users == 1:
            await self._backend.start()

    async def close(self) -> None:
        self._users -= 1
        if not self._users:
            await self._backend.close()

    async def ready(self, archive: str) -> bool:
        return await self._backend.ready(archive)

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - as Backend's
        return await self._backend.call(archive, row, timeout)


async def serve(redis_url: str, share: float, periods: float) -> None:
    """Both gateways until the standard input ends; says their addresses, that of the one that watches last."""
    watching.INTERVAL *= periods
    impacts.SHORTEST *= periods
    impacts.BUDGET /= periods
    models = read_store(ROOT / "model_store")
    common = {
        "backend": "embedded",
        "model_store": ROOT / "model_store",
        "archives": ROOT / "build" / "archives",
        "grpc_port": 0,
        "http_port": 0,
        "redis_url": redis_url,
        "impact_share": share,
        "watch_rate": WATCH_RATE / periods,
    }
    each = [GatewaySettings.model_validate(common | {"watch": watch}) for watch in (False, True)]
    backend = Shared(build_backend(each[0], models))
    servers = [build_server(settings, models, backend) for settings in each]
    for server in servers:
        await server.start()
    while not all([await backend.ready(archive) for archive in ARCHIVES]):  # noqa: ASYNC110 - it has to be asked
        await asyncio.sleep(0.1)
    print(*(server.grpc_address for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*(server.drain() for server in servers))


@app.command()
def gateways(redis_url: str, share: float, periods: float) -> None:
    configure_logs("error", as_json=False)
    asyncio.run(serve(redis_url, share, periods))


@contextmanager
def running_gateways(redis_url: str, share: float, periods: float) -> Iterator[list[str]]:
    """Their addresses."""
    told = (redis_url, str(share), str(periods))
    command = (sys.executable, "-m", "benchmarks.watched_side", "gateways", *told)
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        yield process.stdout.readline().split()


def _default(setting: str) -> float:
    return float(MonitorSettings.model_fields[setting].default)


@contextmanager
def running_monitor(folder: Path, periods: float) -> Iterator[tuple[Child, str]]:
    """A monitor, with the URL of its Valkey."""
    redis_url = f"unix://{socket_path(folder)}"
    (port,) = free_ports(1)
    environment = dict(os.environ) | {
        "ATTENDANT_MONITOR_REDIS_URL": redis_url,
        "ATTENDANT_MONITOR_PORT": str(port),
        "ATTENDANT_MONITOR_SAVE_SECONDS": str(_default("save_seconds") * periods),
        "ATTENDANT_MONITOR_POLL_MS": str(round(_default("poll_ms") * periods)),
    }
    command = (sys.executable, "-m", "services.monitor")
    children = [
        Child(valkey(folder, folder / "valkey.log")),
        Child(Program("monitor", command, environment, ROOT, folder / "monitor.log", 20.0)),
    ]
    try:
        yield children[1], redis_url
    finally:
        for child in reversed(children):
            child.stop()


@asynccontextmanager
async def asking(addresses: Sequence[str]) -> AsyncIterator[list[Ask]]:
    channels = [grpc.aio.insecure_channel(address, OPTIONS) for address in addresses]
    try:
        yield [channel.unary_unary(f"/{SERVICE}/Explain") for channel in channels]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


@dataclass(frozen=True)
class Spent:
    """What a phase gave, and the seconds of a processor that each program took for it."""

    answers: int
    seconds: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Answers for each second of processor time."""
        return self.answers / sum(self.seconds.values())


async def ask_on(asks: Sequence[Ask], request: bytes, phases: Sequence[Phase]) -> list[Spent]:
    """Phase by phase; nobody pauses between them."""
    ends = [phase.end for phase in phases]
    answered: list[float] = []
    programs = {pid: name_program(pid) for pid in (os.getpid(), *(one.pid for one in family(os.getpid())))}

    async def caller() -> None:
        while (number := bisect_right(ends, time.monotonic())) < len(phases):
            assert await asks[phases[number].watched](request, timeout=60)
            answered.append(time.monotonic())

    async def look(at: float) -> tuple[float, Mapping[str, float]]:
        await asyncio.sleep(at - time.monotonic())
        spent: dict[str, float] = defaultdict(float)
        for pid, name in programs.items():
            spent[name] += processor_seconds(pid)
        return time.monotonic(), spent

    async def follow() -> list[Spent]:
        found = []
        for phase in phases:
            (begin, before), (end, after) = await look(phase.begin), await look(phase.end)
            answers = bisect_right(answered, end) - bisect_right(answered, begin)
            found.append(Spent(answers, {name: after[name] - before[name] for name in after}))
        return found

    spent, *_ = await asyncio.gather(follow(), *(caller() for _ in range(CONCURRENCY)))
    return spent


def name_program(pid: int) -> str:
    """What a process of a side is called in what the benchmark says."""
    words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    known = {  # the first that is part of a word
        "gateways": "gateway",
        "services.monitor": "monitor",
        "_slow": "slow worker",
        "handlers.worker": "worker",
        "valkey": "Valkey",
        "watched_side": "who asks",
    }
    return next((name for part, name in known.items() if any(part in word for word in words)), "others")


def processor_seconds(pid: int) -> float:
    """Of a process, to the nanosecond; its clock's number is as in clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def requests() -> dict[str, bytes]:
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    tweets = {"text": Tweet(TEXT), "text and photograph": Tweet(TEXT, photograph)}
    return {
        kind: encode_explain_request("sarcasm", tweet, cache_mode=CacheMode.BYPASS)
        for kind, tweet in tweets.items()
    }


async def work(share: float, periods: float) -> None:
    kinds = requests()
    with (
        tempfile.TemporaryDirectory(prefix="attendant-", dir="/tmp") as folder,
        running_monitor(Path(folder), periods) as (monitor, redis_url),
        running_gateways(redis_url, share, periods) as addresses,
    ):
        async with asking(addresses) as asks:
            for ask in asks:  # the first answers take longer
                for request in kinds.values():
                    await ask(request)
            await asyncio.sleep(IDLE_SECONDS)
            before = processor_seconds(monitor.process.pid)
            await asyncio.sleep(IDLE_SECONDS)
            print((processor_seconds(monitor.process.pid) - before) / IDLE_SECONDS, flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                kind, phases = json.loads(line)
                spent = await ask_on(asks, kinds[kind], [Phase(*phase) for phase in phases])
                print(json.dumps([asdict(phase) for phase in spent]), flush=True)


@app.command()
def side(core: int, share: float, periods: float) -> None:
    """Says what an idle monitor takes of the core; then answers each line of phases as `ask_on` does.

    What watching does at intervals, it does after `periods` times as long.
    """
    os.sched_setaffinity(0, {core})
    for name in [name for name in os.environ if name.startswith("ATTENDANT_")]:
        del os.environ[name]
    os.environ |= {"ATTENDANT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    asyncio.run(work(share, periods))


if __name__ == "__main__":
    app()
