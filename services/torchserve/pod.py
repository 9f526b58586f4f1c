"""What one pod runs: TorchServe, and beside it a health service that knows whether its workers serve."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from attendant.channels import join
from attendant.lanes import Lane, archive_name
from services.health import Health
from services.leash import leash
from services.torchserve.config import TorchServeSettings
from services.torchserve.java import Listen, find_archives, torchserve
from services.torchserve.workers import Describe, describing, is_ready

log = structlog.get_logger()

POLL_SECONDS = 0.5
PROBE_SECONDS = 1.0
END_SECONDS = 10.0  # TorchServe takes 2.4 to 4.9 to end after its last answer
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where what listens everywhere is asked
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # It is asked while it starts: look again soon, not after gRPC's growing pauses.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class PodError(Exception):
    """Why the pod ends by itself, in one line."""


class Pod:
    """`scratch` has a short path, since sockets lie in it."""

    def __init__(self, settings: TorchServeSettings, scratch: Path) -> None:
        self._settings = settings
        self._archives = find_archives(settings.archives)
        self._command = torchserve(
            settings.archives,
            Listen(
                inference=(settings.host, settings.inference_port),
                management=(settings.host, settings.management_port),
                metrics=(settings.host, settings.metrics_port),
            ),
            scratch,
            settings.heap_mib,
            settings.connection_age_seconds,
        )
        self._health = Health()
        self._was_ready = False

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Until `stop` is set; then drains, which `hurry` cuts short. Raises PodError where it ends by itself."""
        server = await self._serve_health()
        java = await self._start_java()
        polling = asyncio.create_task(self._poll())
        try:
            await self._watch(java, stop)
            await self._drain(java, hurry)
        finally:
            polling.cancel()
            await asyncio.wait({polling})
            await _kill(java)
            await server.stop(0)
        log.info("pod closed")

    async def _serve_health(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        address = join(self._settings.host, self._settings.health_port)
        try:
            server.add_insecure_port(address)
        except RuntimeError:
            raise PodError(f"cannot listen on {address}: ATTENDANT_TORCHSERVE_HEALTH_PORT") from None
        await server.start()
        return server

    async def _start_java(self) -> asyncio.subprocess.Process:
        """Its output goes where this program's goes; its signals are ours to send."""
        java = await asyncio.create_subprocess_exec(
            *leash(self._command.arguments, signal.SIGTERM),
            stdin=asyncio.subprocess.DEVNULL,
            cwd=self._command.folder,
            env=self._command.environment,
            process_group=0,
        )
        log.info("TorchServe starts", pid=java.pid, archives=self._archives)
        return java

    async def _watch(self, java: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
        """Returns when `stop` is set. Raises PodError where Java ends, or is not ready in time."""
        stopping, ending = asyncio.create_task(stop.wait()), asyncio.create_task(java.wait())
        try:
            limit = self._settings.start_seconds
            await asyncio.wait({stopping, ending}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not (self._was_ready or stopping.done() or ending.done()):
                raise PodError(
                    f"TorchServe is not ready after {limit:g} s (ATTENDANT_TORCHSERVE_START_SECONDS)"
                )
            await asyncio.wait({stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            ending.cancel()
        if java.returncode is not None:
            raise PodError(f"TorchServe ended by itself ({_describe(java.returncode)})")

    async def _drain(self, java: asyncio.subprocess.Process, hurry: asyncio.Event) -> None:
        """TorchServe ends well when it is asked to: it sends gateways elsewhere and answers what it has.

        What is not answered in the time allowed is lost.
        """
        began = time.monotonic()
        self._health.drain()
        log.info("pod drains", seconds=self._settings.drain_seconds)
        with contextlib.suppress(ProcessLookupError):
            java.terminate()
        hurrying, ending = asyncio.create_task(hurry.wait()), asyncio.create_task(java.wait())
        limit = self._settings.drain_seconds + END_SECONDS
        await asyncio.wait({hurrying, ending}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        ending.cancel()
        log.info(
            "pod has drained", seconds=round(time.monotonic() - began, 1), in_time=java.returncode is not None
        )

    async def _poll(self) -> None:
        """Ask for as long as the pod runs."""
        host = _ANYWHERE.get(self._settings.host, self._settings.host)
        began = time.monotonic()
        async with grpc.aio.insecure_channel(
            join(host, self._settings.management_port), options=_OPTIONS
        ) as channel:
            describe = describing(channel)
            while True:
                ready = await self._ask(describe)
                if ready and not self._was_ready:
                    log.info("TorchServe is ready", seconds=round(time.monotonic() - began, 1))
                self._was_ready |= ready
                self._health.set("", ready)
                await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, describe: Describe) -> bool:
        """Whether every archive that counts now has a worker that serves; what cannot be asked is not ready."""
        asked = self._archives if not self._was_ready else tuple(_fast(self._archives))
        try:
            return all(await asyncio.gather(*(is_ready(describe, name, PROBE_SECONDS) for name in asked)))
        except Exception:
            log.exception("TorchServe could not be asked whether it is ready")
            return False


def _fast(archives: Iterable[str]) -> Iterable[str]:
    """What decides once all have been there: a slow worker that died must not take the predictions along."""
    suffix = archive_name("", Lane.SLOW)
    return (name for name in archives if not name.endswith(suffix))


async def _kill(java: asyncio.subprocess.Process) -> None:
    """End it and what it has left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(java.pid, signal.SIGKILL)
    await java.wait()


def _describe(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"status {returncode}"
