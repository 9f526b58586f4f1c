"""`python -m services.torchserve`, as a pod runs it: its health, its end, and what stops its start."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from torchserve_pod import SETTING, Pod, Ports

from attendant.methods import ExplainOptions, PermutationOptions
from attendant.seals import write_seal
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Row
from attendant.wire.requests import encode_explain_request, encode_predict_request
from services.gateway.backends.predictions import Predictions
from services.stack.proc import family, wait_gone
from services.stack.trial import ROOT, WORKERS, free_ports

pytestmark = pytest.mark.xdist_group("pods")

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
PREDICT = Row(Operation.PREDICT, encode_predict_request("sarcasm", Tweet("what a day")), "sarcasm", "1", 10.0)
SLOW = Row(
    Operation.EXPLAIN,
    encode_explain_request(
        "sarcasm",
        Tweet("what a day " * 20, attributes=("cat", "dog")),
        options=ExplainOptions(permutation=PermutationOptions(samples=50_000, modality_samples=50_000)),
    ),
    "sarcasm",
    "1",
    60.0,
)


@pytest.fixture
def sarcasm_archives(archives, tmp_path):
    folder = tmp_path / "archives"
    for name in ("sarcasm", "sarcasm_slow"):
        shutil.copytree(archives / name, folder / name, copy_function=os.link)
    return folder


@pytest.fixture
async def pod(sarcasm_archives, tmp_path):
    started = Pod("127.0.0.1", Ports(), sarcasm_archives, tmp_path / "pod.log")
    yield started
    started.kill()
    started.child.stop()


def _command(process) -> bytes:
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


def _worker(pod, archive: str) -> int:
    for process in family(pod.child.process.pid):
        command = _command(process)
        if WORKERS[0] in command and Path(f"/proc/{process.pid}/cwd").readlink().name == archive:
            return process.pid
    raise AssertionError(f"{archive} has no worker")


async def test_it_is_live_at_once_ready_with_its_workers_and_answers_what_it_has_before_it_ends(pod):
    async with asyncio.timeout(20):
        while await pod.health("live") != SERVING:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await pod.health() == NOT_SERVING  # Java takes seconds
    await pod.wait_until_ready()
    assert await pod.health("nobody") is None

    os.kill(_worker(pod, "sarcasm_slow"), signal.SIGKILL)
    await asyncio.sleep(1.5)
    assert await pod.health() == SERVING  # predictions do not need it
    predictions = Predictions(f"127.0.0.1:{pod.ports.inference}")
    assert (await predictions.call("sarcasm", PREDICT, 10.0)).response

    async with asyncio.timeout(60):
        while not await _answer(predictions):  # noqa: ASYNC110 - until the slow worker is there again
            await asyncio.sleep(0.2)
    slow = [asyncio.create_task(predictions.call("sarcasm_slow", SLOW, 60.0)) for _ in range(4)]
    await asyncio.sleep(0.3)
    left = family(pod.child.process.pid)
    pod.terminate()
    began = time.monotonic()
    await asyncio.sleep(0.3)
    assert (await pod.health(), await pod.health("live")) == (NOT_SERVING, SERVING)
    assert all(reply.response for reply in await asyncio.gather(*slow))
    answered = time.monotonic() - began
    assert await pod.ended(20) == 0
    sys.stdout.write(f"\nanswered after {answered:.1f} s, ended after {time.monotonic() - began:.1f} s\n")
    assert answered > 0.5  # else nothing was in flight
    assert wait_gone(left, 5)
    await predictions.close()


async def _answer(predictions) -> bool:
    row = Row(Operation.DESCRIBE, b"", "sarcasm", "1")
    try:
        return (await predictions.call("sarcasm_slow", row, 5.0)).runtime is not None
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer
        return False


async def test_a_torchserve_that_ends_by_itself_ends_the_pod(pod):
    await pod.wait_until_ready()
    members = family(pod.child.process.pid)
    (java,) = (each for each in members if b"org.pytorch.serve.ModelServer" in _command(each))
    java.send(signal.SIGKILL)
    assert await pod.ended(10) == 1
    assert pod.child.last_lines(1) == ["attendant torchserve: TorchServe ended by itself (signal 9)"]
    assert wait_gone(members, 5)


async def test_torchserve_does_not_outlive_the_pods_process(pod):
    await pod.wait_until_ready()
    members = family(pod.child.process.pid)
    pod.child.process.send(signal.SIGKILL)
    assert wait_gone(members, 20)


async def test_models_cannot_be_registered_or_unregistered_from_outside(pod):
    await pod.wait_until_ready()
    name = b"\x0a\x07sarcasm"  # field 1 of UnregisterModelRequest
    address = b"\x4a\x07sarcasm"  # field 9 of RegisterModelRequest, the archive's URL
    async with grpc.aio.insecure_channel(f"127.0.0.1:{pod.ports.management}") as channel:
        for method, request in (("UnregisterModel", name), ("RegisterModel", address)):
            call = channel.unary_unary(f"/org.pytorch.serve.grpc.management.ManagementAPIsService/{method}")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(request, timeout=10)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await pod.health() == SERVING


def run(archives, **variables) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    return subprocess.run(
        [sys.executable, "-m", "services.torchserve"],
        cwd=ROOT,
        env=clean | {f"{SETTING}ARCHIVES": str(archives)} | variables,
        capture_output=True,
        text=True,
        timeout=150,  # a whole start of Java, on a busy machine
        check=False,
    )


def test_a_changed_archive_is_one_line(sarcasm_archives):
    more = sarcasm_archives / "sarcasm_slow" / "more.py"
    more.write_text("")
    program = run(sarcasm_archives)
    assert program.returncode == 1
    (line,) = program.stderr.splitlines()
    assert f"{more}: " in line


def test_no_archive_a_long_folder_and_a_bad_setting_are_one_line_each(tmp_path):
    for name in ("empty", "x" * 90):
        (tmp_path / name).mkdir()
    archive = tmp_path / "one" / "sarcasm"
    (archive / "MAR-INF").mkdir(parents=True)
    (archive / "MAR-INF" / "MANIFEST.json").write_text("{}")
    write_seal(archive)
    for program, says in (
        (run(tmp_path / "empty"), "make archive"),
        (run(archive.parent, TMPDIR=str(tmp_path / ("x" * 90))), "TMPDIR="),
        (run(archive.parent, **{f"{SETTING}HEAP_MIB": "1"}), f"{SETTING}HEAP_MIB='1'"),
    ):
        assert program.returncode == 1
        (line,) = program.stderr.splitlines()
        assert says in line


@pytest.mark.parametrize("port", ["HEALTH_PORT", "INFERENCE_PORT"])
def test_a_taken_port_ends_it(sarcasm_archives, port):
    others = ("INFERENCE_PORT", "MANAGEMENT_PORT", "METRICS_PORT", "HEALTH_PORT")
    ports = dict(zip(others, map(str, free_ports(4)), strict=True))
    with socket.create_server(("127.0.0.1", int(ports[port]))):
        program = run(sarcasm_archives, TMPDIR="/tmp", **{SETTING + name: at for name, at in ports.items()})
    assert program.returncode == 1
    assert program.stderr.splitlines()[-1].startswith("attendant torchserve: ")
