"""What is fuzzed by command: a stack with the real models, or a gateway process before a worker without a model."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from fuzz import ROOT
from services.stack.trial import RunningStack, free_ports

START_SECONDS = 60.0


class Service(Protocol):
    address: str
    http: str

    def pids(self) -> dict[str, int]:
        """The processes that must live on and not grow, by name."""
        ...


@dataclass(frozen=True)
class _Stack:
    stack: RunningStack

    @property
    def address(self) -> str:
        return self.stack.address

    @property
    def http(self) -> str:
        return self.stack.http

    def pids(self) -> dict[str, int]:
        gateway = self.stack.gateway()
        return ({"gateway": gateway} if gateway else {}) | self.stack.workers()


@dataclass(frozen=True)
class _Gateway:
    address: str
    http: str
    process: subprocess.Popen[bytes]

    def pids(self) -> dict[str, int]:
        return {"gateway": self.process.pid} if self.process.poll() is None else {}


@contextmanager
def running(backend: str, folder: Path) -> Iterator[Service]:
    """`fake`, `embedded` or `torchserve`; logs lie in `folder`."""
    if backend != "fake":
        from current_archives import current_archives  # imports torch

        stack = RunningStack(backend, current_archives(), folder)
        try:
            yield _Stack(stack)
        finally:
            stack.stop()
        return
    worker_port, grpc_port, http_port = free_ports(3)
    worker = f"127.0.0.1:{worker_port}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    environment = clean | {
        "PYTHONPATH": str(ROOT),
        "ATTENDANT_GRPC_PORT": str(grpc_port),
        "ATTENDANT_HTTP_PORT": str(http_port),
        "ATTENDANT_TORCHSERVE_ADDRESS": worker,
        "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": worker,
    }
    commands = ((sys.executable, "tests/fake_worker.py", worker), (sys.executable, "-m", "services.gateway"))
    with (folder / "gateway.log").open("wb") as log:
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            for command in commands
        ]
        gateway = _Gateway(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}", processes[1])
        try:
            _wait_until_ready(gateway)
            yield gateway
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()


def resident(pids: dict[str, int]) -> dict[str, float]:
    """MB that each process holds now."""
    pages = {name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for name, pid in pids.items()}
    return {name: count * os.sysconf("SC_PAGE_SIZE") / 1e6 for name, count in pages.items()}


def _wait_until_ready(gateway: _Gateway) -> None:
    end = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end:
            try:
                if client.get(f"{gateway.http}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise RuntimeError("the gateway does not become ready")
