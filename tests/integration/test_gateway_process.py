"""The gateway as a process: what stops its start, and what it does when it is told to end."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter

import grpc
import httpx
import pytest
from fake_worker import FakeWorker
from gateway_process import gateway_environment, gateway_process, write_store

from attendant.seals import write_seal
from attendant.types import Tweet
from attendant.wire.requests import encode_predict_request
from benchmarks.frames import End, Question
from benchmarks.load import connect

PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path)


def run(environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.gateway"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("port", ["ATTENDANT_GRPC_PORT", "ATTENDANT_HTTP_PORT"])
def test_a_taken_port_is_one_line(store, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        program = run(gateway_environment(store, **{port: number}))
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1:{number}: Address already in use" in line


def test_a_bad_setting_is_one_line(store):
    program = run(gateway_environment(store, ATTENDANT_GRPC_PORT="x"))
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert "ATTENDANT_GRPC_PORT='x'" in line


def test_a_store_without_models_is_one_line(tmp_path):
    program = run(gateway_environment(tmp_path))
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert str(tmp_path) in line


def test_archives_that_are_not_built_are_one_line(store, tmp_path):
    program = run(gateway_environment(store, ATTENDANT_BACKEND="embedded", ATTENDANT_ARCHIVES=str(tmp_path)))
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert "make archive" in line


@pytest.mark.parametrize("change", ["more.py", "sarcasm/1/hfm.onnx", "sarcasm_handler.py"])
def test_archives_that_were_changed_are_one_line(store, tmp_path, change):
    for name in ("sarcasm", "sarcasm_slow"):
        for file in ("MAR-INF/MANIFEST.json", "sarcasm/1/hfm.onnx", "sarcasm_handler.py"):
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
        write_seal(tmp_path / name)
    with (tmp_path / "sarcasm_slow" / change).open("a") as file:
        file.write(" ")
    program = run(gateway_environment(store, ATTENDANT_BACKEND="embedded", ATTENDANT_ARCHIVES=str(tmp_path)))
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert f"{tmp_path / 'sarcasm_slow' / change}: " in line


@pytest.fixture
async def process(store):
    """A gateway in a process of its own, its addresses, and its worker."""
    worker = await FakeWorker().start()
    async with gateway_process(store, worker.address) as gateway:
        yield gateway.process, gateway.address, gateway.http, worker
    await worker.stop()


async def test_sigterm_under_load_loses_no_call(process):
    """Every call is answered, or finds nobody who takes it: without retries, and on the channel that was open."""
    gateway, address, _, worker = process
    answered, refused = 0, []

    async def ask(channel):
        nonlocal answered
        call = channel.unary_unary("/attendant.v1.AttendantService/Predict")
        while True:
            try:
                await call(PREDICT, timeout=10)
                answered += 1
            except grpc.aio.AioRpcError as error:
                refused.append(error.code())
                return

    options = [("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        clients = [asyncio.create_task(ask(channel)) for _ in range(8)]
        await asyncio.sleep(0.3)
        gateway.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
    assert await gateway.wait() == 0
    assert answered == len(worker.rows) > 8
    assert refused == [grpc.StatusCode.UNAVAILABLE] * 8


async def test_ctrl_c_under_load_loses_no_http_request(process):
    gateway, _, address, worker = process
    answered, refused = 0, []

    async def ask(client):
        nonlocal answered
        body = {"instance": {"tweet": {"text": "what a day"}}}
        while True:
            try:
                answer = await client.post(f"{address}/v1/models/sarcasm:predict", json=body)
                answered += answer.is_success
            except httpx.TransportError as error:
                refused.append(type(error))
                return

    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        clients = [asyncio.create_task(ask(client)) for _ in range(8)]
        await asyncio.sleep(0.3)
        gateway.send_signal(signal.SIGINT)
        await asyncio.gather(*clients)
    assert await gateway.wait() == 0
    assert answered == len(worker.rows) > 8
    assert refused == [httpx.ConnectError] * 8


async def test_a_process_that_is_flooded_refuses_unread(store):
    """A slot that is never free, and always hundreds of calls that want it: until the process has found out."""
    worker = await FakeWorker().start()
    worker.gate.clear()
    limits = {"ATTENDANT_MAX_IN_FLIGHT": "1"}
    async with gateway_process(store, worker.address, **limits) as gateway:
        connection = await connect(gateway.address)
        ends: Counter[End] = Counter()

        def ask(ended: End | None = None) -> None:
            if ended is not None:
                ends[ended] += 1
            if ended is not End.RESET:
                connection.ask(Question("Predict", PREDICT), ask)

        for _ in range(300):
            ask()
        series = 'attendant_requests_total{code="RESOURCE_EXHAUSTED",method="Predict",model="unknown"}'
        async with asyncio.timeout(60):
            while not await gateway.metric(series):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.2)
        connection.close()
    await worker.stop()
    assert set(ends) <= {End.REFUSED, End.RESET}
    assert ends[End.REFUSED] > 1
