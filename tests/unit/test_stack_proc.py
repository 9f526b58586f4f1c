import os
import signal
import subprocess
import sys
import time

import pytest

from services.stack.proc import Process, family, identify, kill, wait_gone

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as popen:
        yield popen
        popen.kill()


def test_a_process_is_known_by_its_pid_and_its_beginning(sleeper):
    process = identify(sleeper.pid)
    assert process is not None
    assert process.is_alive()
    assert not Process(process.pid, process.began - 1).is_alive()  # an earlier holder of this pid


def test_an_unused_pid_is_nobody(sleeper):
    sleeper.kill()
    sleeper.wait()
    assert identify(sleeper.pid) is None


def test_a_zombie_is_not_alive(sleeper):
    process = identify(sleeper.pid)
    sleeper.send_signal(signal.SIGKILL)
    assert wait_gone([process], 5)
    assert sleeper.poll() is not None or sleeper.wait(5) is not None


def test_a_signal_never_reaches_a_later_process_with_the_same_pid(sleeper):
    process = identify(sleeper.pid)
    Process(process.pid, process.began - 1).send(signal.SIGKILL)
    time.sleep(0.1)
    assert process.is_alive()


def test_a_name_with_brackets_and_spaces_is_read(tmp_path):
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as popen:
        time.sleep(0.2)
        assert identify(popen.pid).is_alive()
        assert popen.pid in [process.pid for process in family(os.getpid())]
        popen.kill()


def test_a_family_holds_grandchildren_and_orphans_of_the_group(tmp_path):
    # The parent starts two grandchildren through a child: one in a session of its own; then the child ends.
    pids = tmp_path / "pids"
    code = f"""
import subprocess, sys, time
child = '''
import subprocess, sys, time
own = subprocess.Popen([sys.executable, "-c", "{SLEEP}"])
open({str(pids)!r}, "w").write(str(own.pid))
'''
subprocess.run([sys.executable, "-c", child])
apart = subprocess.Popen([sys.executable, "-c", "{SLEEP}"], start_new_session=True)
open({str(pids)!r}, "a").write(" " + str(apart.pid) + " .")
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], process_group=0) as popen:
        while not (pids.exists() and pids.read_text().endswith(".")):
            time.sleep(0.02)
        orphan, apart = (int(pid) for pid in pids.read_text().split()[:2])
        members = family(popen.pid)
        assert {process.pid for process in members} == {orphan, apart}
        popen.kill()
        popen.wait()
        kill(members)
        assert not any(process.is_alive() for process in members)


def test_waiting_gives_up(sleeper):
    began = time.monotonic()
    assert not wait_gone([identify(sleeper.pid)], 0.2)
    assert time.monotonic() - began < 2
