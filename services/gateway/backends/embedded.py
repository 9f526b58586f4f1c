"""Models run by worker processes of the gateway's own: the same handlers and archives, no Java."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attendant.wire.envelope import Reply, Row
from services.gateway.backends.predictions import Predictions
from services.gateway.backends.process import WorkerProcess

PROBE_SECONDS = 1.0
STOP_SECONDS = 15.0  # a worker that was told to end has so long to do it
SILENCE_SECONDS = 30.0  # a worker that served and then said nothing for so long is replaced
SOCKET_PATH_BYTES = 60  # a socket's path has at most 107 bytes on Linux; leaves room for our names


def worker_command(archive: Path, socket: str) -> tuple[str, ...]:
    """How a worker for a built archive is started."""
    return (sys.executable, "-m", "handlers.worker", "--archive", str(archive), "--socket", socket)


@dataclass
class _Worker:
    process: WorkerProcess
    predictions: Predictions
    last_heard: float | None = None  # None until it served

    async def healthy(self) -> bool:
        check = health_pb2_grpc.HealthStub(self.predictions.channel).Check
        try:
            response = await check(health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


class EmbeddedBackend:
    """One worker for each of `archives` (name to built folder)."""

    def __init__(
        self,
        archives: Mapping[str, Path],
        command: Callable[[Path, str], Sequence[str]] = worker_command,
        silence_seconds: float = SILENCE_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._archives = archives
        self._command = command
        self._silence_seconds = silence_seconds
        self._stop_seconds = stop_seconds
        self._workers: dict[str, _Worker] = {}
        self._folder = ""

    async def start(self) -> None:
        base = tempfile.gettempdir()
        self._folder = tempfile.mkdtemp(
            prefix="attendant-",
            dir=base if len(base) < SOCKET_PATH_BYTES else "/tmp",  # noqa: S108 - mkdtemp is private
        )
        for name, archive in self._archives.items():
            socket = f"unix:{self._folder}/{name}.sock"
            worker = _Worker(
                WorkerProcess(name, self._command(archive, socket), self._stop_seconds), Predictions(socket)
            )
            worker.process.start()
            self._workers[name] = worker

    async def close(self) -> None:
        await asyncio.gather(*(worker.process.close() for worker in self._workers.values()))
        await asyncio.gather(*(worker.predictions.close() for worker in self._workers.values()))
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def pid(self, archive: str) -> int | None:
        """The process id of the archive's worker while it lives."""
        return self._workers[archive].process.pid

    async def ready(self, archive: str) -> bool:
        worker = self._workers[archive]
        healthy = await worker.healthy()
        now = time.monotonic()
        if healthy:
            worker.last_heard = now
        elif worker.last_heard is not None and now - worker.last_heard > self._silence_seconds:
            worker.last_heard = None
            worker.process.kill()
        return healthy

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        return await self._workers[archive].predictions.call(archive, row, timeout)
