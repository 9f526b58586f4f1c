"""Load on a service, from outside it: callers that wait for their answers, and arrivals that do not wait for anybody.

Arrivals are made by `benchmarks.frames`, so that the load costs little beside what it loads.
"""

import asyncio
import gc
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from benchmarks.frames import Connection, End, Question
from services.stack.children import Child, Program
from services.stack.trial import ROOT, free_ports

CHANNELS = 8
TICK = 0.002  # seconds; calls that are due within it are made together: each by itself would cost double
START_SECONDS = 60.0
TIMEOUT = 30.0  # of a call
Ask = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@dataclass
class Record:
    """Of each call: when it was made, after how long it ended (seconds), and how; and how late it was made."""

    started: float = 0.0  # on the clock
    sent: list[float] = field(default_factory=list)  # since `started`
    seconds: list[float] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def note(self, sent: float, end: End) -> None:
        """A call ends now that was made at `sent` on the clock."""
        self.sent.append(sent - self.started)
        self.seconds.append(time.perf_counter() - sent)
        self.ends.append(end)

    def between(self, begin: float, end: float) -> "Record":
        """What was sent in that time."""
        chosen = [i for i, sent in enumerate(self.sent) if begin <= sent < end]
        return Record(
            self.started,
            [self.sent[i] for i in chosen],
            [self.seconds[i] for i in chosen],
            [self.ends[i] for i in chosen],
            self.late,
        )

    def latencies(self, end: End = End.ANSWERED) -> NDArray[np.float64]:
        """Seconds of those that ended so."""
        return np.array([seconds for seconds, own in zip(self.seconds, self.ends, strict=True) if own is end])

    def answered(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When each answer came, in order, and its latency."""
        ends = [
            (sent + seconds, seconds)
            for sent, seconds, end in zip(self.sent, self.seconds, self.ends, strict=True)
            if end is End.ANSWERED
        ]
        when, latencies = np.array(sorted(ends)).reshape(-1, 2).T
        return when, latencies

    def quantile(self, share: float) -> float:
        """Seconds within which so many of the answers came."""
        return float(np.quantile(self.latencies(), share))

    def count(self, end: End = End.ANSWERED) -> int:
        return self.ends.count(end)


async def call(ask: Ask, request: bytes, record: Record) -> None:
    sent = time.perf_counter()
    try:
        await ask(request, timeout=TIMEOUT)
        end = End.ANSWERED
    except grpc.aio.AioRpcError as error:
        end = End.REFUSED if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED else End.RESET
    record.note(sent, end)


async def closed_loop(ask: Ask, request: bytes, callers: int, seconds: float) -> Record:
    """Each caller asks again once it is answered."""
    return await closed_loop_over(ask, itertools.repeat(request), callers, seconds)


async def closed_loop_over(ask: Ask, requests: Iterator[bytes], callers: int, seconds: float) -> Record:
    """The same with another request each time."""
    record = Record(time.perf_counter())

    async def caller() -> None:
        while time.perf_counter() - record.started < seconds:
            await call(ask, next(requests), record)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return record


async def open_loop(
    address: str, method: str, request: bytes, rates: Sequence[tuple[float, float]], seed: int = 0
) -> Record:
    """Poisson arrivals: so many a second for so many seconds, one rate after another, whatever becomes of them.

    Where they are many, the event loop runs once a TICK only.
    """
    rng = np.random.default_rng(seed)
    arrivals: list[float] = []
    begin = 0.0
    for rate, seconds in rates:
        count = rng.poisson(rate * seconds)
        arrivals += (begin + np.sort(rng.uniform(0, seconds, count))).tolist()
        begin += seconds
    question = Question(method, request)
    connections = [await connect(address) for _ in range(CHANNELS)]
    record = Record()
    with _without_gc():
        record.started = time.perf_counter()
        for number, arrival in enumerate(arrivals):
            while (wait := record.started + arrival - (sent := time.perf_counter())) > 0:
                if wait < TICK:
                    time.sleep(TICK)  # noqa: ASYNC251 - an event loop would wake up for each answer, too
                    wait = 0  # it takes what has come
                await asyncio.sleep(wait)
            record.late.append(sent - record.started - arrival)
            connections[number % CHANNELS].ask(question, partial(record.note, sent))
        await asyncio.gather(*(connection.drain() for connection in connections))
    for connection in connections:
        connection.close()
    return record


async def connect(address: str) -> Connection:
    host, _, port = address.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, int(port))
    await connection.ready.wait()
    return connection


@contextmanager
def _without_gc() -> Iterator[None]:
    """Its pauses would be measured as the service's."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Stage:
    """A gateway before a backend of slots, each a process."""

    gateway: str
    http: str  # the gateway's
    backend: str
    pid: int  # the gateway's


@contextmanager
def running_stage(*slots: str, **variables: str) -> Iterator[Stage]:
    """`slots` are arguments of `benchmarks.slots`, `variables` settings of the gateway."""
    grpc_port, http_port, backend_port = free_ports(3)
    backend = f"127.0.0.1:{backend_port}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    environment = clean | {
        "ATTENDANT_GRPC_PORT": str(grpc_port),
        "ATTENDANT_HTTP_PORT": str(http_port),
        "ATTENDANT_TORCHSERVE_ADDRESS": backend,
        "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": backend,
        "ATTENDANT_LOG_LEVEL": "error",
        **variables,
    }
    with tempfile.TemporaryDirectory() as folder:
        children = [
            Child(Program(name, (sys.executable, "-m", *command), environment, ROOT, Path(folder) / name, 10))
            for name, command in {
                "backend": ("benchmarks.slots", backend, *slots),
                "gateway": ("services.gateway",),
            }.items()
        ]
        try:
            _wait_until_ready(f"127.0.0.1:{grpc_port}", children)
            yield Stage(
                f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}", backend, children[1].process.pid
            )
        finally:
            for child in reversed(children):
                child.stop()


def _wait_until_ready(address: str, children: Sequence[Child]) -> None:
    end = time.monotonic() + START_SECONDS
    with grpc.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        while True:
            try:
                answer = check(health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            for child in children:
                if child.exit_status is not None or time.monotonic() > end:
                    raise RuntimeError(
                        "\n".join([f"{child.program.name} did not start:", *child.last_lines()])
                    )
            time.sleep(0.05)
