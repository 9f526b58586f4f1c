"""The stack as a process, from its command line, over fakes that start fast: no Java, no model."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attendant.seals import write_seal
from services.stack.proc import Process, wait_gone
from services.stack.trial import free_ports

# The real command with both programs replaced: a gateway that is only its health service, and something beside it.
DRIVER = """
import os, sys
from pathlib import Path
from services.stack import main
from services.stack.__main__ import app
from services.stack.children import Program

def fake(name):
    def make(settings, scratch, log, redis_url=""):
        (scratch / name).touch()
        command = (sys.executable, os.environ["FAKE_" + name.upper()])
        return Program(name, command, dict(os.environ), Path.cwd(), log, 5.0)
    return make

def monitor(log, redis_url):
    command = (sys.executable, os.environ["FAKE_TORCHSERVE"])
    return Program("monitor", command, dict(os.environ), Path.cwd(), log, 5.0, vital=False)

main.gateway, main.torchserve, main.monitor = fake("gateway"), fake("torchserve"), monitor
app(prog_name="stack")
"""

GATEWAY = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
server = grpc.server(ThreadPoolExecutor(2))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
assert server.add_insecure_port("127.0.0.1:" + os.environ["ATTENDANT_GRPC_PORT"])
server.start()
servicer.set("", health_pb2.HealthCheckResponse.SERVING)
print("fake gateway is up", flush=True)
signal.signal(signal.SIGTERM, lambda *_: (server.stop(0), sys.exit(0)))
while True:
    signal.pause()
"""

BESIDE = "import time; time.sleep(120)"


class Stack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")
        }
        for name, code in (("DRIVER", DRIVER), ("FAKE_GATEWAY", GATEWAY), ("FAKE_TORCHSERVE", BESIDE)):
            (folder / f"{name.lower()}.py").write_text(code)
            self.environment[name] = str(folder / f"{name.lower()}.py")
        manifest = folder / "build/archives/sarcasm/MAR-INF/MANIFEST.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
        write_seal(manifest.parents[1])
        ports = iter(free_ports(6))
        for variable in ("ATTENDANT_GRPC_PORT", "ATTENDANT_HTTP_PORT", "ATTENDANT_MONITOR_PORT"):
            self.environment[variable] = str(next(ports))
        for variable in ("TORCHSERVE_ADDRESS", "TORCHSERVE_MANAGEMENT_ADDRESS", "STACK_METRICS_ADDRESS"):
            self.environment[f"ATTENDANT_{variable}"] = f"127.0.0.1:{next(ports)}"

    def start(self) -> subprocess.Popen[str]:
        popen = subprocess.Popen(
            [sys.executable, self.environment["DRIVER"], "run"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(popen)
        return popen

    def start_until_ready(self) -> tuple[subprocess.Popen[str], list[Process], Path]:
        """The supervisor, the programs and the scratch folder."""
        popen = self.start()
        lines = []
        for line in popen.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        assert any(line.startswith("ready after") for line in lines), lines
        state = json.loads((self.folder / ".run/stack.json").read_text())
        return popen, [Process(**child) for child in state["children"].values()], Path(state["scratch"])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, self.environment["DRIVER"], *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path)
    yield made
    for popen in made.started:
        popen.terminate()
        popen.communicate(timeout=30)


def assert_all_gone(children: list[Process], scratch: Path, folder: Path) -> None:
    assert not any(child.is_alive() for child in children)
    assert not scratch.exists()
    assert not (folder / ".run/stack.json").exists()


def test_run_status_a_second_run_and_stop(stack, tmp_path):
    popen, children, scratch = stack.start_until_ready()
    assert len(children) == 4  # with Valkey and the monitor
    assert all(child.is_alive() for child in children)
    assert {path.name for path in scratch.iterdir()} == {"gateway", "torchserve", "valkey.sock"}

    status = stack.command("status")
    assert status.returncode == 0
    assert status.stdout.startswith("ready (torchserve)")
    assert "  monitor: process" in status.stdout

    second = stack.command("run")
    assert second.returncode == 1
    assert second.stderr.startswith("the stack is already running")
    assert second.stderr.count("\n") == 1

    assert stack.command("stop").returncode == 0
    assert popen.wait(10) == 0
    assert_all_gone(children, scratch, tmp_path)
    assert stack.command("status").returncode == 1
    assert stack.command("stop").stdout == "the stack is not running\n"


@pytest.mark.parametrize("variable", ["ATTENDANT_STACK_MONITOR", "ATTENDANT_STACK_VALKEY", "ATTENDANT_WATCH"])
def test_without_a_monitor_or_a_redis_nothing_watches(stack, variable):
    stack.environment[variable] = "false"
    stack.start_until_ready()
    assert "  monitor: process" not in stack.command("status").stdout


def test_ctrl_c_leaves_nothing(stack, tmp_path):
    popen, children, scratch = stack.start_until_ready()
    popen.send_signal(signal.SIGINT)
    rest, _ = popen.communicate(timeout=20)
    assert popen.returncode == 0
    assert rest == "stopping\nstopped\n"
    assert_all_gone(children, scratch, tmp_path)


def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_finds_the_way_clear(stack, tmp_path):
    popen, children, scratch = stack.start_until_ready()
    popen.kill()
    assert wait_gone(children, 10)
    assert scratch.exists()
    _, children, new_scratch = stack.start_until_ready()
    assert not scratch.exists()
    assert stack.command("stop").returncode == 0
    assert_all_gone(children, new_scratch, tmp_path)


def test_a_program_that_dies_ends_the_stack_with_one_clear_line(stack, tmp_path):
    popen, children, scratch = stack.start_until_ready()
    children[1].send(signal.SIGKILL)
    rest, _ = popen.communicate(timeout=20)
    assert popen.returncode == 1
    assert "torchserve ended by itself (killed by signal 9); the stack stops." in rest
    assert_all_gone(children, scratch, tmp_path)


@pytest.mark.parametrize(
    "variable",
    ["ATTENDANT_GRPC_PORT", "ATTENDANT_HTTP_PORT", "ATTENDANT_MONITOR_PORT", "ATTENDANT_TORCHSERVE_ADDRESS"],
)
def test_a_taken_port_is_one_line_and_nothing_starts(stack, tmp_path, variable):
    port = int(stack.environment[variable].rpartition(":")[2])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        refused = stack.command("run")
    assert refused.returncode == 1
    assert refused.stderr == f"port {port} on 127.0.0.1 is taken; set {variable} to move it\n"
    assert refused.stdout == ""
    assert not (tmp_path / ".run/logs").exists()


def test_a_bad_setting_is_one_line_and_nothing_starts(stack):
    stack.environment["ATTENDANT_GRPC_PORT"] = "many"
    refused = stack.command("run")
    assert refused.returncode == 1
    assert "ATTENDANT_GRPC_PORT" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_without_archives_it_says_how_to_build_them(stack, tmp_path):
    (tmp_path / "build/archives/sarcasm/MAR-INF/MANIFEST.json").unlink()
    refused = stack.command("run")
    assert refused.returncode == 1
    assert "make archive" in refused.stderr


def test_a_changed_archive_is_one_line_and_nothing_starts(stack, tmp_path):
    manifest = tmp_path / "build/archives/sarcasm/MAR-INF/MANIFEST.json"
    manifest.write_text('{"model": {}}')
    refused = stack.command("run")
    assert refused.returncode == 1
    assert "MANIFEST.json: its sha256 is" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / ".run/logs").exists()


def test_a_stop_while_it_starts_is_a_stop(stack, tmp_path):
    (tmp_path / "fake_gateway.py").write_text(BESIDE)  # never ready
    popen = stack.start()
    for _ in range(500):
        if (tmp_path / ".run/stack.json").exists():
            break
        time.sleep(0.02)
    assert stack.command("status").returncode == 1
    assert stack.command("stop").returncode == 0
    assert popen.wait(10) == 0
