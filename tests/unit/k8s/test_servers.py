"""What the checks believe of the servers is what the running servers do."""

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from monitor_process import monitor_process
from valkey_server import running_valkey
from watched_store import write_watched_store

from attendant.models import runtime
from handlers import priority
from k8s.checks.documents import Container, Workload
from k8s.checks.programs import find_server, name_program
from k8s.checks.servers import (
    WORKER_VARIABLES,
    SettingsError,
    check_names,
    read_server,
    variables,
)
from services.gateway.config import GatewaySettings
from services.monitor.config import MonitorSettings
from services.stack.trial import free_ports


def listener(server, name):
    return next(one for one in server.listeners if one.name == name)


@asynccontextmanager
async def running(*command, environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    process = await asyncio.create_subprocess_exec(*command, env=clean | environment)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def wait_for(url):
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_the_gateway_listens_and_answers_as_it_is_read():
    """Without a backend: it lives, and is not ready."""
    rpc, http, operations = map(str, free_ports(3))
    environment = {
        "ATTENDANT_GRPC_PORT": rpc,
        "ATTENDANT_HTTP_PORT": http,
        "ATTENDANT_OPERATIONS_PORT": operations,
        "ATTENDANT_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    server = await asyncio.to_thread(read_server, "gateway", environment)  # it has a loop of its own
    assert [str(one.port) for one in server.listeners] == [rpc, http, operations]
    async with running(sys.executable, "-m", "services.gateway", environment=environment):
        await wait_for(f"http://127.0.0.1:{operations}/healthz")
        async with httpx.AsyncClient(trust_env=False) as client:
            for name, port in (("http", http), ("operations", operations)):
                paths = listener(server, name).paths
                assert {"/healthz", "/readyz", "/metrics"} <= paths
                for path in paths:
                    answer = await client.get(f"http://127.0.0.1:{port}{path}")
                    assert answer.status_code not in (404, 405), (name, path)
                assert (await client.get(f"http://127.0.0.1:{port}/nothing")).status_code == 404
        async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            known = await stub.List(health_pb2.HealthListRequest())
    assert set(known.statuses) == listener(server, "grpc").services


async def test_the_monitor_listens_and_answers_as_it_is_read(tmp_path):
    with running_valkey(tmp_path / "valkey") as valkey:
        server = read_server(
            "monitor", {"ATTENDANT_MONITOR_REDIS_URL": valkey.url, "ATTENDANT_MONITOR_PORT": "5"}
        )
        assert listener(server, "http").port == 5
        store = write_watched_store(tmp_path / "store")
        async with monitor_process(store, valkey.url, tmp_path / "log") as monitor:
            for path in listener(server, "http").paths:
                assert (await monitor.get(path)).status_code not in (404, 405), path


def test_valkey_understands_its_configuration_as_it_is_read(dev, tmp_path):
    configuration = tmp_path / "valkey.conf"
    configuration.write_text(dev.valkey()["valkey.conf"])
    workload = dev.build.workload("Deployment", "redis")
    server = find_server(dev.build, workload, workload.containers[0])
    with running_valkey(tmp_path / "valkey", configuration=configuration) as valkey:
        assert ask(valkey, "CONFIG GET maxmemory") == str(server.heap)
        assert ask(valkey, "CONFIG GET protected-mode") == "no"
        assert ask(valkey, "CONFIG GET maxmemory-policy") == "volatile-lfu"


def ask(valkey, command):
    with socket.create_connection(("127.0.0.1", valkey.port), timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1000).decode().split("\r\n")[-2]


def test_only_what_the_program_reads_is_taken():
    check_names({"ATTENDANT_HTTP_PORT", "TMPDIR"}, GatewaySettings)
    with pytest.raises(SettingsError, match=r"^ATTENDANT_MONITOR_PORT is no setting of GatewaySettings$"):
        check_names({"ATTENDANT_MONITOR_PORT"}, GatewaySettings)
    with pytest.raises(SettingsError, match=r"^TMPDRI is no setting of GatewaySettings$"):
        check_names({"TMPDRI"}, GatewaySettings)


def test_aliases_are_variables():
    assert {"ATTENDANT_REDIS_URL", "ATTENDANT_MONITOR_REDIS_URL", "ATTENDANT_MONITOR_PORT"} <= variables(
        MonitorSettings
    )
    assert "ATTENDANT_PORT" not in variables(MonitorSettings)


def test_the_workers_read_their_variables():
    files = (Path(runtime.__file__), Path(priority.__file__))
    text = "".join(file.read_text() for file in files)
    assert all(f'"{name}"' in text for name in WORKER_VARIABLES)


def test_reading_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("ATTENDANT_HTTP_PORT", "1234")
    before = dict(os.environ)
    server = read_server("gateway", {})
    assert listener(server, "http").port == 8000
    with pytest.raises(SettingsError):
        read_server("gateway", {"ATTENDANT_HTTP_PORT": "x"})
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"command": ["python", "-m", "services.gateway"]}, "gateway"),
        ({"command": ["python"], "args": ["-m", "services.monitor"]}, "monitor"),
        ({"image": "registry.example:5000/attendant-torchserve:0.1.0"}, "torchserve"),
        ({"image": "attendant-models:0.1.0", "command": ["cp", "-r", "a", "b"]}, ""),
        ({"command": ["valkey-server", "/etc/valkey.conf"]}, "valkey"),
        ({"command": ["sh", "-c", "exec valkey-server - <<END\nrequirepass x\nEND\n"]}, "valkey"),
        ({"command": ["sh", "-c", "echo valkey-server"]}, ""),
        ({"image": "docker.io/library/busybox:1"}, ""),
    ],
)
def test_programs_are_known_by_their_command_or_image(container, expected):
    assert name_program(Container({"name": "one", "image": "x", **container}, initial=False)) == expected


def test_a_password_by_standard_input_ends_protected_mode(prod):
    prod.valkey()["valkey.conf"] = prod.valkey()["valkey.conf"].replace("protected-mode no", "")
    workload: Workload = prod.build.workload("Deployment", "redis")
    assert find_server(prod.build, workload, workload.containers[0]).listeners[0].port == 6379
