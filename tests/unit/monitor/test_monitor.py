"""Which versions are followed, and how the monitor lives with Redis."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from fake_worker import until
from monitor_process import publish
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from watched_store import IRONY, SARCASM, draw

from services.monitor import follower, monitor
from services.monitor.http import build_app
from services.monitor.link import Link, LinkError
from services.monitor.metrics import DriftMetrics, StreamMetrics
from services.monitor.monitor import Monitor
from services.monitor.references import Name
from services.redis_connection import connect


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    for module in (follower, monitor):
        monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)


@asynccontextmanager
async def running(server, references):
    link = Link(connect(server.url, 1.0))
    made = Monitor(link, references, run_length=50.0, poll=0.01, save=0.05)
    made.registry = CollectorRegistry()
    made.registry.register(DriftMetrics(made.snapshots))
    made.registry.register(StreamMetrics(made))
    stopping = asyncio.Event()
    task = asyncio.create_task(made.run(stopping))
    try:
        yield made
    finally:
        stopping.set()
        await task
        await link.close()


async def test_versions_of_the_store_and_those_that_gateways_write_about_are_followed(
    server, client, references
):
    async with running(server, references) as made:
        await until(lambda: {IRONY, SARCASM} <= set(made.followers))
        await publish(client, draw(count=3), Name("new", "2"), "c" * 64)
        labels = {"model": "new", "version": "2"}
        await until(lambda: made.registry.get_sample_value("attendant_monitor_entries_total", labels) == 1)
        assert made.registry.get_sample_value("attendant_monitor_leader", labels) == 1
        missing = labels | {"modalities": "text"}
        assert made.registry.get_sample_value("attendant_attention_drift_reference_missing", missing) == 1


async def test_what_is_no_name_is_not_followed_and_there_is_a_bound(server, client, references, monkeypatch):
    monkeypatch.setattr(monitor, "VERSIONS", 4)
    odd = [b"", b"a", b"a/", b"/1", b"a/b/c", b"a b/1", b"\xff/1", b"{a}/1", b"a" * 101 + b"/1", b"a/1\n"]
    names = [f"m{number}/1" for number in range(20)]
    await client.sadd("attendant:samples", *odd, *names)
    async with running(server, references) as made:
        await until(lambda: len(made.followers) == 4)
        await asyncio.sleep(0.2)
        assert {str(name) for name in made.followers} == {"irony/1", "sarcasm/1", "m0/1", "m1/1"}


async def test_an_answer_of_the_wrong_kind_is_said_once_and_waited_out(server, client, references):
    await client.set("attendant:samples", "a string")
    with capture_logs() as logs:
        async with running(server, references) as made:
            await until(lambda: made.link.answered)
            await asyncio.sleep(0.3)
            await client.delete("attendant:samples")
            await publish(client, draw(count=3), IRONY)
            await until(lambda: made.followers[IRONY].status.progress.entries == 1)
    assert "Redis refuses" in [line["event"] for line in logs]


async def test_every_failure_of_redis_is_one_error_and_its_beginning_and_end_are_logged(server, client):
    link = Link(connect("redis://127.0.0.1:1", 0.5))
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(LinkError):
                await link.ask(link.client.ping())
        assert (link.up, link.answered) == (False, False)
        link.client = client
        await link.ask(link.client.ping())
        assert (link.up, link.answered) == (True, True)
        with pytest.raises(LinkError):
            await link.ask(link.client.execute_command("NONSENSE"))
        assert link.up
    assert [line["event"] for line in logs] == [
        "Redis does not answer",
        "Redis answers again",
        "Redis refuses",
    ]


async def test_what_http_answers(server, client, references):
    async with running(server, references) as made:
        await until(lambda: len(made.snapshots()) == 2)
        async with web(made) as http:
            assert (await http.get("/healthz")).text == "ok"
            assert (await http.get("/readyz")).status_code == 200
            assert "attendant_monitor_redis_up 1.0" in (await http.get("/metrics")).text
            versions = (await http.get("/drift")).json()["versions"]
            assert [one["model"] for one in versions] == ["irony", "sarcasm"]
            assert (await http.get("/else")).status_code == 404


async def test_before_redis_has_answered_it_is_not_ready(references):
    link = Link(connect("redis://127.0.0.1:1", 0.5))
    made = Monitor(link, references, run_length=50.0, poll=0.01, save=0.05)
    made.registry = CollectorRegistry()
    async with web(made) as http:
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/drift")).json() == {"versions": []}


def web(made):
    transport = httpx.ASGITransport(build_app(made, made.registry))
    return httpx.AsyncClient(transport=transport, base_url="http://monitor")
