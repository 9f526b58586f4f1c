import os
import signal
import subprocess
import sys
import time

import pytest

from services.stack.children import Child, Program
from services.stack.proc import identify, wait_gone

READY = "open('ready', 'w').close()"


@pytest.fixture
def start(tmp_path):
    children = []

    def start_program(code: str, grace: float = 5.0) -> Child:
        command = (sys.executable, "-c", code)
        child = Child(
            Program("fake", command, dict(os.environ), tmp_path, tmp_path / "logs" / "fake.log", grace)
        )
        children.append(child)
        return child

    yield start_program
    for child in children:
        child.stop(is_urgent=lambda: True)


def wait_for(path, seconds=10.0):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def test_output_of_both_kinds_is_in_the_log(start):
    child = start("import sys; print('one'); print('two', file=sys.stderr, flush=True)")
    assert wait_gone([child.process], 5)
    assert sorted(child.last_lines()) == ["one", "two"]
    assert child.exit_status == 0


def test_the_last_lines_are_the_last(start):
    child = start("for i in range(100): print(i)")
    assert wait_gone([child.process], 5)
    assert child.last_lines(3) == ["97", "98", "99"]


def test_a_log_begins_anew_with_each_start(start):
    for text in ("first", "second"):
        child = start(f"print({text!r})")
        assert wait_gone([child.process], 5)
    assert child.last_lines() == ["second"]


def test_a_program_ends_in_its_own_way(start, tmp_path):
    child = start(
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit('drained'));"
        f"{READY}; time.sleep(60)"
    )
    wait_for(tmp_path / "ready")
    child.stop()
    assert child.exit_status == 1
    assert child.last_lines() == ["drained"]


def test_a_deaf_program_is_killed_after_its_grace(start, tmp_path):
    child = start(
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(60)",
        grace=0.5,
    )
    wait_for(tmp_path / "ready")
    began = time.monotonic()
    child.stop()
    assert 0.4 < time.monotonic() - began < 5
    assert child.exit_status == -signal.SIGKILL


def test_urgency_cuts_the_grace_short(start, tmp_path):
    child = start(
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(60)",
        grace=60,
    )
    wait_for(tmp_path / "ready")
    began = time.monotonic()
    child.stop(is_urgent=lambda: True)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("apart", [False, True])
def test_what_a_program_started_ends_with_it(start, tmp_path, apart):
    child = start(
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session={apart})\n"
        "open('pid', 'w').write(str(p.pid))\n"
        f"{READY}; time.sleep(60)"
    )
    wait_for(tmp_path / "ready")
    grandchild = identify(int((tmp_path / "pid").read_text()))
    assert grandchild.is_alive()
    child.stop()
    assert not grandchild.is_alive()


def test_a_worker_orphaned_by_a_crash_ends_with_the_stop(start, tmp_path):
    child = start(
        "import os, signal, subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(p.pid))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert wait_gone([child.process], 5)
    orphan = identify(int((tmp_path / "pid").read_text()))
    assert orphan.is_alive()
    child.stop()
    assert not orphan.is_alive()


def test_a_child_does_not_outlive_a_killed_parent(tmp_path):
    parent = f"""
import os, sys, time
from pathlib import Path
from services.stack.children import Child, Program
here = Path({str(tmp_path)!r})
child = Child(Program("fake", (sys.executable, "-c", "import time; time.sleep(60)"), {{}}, here, here / "log", 5))
(here / "pid").write_text(str(child.process.pid))
(here / "ready").touch()
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent]) as popen:
        wait_for(tmp_path / "ready")
        child = identify(int((tmp_path / "pid").read_text()))
        assert child.is_alive()
        popen.kill()
        popen.wait()
        assert wait_gone([child], 5)
