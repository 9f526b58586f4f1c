"""What befalls a gateway from outside: killed, a full disk under its log, and clients that are slow or go away."""

import asyncio
import socket
from pathlib import Path

import grpc
import httpx
import pytest
from fake_worker import FakeWorker, until
from gateway_process import gateway_process, write_store
from valkey_server import running_valkey

from attendant.types import CacheStatus, Tweet
from attendant.wire.requests import encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response

SERVICE = "/attendant.v1.AttendantService"
PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))
EXPLAIN = encode_explain_request("sarcasm", Tweet("what a day"))
BODY = {"instance": {"tweet": {"text": "what a day"}}}


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path)


@pytest.fixture
async def worker():
    started = await FakeWorker().start()
    yield started
    started.gate.set()
    await started.stop()


def channel_to(gateway):
    return grpc.aio.insecure_channel(gateway.address, [("grpc.enable_retries", 0)])


async def code_of(call) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_a_gateway_that_is_killed_is_unavailable_and_another_takes_over_what_it_computed(
    store, worker, tmp_path
):
    """The lease that it had in Redis ends by itself: who waited for its explanation computes it."""
    with running_valkey(tmp_path / "valkey") as server:
        variables = {"ATTENDANT_REDIS_URL": server.url, "ATTENDANT_REDIS_SECONDS": "1"}
        async with (
            gateway_process(store, worker.address, **variables) as one,
            gateway_process(store, worker.address, **variables) as other,
            channel_to(one) as to_one,
            channel_to(other) as to_other,
        ):
            worker.gate.clear()
            first = asyncio.ensure_future(to_one.unary_unary(f"{SERVICE}/Explain")(EXPLAIN, timeout=20))
            await until(lambda: len(worker.rows) == 1)
            second = asyncio.ensure_future(to_other.unary_unary(f"{SERVICE}/Explain")(EXPLAIN, timeout=20))
            await asyncio.sleep(0.3)
            assert len(worker.rows) == 1
            one.process.kill()
            assert await code_of(first) is grpc.StatusCode.UNAVAILABLE
            worker.gate.set()
            assert decode_explain_response(await second).cache is CacheStatus.MISS
            assert len(worker.rows) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
async def test_a_full_disk_under_the_log_costs_no_request(store, worker):
    async with (
        gateway_process(store, worker.address, log=Path("/dev/full"), ATTENDANT_LOG_LEVEL="debug") as gateway,
        channel_to(gateway) as channel,
    ):
        predict = channel.unary_unary(f"{SERVICE}/Predict")
        for _ in range(20):
            assert await predict(PREDICT, timeout=10)
            bad = encode_predict_request("nobody", Tweet("what a day"))
            assert await code_of(predict(bad, timeout=10)) is grpc.StatusCode.NOT_FOUND
        gateway.process.terminate()
        # Python ends with 120 where it cannot write out its last words.
        assert await gateway.process.wait() in {0, 120}


async def test_clients_that_leave_free_what_they_held(store, worker):
    """Over gRPC and over HTTP: nothing stays in flight, no task and no descriptor."""
    async with gateway_process(store, worker.address) as gateway, channel_to(gateway) as channel:
        predict = channel.unary_unary(f"{SERVICE}/Predict")
        await predict(PREDICT, timeout=10)
        async with httpx.AsyncClient(base_url=gateway.http, trust_env=False) as client:
            await client.post("/v1/models/sarcasm:predict", json=BODY)
        await asyncio.sleep(0.5)
        before = [await gateway.metric(name) for name in ("attendant_tasks", "process_open_fds")]
        worker.gate.clear()
        calls = [asyncio.ensure_future(predict(PREDICT, timeout=60)) for _ in range(20)]
        async with httpx.AsyncClient(base_url=gateway.http, trust_env=False, timeout=60) as client:
            posts = [
                asyncio.ensure_future(client.post("/v1/models/sarcasm:predict", json=BODY)) for _ in range(20)
            ]
            await until(lambda: worker.active == 40)
            for one in (*calls, *posts):
                one.cancel()
            await asyncio.wait([*calls, *posts])
        await until(lambda: worker.active == 0, 10)
        assert worker.cancelled == 40
        in_flight = 'attendant_in_flight{model="sarcasm",work="predict"}'
        await until(lambda: _is(gateway, in_flight, 0))
        for name, value in zip(("attendant_tasks", "process_open_fds"), before, strict=True):
            await until(lambda name=name, value=value: _is_at_most(gateway, name, value), 10)


async def test_a_client_that_does_not_read_slows_nobody_else(store, worker):
    """Its answers wait in its own connection; the others are answered, and the gateway does not grow with it."""
    async with gateway_process(store, worker.address) as gateway, channel_to(gateway) as channel:
        predict = channel.unary_unary(f"{SERVICE}/Predict")
        host, port = gateway.http.removeprefix("http://").split(":")
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        deaf = socket.create_connection((host, int(port)))
        deaf.setblocking(False)
        try:
            with pytest.raises(BlockingIOError):  # the gateway stops reading from who does not read
                send_forever(deaf, request)
            for _ in range(20):
                assert await predict(PREDICT, timeout=5)
            assert await gateway.metric("process_resident_memory_bytes") < 400e6
        finally:
            deaf.close()
        assert await predict(PREDICT, timeout=5)


def send_forever(connection: socket.socket, data: bytes) -> None:
    for _ in range(1_000_000):
        connection.send(data)


async def _is(gateway, name: str, value: float) -> bool:
    return await gateway.metric(name) == value


async def _is_at_most(gateway, name: str, value: float) -> bool:
    return await gateway.metric(name) <= value
