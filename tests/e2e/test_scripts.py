"""What a terminal and a linter make of the shell side of the project."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from services.stack import state
from services.stack.proc import family, wait_gone
from services.stack.trial import free_ports

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.system


@pytest.mark.usefixtures("archives")
def test_ctrl_c_in_a_terminal_ends_make_run_and_leaves_nothing(tmp_path):
    grpc_port, http_port, inference, management, metrics, monitor = free_ports(6)
    environment = os.environ | {
        "ATTENDANT_GRPC_PORT": str(grpc_port),
        "ATTENDANT_HTTP_PORT": str(http_port),
        "ATTENDANT_TORCHSERVE_ADDRESS": f"127.0.0.1:{inference}",
        "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": f"127.0.0.1:{management}",
        "ATTENDANT_STACK_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        "ATTENDANT_MONITOR_PORT": str(monitor),
        "ATTENDANT_STACK_FOLDER": str(tmp_path / "run"),
    }
    with subprocess.Popen(
        ["make", "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as make:
        assert make.stdout is not None
        assert any("make stop" in line for line in make.stdout)  # reads no further than that line
        running = state.read(tmp_path / "run")
        processes = [running.supervisor, *family(running.supervisor.pid)]
        os.killpg(make.pid, signal.SIGINT)  # a terminal sends it to make, its shell and the supervisor alike
        assert make.stdout.read() == "stopping\nstopped\n"
    assert wait_gone(processes, 0)
    assert not Path(running.scratch).exists()


def test_shell_scripts_pass_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("needs Debian's shellcheck, which `make test-system` installs where it may")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in tracked.splitlines() if (ROOT / name).is_file()]
    scripts = [path for path in files if path.read_bytes().startswith(b"#!/usr/bin/env bash\n")]
    assert ROOT / ".ci" / "run" in scripts
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
