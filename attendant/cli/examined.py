"""What `attendant doctor` prints: a line for each finding as it is made, then what to do, then one line in sum."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from rich.padding import Padding
from rich.status import Status as Spinner
from rich.table import Table
from rich.text import Text

from attendant.cli.console import plain, screen
from attendant.doctor.findings import Finding
from attendant.doctor.troubles.advice import Check, Status

_MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.FAILED: "✗", Status.SKIPPED: "-"}
_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
_WORDS = {
    Status.OK: "ok",
    Status.WARNING: "to heed",
    Status.FAILED: "failed",
    Status.SKIPPED: "not looked at",
}
_WIDTH = max(len(check) for check in Check)


class Page:
    """What is written while the examination runs; `quiet` writes nothing. On a terminal it says what is looked at."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = screen()
        self._spinner = Spinner("", console=screen(stderr=True))

    def __enter__(self) -> Self:
        if not self._quiet:
            self._spinner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._spinner.stop()

    def begin(self, check: Check) -> None:
        self._spinner.update(f"looking at: {check}")

    def show(self, finding: Finding) -> Finding:
        """Prints it, and gives it back."""
        if not self._quiet:
            self._console.print(_line(finding))
        return finding

    def conclude(self, findings: Sequence[Finding]) -> None:
        """What to do about each trouble, once, the failures first; then the sum."""
        troubles = sorted((one for one in findings if one.trouble is not None), key=_severity)
        told: set[object] = set()
        for finding in troubles:
            if finding.trouble not in told:
                told.add(finding.trouble)
                self._advise(finding)
        self._console.print()
        self._console.print(_sum(findings))

    def _advise(self, finding: Finding) -> None:
        assert finding.trouble is not None, "only troubles are advised on"
        advice = finding.trouble.value
        self._console.print()
        self._console.print(
            Text.assemble((f"{finding.check}: ", _STYLES[finding.status]), (advice.when, "bold"))
        )
        self._console.print(Padding(Text(advice.do), (0, 0, 0, 2)))
        self._console.print(Padding(Text(f"read on: {advice.page}", style="dim"), (0, 0, 0, 2)))


def is_well(findings: Sequence[Finding]) -> bool:
    """Warnings are no illness."""
    return not any(finding.status is Status.FAILED for finding in findings)


def document(findings: Sequence[Finding], address: str, version: str) -> dict[str, Any]:
    """The JSON that `--json` prints."""
    return {
        "address": address,
        "client_version": version,
        "ok": is_well(findings),
        "counts": _counts(findings),
        "findings": [_entry(finding) for finding in findings],
    }


def _entry(finding: Finding) -> dict[str, Any]:
    advice = finding.trouble.value if finding.trouble is not None else None
    return {
        "check": finding.check,
        "status": finding.status,
        "seen": finding.seen,
        "trouble": finding.trouble.name if finding.trouble is not None else None,
        "what_to_do": advice.do if advice is not None else None,
        "read_on": advice.page if advice is not None else None,
    }


def _line(finding: Finding) -> Table:
    """Aligned with the lines before it; what is long goes on under itself."""
    style = _STYLES[finding.status]
    row = Table.grid(padding=(0, 1))
    row.add_column(width=1)
    row.add_column(width=_WIDTH)
    row.add_column()
    dim = "dim" if finding.status is Status.SKIPPED else ""
    seen = f"not looked at: {finding.seen}" if finding.status is Status.SKIPPED else finding.seen
    row.add_row(Text(_MARKS[finding.status], style), Text(finding.check, style), Text(plain(seen), dim))
    return row


def _severity(finding: Finding) -> int:
    return (Status.FAILED, Status.WARNING).index(finding.status)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counts = Counter(finding.status for finding in findings)
    return {str(status): counts[status] for status in Status}


def _sum(findings: Sequence[Finding]) -> Text:
    counts = _counts(findings)
    figures = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items())
    if not is_well(findings):
        return Text(f"this deployment is not well: {figures}", style="bold red")
    return Text(f"nothing failed: {figures}", style="bold green")
