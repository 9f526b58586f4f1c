"""What commands that take long have in common: they can be interrupted, and tell how they were called."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import typer
from rich.console import Console

INTERRUPTED = 130
GOES_ON = "the same command goes on from the last checkpoint"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@contextmanager
def interruptible(console: Console, remedy: str = GOES_ON) -> Iterator[None]:
    """Ctrl-C ends the command with a line that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"interrupted; {remedy}")
        raise typer.Exit(INTERRUPTED) from None


def command_line() -> str:
    """The command as a person would type it again."""
    return shlex.join(["attendant", *sys.argv[1:]])
