"""How commands speak: answers on stdout, failures on stderr (or as JSON), and an exit code that says which."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup
from typer.exceptions import TyperException

from attendant.errors import AttendantError, Violation

FAILED = 1
WRONG_USE = 2
_MANUAL = "docs/cli.md"


class WrongUse(TyperException):
    """The command line asks for what makes no sense; the message says what to give instead."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Failure:
    """What a person is told when a command fails, and what a program is."""

    cause: str
    remedy: str = ""
    read_on: str = _MANUAL
    exit_code: int = FAILED
    reason: str = "FAILED"
    code: str = ""  # gRPC's, where a call failed
    violations: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None  # seconds

    def document(self) -> dict[str, Any]:
        """The JSON that `--json` prints."""
        return {
            "error": {
                "reason": self.reason,
                "code": self.code,
                "message": self.cause,
                "remedy": self.remedy,
                "read_on": self.read_on,
                "violations": [
                    {"field": found.field, "description": found.description} for found in self.violations
                ],
                "metadata": dict(self.metadata),
                "retry_after_seconds": self.retry_after,
            }
        }


class Commands(TyperGroup):
    """A group of commands that reports every failure in one way: no traceback, and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs and exits. Codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
        arguments = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(
                arguments, prog_name, complete_var, False, windows_expand_args=windows_expand_args, **extra
            )
        except Exception as error:
            if os.environ.get("ATTENDANT_DEBUG"):
                raise
            command = next((word for word in arguments if word in self.commands), "")
            code = report(_failure(error, command), as_json="--json" in arguments)
        if not standalone_mode:
            return code
        sys.exit(code or 0)


def report(failure: Failure, *, as_json: bool) -> int:
    """Says what failed; returns the exit code. Without a cause all has been said: it was the help."""
    if as_json:
        print_json(failure.document())
        return failure.exit_code
    if not failure.cause:
        return failure.exit_code
    for name, style, text in (
        ("error", "bold red", failure.cause),
        ("what to do", "bold", failure.remedy),
        ("read on", "bold", failure.read_on),
    ):
        if text:
            screen(stderr=True).print(Text.assemble((f"{name}: ", style), plain(text)), soft_wrap=True)
    return failure.exit_code


def print_json(document: Mapping[str, Any]) -> None:
    """One line of JSON on stdout."""
    typer.echo(json.dumps(document, allow_nan=False))


def screen(*, stderr: bool = False) -> Console:
    """Where people read: nothing that is printed is markup, and only lines made to fit are broken."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def plain(text: str) -> str:
    """Text from outside as a terminal may show it: no control characters, so no escape sequences."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _failure(error: Exception, command: str) -> Failure:
    if isinstance(error, TyperException):
        return _wrong_use(error, command)
    if isinstance(error, typer.Abort):
        return Failure("stopped", reason="ABORTED")
    if isinstance(error, AttendantError):
        return Failure(
            error.message,
            getattr(error, "remedy", ""),
            getattr(error, "read_on", _MANUAL),
            reason=error.reason,
            code=error.code.name if hasattr(error, "code") else "",
            violations=error.violations,
            metadata=error.metadata,
            retry_after=error.retry_after,
        )
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(
            f"{error.filename}: {error.strerror}",
            "check the path and its permissions",
            reason="FILE",
        )
    return Failure(
        f"{type(error).__name__}: {error}",
        "this is a fault in Attendant; with ATTENDANT_DEBUG=1 it shows where. Please report it",
        reason="INTERNAL",
    )


def _wrong_use(error: TyperException, command: str) -> Failure:
    return Failure(
        error.format_message(),
        f"`attendant {command} --help` says what goes" if command else "`attendant --help` says what goes",
        exit_code=getattr(error, "exit_code", FAILED),
        reason="WRONG_USE",
    )
