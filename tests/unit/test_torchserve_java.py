"""What a pod makes of its settings; what it shares with the stack is in test_stack_torchserve.py."""

import pytest

from services.torchserve.java import Listen, torchserve


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store" / "sarcasm" / "MAR-INF").mkdir(parents=True)
    (tmp_path / "store" / "sarcasm" / "MAR-INF" / "MANIFEST.json").write_text("{}")
    return tmp_path / "store"


def properties(command, scratch):
    assert str(scratch / "config.properties") in command.arguments
    return dict(line.split("=", 1) for line in (scratch / "config.properties").read_text().splitlines())


def test_a_pod_listens_for_everybody_and_lets_connections_grow_so_old(store, tmp_path):
    listen = Listen(("0.0.0.0", 7070), ("0.0.0.0", 7071), ("0.0.0.0", 8082))
    command = torchserve(store, listen, tmp_path, heap_mib=2048, age_seconds=12.5)
    found = properties(command, tmp_path)
    assert found["grpc_inference_address"] == found["grpc_management_address"] == "0.0.0.0"
    assert found["metrics_address"] == "http://0.0.0.0:8082"
    assert found["grpc_inference_max_connection_age_ms"] == "12500"
    assert found["grpc_management_max_connection_age_ms"] == "12500"
    assert "-Xmx2048m" in command.arguments


def test_an_ipv6_address_is_written_as_a_url_has_it(store, tmp_path):
    command = torchserve(store, Listen(("::", 7070), ("::", 7071), ("::", 8082)), tmp_path)
    assert properties(command, tmp_path)["metrics_address"] == "http://[::]:8082"


def test_nothing_is_written_outside_the_scratch_folder(store, tmp_path):
    before = set(store.rglob("*"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = torchserve(store, Listen(("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)), scratch)
    assert set(store.rglob("*")) == before
    assert command.folder == scratch
    assert command.environment["TMPDIR"] == command.environment["TEMP"] == str(scratch)
    assert f"-Djava.io.tmpdir={scratch}" in command.arguments
