"""What a second call does where one worker in several stalls.

    .venv/bin/python -m benchmarks.hedging          (make bench-overload)

A backend of two workers of 5 ms, of which one call in a hundred takes 2 s, before a gateway with ATTENDANT_HEDGE and
one without. Poisson arrivals, 100 a second, the two one after another. A stalled call holds its worker until it is
given up: what is not asked a second time soon holds up what is behind it.
"""

import asyncio
import re
import urllib.request
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.load import Record, Stage, open_loop, running_stage
from benchmarks.overload import PREDICT

WARM_UP = 15.0  # seconds, in which it learns what is usual and saves up
TAIL = 3.0  # seconds of calls after those that are counted


def second_calls(stage: Stage) -> int:
    """That the gateway has made so far."""
    with urllib.request.urlopen(f"{stage.http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    made = re.findall(r'^attendant_hedges_total\{outcome="(?!refused)\w+"\} ([\d.]+)$', text, re.MULTILINE)
    return round(sum(map(float, made)))


async def measure(stage: Stage, rate: float, seconds: float) -> tuple[Record, float]:
    """The calls that count, and second calls as a share of all."""
    await open_loop(stage.gateway, "Predict", PREDICT, [(rate, WARM_UP)], seed=1)
    before = second_calls(stage)
    record = await open_loop(stage.gateway, "Predict", PREDICT, [(rate, seconds + TAIL)])
    return record.between(0, seconds), (second_calls(stage) - before) / len(record.ends)


def main(
    seconds: Annotated[float, typer.Option(min=1)] = 60,
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 100,
) -> None:
    """Stall some calls, with hedging and without."""
    table = Table(title=f"{rate:g} calls a second for {seconds:g} s, 1 % stall for 2 s", title_justify="left")
    for column in ("ATTENDANT_HEDGE", "answered", "p50 ms", "p99 ms", "p99.9 ms", "second calls"):
        table.add_column(column, justify="right")
    for hedge in (True, False):
        slots = ("--slots", "2", "--seconds", "0.005", "--stall-share", "0.01", "--stall-seconds", "2")
        with running_stage(*slots, ATTENDANT_HEDGE=str(hedge)) as stage:
            record, again = asyncio.run(measure(stage, rate, seconds))
        table.add_row(
            str(hedge),
            f"{record.count() / len(record.ends):.2%}",
            *(f"{record.quantile(share) * 1e3:.1f}" for share in (0.5, 0.99, 0.999)),
            f"{again:.2%}",
        )
    console = Console(width=110)
    console.print(table)
    console.print("to reach: p99.9 at most 100 ms with at most 2 % second calls")


if __name__ == "__main__":
    typer.run(main)
