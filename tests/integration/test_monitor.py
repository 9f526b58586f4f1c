"""Monitors as processes before a real Valkey: killed, restarted, two at a time, and what they answer over HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from functools import cache

import pytest
from monitor_process import monitor_process, publish, wait
from valkey_server import running_valkey
from watched_store import EVERYTHING, SARCASM, TEXT, draw, draw_reference, write_watched_store

from attendant.statistics.detector import RUN_LENGTH, Detector
from services.redis_connection import connect

COUNTED = "attendant_monitor_entries_total"
STREAM = f"attendant:samples:{{{SARCASM}}}"
ENTRIES, ROWS = 400, 20


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_watched_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def server(tmp_path):
    with running_valkey(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
async def client(server):
    client = connect(server.url, 5.0)
    yield client
    await client.aclose()


@pytest.fixture
def start(store, server, tmp_path):
    def start(number=0, **variables):
        return monitor_process(store, server.url, tmp_path / f"monitor-{number}.log", **variables)

    return start


@cache
def part(number):
    """Entries with one set of modalities each, and drift so weak that the evidence is anything but even."""
    return draw(EVERYTHING if number % 4 == 0 else (TEXT,), ROWS, number, drift=0.1)


async def fill(client, first=0, last=ENTRIES, pause=0.0):
    for number in range(first, last):
        await publish(client, part(number))
        await asyncio.sleep(pause)


async def assert_as_one_detector(monitor, entries=ENTRIES):
    """Windows, evidence and what is in the open windows: all as if nothing had happened in between."""
    await wait(lambda: is_counted(monitor, entries))
    detector = Detector(draw_reference(), RUN_LENGTH)
    for number in range(entries):
        detector.add(part(number))
    for found in detector.report().sets:
        for length in found.lengths:
            labels = {"model": "sarcasm", "modalities": found.name, "window": str(length.length)}
            for name, expected in (
                ("windows_total", length.windows),
                ("window_samples", length.filled),
                ("alarms_total", length.alarms),
                ("log_evidence", length.log_evidence),
            ):
                value = await monitor.metric(f"attendant_attention_drift_{name}", **labels)
                assert value == pytest.approx(expected), (name, labels)
    assert await monitor.metric("attendant_monitor_lost_entries_total") == 0
    assert await monitor.metric("attendant_monitor_bad_entries_total") == 0


async def is_counted(monitor, entries):
    return await monitor.metric(COUNTED, model="sarcasm") == entries


async def test_one_monitor_counts_everything_and_says_so(start, client):
    await fill(client)
    async with start() as monitor:
        await assert_as_one_detector(monitor)
        assert (await monitor.get("/readyz")).status_code == 200
        assert await monitor.metric("attendant_monitor_redis_up") == 1
        await wait(lambda: nothing_pending(monitor))
        document = (await monitor.get("/drift")).json()
        assert [one["model"] for one in document["versions"]] == ["irony", "sarcasm"]
        assert await client.xlen(STREAM) == 0


async def nothing_pending(monitor):
    return await monitor.metric("attendant_monitor_pending_entries", model="sarcasm") == 0


async def test_killed_in_the_middle_and_started_again_nothing_is_lost_or_counted_twice(start, client):
    filling = asyncio.create_task(fill(client, pause=0.01))
    for number in range(3):
        async with start(number, ATTENDANT_MONITOR_SAVE_SECONDS="0.5") as monitor:
            await wait(lambda monitor=monitor, number=number: is_beyond(monitor, 40 * (number + 1)))
            monitor.process.kill()
    await filling
    async with start(3) as monitor:
        await assert_as_one_detector(monitor)


async def is_beyond(monitor, entries):
    return await monitor.metric(COUNTED, model="sarcasm") > entries


async def test_of_two_monitors_one_counts_and_when_it_is_killed_the_other_goes_on(start, client):
    async with start(0) as one, start(1) as other:
        await wait(lambda: somebody_leads(one, other))
        first, second = (one, other) if await one.leads() else (other, one)
        assert not await second.leads()
        assert await second.metric(COUNTED) == 0
        filling = asyncio.create_task(fill(client, pause=0.005))
        await wait(lambda: is_beyond(first, 60))
        first.process.kill()
        await wait(second.leads)
        await filling
        await assert_as_one_detector(second)


async def somebody_leads(*monitors):
    return any([await monitor.leads() for monitor in monitors])


async def test_a_monitor_that_hangs_is_replaced_and_what_it_does_later_changes_nothing(start, client):
    async with start(0, ATTENDANT_MONITOR_SAVE_SECONDS="30") as one:
        await wait(one.leads)
        await fill(client, 0, 100)
        await wait(lambda: nothing_unread(client))
        one.process.send_signal(signal.SIGSTOP)  # it has counted them, and saved nothing
        async with start(1) as other:
            await wait(other.leads)
            await fill(client, 100, 200)
            one.process.send_signal(signal.SIGCONT)
            await fill(client, 200)
            await assert_as_one_detector(other)
            await wait(lambda: is_not_leading(one))
            assert await one.metric(COUNTED) == 0


async def nothing_unread(client):
    groups = await client.xinfo_groups(STREAM)
    return groups[0]["lag"] == 0


async def is_not_leading(monitor):
    return not await monitor.leads()


async def test_asked_to_stop_it_saves_leaves_its_place_and_ends_with_0(start, client):
    async with start(0, ATTENDANT_MONITOR_SAVE_SECONDS="30") as monitor:
        await wait(monitor.leads)
        await fill(client, 0, 50)
        await wait(lambda: nothing_unread(client))
        monitor.process.terminate()
        assert await asyncio.wait_for(monitor.process.wait(), 20) == 0
    assert await client.xlen(STREAM) == 0
    assert not await client.exists(f"attendant:monitor:{{{SARCASM}}}:lease")
    async with start(1) as monitor:
        await fill(client, 50)
        await assert_as_one_detector(monitor)


async def test_an_alarm_is_a_line_in_the_log_with_its_streams(start, client):
    async with start() as monitor:
        for number in range(100):
            await publish(client, draw((TEXT,), ROWS, number, drift=2.0))
        await wait(lambda: is_counted(monitor, 100))
        lines = [json.loads(line) for line in monitor.log.read_text().splitlines()]
    alarm = next(line for line in lines if line["event"] == "attention drifts")
    assert (alarm["model"], alarm["version"], alarm["modalities"]) == ("sarcasm", "1", "text")
    assert alarm["window"] == "fast"
    assert alarm["streams"]


async def test_without_redis_it_waits_and_says_so(store, tmp_path):
    with running_valkey(tmp_path / "valkey") as server:
        server.kill()
        async with monitor_process(store, server.url, tmp_path / "log") as monitor:
            assert (await monitor.get("/readyz")).status_code == 503
            assert (await monitor.get("/healthz")).status_code == 200
            assert await monitor.metric("attendant_monitor_redis_up") == 0
            server.start()
            await wait(monitor.leads)
            assert (await monitor.get("/readyz")).status_code == 200
            server.kill()
            await wait(lambda: redis_is_down(monitor))
            assert (await monitor.get("/readyz")).status_code == 200
            monitor.process.terminate()
            assert await asyncio.wait_for(monitor.process.wait(), 20) == 0
        server.start()


async def redis_is_down(monitor):
    return await monitor.metric("attendant_monitor_redis_up") == 0


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "ATTENDANT_MONITOR_REDIS_URL is not set"),
        ({"ATTENDANT_MONITOR_REDIS_URL": "http://:secret@a"}, "ATTENDANT_MONITOR_REDIS_URL: it begins with"),
        (
            {"ATTENDANT_MONITOR_REDIS_URL": "redis://a", "ATTENDANT_MONITOR_PORT": "x"},
            "ATTENDANT_MONITOR_PORT",
        ),
        (
            {"ATTENDANT_MONITOR_REDIS_URL": "redis://a", "ATTENDANT_MONITOR_HOST": "192.0.2.1"},
            "cannot listen",
        ),
        ({"ATTENDANT_MONITOR_REDIS_URL": "redis://a", "ATTENDANT_MODEL_STORE": "nowhere"}, "no model here"),
    ],
)
def test_what_is_wrong_is_one_line_and_it_does_not_start(store, variables, says):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    done = subprocess.run(
        [sys.executable, "-m", "services.monitor"],
        env=clean | {"ATTENDANT_MODEL_STORE": str(store)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_monitor_imports_no_model_library():
    program = (
        "import sys; import services.monitor.main;"
        "print(sorted({'torch', 'onnxruntime', 'onnx', 'ts'} & {m.split('.')[0] for m in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
