"""A TorchServe that is restarted under a gateway, and workers that hang: with the real ones."""

import asyncio
import os
import shutil
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import yaml
from gateway_process import gateway_process

from attendant.seals import write_seal
from attendant.types import Tweet
from attendant.wire.requests import encode_predict_request
from services.gateway.config import GatewaySettings
from services.monitor.config import MonitorSettings
from services.stack.children import Child
from services.stack.config import Settings, StackSettings
from services.stack.proc import family
from services.stack.torchserve import torchserve
from services.stack.trial import ROOT, WORKERS, free_ports

PREDICT = encode_predict_request("sarcasm", Tweet("what a day"))
RESPONSE_SECONDS = 3


@pytest.fixture
def hasty_archives(archives, tmp_path):
    """The sarcasm archives, whose workers TorchServe gives up after 3 s instead of 30 and 120."""
    folder = tmp_path / "archives"
    for name in ("sarcasm", "sarcasm_slow"):
        shutil.copytree(archives / name, folder / name, copy_function=os.link)
        configuration = folder / name / "model-config.yaml"
        content = yaml.safe_load(configuration.read_text()) | {"responseTimeout": RESPONSE_SECONDS}
        configuration.unlink()  # a link to the real one
        configuration.write_text(yaml.safe_dump(content))
        write_seal(folder / name)
    return folder


@pytest.fixture
def store(tmp_path):
    """The sarcasm model alone."""
    folder = tmp_path / "store"
    shutil.copytree(ROOT / "model_store" / "sarcasm", folder / "sarcasm", copy_function=os.link)
    return folder


@pytest.fixture
def start_torchserve(tmp_path):
    """Start a TorchServe of the test's own, at the same addresses each time."""
    inference, management, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    started = []

    def start(folder):
        scratch = Path(f"/tmp/attendant-test-{os.getpid()}-{len(started)}")  # short: it has sockets in it
        scratch.mkdir()
        settings = Settings(
            GatewaySettings(
                archives=folder, torchserve_address=inference, torchserve_management_address=management
            ),
            StackSettings(metrics_address=metrics),
            MonitorSettings(),
        )
        child = Child(torchserve(settings, scratch, tmp_path / f"torchserve-{len(started)}.log"))
        started.append((child, scratch))
        return child

    yield start, inference, management
    for child, scratch in started:
        child.stop()
        shutil.rmtree(scratch, ignore_errors=True)


async def outcome(predict, timeout=20.0) -> grpc.StatusCode | None:  # noqa: ASYNC109
    """None for an answer."""
    try:
        await predict(PREDICT, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def wait_for_answer(predict, seconds=60.0) -> None:
    end = time.monotonic() + seconds
    while await outcome(predict) is not None:
        assert time.monotonic() < end, "no answer"
        await asyncio.sleep(0.1)


@asynccontextmanager
async def serving(store, address, management):
    """Predict, through a gateway before that TorchServe, without retries."""
    async with (
        gateway_process(store, address, management=management) as gateway,
        grpc.aio.insecure_channel(gateway.address, [("grpc.enable_retries", 0)]) as channel,
    ):
        yield channel.unary_unary("/attendant.v1.AttendantService/Predict")


async def test_a_torchserve_that_is_restarted_is_found_again(store, start_torchserve, hasty_archives):
    start, address, management = start_torchserve
    first = start(hasty_archives)
    async with serving(store, address, management) as predict:
        assert await outcome(predict) is None
        first.process.send(signal.SIGKILL)
        await asyncio.sleep(0.5)
        started = time.monotonic()
        assert await outcome(predict) is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - started < 2  # at once, not when the deadline passes
        first.stop()
        start(hasty_archives)
        await wait_for_answer(predict)


async def test_a_worker_of_torchserve_that_hangs_is_replaced(store, start_torchserve, hasty_archives):
    start, address, management = start_torchserve
    child = start(hasty_archives)
    async with serving(store, address, management) as predict:
        assert await outcome(predict) is None
        hung = _worker_below(child, "sarcasm")
        os.kill(hung, signal.SIGSTOP)
        # Who asks for less than TorchServe's patience learns that its time is over.
        assert await outcome(predict, timeout=1.0) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await outcome(predict) in {grpc.StatusCode.UNAVAILABLE, None}
        await wait_for_answer(predict)
        assert _worker_below(child, "sarcasm") != hung


def _worker_below(child: Child, archive: str) -> int:
    for process in family(child.process.pid):
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        if WORKERS[0] in command and Path(f"/proc/{process.pid}/cwd").readlink().name == archive:
            return process.pid
    raise AssertionError(f"no worker of {archive}")
