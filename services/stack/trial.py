"""A whole stack on trial: the supervisor as a process, on free ports, with its state in a folder of its own.

For tests and benchmarks, which need several at once and want to mistreat them.
"""

import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import grpc

from attendant.channels import OPTIONS, SERVICE
from services.stack import state
from services.stack.children import Child, Program
from services.stack.proc import Process, family

ROOT = Path(__file__).resolve().parents[2]
WORKERS = (b"model_service_worker.py", b"handlers.worker")
START_SECONDS = 120.0
STOP_SECONDS = 60.0
PORTS = range(20_000, 32_768)  # below those that Linux gives to outgoing connections


class RunningStack:
    """One stack, ready when this is made."""

    def __init__(self, backend: str, archives: Path, folder: Path, **variables: str) -> None:
        grpc_port, http_port, *others = free_ports(6)
        self.backend = backend
        self.folder = folder
        self.address = f"127.0.0.1:{grpc_port}"
        self.http = f"http://127.0.0.1:{http_port}"
        self.torchserve_address = f"127.0.0.1:{others[0]}"
        self.torchserve_management_address = f"127.0.0.1:{others[1]}"
        self.torchserve_metrics = f"127.0.0.1:{others[2]}"
        self.monitor = f"http://127.0.0.1:{others[3]}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
        environment = clean | {
            "ATTENDANT_ARCHIVES": str(archives),
            "ATTENDANT_GRPC_PORT": str(grpc_port),
            "ATTENDANT_HTTP_PORT": str(http_port),
            "ATTENDANT_TORCHSERVE_ADDRESS": self.torchserve_address,
            "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": self.torchserve_management_address,
            "ATTENDANT_STACK_METRICS_ADDRESS": f"127.0.0.1:{others[2]}",
            "ATTENDANT_MONITOR_PORT": str(others[3]),
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
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(f"/{SERVICE}/{method}")
        return ask(request, timeout=timeout)

    def processes(self) -> list[Process]:
        """The supervisor and all below it."""
        return [self.supervisor.process, *family(self.supervisor.process.pid)]

    def workers(self) -> dict[str, int]:
        """Process ids of the model workers that run now, by the archive that each serves."""
        commands = {process.pid: _command(process) for process in self.processes()}
        return {
            _archive(pid, command): pid
            for pid, command in commands.items()
            if any(name in command for name in WORKERS)
        }

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


def _command(process: Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _archive(pid: int, command: bytes) -> str:
    """An embedded worker is told its archive; TorchServe starts its workers in the archive's folder."""
    arguments = command.split(b"\0")
    if b"--archive" in arguments:
        return Path(arguments[arguments.index(b"--archive") + 1].decode()).name
    return Path(f"/proc/{pid}/cwd").readlink().name


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now, and that no outgoing connection takes before they are used."""
    draws = random.SystemRandom()  # others look for ports at the same time, some with the same seed
    free = filter(_is_free, draws.sample(PORTS, len(PORTS)))
    return list(islice(free, count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
