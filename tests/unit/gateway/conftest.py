"""A whole gateway on loopback, in front of a fake worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from unittest.mock import patch

import grpc
import httpx
import pytest
from fake_worker import FakeWorker
from sample_models import MODELS

from services.gateway.backends.torchserve import TorchServeBackend
from services.gateway.config import GatewaySettings
from services.gateway.main import build_server
from services.gateway.server import Server

SERVICE = "attendant.v1.AttendantService"


@dataclass
class Running:
    server: Server
    worker: FakeWorker
    channel: grpc.aio.Channel
    http: httpx.AsyncClient
    drained: bool = False

    async def drain(self) -> None:
        self.drained = True
        await self.server.drain()

    async def call(self, method: str, request: bytes, timeout: float | None = 10) -> bytes:  # noqa: ASYNC109
        return await self.channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=timeout)

    async def ready(self) -> bool:
        return (await self.http.get("/readyz")).is_success

    def stream(self, items=None, timeout: float | None = 10):
        return self.channel.stream_stream(f"/{SERVICE}/ExplainStream")(items, timeout=timeout)

    async def metric(self, line: str) -> float:
        """The value of a series, 0 where there is none."""
        for row in (await self.http.get("/metrics")).text.splitlines():
            if row.startswith(line + " "):
                return float(row.rpartition(" ")[2])
        return 0.0


@asynccontextmanager
async def running_gateway(models=None, busyness=None, turn=None, **settings) -> AsyncIterator[Running]:
    worker = await FakeWorker().start()
    backend = TorchServeBackend(worker.address, worker.address)
    values = {"grpc_port": 0, "http_port": 0, "poll_seconds": 0.02, "drain_seconds": 5.0, "watch": False}
    values |= settings
    server = build_server(GatewaySettings(**values), models or MODELS, backend, busyness, turn)
    await server.start()
    async with (
        grpc.aio.insecure_channel(
            server.grpc_address,
            options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
        ) as channel,
        httpx.AsyncClient(base_url=f"http://{server.http_address}", trust_env=False, timeout=10) as http,
    ):
        running = Running(server, worker, channel, http)
        try:
            yield running
        finally:
            worker.gate.set()
            worker.slow_gate.set()
            if not running.drained:
                with patch("services.gateway.server.PAUSE_SECONDS", 0):
                    await server.drain()
            await worker.stop()


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running_gateway() as running:
        yield running


@pytest.fixture
def launch():
    """Start a gateway with other models or settings."""
    return running_gateway
