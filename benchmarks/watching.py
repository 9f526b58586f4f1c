"""What watching costs: explanations by two gateways side by side, of which one tells a monitor what it sees.

    .venv/bin/python -m benchmarks.watching          (make bench-watching)

Two sides do the same at the same time, on a core each (`benchmarks.watched_side`), but for watching: one side's
explanations are watched, the other's are not, and in each phase they change places. Every second they change cores. So
whatever the machine does to both or to one core cancels, and what one side does better. Each has all that belongs to
it: the load, a gateway, workers, a Valkey, a monitor. What watching puts off is paid, too: the first seconds of a
phase, in which a side still does what the one before left behind, do not count. Nothing comes from a cache. Cores are
never idle, so throughput is what comes of a second of processor time; what else runs on the machine is not in that.

A service on two cores has one monitor, and each side is half of it: what watching does at intervals, and not for each
explanation, it does half as often here. `--cores 1` measures the service on one core.
"""

import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from attendant.statistics.intervals import Estimate, student
from benchmarks.watched_side import Phase, Spent
from services.stack.proc import family
from services.stack.trial import ROOT

KINDS = ("text", "text and photograph")
SETTLE = 3.0  # seconds of a phase that do not count
COUNTED = (4.0, 8.0)  # that do: drawn anew each time, since what watching does comes at intervals of its own
SWAP = 1.0  # seconds on a core
MOST = 0.02  # of the throughput, that watching may cost


class Side:
    """A process, and all that it has started."""

    def __init__(self, process: "Popen[str]") -> None:
        self._process = process
        self._pids: tuple[int, ...] = ()

    def read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("one side has ended")
        return line

    def move(self, core: int) -> None:
        """With every thread of every process."""
        self._pids = self._pids or (self._process.pid, *(one.pid for one in family(self._process.pid)))
        for pid in self._pids:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.sched_setaffinity(int(thread.name), {core})

    def begin(self, kind: str, phases: Sequence[Phase]) -> None:
        assert self._process.stdin
        plain = [[phase.watched, phase.begin, phase.end] for phase in phases]
        self._process.stdin.write(json.dumps([kind, plain]) + "\n")
        self._process.stdin.flush()


@contextmanager
def running_side(core: int, share: float, periods: float) -> Iterator[Side]:
    told = (str(core), str(share), str(periods))
    command = (sys.executable, "-m", "benchmarks.watched_side", "side", *told)
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) as process:
        yield Side(process)


def draw_phases(rounds: int, begin: float, generator: random.Random) -> list[Phase]:
    """Of one side: two a round, in either order; the other side does the contrary."""
    phases = []
    for _ in range(rounds):
        first = generator.random() < 0.5
        for watched in (first, not first):
            end = begin + SETTLE + generator.uniform(*COUNTED)
            phases.append(Phase(watched, begin + SETTLE, end))
            begin = end
    return phases


def run(
    sides: Sequence[Side], cores: Sequence[int], kind: str, rounds: int
) -> tuple[list[Phase], list[list[Spent]]]:
    """The first side's phases, and what each side gave and took in them."""
    phases = draw_phases(rounds, time.monotonic() + 1, random.Random(0))
    contrary = [Phase(not phase.watched, phase.begin, phase.end) for phase in phases]
    for side, own in zip(sides, (phases, contrary), strict=True):
        side.begin(kind, own)
    swaps = int((phases[-1].end - time.monotonic()) / SWAP)
    for number in track(range(swaps), kind, transient=True):
        for side, core in zip(sides, cores if number % 2 else cores[::-1], strict=True):
            side.move(core)
        time.sleep(SWAP)
    return phases, [[Spent(**phase) for phase in json.loads(side.read())] for side in sides]


def estimate(phases: Sequence[Phase], rates: Sequence[Sequence[float]]) -> Estimate:
    """The share of the throughput that watching costs: the mean of the rounds.

    In each of its two phases one side is watched, and in the other one the other: what sets the sides apart cancels.
    """
    gains = [
        math.log(first / second) if phase.watched else math.log(second / first)
        for phase, first, second in zip(phases, *rates, strict=True)
    ]
    rounds = [(one + other) / 2 for one, other in zip(gains[::2], gains[1::2], strict=True)]
    error = statistics.stdev(rounds) / len(rounds) ** 0.5
    mean = student(statistics.mean(rounds), error, len(rounds) - 1)
    return Estimate(*(1 - math.exp(log) for log in (mean.value, mean.high, mean.low)))


def show(console: Console, kind: str, phases: Sequence[Phase], spent: Sequence[Sequence[Spent]]) -> bool:
    """Whether watching costs no more than it may."""
    cost = estimate(phases, [[phase.rate for phase in side] for side in spent])
    by_watched: dict[bool, list[Spent]] = {False: [], True: []}
    for phase, first, second in zip(phases, *spent, strict=True):
        by_watched[phase.watched].append(first)
        by_watched[not phase.watched].append(second)
    unwatched, watched = (statistics.mean(one.rate for one in by_watched[key]) for key in (False, True))
    table = Table(title=f"{kind}: microseconds of a processor an explanation", title_justify="left")
    for column in ("", "unwatched", "watched", "more"):
        table.add_column(column, justify="right" if column else "left")
    for name in spent[0][0].seconds:
        one, other = (take(by_watched[key], name) * 1e6 for key in (False, True))
        table.add_row(name, f"{one:.0f}", f"{other:.0f}", f"{other - one:+.0f}")
    console.print(table)
    console.print(
        f"{kind}: {unwatched:.1f} explanations a processor second unwatched, {watched:.1f} watched; watching costs "
        f"{cost.value:.1%} (95 % interval {cost.low:.1%} to {cost.high:.1%}, {len(phases) // 2} rounds; at most "
        f"{MOST:.0%} is wanted)"
    )
    return cost.value <= MOST


def take(phases: Sequence[Spent], name: str) -> float:
    """Seconds of a program for each answer."""
    return sum(phase.seconds[name] for phase in phases) / sum(phase.answers for phase in phases)


def main(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of each kind, 18 s on average.")] = 9,
    impact_share: Annotated[float, typer.Option(help="As ATTENDANT_IMPACT_SHARE.", min=0, max=1)] = 0.05,
    cores: Annotated[int, typer.Option(help="Of the service that is measured.", min=1, max=2)] = 2,
) -> None:
    """Compare the throughput of explanations that are watched with that of others; exits 1 where it costs too much."""
    console = Console(width=110)
    here = sorted(os.sched_getaffinity(0))[:2]
    if len(here) < 2:
        sys.exit("two cores are needed")
    with ExitStack() as stack:
        sides = [stack.enter_context(running_side(core, impact_share, cores)) for core in here]
        idle = [float(side.read()) for side in sides]
        console.print(f"a monitor with nothing to read takes {statistics.mean(idle):.1%} of a core")
        within = [show(console, kind, *run(sides, here, kind, rounds)) for kind in KINDS]
    if not all(within):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
