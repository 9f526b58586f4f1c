"""The embedded worker over a real socket: it serves what TorchServe serves, batches, and drains."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.manifest import ManifestError, read_manifest, write_manifest
from attendant.methods import AdversarialOptions, CrossModalOptions, ExplainOptions, GradientOptions, Method
from attendant.seals import write_seal
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response
from handlers.worker import Batcher, Context, open_archive

GRADIENT = ExplainOptions(gradient=GradientOptions())
METHOD = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"


@contextmanager
def running_worker(archive, socket, **variables):
    """A worker process and a channel to it; in the end it is told to go."""
    process = subprocess.Popen(
        [sys.executable, "-m", "handlers.worker", "--archive", str(archive), "--socket", socket],
        env=os.environ | variables,
    )
    with grpc.insecure_channel(socket) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        yield process, channel
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("w")
    (archive,) = build_archives(build_tiny_store(root / "store"), root / "archives")
    return archive


@pytest.fixture(scope="module")
def worker(archive):
    with running_worker(archive, f"unix:{archive.parent}/fast") as running:
        yield running


@pytest.fixture(scope="module")
def slow_worker(archive):
    with running_worker(archive.with_name("sarcasm_slow"), f"unix:{archive.parent}/slow") as running:
        yield running


def priorities(process) -> set[tuple[int, int]]:
    """Scheduling policy and niceness of each of its threads."""
    threads = [int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir()]
    return {(os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)) for thread in threads}


def call(channel, row, timeout=30):
    predictions = channel.unary_unary(
        METHOD, PredictionsRequest.SerializeToString, PredictionResponse.FromString
    )
    request = PredictionsRequest(model_name="sarcasm", input=row.to_entries())
    return Reply.from_bytes(predictions(request, timeout=timeout).prediction)


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


@pytest.mark.parametrize(
    ("variables", "policy"),
    [({}, os.SCHED_OTHER), ({"ATTENDANT_SLOW_PRIORITY": "idle"}, os.SCHED_IDLE)],
    ids=["low", "idle"],
)
def test_every_thread_of_the_slow_lanes_worker_steps_back(archive, worker, variables, policy):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    slow, socket = archive.with_name("sarcasm_slow"), f"unix:{archive.parent}/stepped"
    with running_worker(slow, socket, **variables) as (process, channel):
        request = encode_explain_request("sarcasm", Tweet("so much fun"), options=GRADIENT)
        reply = call(channel, Row(Operation.EXPLAIN, request, "sarcasm", "1"))
        assert decode_explain_response(reply.response).explanations.gradient
        assert reply.explanation_seconds > 0
        assert priorities(process) == {(policy, own + 10)}
    assert priorities(worker[0]) == {(os.SCHED_OTHER, own)}


@pytest.mark.parametrize("methods", [(), tuple(Method)], ids=["none", "all"])
def test_what_only_methods_read_is_read_before_it_serves(archive, tmp_path, methods):
    """In the fast lane as in the slow one, where the model offers methods."""
    broken = shutil.copytree(archive, tmp_path / "sarcasm")
    write_manifest(broken / "sarcasm", replace(read_manifest(broken / "sarcasm"), methods=methods))
    (broken / "sarcasm/1/typical.safetensors").write_bytes(b"changed")
    write_seal(broken)
    with pytest.raises(ManifestError, match="typical") if methods else nullcontext():
        open_archive(broken)


HANDLER = """
import time

class Handler:
    def initialize(self, context): ...

    def handle(self, data, context):
        time.sleep(60)
"""


def test_what_nobody_waits_for_does_not_hold_up_the_end(tmp_path):
    (tmp_path / "MAR-INF").mkdir()
    names = {"handler": "handler.py", "configFile": "model-config.yaml"}
    (tmp_path / "MAR-INF/MANIFEST.json").write_text(json.dumps({"model": names}))
    (tmp_path / "handler.py").write_text(HANDLER)
    (tmp_path / "model-config.yaml").write_text("batchSize: 1")
    write_seal(tmp_path)
    with running_worker(tmp_path, f"unix:{tmp_path}/s") as (_, channel):
        row = Row(Operation.PREDICT, b"", "sarcasm", "1")
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            call(channel, row, timeout=0.5)


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


class Endless:
    """A handler that works until the row's caller has gone, and then on the next one."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gone: list[tuple[bool, ...]] = []

    def initialize(self, context): ...

    def handle(self, data, context):
        self.begun.set()
        end = time.monotonic() + 10
        while data[0]["n"] == b"endless" and not context.gone[0]() and time.monotonic() < end:
            time.sleep(0.001)
        self.gone.append(tuple(gone() for gone in context.gone))
        return [row["n"] for row in data]


async def test_a_caller_that_goes_while_its_row_is_in_work_frees_the_handler():
    handler = Endless()
    batcher = Batcher(handler, Context({}, {"batchSize": 2}))
    runner = asyncio.create_task(batcher.run())
    goes, stays = (asyncio.create_task(batcher.submit({"n": n})) for n in (b"endless", b"stays"))
    await asyncio.to_thread(handler.begun.wait, 10)
    following = asyncio.create_task(batcher.submit({"n": b"next"}))
    goes.cancel()
    assert await asyncio.wait_for(following, 5) == b"next"
    assert await stays == b"stays"
    runner.cancel()
    assert handler.gone == [(True, False), (False,)]


ADVERSARIES = ExplainOptions(adversarial=AdversarialOptions(adversaries=20, steps=2_000))
PROBES = ExplainOptions(cross_modal=CrossModalOptions(random_masks=200))


@pytest.mark.parametrize("options", [ADVERSARIES, PROBES], ids=["adversarial", "cross_modal"])
def test_an_explanation_that_is_cancelled_while_it_runs_makes_way_for_the_next(slow_worker, options):
    """Generous: `python -m benchmarks.cancellation` has the times."""
    _, channel = slow_worker
    tweet = Tweet("so much fun " * 25, attributes=("dog", "man", "food"))
    long, short = (encode_explain_request("sarcasm", tweet, options=asked) for asked in (options, GRADIENT))
    row = Row(Operation.EXPLAIN, long, "sarcasm", "1", budget=60.0)
    predictions = channel.unary_unary(
        METHOD, PredictionsRequest.SerializeToString, PredictionResponse.FromString
    )
    started = time.perf_counter()
    for _ in range(10):
        running = predictions.future(PredictionsRequest(model_name="sarcasm", input=row.to_entries()))
        time.sleep(0.05)
        assert not running.done()
        running.cancel()
    assert call(channel, replace(row, request=short)).response
    cancelled = time.perf_counter() - started
    whole = call(channel, row)
    assert not whole.truncated
    assert cancelled < 5 * whole.explanation_seconds
