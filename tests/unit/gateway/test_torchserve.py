import json

import pytest
from fake_worker import FakeWorker

from services.gateway.backends.torchserve import TorchServeBackend, has_ready_worker


def description(*statuses):
    return json.dumps([{"modelName": "sarcasm", "workers": [{"status": status} for status in statuses]}])


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        (description("READY"), True),
        (description("UNLOADING", "READY"), True),
        (description("UNLOADING"), False),
        (description(), False),
        ("[]", False),
        ("", False),
        ("{}", False),
        ("null", False),
        ('[{"workers": [{}]}]', False),
    ],
)
def test_a_worker_that_serves_makes_an_archive_ready(text, ready):
    assert has_ready_worker(text) is ready


async def test_readiness_follows_the_workers():
    worker = await FakeWorker().start()
    backend = TorchServeBackend(worker.address, worker.address)
    await backend.start()
    assert await backend.ready("sarcasm")
    worker.worker_status = "UNLOADING"
    assert not await backend.ready("sarcasm")
    await worker.stop()
    assert not await backend.ready("sarcasm")
    await backend.close()
