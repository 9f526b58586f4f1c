"""TorchServe pods on loopback: the process that a pod runs, each at an address of its own with the same ports."""

import asyncio
import os
import re
import signal
import sys
import time
import urllib.request
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.stack.children import Child, Program
from services.stack.proc import family, kill
from services.stack.trial import ROOT, free_ports

START_SECONDS = 90.0
SETTING = "ATTENDANT_TORCHSERVE_"


class Ports:
    """The same in every pod."""

    def __init__(self) -> None:
        self.inference, self.management, self.metrics, self.health = free_ports(4)


class Pod:
    """Started, not yet ready, when this is made. `grace`: seconds from SIGTERM to SIGKILL."""

    def __init__(self, host: str, ports: Ports, archives: Path, log: Path, **settings: str) -> None:
        self.host = host
        self.ports = ports
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
        environment = clean | {
            "TMPDIR": "/tmp",  # short: there are sockets in it
            f"{SETTING}HOST": host,
            f"{SETTING}INFERENCE_PORT": str(ports.inference),
            f"{SETTING}MANAGEMENT_PORT": str(ports.management),
            f"{SETTING}METRICS_PORT": str(ports.metrics),
            f"{SETTING}HEALTH_PORT": str(ports.health),
            f"{SETTING}ARCHIVES": str(archives),
            **{SETTING + name: value for name, value in settings.items()},
        }
        command = (sys.executable, "-m", "services.torchserve")
        self.began = time.monotonic()
        self.child = Child(Program("torchserve", command, environment, ROOT, log, 40.0))

    async def health(self, service: str = "") -> int | None:
        """What a probe of that name hears: a status, None where nobody answers."""
        async with grpc.aio.insecure_channel(f"{self.host}:{self.ports.health}") as channel:
            try:
                request = health_pb2.HealthCheckRequest(service=service)
                return (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)).status
            except grpc.aio.AioRpcError:
                return None

    async def wait_until_ready(self) -> float:
        """Seconds since its start."""
        while await self.health() != health_pb2.HealthCheckResponse.SERVING:
            assert self.child.exit_status is None, "\n".join(self.child.last_lines())
            assert time.monotonic() < self.began + START_SECONDS, "\n".join(self.child.last_lines())
            await asyncio.sleep(0.1)
        return time.monotonic() - self.began

    def requests(self) -> dict[str, int]:
        """How many each archive was asked for, as TorchServe itself counts them."""
        url = f"http://{self.host}:{self.ports.metrics}/metrics"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as page:
            text = page.read().decode()
        found = re.findall(r'^ts_inference_requests_total\{model_name="(\w+)".*\} (\S+)$', text, re.MULTILINE)
        return {name: int(float(value)) for name, value in found}

    def kill(self) -> None:
        """All of it at once, as when its node is lost."""
        kill([self.child.process, *family(self.child.process.pid)])

    def terminate(self) -> None:
        self.child.process.send(signal.SIGTERM)

    async def ended(self, seconds: float) -> int | None:
        """Its exit status, None where it still runs after that time."""
        end = time.monotonic() + seconds
        while self.child.exit_status is None and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return self.child.exit_status
