"""The embedded worker over a real socket: it serves what TorchServe serves, batches, and drains."""

import asyncio
import signal
import subprocess
import sys
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_predict_request
from handlers.worker import Batcher, Context

METHOD = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    root = tmp_path_factory.mktemp("w")
    (archive,) = build_archives(build_tiny_store(root / "store"), root / "archives")
    socket = f"unix:{root}/s"
    process = subprocess.Popen(
        [sys.executable, "-m", "handlers.worker", "--archive", str(archive), "--socket", socket]
    )
    with grpc.insecure_channel(socket) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        yield process, channel
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def call(channel, row, **kwargs):
    predictions = channel.unary_unary(
        METHOD, PredictionsRequest.SerializeToString, PredictionResponse.FromString
    )
    request = PredictionsRequest(model_name="sarcasm", input=row.to_entries())
    return Reply.from_bytes(predictions(request, timeout=30, **kwargs).prediction)


def test_it_answers_and_says_what_it_runs_on(worker):
    _, channel = worker
    request = encode_predict_request("sarcasm", Tweet("so much fun"))
    reply = call(channel, Row(Operation.PREDICT, request, "sarcasm", "1"))
    assert reply.response
    assert reply.inference_seconds > 0
    runtime = call(channel, Row(Operation.DESCRIBE, b"", "sarcasm", "1")).runtime
    assert runtime is not None
    assert runtime.provider == "CPUExecutionProvider"


def test_it_is_healthy_once_it_serves(worker):
    _, channel = worker
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert check.status == health_pb2.HealthCheckResponse.SERVING


class Recorder:
    """A handler that waits for the test before its first batch, and keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.go = threading.Event()

    def initialize(self, context): ...

    def handle(self, data, context):
        self.go.wait(10)
        self.batches.append([row["n"] for row in data])
        return [row["n"] for row in data]


async def test_rows_that_wait_are_batched_and_cancelled_ones_skipped():
    recorder = Recorder()
    batcher = Batcher(recorder, Context({}, {"batchSize": 3}))
    runner = asyncio.create_task(batcher.run())
    calls = [asyncio.create_task(batcher.submit({"n": b"%d" % n})) for n in range(6)]
    await asyncio.sleep(0.05)  # the first batch is with the handler, the rest waits
    calls[3].cancel()
    recorder.go.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    runner.cancel()
    assert recorder.batches == [[b"0", b"1", b"2"], [b"4", b"5"]]
    assert isinstance(answers[3], asyncio.CancelledError)
    assert [answer for n, answer in enumerate(answers) if n != 3] == [b"0", b"1", b"2", b"4", b"5"]
