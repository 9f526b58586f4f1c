"""Drains: what was taken is finished, what comes later is not taken, what takes too long is cut."""

import asyncio
import contextlib
import struct
import time
from pathlib import Path

import grpc
import pytest
from fake_worker import FakeWorker, until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sample_models import MODELS

from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainStreamResponse
from attendant.wire.requests import encode_explain_request, encode_predict_request, encode_stream_request
from attendant.wire.responses import decode_predict_response
from services.gateway.backends.torchserve import TorchServeBackend
from services.gateway.config import GatewaySettings
from services.gateway.main import build_server
from services.gateway.server import PortTakenError

PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_drain_finishes_what_was_taken_and_takes_nothing_new(launch):
    async with launch() as gateway:
        await until(gateway.ready)
        watch = health_pb2_grpc.HealthStub(gateway.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
        await watch.read()
        gateway.worker.gate.clear()
        body = {"instance": {"tweet": {"text": "x"}}}
        http = asyncio.ensure_future(gateway.http.post("/v1/models/sarcasm:predict", json=body))
        calls = [asyncio.ensure_future(gateway.call("Predict", PREDICT)) for _ in range(5)]
        stream = gateway.stream()
        for name in "ab":
            request = encode_explain_request("sarcasm", Tweet(name), request_id=name)
            await stream.write(encode_stream_request(request))
        await until(lambda: gateway.worker.active >= 8)
        drain = asyncio.ensure_future(gateway.drain())
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        await asyncio.sleep(0.2)  # what comes in the first moment is still taken
        async with grpc.aio.insecure_channel(gateway.server.grpc_address) as other:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await other.unary_unary("/attendant.v1.AttendantService/Predict")(PREDICT, timeout=2)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not drain.done()
        gateway.worker.gate.set()
        for call in calls:
            assert decode_predict_response(await call).prediction.label == "sarcastic"
        assert (await http).status_code == 200
        names = {ExplainStreamResponse.FromString(await stream.read()).request_id for _ in range(2)}
        assert names == {"a", "b"}
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        started = time.perf_counter()
        await drain
        assert time.perf_counter() - started < 2


async def test_a_stream_that_does_not_end_is_told_before_the_drain_is_over(launch):
    async with launch(drain_seconds=1.0) as gateway:
        stream = gateway.stream()
        request = encode_stream_request(encode_explain_request("sarcasm", Tweet("x"), request_id="a"))
        await stream.write(request)
        assert ExplainStreamResponse.FromString(await stream.read()).request_id == "a"
        started = time.perf_counter()
        await gateway.drain()
        assert time.perf_counter() - started < 5.0
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "closing" in caught.value.details()


async def test_what_takes_longer_than_the_drain_is_cut(launch):
    async with launch(drain_seconds=0.3) as gateway:
        gateway.worker.gate.clear()
        call = asyncio.ensure_future(gateway.call("Predict", PREDICT))
        await until(lambda: gateway.worker.active)
        await gateway.drain()
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_a_connection_is_told_how_much_it_may_ask_for_at_once(gateway):
    """HTTP/2's first frame: 3 is the calls at a time, 6 the bytes of metadata."""
    host, _, port = gateway.server.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
    head = await asyncio.wait_for(reader.readexactly(9), 5)
    rows = await reader.readexactly(int.from_bytes(head[:3], "big"))
    settings = dict(struct.iter_unpack(">HI", rows))
    assert (head[3], settings[3], settings[6]) == (4, 1024, 16 * 1024)
    writer.close()


async def test_metadata_beyond_the_limit_is_refused(gateway):
    ask = gateway.channel.unary_unary("/attendant.v1.AttendantService/Predict")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(PREDICT, timeout=5, metadata=(("x-more", "y" * 20_000),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not gateway.worker.rows


async def test_a_drain_that_follows_at_once_ends_everything():
    """As a SIGTERM during the start does."""
    worker = await FakeWorker().start()
    settings = GatewaySettings(grpc_port=0, http_port=0, drain_seconds=1.0)
    server = build_server(settings, MODELS, TorchServeBackend(worker.address, worker.address))
    await server.start()
    await server.drain()
    await worker.stop()


async def test_a_port_is_not_shared_with_another_gateway(gateway):
    settings = GatewaySettings(grpc_port=int(gateway.server.grpc_address.rpartition(":")[2]), http_port=0)
    other = build_server(settings, MODELS, TorchServeBackend(gateway.worker.address, gateway.worker.address))
    with pytest.raises(PortTakenError, match="Address already in use"):
        await other.start()


async def test_a_drain_finishes_the_calls_of_every_connection(launch):
    """The system divides them between the servers on the port."""
    async with launch() as gateway, contextlib.AsyncExitStack() as opened:
        await until(gateway.ready)
        gateway.worker.gate.clear()
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection each
        calls = []
        for _ in range(24):
            channel = grpc.aio.insecure_channel(gateway.server.grpc_address, options=options)
            await opened.enter_async_context(channel)
            ask = channel.unary_unary("/attendant.v1.AttendantService/Predict")
            calls.append(asyncio.ensure_future(ask(PREDICT, timeout=10)))
        await until(lambda: gateway.worker.active >= 24)
        drain = asyncio.ensure_future(gateway.drain())
        await asyncio.sleep(0.2)
        gateway.worker.gate.set()
        for answer in await asyncio.gather(*calls):
            assert decode_predict_response(answer).prediction.label == "sarcastic"
        await drain


async def test_connections_are_exchanged_and_neither_calls_nor_streams_notice(launch):
    async with launch(connection_age_seconds=1.0) as gateway:
        await until(gateway.ready)
        stream = gateway.stream()
        began, calls, ports = time.perf_counter(), 0, set()
        while time.perf_counter() < began + 5:
            request = encode_explain_request("sarcasm", Tweet(f"item {calls}"), request_id=str(calls))
            await stream.write(encode_stream_request(request))
            assert ExplainStreamResponse.FromString(await stream.read()).request_id == str(calls)
            await gateway.call("Predict", PREDICT)
            calls += 1
            ports |= _clients_ports(gateway.server.grpc_address)
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert calls > 10
        assert len(ports) >= 4  # the first, which the stream held open, and those that came after it


def _clients_ports(address: str) -> set[str]:
    """From which ports connections to `address` are open now."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    tables = [Path("/proc/net") / name for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[2].endswith(f":{port}") and row[3] == "01"}
