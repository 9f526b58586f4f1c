"""Progress of long work, as bars on a terminal and as lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

LOG_SECONDS = 30.0

Report = Callable[[int, int], None]  # done, of how many


class Progress(Protocol):
    def task(self, name: str) -> Report: ...

    def say(self, line: str) -> None: ...


class Silent:
    """Says nothing; for tests and library use."""

    def task(self, name: str) -> Report:  # noqa: ARG002 - the protocol's argument
        return lambda _done, _total: None

    def say(self, line: str) -> None:
        pass


class Lines:
    """A line every half minute, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def task(self, name: str) -> Report:
        last = time.monotonic()

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= LOG_SECONDS:
                last = now
                self.say(f"{name}: {done} of {total}")

        return report

    def say(self, line: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {line}", highlight=False, markup=False)


class Terminal:
    """One bar a task, for people."""

    def __init__(self, console: Console, bars: Bars) -> None:
        self._console = console
        self._bars = bars

    def task(self, name: str) -> Report:
        bar = self._bars.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            self._bars.update(bar, completed=done, total=total, visible=done < total)

        return report

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Bars where `console` is a terminal, lines where it is a log."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        yield Terminal(console, bars)
