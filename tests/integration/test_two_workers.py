"""Two real TorchServe pods behind one gateway, found by a name as a headless Service's is: balance, loss and growth."""

import asyncio
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack

import pytest
from fake_worker import until
from gateway_process import gateway_process
from name_server import NameServer
from steady_load import explain, load, predict
from torchserve_pod import Pod, Ports

from attendant.client import AsyncClient
from services.stack.trial import ROOT

pytestmark = pytest.mark.xdist_group("pods")

PREDICT_CALLERS, EXPLAIN_CALLERS = 14, 2
BALANCE = 0.2  # of the mean
AGE_SECONDS = 4.0  # of a connection: shorter than the default, so that the test is


@pytest.fixture
def store(tmp_path):
    """The sarcasm model alone."""
    folder = tmp_path / "store"
    shutil.copytree(ROOT / "model_store" / "sarcasm", folder / "sarcasm", copy_function=os.link)
    return folder


@pytest.fixture
def start_pod(archives, tmp_path):
    """Start a pod with the sarcasm archives at an address."""
    folder = tmp_path / "archives"
    for name in ("sarcasm", "sarcasm_slow"):
        shutil.copytree(archives / name, folder / name, copy_function=os.link)
    ports, pods = Ports(), []

    def start(host):
        pods.append(
            Pod(host, ports, folder, tmp_path / f"{host}.log", CONNECTION_AGE_SECONDS=str(AGE_SECONDS))
        )
        return pods[-1]

    yield start, ports
    for pod in pods:
        pod.kill()
        pod.child.stop()


def say(line: str) -> None:
    """Where figures can be read, with pytest's -s."""
    sys.stdout.write(line + "\n")


async def shares(pods, seconds) -> list[float]:
    """What part of the requests of that time each pod was asked."""
    before = [sum(pod.requests().values()) for pod in pods]
    await asyncio.sleep(seconds)
    asked = [sum(pod.requests().values()) - count for pod, count in zip(pods, before, strict=True)]
    assert any(asked), f"none of {[pod.host for pod in pods]} was asked anything for {seconds} s"
    return [count / sum(asked) for count in asked]


def are_balanced(found) -> bool:
    mean = 1 / len(found)
    return all(abs(share - mean) <= BALANCE * mean for share in found)


async def test_two_share_the_traffic_one_is_killed_and_another_takes_its_place(start_pod, store):
    start, ports = start_pod
    one, two = start("127.0.0.1"), start("127.0.0.2")
    say(f"ready after {await one.wait_until_ready():.1f} and {await two.wait_until_ready():.1f} s")
    async with AsyncExitStack() as stack:
        names = stack.enter_context(NameServer("torchserve", (one.host, two.host)))
        gateway = await stack.enter_async_context(
            gateway_process(store, names.target(ports.inference), management=names.target(ports.management))
        )
        callers = {
            "predict": (AsyncClient, predict, PREDICT_CALLERS),
            "explain": (AsyncClient, explain, EXPLAIN_CALLERS),
        }
        async with load(gateway.address, callers) as result:
            await asyncio.sleep(1)
            found = await shares((one, two), 5)
            say(f"shares of two: {found}")
            assert are_balanced(found)

            two.kill()
            await asyncio.sleep(1)  # until Kubernetes has noticed
            names.addresses = (one.host,)
            three = start("127.0.0.3")
            say(f"the third is ready after {await three.wait_until_ready():.1f} s, under load")

            async def is_ready() -> bool:
                return await gateway.metric('attendant_model_ready{lane="fast",model="sarcasm"}') == 1

            await until(is_ready)  # one probe may be late, just after a third Java has started

            names.addresses = (one.host, three.host)
            seconds = await seconds_until_asked(three)
            say(f"it is asked {seconds:.1f} s after it has got its name")
            assert seconds < 2 * AGE_SECONDS
            found = await shares((one, three), 5)
            say(f"shares of one and three: {found}")
            assert are_balanced(found)
        codes = {
            code: await gateway.metric(
                f'attendant_requests_total{{code="{code}",method="Predict",model="sarcasm"}}'
            )
            for code in ("OK", "UNAVAILABLE")
        }
    say(f"{result}; at the gateway: {codes}; names looked up {names.asked} times")
    assert [account.failed for account in result.accounts.values()] == [0, 0]


async def seconds_until_asked(pod) -> float:
    began = time.monotonic()
    while not pod.requests():
        assert time.monotonic() < began + 60
        await asyncio.sleep(0.05)
    return time.monotonic() - began
