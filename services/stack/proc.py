"""Who a process is and whom it started, read from /proc: a pid alone says little, since pids are used again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same pid by when it began."""

    pid: int
    began: int  # clock ticks after boot

    def is_alive(self) -> bool:
        """A zombie counts as dead: nothing of it runs."""
        found = _read(self.pid)
        return found is not None and found.process == self and found.state not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if this very process still lives."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True)
class _Entry:
    process: Process
    parent: int
    group: int
    state: str


def identify(pid: int) -> Process | None:
    """The process that has this pid now."""
    found = _read(pid)
    return found.process if found else None


def family(pid: int) -> list[Process]:
    """All that `pid` started, and what those started; then the rest of its process group, orphans included."""
    entries = [
        found for path in Path("/proc").iterdir() if path.name.isdigit() and (found := _read(int(path.name)))
    ]
    members = {pid}
    while grown := {entry.process.pid for entry in entries if entry.parent in members} - members:
        members |= grown
    return [
        entry.process
        for entry in entries
        if entry.process.pid != pid and (entry.process.pid in members or entry.group == pid)
    ]


def kill(processes: Iterable[Process], seconds: float = 5.0) -> None:
    """SIGKILL, and waits until none of them runs."""
    remaining = list(processes)
    for process in remaining:
        process.send(signal.SIGKILL)
    wait_gone(remaining, seconds)


def wait_gone(processes: Iterable[Process], seconds: float) -> bool:
    """Whether all of them ended within `seconds`."""
    end = time.monotonic() + seconds
    while any(process.is_alive() for process in processes):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _read(pid: int) -> _Entry | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the name in brackets, may hold anything; what follows its last bracket is regular (proc(5)).
    fields = text.rpartition(")")[2].split()
    return _Entry(
        Process(pid, began=int(fields[19])), parent=int(fields[1]), group=int(fields[2]), state=fields[0]
    )
