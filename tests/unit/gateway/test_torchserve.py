"""One TorchServe, or several behind a name, as the gateway sees them."""

import asyncio
import socket
import time
from collections import Counter
from contextlib import asynccontextmanager

import grpc
import pytest
from fake_worker import FakeWorker
from name_server import NameServer

from attendant.errors import AttendantError
from attendant.wire.envelope import Operation, Row
from services.gateway.backends import torchserve
from services.gateway.backends.torchserve import TorchServeBackend

ROW = Row(Operation.PREDICT, b"request", "sarcasm", "1", 5.0)
ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


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


class Several:
    """Workers by address, a name for them, and the backend that asks it."""

    def __init__(self, port, names, backend, workers):
        self.port, self.names, self.backend, self.workers = port, names, backend, workers

    async def add(self, host):
        self.workers[host] = await FakeWorker().start(f"{host}:{self.port}")

    async def asked(self, calls) -> tuple[Counter, int]:
        """Whom so many calls went to, one after another; and how many failed."""
        before = {host: len(worker.rows) for host, worker in self.workers.items()}
        failed = 0
        for _ in range(calls):
            try:
                await self.backend.call("sarcasm", ROW, 5.0)
            except AttendantError:
                failed += 1
        return Counter({host: len(self.workers[host].rows) - count for host, count in before.items()}), failed


@asynccontextmanager
async def several(*hosts):
    with socket.create_server((ONE, 0)) as probe:
        port = probe.getsockname()[1]
    with NameServer("torchserve", hosts) as names:
        backend = TorchServeBackend(names.target(port), names.target(port))
        found = Several(port, names, backend, {})
        for host in hosts:
            await found.add(host)
        await backend.start()
        yield found
        await backend.close()
        for worker in found.workers.values():
            await worker.stop()


async def until_connected(found, hosts) -> None:
    """Until a few calls in a row reach all of them."""
    async with asyncio.timeout(10):
        while set(+(await found.asked(2 * len(hosts)))[0]) != set(hosts):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_calls_take_turns_between_all_addresses_of_the_name():
    async with several(ONE, TWO, THREE) as found:
        await until_connected(found, {ONE, TWO, THREE})
        assert await found.asked(30) == (Counter({ONE: 10, TWO: 10, THREE: 10}), 0)


async def test_one_that_is_gone_costs_no_later_call_and_a_new_one_gets_its_share():
    async with several(ONE, TWO) as found:
        await until_connected(found, {ONE, TWO})
        await found.workers.pop(TWO).stop()
        await asyncio.sleep(0.1)
        assert await found.asked(10) == (Counter({ONE: 10}), 0)
        await found.add(THREE)
        found.names.addresses = (ONE, THREE)
        await until_connected(found, {ONE, THREE})  # the lost connection made it look again, and again
        assert await found.asked(10) == (Counter({ONE: 5, THREE: 5}), 0)


async def test_an_archive_is_ready_where_one_of_several_has_it(monkeypatch):
    monkeypatch.setattr(torchserve, "PROBE_SECONDS", 10.0)  # also where the machine stands still
    async with several(ONE, TWO, THREE) as found:
        await until_connected(found, {ONE, TWO, THREE})
        found.workers[ONE].worker_status = found.workers[TWO].worker_status = "UNLOADING"
        for _ in range(20):
            assert all(await asyncio.gather(*(found.backend.ready(name) for name in ("sarcasm", "sdc"))))
        found.workers[THREE].worker_status = "UNLOADING"
        assert not await found.backend.ready("sarcasm")


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE])
async def test_one_that_fails_everything_is_left_out(code):
    """Its connection is fine, so taking turns alone would leave it half of the calls."""
    async with several(ONE, TWO) as found:
        await until_connected(found, {ONE, TWO})
        found.workers[TWO].failure = (code, "no")
        began = time.monotonic()
        while (await found.asked(20))[1]:
            assert time.monotonic() < began + 6  # it looks every 2 s
            await asyncio.sleep(0.05)
        assert (await found.asked(20))[0] == Counter({ONE: 20})
        found.workers[TWO].failure = None
        async with asyncio.timeout(20):  # it gets another chance after 3 s, and after 6 if it fails again
            while not (await found.asked(4))[0][TWO]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_one_that_impatient_callers_gave_up_is_not_left_out():
    """gRPC counts a call that its caller's deadline ended as the worker's failure; here nine of ten are."""
    async with several(ONE, TWO) as found:
        await until_connected(found, {ONE, TWO})
        began = time.monotonic()
        while time.monotonic() < began + 5:  # it looks every 2 s
            found.workers[TWO].failure = (grpc.StatusCode.DEADLINE_EXCEEDED, "no")
            assert await found.asked(18) == (Counter({ONE: 9, TWO: 9}), 9)
            found.workers[TWO].failure = None
            assert await found.asked(2) == (Counter({ONE: 1, TWO: 1}), 0)


async def test_where_all_fail_none_is_missed():
    """At most half are left out: calls that fail everywhere must not end with nobody to ask."""
    async with several(ONE, TWO) as found:
        await until_connected(found, {ONE, TWO})
        for worker in found.workers.values():
            worker.failure = (grpc.StatusCode.INTERNAL, "no")
        began = time.monotonic()
        while time.monotonic() < began + 3:
            await found.asked(10)
            await asyncio.sleep(0.05)
        for worker in found.workers.values():
            worker.failure = None
        assert (await found.asked(10))[1] == 0
