"""A gateway in a process of its own, on free ports, before whatever backend a test has."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sample_models import MODELS

from attendant.manifest import write_manifest
from services.stack.trial import free_ports


@dataclass
class Gateway:
    process: asyncio.subprocess.Process
    address: str
    http: str

    async def metric(self, line: str) -> float:
        """The value of a series, 0 where there is none."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            rows = (await client.get(f"{self.http}/metrics")).text.splitlines()
        return next((float(row.rpartition(" ")[2]) for row in rows if row.startswith(line + " ")), 0.0)


def write_store(folder: Path) -> Path:
    """A model store with one sample model's manifest."""
    model = folder / "store" / "sarcasm"
    model.mkdir(parents=True)
    write_manifest(model, MODELS["sarcasm"])
    return model.parent


def gateway_environment(store: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    return clean | {
        "ATTENDANT_MODEL_STORE": str(store),
        "ATTENDANT_GRPC_PORT": "0",
        "ATTENDANT_HTTP_PORT": "0",
        "ATTENDANT_POLL_SECONDS": "0.05",
        **more,
    }


@asynccontextmanager
async def gateway_process(
    store: Path, backend: str, *, management: str = "", log: Path | None = None, **variables: str
) -> AsyncIterator[Gateway]:
    """Ready before `backend`, the address of a TorchServe or of something like it; its log may go to a file.

    `management`: where it manages its models, if not there too.
    """
    grpc_port, http_port = map(str, free_ports(2))
    with contextlib.ExitStack() as files:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.gateway"),
            stderr=None if log is None else files.enter_context(log.open("ab")),
            env=gateway_environment(
                store,
                ATTENDANT_GRPC_PORT=grpc_port,
                ATTENDANT_HTTP_PORT=http_port,
                ATTENDANT_TORCHSERVE_ADDRESS=backend,
                ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS=management or backend,
                **variables,
            ),
        )
    scheme = "https" if "ATTENDANT_TLS_CERTIFICATE" in variables else "http"
    gateway = Gateway(process, f"127.0.0.1:{grpc_port}", f"{scheme}://127.0.0.1:{http_port}")
    try:
        await _wait_until_ready(gateway)
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _wait_until_ready(gateway: Gateway) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client, asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{gateway.http}/readyz")).is_success:
                    return
            await asyncio.sleep(0.05)
