"""What a check saw."""

from dataclasses import dataclass

from attendant.doctor.troubles.advice import Check, Status
from attendant.doctor.troubles.table import Trouble


@dataclass(frozen=True)
class Finding:
    """`seen` is one line for a person; `trouble` says what is wrong with it, and so what to do."""

    check: Check
    status: Status
    seen: str
    trouble: Trouble | None = None


def fine(check: Check, seen: str) -> Finding:
    return Finding(check, Status.OK, seen)


def skipped(check: Check, why: str) -> Finding:
    return Finding(check, Status.SKIPPED, why)


def found(trouble: Trouble, seen: str) -> Finding:
    advice = trouble.value
    return Finding(advice.check, advice.status, seen, trouble)


def listed(names: list[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, noun: str) -> str:
    """'1 model', '1,234 models'."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
