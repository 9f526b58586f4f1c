"""Runs the stack's programs as one: starts them, waits until they answer, watches them, ends them in order."""

import time
from collections.abc import Callable

from services.stack.children import Child, Program

_LOOK_SECONDS = 0.1
_TELL_SECONDS = 15.0  # how long a person is left without a word
_AGAIN_SECONDS = 1.0  # at the earliest, a program is started again


class Supervisor:
    """`programs` stand in the order in which they end; `is_ready` is asked until it says yes; `say` gets lines.

    `tell` is called whenever other processes run than before.
    """

    def __init__(
        self,
        programs: tuple[Program, ...],
        is_ready: Callable[[], bool],
        start_seconds: float,
        say: Callable[[str], None],
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self.programs = programs
        self._is_ready = is_ready
        self._start_seconds = start_seconds
        self._say = say
        self._tell = tell
        self._started: dict[str, float] = {}  # when, by name
        self._stops_asked = 0
        self.children: tuple[Child, ...] = ()

    def start(self) -> None:
        """Starts every program, the last to end first; they wait for each other by themselves."""
        for program in reversed(self.programs):
            self.children = (self._start(program), *self.children)
        self._tell()

    def ask_to_stop(self) -> None:
        """Safe in a signal handler. Asking twice cuts every grace short."""
        self._stops_asked += 1

    def wait_until_ready(self) -> bool:
        """False where a program ended first, time ran out (both are said) or somebody asked to stop."""
        began = told = time.monotonic()
        while not self._stops_asked:
            if self._is_ready():
                return True
            if self._say_who_ended():
                return False
            now = time.monotonic()
            if now > began + self._start_seconds:
                self._say_late()
                return False
            if now > told + _TELL_SECONDS:
                told = now
                self._say(f"not ready yet after {now - began:.0f} s")
            time.sleep(_LOOK_SECONDS)
        return False

    def watch(self) -> bool:
        """Returns when somebody asks to stop (True) or a program ends by itself (False, and said)."""
        while not self._stops_asked:
            if self._say_who_ended():
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def stop(self) -> None:
        """Ends the programs one after the other, so that none loses what it needs to finish its work."""
        for child in self.children:
            child.stop(is_urgent=lambda: self._stops_asked > 1)

    @property
    def was_asked_to_stop(self) -> bool:
        return self._stops_asked > 0

    def _start(self, program: Program) -> Child:
        self._started[program.name] = time.monotonic()
        return Child(program)

    def _say_who_ended(self) -> bool:
        """Whether the stack has to end; what it can do without is started again."""
        for child in self.children:
            status = child.exit_status
            if status is None:
                continue
            how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
            if child.program.vital:
                self._say(f"{child.program.name} ended by itself ({how}); the stack stops.")
                self._say_log(child)
                return True
            if time.monotonic() > self._started[child.program.name] + _AGAIN_SECONDS:
                self._say(f"{child.program.name} ended by itself ({how}); it is started again.")
                again = self._start(child.program)
                self.children = tuple(again if other is child else other for other in self.children)
                self._tell()
        return False

    def _say_late(self) -> None:
        self._say(f"not ready after {self._start_seconds:g} s; the stack stops.")
        for child in self.children:
            self._say_log(child)

    def _say_log(self, child: Child) -> None:
        self._say(f"The last lines of {child.program.log}:")
        for line in child.last_lines():
            self._say(f"  {line}")
