import asyncio

import grpc
import pytest
from fake_worker import RUNTIME
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry
from sample_models import MODELS

from attendant.lanes import Lane, archive_name
from attendant.types import Tweet
from attendant.wire.envelope import Reply
from attendant.wire.requests import encode_predict_request
from services.gateway.metrics import Metrics
from services.gateway.readiness import Readiness
from services.health import Health
from services.settings import ConfigError

PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


def stub(gateway):
    return health_pb2_grpc.HealthStub(gateway.channel)


async def until(gateway, name, status):
    async with asyncio.timeout(10):
        while True:
            found = await stub(gateway).Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            if found.status == status:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["", "sarcasm", "irony"])
async def test_each_model_and_all_of_them_follow_the_workers(gateway, name):
    await until(gateway, name, SERVING)
    gateway.worker.worker_status = "UNLOADING"
    await until(gateway, name, NOT_SERVING)
    gateway.worker.worker_status = "READY"
    await until(gateway, name, SERVING)


class Lanes:
    """A backend whose lanes of `sarcasm` answer while they are `up`."""

    def __init__(self):
        self.up = set()

    async def ready(self, archive):
        return archive in {archive_name("sarcasm", lane) for lane in self.up}

    async def call(self, archive, row, timeout):  # noqa: ASYNC109 - the protocol's
        return Reply(runtime=RUNTIME)


async def test_a_model_waits_for_its_slow_lane_once_and_from_then_on_does_without():
    backend, metrics = Lanes(), Metrics(CollectorRegistry())
    readiness = Readiness({"sarcasm": MODELS["sarcasm"]}, backend, Health(["sarcasm"]), metrics)
    for up, ready in (
        ({Lane.SLOW}, False),
        ({Lane.FAST}, False),  # not before both have been there
        ({Lane.FAST, Lane.SLOW}, True),
        ({Lane.FAST}, True),  # the slow worker died
        (set(), False),  # and the fast one missed a probe
        ({Lane.FAST}, True),
        ({Lane.SLOW}, False),
    ):
        backend.up = up
        await readiness.poll()
        assert readiness.ready() == ready
        for lane in Lane:
            labels = {"model": "sarcasm", "lane": lane}
            assert metrics.registry.get_sample_value("attendant_model_ready", labels) == (lane in up)


async def test_a_name_that_is_not_there(gateway):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(gateway).Check(health_pb2.HealthCheckRequest(service="nope"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub(gateway).Watch(health_pb2.HealthCheckRequest(service="nope"), timeout=5)
    assert (await watch.read()).status == UNKNOWN
    watch.cancel()


async def test_list_names_them_all(gateway):
    await until(gateway, "", SERVING)
    answer = await stub(gateway).List(health_pb2.HealthListRequest(), timeout=5)
    assert {name: found.status for name, found in answer.statuses.items()} == dict.fromkeys(
        ("", "live", "sarcasm", "irony", "mosaics"), SERVING
    )


async def test_it_lives_without_a_worker_and_while_it_drains(gateway):
    await until(gateway, "", SERVING)
    gateway.worker.worker_status = "UNLOADING"
    await until(gateway, "", NOT_SERVING)
    await until(gateway, "live", SERVING)
    gateway.worker.gate.clear()  # a request in flight keeps the drain waiting
    call = asyncio.create_task(gateway.call("Predict", PREDICT))
    while not gateway.worker.rows:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    watch = stub(gateway).Watch(health_pb2.HealthCheckRequest(service="live"), timeout=20)
    assert (await watch.read()).status == SERVING
    drain = asyncio.create_task(gateway.drain())
    assert await watch.read() is grpc.aio.EOF  # it ends with the drain, and has told nothing else
    gateway.worker.gate.set()
    assert await call
    await drain


def test_a_model_cannot_be_called_as_the_process_is():
    with pytest.raises(ConfigError, match=r"^a model is named 'live'.* rename it$"):
        Health(["live"])


async def test_watchers_see_every_change(gateway):
    await until(gateway, "sarcasm", SERVING)
    watches = [
        stub(gateway).Watch(health_pb2.HealthCheckRequest(service="sarcasm"), timeout=20) for _ in range(3)
    ]
    for expected, worker_status in ((SERVING, "UNLOADING"), (NOT_SERVING, "READY"), (SERVING, "READY")):
        assert [(await watch.read()).status for watch in watches] == [expected] * 3
        gateway.worker.worker_status = worker_status
    for watch in watches:
        watch.cancel()


async def test_readiness_over_http_and_in_metrics(gateway):
    gateway.worker.worker_status = "UNLOADING"
    await until(gateway, "", NOT_SERVING)
    answer = await gateway.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert await gateway.metric('attendant_model_ready{lane="fast",model="sarcasm"}') == 0
    assert (await gateway.http.get("/healthz")).status_code == 200
    gateway.worker.worker_status = "READY"
    await until(gateway, "", SERVING)
    answer = await gateway.http.get("/readyz")
    assert (answer.status_code, answer.json()["models"]["sarcasm"]) == (200, True)
    assert await gateway.metric('attendant_model_ready{lane="fast",model="sarcasm"}') == 1


async def test_a_fault_in_asking_does_not_end_the_asking(gateway, monkeypatch):
    await until(gateway, "sarcasm", SERVING)
    backend = gateway.server._backend
    asked = 0

    async def broken(_archive: str) -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise RuntimeError
        return False

    monkeypatch.setattr(backend, "ready", broken)
    await until(gateway, "sarcasm", NOT_SERVING)


async def test_reflection_describes_the_service(gateway):
    reflection = reflection_pb2_grpc.ServerReflectionStub(gateway.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="attendant.v1.AttendantService"),
    ]
    listed, described = [
        answer async for answer in reflection.ServerReflectionInfo(iter(requests), timeout=5)
    ]
    names = {service.name for service in listed.list_services_response.service}
    assert {"attendant.v1.AttendantService", "grpc.health.v1.Health"} <= names
    assert any(
        b"AttendantService" in file for file in described.file_descriptor_response.file_descriptor_proto
    )
