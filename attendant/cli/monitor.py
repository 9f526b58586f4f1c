"""`attendant monitor`: whether attention drifts, as a monitor (or a gateway that is one) sees it now."""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from attendant.cli.connection import Json
from attendant.cli.console import WrongUse, plain, print_json, screen
from attendant.cli.marks import bar, table, title
from attendant.errors import AttendantError, Reason

DEFAULT_MONITOR = "http://127.0.0.1:8083"
_SECONDS = 5.0  # for an answer
_AGAIN_SECONDS = 1.0
_STRONGEST = 3  # streams of a window
_STATES = {"watching": "green", "collecting": "yellow", "no reference": "red"}


@dataclass(eq=False)
class MonitorError(AttendantError):
    """The monitor did not say what it sees."""

    remedy: str = "`make status` says whether the monitor runs; --address says where it listens"
    read_on: str = "docs/monitoring.md"


@checked_dataclass(frozen=True)
class Stream:
    """One stream in the last window of a length; None for what does not exist (yet)."""

    stream: str
    n: int
    distance: float | None
    tolerance: float | None
    p_value: float | None
    share: float | None
    median: float | None
    reference_median: float | None


@checked_dataclass(frozen=True)
class Share:
    """A stream's part of an alarm's evidence."""

    stream: str
    share: float


@checked_dataclass(frozen=True)
class Alarm:
    """The last one of a length of windows."""

    streams: list[Share]


@checked_dataclass(frozen=True)
class Windows:
    """The windows of one length."""

    window: str
    size: int
    filled: int
    compared: int
    log_evidence: float
    log_threshold: float
    alarms: int
    last_alarm: Alarm | None
    streams: list[Stream]


@checked_dataclass(frozen=True)
class Set:
    """The explanations of one set of modalities, or the mix of sets."""

    modalities: str
    status: str
    samples: int
    reference_samples: int
    windows: list[Windows]


@checked_dataclass(frozen=True)
class Correlation:
    """Of a modality's weight and its permutation impact."""

    modality: str
    n: int
    r: float | None
    low: float | None
    high: float | None


@checked_dataclass(frozen=True)
class Version:
    """Everything about one version of a model."""

    model: str
    version: str
    sets: list[Set]
    correlations: list[Correlation]


@checked_dataclass(frozen=True)
class Document:
    """What /drift says, as far as it is shown."""

    versions: list[Version]


def monitor(
    address: Annotated[
        str,
        typer.Option(
            envvar="ATTENDANT_MONITOR_ADDRESS", help="Where the monitor's HTTP is.", show_envvar=True
        ),
    ] = DEFAULT_MONITOR,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Show whether attention drifts: evidence against its threshold, and the streams that it comes from."""
    answer = _ask(address)
    if as_json:
        print_json(answer)
        return
    console = screen()
    if once or not console.is_terminal:
        console.print(_page(_read(answer, address)))
        return
    with Live(_page(_read(answer, address)), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(_AGAIN_SECONDS)
                live.update(_page(_read(_ask(address), address)), refresh=True)
        except KeyboardInterrupt:
            return


def _ask(address: str) -> dict[str, Any]:
    """The JSON of /drift, whatever it is. Raises MonitorError."""
    if not address.startswith(("http://", "https://")):
        raise WrongUse(f"{address!r} is no address of a monitor; one looks like {DEFAULT_MONITOR}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address.rstrip('/')}/drift", timeout=_SECONDS) as page:
            answer = json.loads(page.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        raise MonitorError(f"no monitor answers at {address}: {why}", Reason.BACKEND_UNAVAILABLE) from None
    if not isinstance(answer, dict):
        raise MonitorError(f"what answers at {address} is no monitor", Reason.BACKEND_UNAVAILABLE)
    return answer


def _read(answer: dict[str, Any], address: str) -> Document:
    try:
        return TypeAdapter(Document).validate_python(answer)
    except ValidationError:
        message = f"what answers at {address} is no monitor of this version"
        raise MonitorError(message, Reason.BACKEND_UNAVAILABLE) from None


def _page(document: Document) -> Group:
    watched = [version for version in document.versions if any(one.samples for one in version.sets)]
    silent = [version for version in document.versions if version not in watched]
    parts = [part for version in watched for part in _version(version)]
    if silent:
        names = ", ".join(f"{plain(one.model)} {plain(one.version)}" for one in silent)
        parts.append(Text(f"nothing explained yet: {names}", style="dim"))
    if not document.versions:
        parts.append(Text("this monitor watches no model"))
    return Group(*parts)


def _version(version: Version) -> Iterator[RenderableType]:
    yield title(f"{plain(version.model)} {plain(version.version)}")
    for found in version.sets:
        yield from _set(found)
    measured = [one for one in version.correlations if one.r is not None]
    if measured:
        yield _correlations(measured)
    yield ""


def _set(found: Set) -> Iterator[RenderableType]:
    against = f", against {found.reference_samples:,}" if found.reference_samples else ""
    yield Text.assemble(
        (plain(found.modalities), "bold"),
        "  ",
        (plain(found.status), _STATES.get(found.status, "")),
        (f"  {found.samples:,} explanations{against}", "dim"),
    )
    rows = table()
    for windows in found.windows:
        rows.add_row(
            plain(windows.window),
            _evidence(windows),
            f"{windows.log_evidence:.1f} of {windows.log_threshold:.1f}",
            f"{windows.compared:,} compared, {windows.filled:,} of {windows.size:,} in the next",
            _alarms(windows),
        )
    if found.windows:
        yield rows
    strongest = [(windows, stream) for windows in found.windows for stream in _strongest(windows)]
    if strongest:
        yield _streams(strongest)


def _evidence(windows: Windows) -> Text:
    share = windows.log_evidence / windows.log_threshold if windows.log_threshold else 0.0
    return bar(share, "red" if share >= 1 / 2 else "green")


def _alarms(windows: Windows) -> Text:
    if windows.last_alarm is None:
        return Text("no alarm", style="dim")
    cause = next((plain(one.stream) for one in windows.last_alarm.streams), "")
    count = f"{windows.alarms} alarm{'' if windows.alarms == 1 else 's'}"
    return Text(f"{count}, the last for {cause}", style="bold red")


def _strongest(windows: Windows) -> list[Stream]:
    """Those with most of the evidence."""
    told = [stream for stream in windows.streams if stream.share]
    return sorted(told, key=lambda stream: -(stream.share or 0.0))[:_STRONGEST]


def _streams(strongest: list[tuple[Windows, Stream]]) -> Table:
    rows = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("", "most evidence from", "share", "distance", "excused", "p", "median", "usually"):
        rows.add_column(name, justify="left" if name in ("", "most evidence from") else "right")
    for windows, one in strongest:
        figures = (one.distance, one.tolerance, one.p_value, one.median, one.reference_median)
        rows.add_row(
            plain(windows.window),
            plain(one.stream),
            f"{one.share or 0.0:.0%}",
            *("" if figure is None else f"{figure:.3g}" for figure in figures),
        )
    return rows


def _correlations(measured: list[Correlation]) -> Table:
    rows = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("weight and impact", "r", "95 %", "explanations"):
        rows.add_column(name, justify="left" if name == "weight and impact" else "right")
    for one in measured:
        interval = "" if one.low is None or one.high is None else f"{one.low:.2f} to {one.high:.2f}"
        rows.add_row(plain(one.modality), f"{one.r or 0.0:.2f}", interval, f"{one.n:,}")
    return rows
