"""`make run`, `make status` and `make stop` as a person uses them, in this checkout, on ports of the test's own."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from services.stack import state
from services.stack.proc import family
from services.stack.trial import free_ports

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("archives")]


@pytest.fixture
def environment(tmp_path):
    grpc_port, http_port, inference, management, metrics, monitor = free_ports(6)
    return os.environ | {
        "ATTENDANT_GRPC_PORT": str(grpc_port),
        "ATTENDANT_HTTP_PORT": str(http_port),
        "ATTENDANT_TORCHSERVE_ADDRESS": f"127.0.0.1:{inference}",
        "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": f"127.0.0.1:{management}",
        "ATTENDANT_STACK_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        "ATTENDANT_MONITOR_PORT": str(monitor),
        "ATTENDANT_STACK_FOLDER": str(tmp_path / "run"),
    }


def make(environment, *arguments):
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


@pytest.mark.parametrize("backend", ["torchserve", "embedded"])
def test_it_runs_says_what_to_do_and_stops(environment, backend, tmp_path):
    lines = []
    with subprocess.Popen(
        ["make", "run", f"BACKEND={backend}"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if "make stop" in line:
                break
        assert any(line.startswith("ready after") for line in lines), lines
        children = family(state.read(tmp_path / "run").supervisor.pid)
        command = next(line for line in lines if "attendant explain" in line).strip()
        answer = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "sarcastic" in answer.stdout
        assert make(environment, "status").stdout.startswith(f"ready ({backend})")
        assert "already running" in make(environment, "run").stderr
        assert make(environment, "stop").returncode == 0
        assert running.wait(60) == 0
    assert children
    time.sleep(0.2)
    assert not [child for child in children if child.is_alive()]


def test_a_taken_port_is_one_clear_line(environment, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", int(environment["ATTENDANT_GRPC_PORT"]))):
        refused = make(environment, "run", "BACKEND=embedded")
    assert refused.returncode != 0
    said = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert environment["ATTENDANT_GRPC_PORT"] in said[0]
    assert "ATTENDANT_GRPC_PORT" in said[0]
