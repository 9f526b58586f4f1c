"""`python -m k8s.checks`: builds every overlay and combination of components, and says what is wrong with them."""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from k8s.checks.catalogue import CHECKS, check_build, describe
from k8s.checks.combinations import Combination, build_combination, list_combinations
from k8s.checks.documents import Build
from k8s.checks.kubectl import KubectlError, find_kubectl
from k8s.checks.schemas import VERSIONS, Validator, known_versions

PROCESSES = 2  # of kubectl at a time


@dataclass
class Report:
    """What was looked at, and where each finding was made."""

    builds: int = 0
    documents: int = 0
    findings: dict[tuple[str, str], list[str]] = field(
        default_factory=dict
    )  # of which builds, by check and line

    def note(self, check: str, line: str, build: str) -> None:
        self.findings.setdefault((check, line), []).append(build)

    def lines(self) -> Iterator[str]:
        """One for each finding."""
        for (check, line), builds in self.findings.items():
            more = f" and {len(builds) - 1} more" if len(builds) > 1 else ""
            yield f"{line} [{check}; {builds[0]}{more}]"


def check_all(combinations: Sequence[Combination], validator: Validator, progress: Progress) -> Report:
    """Build and check every one of them. Raises KubectlError where there is no kubectl; a failed build is a finding."""
    kubectl = find_kubectl()
    report = Report()
    task = progress.add_task("building and checking", total=len(combinations))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(PROCESSES) as pool:
        folder = Path(scratch)

        def make(combination: Combination) -> Build | KubectlError:
            try:
                return build_combination(kubectl, combination, folder)
            except KubectlError as error:
                return error

        for built, combination in zip(pool.map(make, combinations), combinations, strict=True):
            if isinstance(built, KubectlError):
                report.note("build", str(built), str(combination))
            else:
                _check_one(built, validator, report)
            progress.advance(task)
    return report


def _check_one(build: Build, validator: Validator, report: Report) -> None:
    report.builds += 1
    report.documents += len(build.documents)
    for document in build.documents:
        for finding in validator.validate(document):
            report.note("schemas", str(finding), build.name)
    for name, finding in check_build(build):
        report.note(name, str(finding), build.name)


def main(
    kubernetes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION", help=f"validate against these, as 1.37; default: {' '.join(VERSIONS)}"
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="say what is checked, and end")] = False,
) -> None:
    """Build every overlay in k8s/, with every set of components, and check it.

    Each document is validated strictly against several Kubernetes versions.

    Each build is checked as a whole, against the programs' own settings and ports.

    Exit status 1 where something is wrong.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console, problems = Console(), Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if show:
        _print_checks(console)
        return
    versions = tuple(kubernetes or VERSIONS)
    unknown = set(versions) - set(known_versions())
    if unknown:
        raise typer.BadParameter(
            f"there are schemas of {' '.join(known_versions())}, not of {' '.join(sorted(unknown))}"
        )
    began = time.monotonic()
    validator = Validator(versions)
    try:
        with Progress(console=problems, transient=True) as progress:
            report = check_all(list(list_combinations()), validator, progress)
    except KubectlError as error:
        problems.print(f"k8s: {error}")
        raise typer.Exit(1) from None
    for line in report.lines():
        problems.print(f"k8s: {line}")
    _print_summary(console, report, validator, time.monotonic() - began)
    raise typer.Exit(1 if report.findings else 0)


def _print_checks(console: Console) -> None:
    table = Table("check", "what it asks for")
    for name, check in CHECKS.items():
        table.add_row(name, describe(check))
    console.print(table)


def _print_summary(console: Console, report: Report, validator: Validator, seconds: float) -> None:
    overlays = {str(one.overlay.name) for one in list_combinations()}
    table = Table("k8s", "", title_justify="left")
    table.add_row("overlays", " ".join(sorted(overlays)))
    table.add_row("builds", f"{report.builds}: each overlay with every set of the components that it lacks")
    table.add_row("documents", f"{report.documents}, of which {validator.documents} different")
    table.add_row("Kubernetes", " ".join(validator.versions))
    table.add_row("checks", f"{len(CHECKS)} of each build")
    table.add_row("findings", str(len(report.findings) or "none"))
    table.add_row("seconds", f"{seconds:.1f}")
    console.print(table)
