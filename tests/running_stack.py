"""Real stacks for tests: the supervisor as a process, on free ports, with its state in a folder of its own."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from attendant.archive import HANDLERS, build_archives
from attendant.channels import OPTIONS, SERVICE
from attendant.manifest import ManifestError, read_store
from services.stack import state
from services.stack.children import Child, Program
from services.stack.proc import Process, family

ROOT = Path(__file__).resolve().parents[1]
WORKERS = (b"model_service_worker.py", b"handlers.worker")
START_SECONDS = 120.0
STOP_SECONDS = 60.0


class RunningStack:
    """One stack, ready when this is made."""

    def __init__(self, backend: str, archives: Path, folder: Path, **variables: str) -> None:
        grpc_port, http_port, *others = free_ports(5)
        self.backend = backend
        self.folder = folder
        self.address = f"127.0.0.1:{grpc_port}"
        self.http = f"http://127.0.0.1:{http_port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
        environment = clean | {
            "ATTENDANT_ARCHIVES": str(archives),
            "ATTENDANT_GRPC_PORT": str(grpc_port),
            "ATTENDANT_HTTP_PORT": str(http_port),
            "ATTENDANT_TORCHSERVE_ADDRESS": f"127.0.0.1:{others[0]}",
            "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": f"127.0.0.1:{others[1]}",
            "ATTENDANT_STACK_METRICS_ADDRESS": f"127.0.0.1:{others[2]}",
            "ATTENDANT_STACK_FOLDER": str(folder),
            **variables,
        }
        command = (sys.executable, "-m", "services.stack", "run", "--backend", backend)
        self.supervisor = Child(
            Program("stack", command, environment, ROOT, folder / "supervisor.log", STOP_SECONDS)
        )
        self._wait_until_ready()
        self._channel = grpc.insecure_channel(self.address, [*OPTIONS, ("grpc.enable_retries", 0)])

    def call(self, method: str, request: bytes, timeout: float = 30.0) -> bytes:
        """One unary call, bytes in and bytes out, without retries."""
        answer: bytes = self._channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=timeout)
        return answer

    def processes(self) -> list[Process]:
        """The supervisor and all below it."""
        return [self.supervisor.process, *family(self.supervisor.process.pid)]

    def workers(self) -> list[int]:
        """Process ids of the model workers that run now."""
        return [
            process.pid for process in self.processes() if any(name in _command(process) for name in WORKERS)
        ]

    def gateway(self) -> int | None:
        """The gateway's process id, None when it has ended."""
        running = state.read(self.folder)
        gateway = running.children["gateway"] if running else None
        return gateway.pid if gateway and gateway.is_alive() else None

    def output(self) -> list[str]:
        """What the supervisor has said."""
        return self.supervisor.last_lines(1000)

    def stop(self) -> None:
        self._channel.close()
        self.supervisor.stop()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not any(line.startswith("ready after") for line in self.output()):
            if self.supervisor.exit_status is not None or time.monotonic() > end:
                self.supervisor.stop()
                raise RuntimeError("\n".join(["the stack did not start:", *self.output()]))
            time.sleep(0.05)


@contextmanager
def running_stack(backend: str, archives: Path, folder: Path, **variables: str) -> Iterator[RunningStack]:
    stack = RunningStack(backend, archives, folder, **variables)
    try:
        yield stack
    finally:
        stack.stop()


def current_archives() -> Path:
    """build/archives, built first where model_store or a handler changed since. One process builds, others wait."""
    built = ROOT / "build" / "archives"
    built.mkdir(parents=True, exist_ok=True)
    with (built.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(built):
            for _ in build_archives(ROOT / "model_store", built):
                pass
    return built


def _is_current(built: Path) -> bool:
    for name, manifest in read_store(ROOT / "model_store").items():
        archive = built / manifest.archive
        handler = f"{manifest.archive}_handler.py"
        try:
            served = read_store(archive)[name]
            same_handler = (archive / handler).read_bytes() == (HANDLERS / handler).read_bytes()
        except (ManifestError, KeyError, OSError):
            return False
        digests = [{v: version.digest for v, version in one.versions.items()} for one in (manifest, served)]
        if digests[0] != digests[1] or not same_handler:
            return False
    return True


def _command(process: Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return b""


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
