"""A worker process that is kept alive: started, started again when it dies, and ended without a trace."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence

import structlog

from services.environment import WORKER_ENVIRONMENT
from services.leash import leash

log = structlog.get_logger()

FIRST_PAUSE = 0.1  # seconds before a dead worker is started again; doubles up to LONGEST_PAUSE
LONGEST_PAUSE = 10.0
STABLE_SECONDS = 30.0  # a worker that lived this long starts again after the first pause


class WorkerProcess:
    """One command, in a process group of its own, so that Ctrl-C in a terminal reaches the gateway alone."""

    def __init__(self, name: str, command: Sequence[str], stop_seconds: float) -> None:
        self._name = name
        self._command = command
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        self._supervision = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """SIGTERM, and SIGKILL for what is left after `stop_seconds`."""
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait({self._supervision})
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), self._stop_seconds)
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def kill(self) -> None:
        """End a worker that no longer answers; the supervision starts another."""
        self._signal(signal.SIGKILL)

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            await self._spawn()
            returncode = await self._wait()
            if time.monotonic() - started > STABLE_SECONDS:
                pause = FIRST_PAUSE
            log.error("worker died", archive=self._name, returncode=returncode, restart_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _spawn(self) -> None:
        # Shielded: a close in the middle of this must still learn the process id.
        spawning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *leash(self._command, signal.SIGKILL),
                stdin=asyncio.subprocess.DEVNULL,
                # Not a session of its own: Linux may weigh sessions alike, whatever the priorities of their processes.
                process_group=0,
                env=os.environ | WORKER_ENVIRONMENT,
            )
        )
        try:
            self._process = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            self._process = await spawning
            raise
        log.info("worker started", archive=self._name, pid=self._process.pid)

    async def _wait(self) -> int:
        if self._process is None:
            raise RuntimeError("no worker was started")
        return await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
