"""What every test of the monitor needs."""

import pytest
from structlog.testing import capture_logs
from valkey_server import running_valkey
from watched_store import write_watched_store

from services.monitor.references import read_references
from services.redis_connection import connect


@pytest.fixture(autouse=True)
def _quiet():
    """Drawn explanations raise many alarms, each of which is a line."""
    with capture_logs():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
async def client(server):
    client = connect(server.url, 5.0)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    return read_references(write_watched_store(tmp_path_factory.mktemp("store")))
