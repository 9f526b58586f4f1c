"""Gateways and workers are exchanged one after the other, under load, as Kubernetes does it and in its time.

The timings are the manifests' own: a new one is started; once it is ready an old one is told to go. At that moment its
preStop sleep begins, and its address is taken away, which others learn a little later. Then SIGTERM, and at the end of
the grace period SIGKILL, which is a failure here.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import grpc
import httpx
import pytest
from balancer import Balancer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from manifest_timings import Timings, read_timings
from name_server import NameServer
from steady_load import OnceClient, explain, explain_stream, load, predict
from torchserve_pod import Pod, Ports

from attendant.client import AsyncClient
from services.stack.children import Child, Program
from services.stack.trial import ROOT, free_ports

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("rolling")]

PROPAGATION_SECONDS = 1.0  # until whoever connects has learned of a new or a lost endpoint
CALLERS = {
    "predict": (AsyncClient, predict, 6),
    "explain": (AsyncClient, explain, 3),
    "stream": (AsyncClient, explain_stream, 1),
    "predict once": (OnceClient, predict, 2),  # without retries: what they are for
}
MUST = ("predict", "explain", "stream")


class GatewayPod:
    """A gateway's process, at an address of its own."""

    def __init__(self, environment: dict[str, str], log) -> None:
        grpc_port, http_port = free_ports(2)
        self.endpoint, self.http = f"127.0.0.1:{grpc_port}", f"127.0.0.1:{http_port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
        ports = {"ATTENDANT_GRPC_PORT": str(grpc_port), "ATTENDANT_HTTP_PORT": str(http_port)}
        command = (sys.executable, "-m", "services.gateway")
        self.child = Child(Program("gateway", command, clean | ports | environment, ROOT, log, 5.0))

    async def health(self) -> int | None:
        async with grpc.aio.insecure_channel(self.endpoint) as channel:
            try:
                request = health_pb2.HealthCheckRequest()
                return (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)).status
            except grpc.aio.AioRpcError:
                return None


async def wait_until_ready(pod, timings: Timings) -> None:
    """As the startup probe does."""
    end = time.monotonic() + 120
    while await pod.health() != health_pb2.HealthCheckResponse.SERVING:
        assert pod.child.exit_status is None, pod.child.last_lines()
        assert time.monotonic() < end, pod.child.last_lines()
        await asyncio.sleep(timings.look)


async def roll(pods: list, start, publish, timings: Timings) -> list[float]:
    """Exchanges every pod for a new one; seconds from each one's SIGTERM to its end."""
    running, took = list(pods), []
    for old in tuple(pods):
        new = start()
        pods.append(new)
        await wait_until_ready(new, timings)
        await asyncio.sleep(PROPAGATION_SECONDS)
        publish([*running, new])
        running = [*(pod for pod in running if pod is not old), new]
        took.append(await terminate(old, partial(publish, running), timings))
    return took


async def terminate(pod, forget, timings: Timings) -> float:
    """As the kubelet does; seconds from SIGTERM to the end."""
    deleted = time.monotonic()
    asyncio.get_running_loop().call_later(PROPAGATION_SECONDS, forget)
    await asyncio.sleep(timings.pre_stop)
    signalled = time.monotonic()
    pod.child.process.send(signal.SIGTERM)
    while pod.child.exit_status is None:
        assert time.monotonic() < deleted + timings.grace, ("SIGKILL would be needed", pod.child.last_lines())
        await asyncio.sleep(0.02)
    assert pod.child.exit_status == 0, pod.child.last_lines()
    return time.monotonic() - signalled


@pytest.fixture
def world(archives, tmp_path):
    """Starts pods, and ends what is left of them."""
    return World(archives, tmp_path)


class World:
    """Two workers behind a name, and what starts more of them, and gateways."""

    def __init__(self, archives, folder) -> None:
        self.archives, self.store = folder / "archives", folder / "store"
        for name in ("sarcasm", "sarcasm_slow"):
            shutil.copytree(archives / name, self.archives / name, copy_function=os.link)
        shutil.copytree(ROOT / "model_store" / "sarcasm", self.store / "sarcasm", copy_function=os.link)
        self.folder = folder
        self.ports = Ports()
        self.workers: list[Pod] = []
        self.gateways: list[GatewayPod] = []
        self._hosts = (f"127.0.0.{number}" for number in range(1, 100))

    def start_worker(self) -> Pod:
        prefix = "ATTENDANT_TORCHSERVE_"
        settings = read_timings("torchserve").settings
        assert all(name.startswith(prefix) for name in settings)
        host = next(self._hosts)
        own = {name.removeprefix(prefix): value for name, value in settings.items()}
        return Pod(host, self.ports, self.archives, self.folder / f"{host}.log", **own)

    def start_gateway(self) -> GatewayPod:
        environment = read_timings("gateway").settings | {
            "ATTENDANT_MODEL_STORE": str(self.store),
            "ATTENDANT_TORCHSERVE_ADDRESS": self.names.target(self.ports.inference),
            "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": self.names.target(self.ports.management),
            "ATTENDANT_WATCH": "false",
        }
        return GatewayPod(environment, self.folder / f"gateway-{time.monotonic_ns()}.log")

    @asynccontextmanager
    async def running(self):
        """Two workers, two gateways, and a balancer for each of their protocols."""
        self.workers += [self.start_worker(), self.start_worker()]
        try:
            for worker in self.workers:
                await wait_until_ready(worker, read_timings("torchserve"))
            async with Balancer() as grpc_balancer, Balancer() as http_balancer:
                self.grpc, self.http = grpc_balancer, http_balancer
                with NameServer("torchserve") as self.names:
                    self.publish_workers(self.workers)
                    self.gateways += [self.start_gateway(), self.start_gateway()]
                    for gateway in self.gateways:
                        await wait_until_ready(gateway, read_timings("gateway"))
                    self.publish_gateways(self.gateways)
                    yield
        finally:
            for pod in self.workers:
                pod.kill()
            for pod in (*self.gateways, *self.workers):
                pod.child.stop()

    def publish_workers(self, workers) -> None:
        self.names.addresses = tuple(worker.host for worker in workers)

    def publish_gateways(self, gateways) -> None:
        self.grpc.endpoints = tuple(gateway.endpoint for gateway in gateways)
        self.http.endpoints = tuple(gateway.http for gateway in gateways)


@asynccontextmanager
async def json_load(address: str, callers: int = 2):
    """HTTP clients that keep their connections: lists of what was `answered`, `refused` for overload, and `failed`."""
    ending, answered, refused, failed = False, [], [], []

    async def caller(client: httpx.AsyncClient) -> None:
        body = {"instance": {"tweet": {"text": "oh great, another monday"}}}
        while not ending:
            try:
                response = await client.post("/v1/models/sarcasm:predict", json=body)
                busy = (
                    response.status_code == HTTPStatus.TOO_MANY_REQUESTS
                )  # a limit, no failure of a restart
                kind = answered if response.is_success else refused if busy else failed
                kind.append(response.status_code)
            except httpx.TransportError as error:
                failed.append(repr(error))
            await asyncio.sleep(0.02)

    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=10) as client:
        tasks = [asyncio.create_task(caller(client)) for _ in range(callers)]
        try:
            yield answered, refused, failed
        finally:
            ending = True
            await asyncio.gather(*tasks)


@pytest.mark.timeout(600)
async def test_gateways_and_then_workers_are_exchanged_under_load_and_no_request_fails(world):
    async with world.running():
        for kind in ("gateway", "torchserve"):
            timings = read_timings(kind)
            async with (
                load(world.grpc.address, CALLERS) as result,
                json_load(world.http.address) as (answered, refused, failed),
            ):
                await asyncio.sleep(3)
                began = time.monotonic()
                if kind == "gateway":
                    took = await roll(world.gateways, world.start_gateway, world.publish_gateways, timings)
                else:
                    took = await roll(world.workers, world.start_worker, world.publish_workers, timings)
                rolled = time.monotonic() - began
                await asyncio.sleep(3)
            sys.stdout.write(
                f"\n{kind}: exchanged two in {rolled:.0f} s; from SIGTERM to the end {took}\n  {result}\n"
                f"  JSON: {len(answered)} answered, {len(refused)} refused for overload (429), which no restart is to"
                f" blame for; {len(failed)} failed {failed[:3]}\n"
            )
            assert {name: result.accounts[name].failures for name in MUST} == {name: {} for name in MUST}
            assert not failed
