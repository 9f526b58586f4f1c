"""What a pod's health says where TorchServe cannot be asked."""

import asyncio
import contextlib

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from services.torchserve import pod
from services.torchserve.config import TorchServeSettings


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store" / "sarcasm" / "MAR-INF").mkdir(parents=True)
    (tmp_path / "store" / "sarcasm" / "MAR-INF" / "MANIFEST.json").write_text("{}")
    return tmp_path / "store"


async def test_a_fault_of_its_own_is_not_ready_and_it_goes_on_asking(store, tmp_path, monkeypatch):
    monkeypatch.setattr(pod, "POLL_SECONDS", 0.01)
    answers: list[bool | Exception] = [True]

    async def is_ready(*_args) -> bool:
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    monkeypatch.setattr(pod, "is_ready", is_ready)
    running = pod.Pod(TorchServeSettings(archives=store), tmp_path)
    polling = asyncio.create_task(running._poll())
    for answer, expected in (
        (True, HealthCheckResponse.SERVING),
        (RuntimeError("unexpected"), HealthCheckResponse.NOT_SERVING),
        (True, HealthCheckResponse.SERVING),
    ):
        answers[0] = answer
        async with asyncio.timeout(5):
            while (await running._health.Check(HealthCheckRequest(), None)).status != expected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    polling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await polling
