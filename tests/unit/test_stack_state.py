import os
import subprocess
import sys

import pytest

from services.stack import state
from services.stack.proc import Process, identify


def make_state(tmp_path, children=None):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return state.State(
        identify(os.getpid()), children or {}, "127.0.0.1:50051", "127.0.0.1:8000", "embedded", str(scratch)
    )


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as popen:
        yield popen
        popen.kill()


def test_what_is_written_is_read(tmp_path):
    written = make_state(tmp_path, {"gateway": Process(12, 34)})
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    state.remove(tmp_path)
    assert state.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"supervisor": 1}'])
def test_a_file_that_makes_no_sense_is_no_state(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    assert state.read(tmp_path) is None


def test_the_lock_has_one_holder_at_a_time(tmp_path):
    folder = tmp_path / "new"
    with state.lock(folder):
        assert state.lock(folder) is None
    with state.lock(folder) as again:
        assert again is not None


def test_the_lock_dies_with_its_holder(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from services.stack import state
lock = state.lock(Path({str(tmp_path)!r}))
assert lock is not None
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with state.lock(tmp_path) as lock:
        assert lock is not None


def test_leftovers_of_a_killed_stack_are_ended(tmp_path, sleeper):
    left = make_state(tmp_path, {"TorchServe": identify(sleeper.pid)})
    state.write(tmp_path, left)
    assert state.clear_leftovers(tmp_path)
    assert sleeper.wait(5) == -9
    assert not (tmp_path / "scratch").exists()
    assert state.read(tmp_path) is None


def test_a_stale_pid_that_somebody_else_has_now_is_left_alone(tmp_path, sleeper):
    process = identify(sleeper.pid)
    state.write(tmp_path, make_state(tmp_path, {"TorchServe": Process(process.pid, process.began - 1)}))
    assert not state.clear_leftovers(tmp_path)
    assert process.is_alive()
    assert state.read(tmp_path) is None


def test_nothing_left_is_nothing_to_clear(tmp_path):
    assert not state.clear_leftovers(tmp_path)
