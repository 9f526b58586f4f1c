"""Odd requests by the thousand to a running service, for as long as one likes.

    PYTHONPATH=tests .venv/bin/python -m fuzz --backend embedded --requests 100000          (make fuzz)

Exit status 1 where an answer was not what fuzz.oracle allows, a process died or grew, something stayed in flight, or a
question that was answered at first is answered otherwise; what was sent is kept in runs/fuzz. The same seed sends the
same attempts; how they meet in the service is up to the machine.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fuzz import KEPT, ROOT
from fuzz.attempts import Attempt, Call, Questions
from fuzz.client import Client
from fuzz.services import Service, resident, running

ROUND = 500  # attempts between two looks at the service
WARM_SHARE = 0.1  # of the attempts, after which nothing may grow by more than this:
# (a few messages of 60 MB at once leave the gateway's heap larger)
GROWTH_MB = {"gateway": 200.0, "worker": 400.0}
IDLE_SECONDS = 120.0


@dataclass
class Found:
    """What was seen."""

    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    worst: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds
    problems: list[str] = field(default_factory=list)
    kept: int = 0
    sent: int = 0


def main(
    backend: Annotated[str, typer.Option(help="fake, embedded or torchserve.")] = "embedded",
    requests: Annotated[int, typer.Option(help="How many, at most.", min=1)] = 100_000,
    minutes: Annotated[float, typer.Option(help="How long, at most.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Else one that is printed.")] = -1,
    at_once: Annotated[int, typer.Option(help="Attempts in flight.", min=1)] = 16,
    slow_share: Annotated[
        float, typer.Option(help="Share of explanations that ask for a method of those that take their time.")
    ] = 0.02,
) -> None:
    """Send odd requests to a service of its own."""
    seed = time.time_ns() % 2**32 if seed < 0 else seed
    console = Console()
    console.print(f"seed {seed}, {backend}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, running(backend, Path(folder)) as service:
        found, memory, seconds = asyncio.run(
            _fuzz(service, Random(seed), requests, 60 * minutes, at_once, slow_share, seed)
        )
        if found.problems:
            for log in Path(folder).rglob("*.log"):
                (KEPT / log.name).write_bytes(log.read_bytes()[-(1 << 20) :])
    _report(console, found, memory, seconds)
    raise typer.Exit(1 if found.problems else 0)


async def _fuzz(
    service: Service,
    random: Random,
    requests: int,
    seconds: float,
    at_once: int,
    slow_share: float,
    seed: int,
) -> tuple[Found, dict[str, tuple[float, float, float]], float]:
    """What was found; megabytes at first, when warm, and in the end; seconds that it took."""
    found, started = Found(), time.monotonic()
    async with Client(service.address, service.http) as client:
        models = await client.models()
        questions = Questions(models, slow_share)
        known = {model.name: questions.known_good(model.name) for model in _one_of_each(models)}
        answers = {name: await client.predict(request) for name, request in known.items()}
        pids = service.pids()
        first = warm = last = resident(pids)
        with _progress() as progress:
            task = progress.add_task("fuzzing", total=requests, problems=0)
            while found.sent < requests and time.monotonic() - started < seconds and len(found.problems) < 20:
                size = min(ROUND, requests - found.sent)
                await _round(client, [questions.attempt(random) for _ in range(size)], at_once, found, seed)
                found.problems += [problem async for problem in _look(client, service, pids, known, answers)]
                pids = service.pids()
                last = resident(pids)
                if found.sent <= max(WARM_SHARE * requests, ROUND):
                    warm = last
                progress.update(task, completed=found.sent, problems=len(found.problems))
    for name, now in last.items():
        grown = now - warm.get(name, now)
        if grown > GROWTH_MB["gateway" if name == "gateway" else "worker"]:
            found.problems.append(f"{name} grew by {grown:.0f} MB after it was warm")
    memory = {name: (first.get(name, 0.0), warm.get(name, 0.0), now) for name, now in last.items()}
    return found, memory, time.monotonic() - started


async def _round(client: Client, attempts: list[Attempt], at_once: int, found: Found, seed: int) -> None:
    waiting = iter(attempts)

    async def work() -> None:
        for attempt in waiting:
            began = time.monotonic()
            try:
                status, problem = await client.send(attempt)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                status, problem = "broken", f"the client broke: {error!r}"
            found.sent += 1
            found.statuses[attempt.name][status] += 1
            found.worst[attempt.name] = max(found.worst[attempt.name], time.monotonic() - began)
            if problem:
                found.problems.append(
                    f"{attempt.name}: {problem[:500]} (kept as {_keep(attempt, problem, found, seed)})"
                )

    await asyncio.gather(*(work() for _ in range(at_once)))


async def _look(client: Client, service: Service, pids: dict[str, int], known: dict, answers: dict):
    """Between two rounds: nothing in flight, nobody died, the same questions have the same answers."""
    end = time.monotonic() + IDLE_SECONDS
    while left := await client.in_flight():
        if time.monotonic() > end:
            yield f"still in flight after {IDLE_SECONDS:g} s: {left}"
            break
        await asyncio.sleep(0.1)
    if service.pids() != pids:
        yield f"a process died: {pids} are now {service.pids()}"
    for name, request in known.items():
        try:
            if await client.predict(request) != answers[name]:
                yield f"{name} answers a known question otherwise than at first"
        except Exception as error:  # noqa: BLE001
            yield f"{name} does not answer a known question: {error!r}"


def _keep(attempt: Attempt, problem: str, found: Found, seed: int) -> Path:
    """The attempt on the disk: JSON that describes it, and the bytes of each message or of the body."""
    found.kept += 1
    folder = KEPT / f"{seed}-{found.kept}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = attempt.requests if isinstance(attempt, Call) else (attempt.raw or attempt.body,)
    for number, part in enumerate(parts):
        (folder / f"{number}.bin").write_bytes(part)
    left_out = {"requests", "raw", "body"}
    described = {name: value for name, value in asdict(attempt).items() if name not in left_out}
    (folder / "attempt.json").write_text(json.dumps(described | {"problem": problem}, indent=2))
    return folder.relative_to(ROOT)


def _one_of_each(models: list) -> Iterator:
    """A model of tweets and one of mosaics."""
    seen = set()
    for model in models:
        if model.HasField("mosaic") not in seen:
            seen.add(model.HasField("mosaic"))
            yield model


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[problems]} problems"),
        transient=True,
        console=Console(stderr=True),
    )


def _report(console: Console, found: Found, memory: dict, seconds: float) -> None:
    table = Table(
        "call or route", "outcomes", "sent", "worst ms", title=f"{found.sent:,} attempts in {seconds:.0f} s"
    )
    for name, counts in sorted(found.statuses.items()):
        outcomes = ", ".join(f"{status} {count:,}" for status, count in counts.most_common())
        table.add_row(name, outcomes, f"{counts.total():,}", f"{1000 * found.worst[name]:.0f}")
    console.print(table)
    table = Table("process", "MB at first", "warm", "in the end")
    for name, row in memory.items():
        table.add_row(name, *(f"{value:.0f}" for value in row))
    console.print(table)
    for problem in found.problems:
        console.print(f"[red]problem[/red] {problem}", markup=True)
    console.print("nothing wrong" if not found.problems else f"{len(found.problems)} problems")


if __name__ == "__main__":
    typer.run(main)
