import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.stack.children import Program
from services.stack.supervisor import Supervisor

STAYS = "import time; time.sleep(60)"


class Stack:
    """A supervisor over fake programs, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def program(self, name: str, code: str) -> Program:
        log = self.folder / f"{name}.log"
        return Program(name, (sys.executable, "-c", code), dict(os.environ), self.folder, log, 5.0)

    def supervise(self, *programs: Program, is_ready=lambda: True, start_seconds=10.0) -> Supervisor:
        self.supervisor = Supervisor(programs, is_ready, start_seconds, self.said.append)
        self.supervisor.start()
        return self.supervisor


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path)
    yield made
    made.supervisor.stop()


def test_it_is_ready_when_the_probe_says_so(stack):
    answers = iter([False, False, True])
    supervisor = stack.supervise(stack.program("gateway", STAYS), is_ready=lambda: next(answers))
    assert supervisor.wait_until_ready()
    assert stack.said == []


def test_a_program_that_cannot_start_ends_the_wait_with_its_last_words(stack):
    supervisor = stack.supervise(
        stack.program("gateway", STAYS),
        stack.program("TorchServe", "import sys; print('no such model'); sys.exit(3)"),
        is_ready=lambda: False,
        start_seconds=60,
    )
    assert not supervisor.wait_until_ready()
    assert not supervisor.was_asked_to_stop
    said = "\n".join(stack.said)
    assert "TorchServe ended by itself (exit status 3)" in said
    assert "no such model" in said
    assert "TorchServe.log" in said


def test_a_program_that_ends_later_ends_the_watch(stack):
    supervisor = stack.supervise(
        stack.program(
            "gateway", "import os, signal, time; time.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)"
        ),
        stack.program("TorchServe", STAYS),
    )
    assert supervisor.wait_until_ready()
    supervisor.watch()
    assert not supervisor.was_asked_to_stop
    assert "gateway ended by itself (killed by signal 9)" in stack.said[0]


def test_who_is_never_ready_is_given_up_and_every_log_is_shown(stack):
    supervisor = stack.supervise(
        stack.program("gateway", f"print('waiting for a model', flush=True); {STAYS}"),
        stack.program("TorchServe", f"print('worker died', flush=True); {STAYS}"),
        is_ready=lambda: False,
        start_seconds=1.0,
    )
    assert not supervisor.wait_until_ready()
    said = "\n".join(stack.said)
    assert "not ready after 1 s" in said
    assert "waiting for a model" in said
    assert "worker died" in said


def test_a_long_wait_is_not_a_silent_one(stack, monkeypatch):
    monkeypatch.setattr("services.stack.supervisor._TELL_SECONDS", 0.3)
    ready_at = time.monotonic() + 0.8
    supervisor = stack.supervise(
        stack.program("gateway", STAYS), is_ready=lambda: time.monotonic() > ready_at, start_seconds=60
    )
    assert supervisor.wait_until_ready()
    assert 1 <= len(stack.said) <= 2
    assert all(line.startswith("not ready yet after") for line in stack.said)


def test_a_request_to_stop_ends_the_wait_and_the_watch(stack):
    supervisor = stack.supervise(stack.program("gateway", STAYS), is_ready=lambda: False, start_seconds=60)
    threading.Timer(0.2, supervisor.ask_to_stop).start()
    began = time.monotonic()
    assert not supervisor.wait_until_ready()
    supervisor.watch()
    assert supervisor.was_asked_to_stop
    assert time.monotonic() - began < 5
    assert stack.said == []


def test_programs_end_in_their_order_each_after_the_one_before(stack, tmp_path):
    ends = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    open('order', 'a').write('{0} asked, '); time.sleep(0.3); open('order', 'a').write('{0} ended, ')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('{0}.up').touch()\n"
        "time.sleep(60)"
    )
    names = ("gateway", "TorchServe")
    supervisor = stack.supervise(
        *(stack.program(name, ends.format(name)) for name in names),
        is_ready=lambda: all((tmp_path / f"{name}.up").exists() for name in names),
    )
    assert supervisor.wait_until_ready()
    supervisor.stop()
    assert (tmp_path / "order").read_text() == (
        "gateway asked, gateway ended, TorchServe asked, TorchServe ended, "
    )


def test_a_program_that_is_not_vital_is_started_again_and_told(stack, monkeypatch):
    monkeypatch.setattr("services.stack.supervisor._AGAIN_SECONDS", 0.2)
    cache = replace(stack.program("Valkey", STAYS), vital=False)
    told = []
    supervisor = Supervisor(
        (stack.program("gateway", STAYS), cache),
        lambda: True,
        10.0,
        stack.said.append,
        lambda: told.append({child.program.name: child.process.pid for child in supervisor.children}),
    )
    stack.supervisor = supervisor
    supervisor.start()
    time.sleep(0.3)
    os.kill(told[0]["Valkey"], signal.SIGKILL)
    threading.Timer(1.0, supervisor.ask_to_stop).start()
    supervisor.watch()
    assert supervisor.was_asked_to_stop
    assert stack.said == ["Valkey ended by itself (killed by signal 9); it is started again."]
    assert len(told) == 2
    assert told[0]["gateway"] == told[1]["gateway"]
    assert told[0]["Valkey"] != told[1]["Valkey"]
