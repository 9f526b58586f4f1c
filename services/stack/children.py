"""Starting and stopping one program of the stack, with everything that it starts in turn."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.leash import leash
from services.stack.proc import Process, family, identify, kill


@dataclass(frozen=True)
class Program:
    """What to start, by its path. Its output goes to `log`; after SIGTERM it has `grace` seconds to end.

    The stack ends with a vital program; another one is started again.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    grace: float
    vital: bool = True


class Child:
    """A program that was started, in a process group of its own so that a Ctrl-C in the terminal is ours to pass on.

    It does not outlive this process: see services/leash.py.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("wb") as log:
            self._popen = subprocess.Popen(
                leash(program.command, signal.SIGTERM),
                cwd=program.folder,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        process = identify(self._popen.pid)
        assert process is not None, "a child that was not waited for has an entry in /proc"
        self.process: Process = process

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._popen.poll()

    def stop(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """SIGTERM, its grace, then SIGKILL for it and for whatever it left behind. `is_urgent` cuts the grace short."""
        started_by_it = family(self._popen.pid)
        if self.exit_status is None:
            self._popen.terminate()
            self._wait(self.program.grace, is_urgent)
        kill([self.process, *started_by_it, *family(self._popen.pid)])
        self._popen.wait()

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of its log."""
        return self.program.log.read_text(errors="replace").splitlines()[-count:]

    def _wait(self, seconds: float, is_urgent: Callable[[], bool]) -> None:
        step = 0.1
        for _ in range(max(1, round(seconds / step))):
            try:
                self._popen.wait(step)
            except subprocess.TimeoutExpired:
                if is_urgent():
                    return
            else:
                return
