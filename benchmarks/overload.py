"""What becomes of a service that is asked for more than it can do.

    .venv/bin/python -m benchmarks.overload          (make bench-overload)

A gateway, a backend of 8 slots of 50 ms, and the load are a process each. The backend's capacity C is measured first,
by as many callers as it has slots, past the gateway. Then Poisson arrivals at multiples of C, one after another without
a pause, before and after them a quarter of C. Then predictions at a quarter of C while explanations arrive at 12 C. As
by default, half as many explanations are let in as predictions: as many as there are slots would have all of them.

Settled: the first moment from which on, for half a second, windows of 50 ms have at least 3/4 of the answers that they
should have, and no answer that took more than twice the p99 of the quiet time; of the ten windows one may be an
exception. Below C a window should have an answer or two, too few to count: there latency alone tells.
"""

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import grpc
import httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from attendant.channels import SERVICE
from attendant.torchserve.torchserve_pb2 import PredictionsRequest
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Row
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from benchmarks.frames import End
from benchmarks.load import (
    Ask,
    Record,
    closed_loop,
    open_loop,
    resident_megabytes,
    running_stage,
)
from benchmarks.serving import ARCHIVE, TEXT
from services.gateway.backends.predictions import METHOD
from services.stack.trial import running_stack

PREDICT = encode_predict_request("sarcasm", Tweet(TEXT))
EXPLAIN = encode_explain_request("sarcasm", Tweet(TEXT), cache_mode=CacheMode.BYPASS)
QUIET = 0.25  # of C
STEPS = {1.4: 0.95, 3.0: 0.90, 10.0: 0.80}  # of C, and the goodput to reach, in C
EXPLAINED = 12.0  # of C
WARM_UP = 3.0  # seconds
WINDOW = 0.05  # seconds
WINDOWS = 10  # of which one may be an exception
LEAST = 0.75  # of the answers that a window should have


@dataclass(frozen=True)
class Step:
    """A time of one rate, as shares of C and of the quiet p99; refusal in ms, None where none was."""

    rate: float
    goodput: float
    p99: float
    refusal: float | None
    settled: float | None  # ms


def settle(record: Record, begin: float, end: float, should: float, bound: float) -> float | None:
    """Milliseconds from `begin` on; None where it never settled. `should`: answers a second; `bound`: seconds."""
    when, latencies = record.answered()
    edges = np.arange(begin, end, WINDOW)
    places = np.searchsorted(when, edges)
    fine = [
        (last - first) >= LEAST * should * WINDOW and bool(np.all(latencies[first:last] <= bound))
        for first, last in pairwise(places)
    ]
    for number in range(len(fine) - WINDOWS + 1):
        if fine[number] and sum(fine[number : number + WINDOWS]) >= WINDOWS - 1:
            return number * WINDOW * 1e3
    return None


def judge(
    record: Record, capacity: float, rates: Sequence[tuple[float, float]], quiet_p99: float
) -> list[Step]:
    steps = []
    begin = 0.0
    for rate, seconds in rates:
        part = record.between(begin, begin + seconds)
        refusals = part.latencies(End.REFUSED)
        when, _ = record.answered()
        answers = int(((when >= begin) & (when < begin + seconds)).sum())
        should = 0.0 if rate < capacity else capacity
        settled = settle(record, begin, begin + seconds, should, 2 * quiet_p99) if begin else 0.0
        steps.append(
            Step(
                rate / capacity,
                answers / seconds / capacity,
                part.quantile(0.99) / quiet_p99,
                float(np.median(refusals)) * 1e3 if len(refusals) else None,
                settled,
            )
        )
        begin += seconds
    return steps


def show(console: Console, title: str, steps: Sequence[Step]) -> None:
    table = Table(title=title, title_justify="left")
    for column in (
        "arrivals / C",
        "goodput / C",
        "to reach",
        "p99 / quiet p99",
        "refused after ms",
        "settled after ms",
    ):
        table.add_column(column, justify="right")
    for step in steps:
        table.add_row(
            f"{step.rate:.2f}",
            f"{step.goodput:.3f}",
            f"{STEPS[step.rate]:.2f}" if step.rate in STEPS else "",
            f"{step.p99:.2f}",
            "" if step.refusal is None else f"{step.refusal:.2f}",
            "never" if step.settled is None else f"{step.settled:.0f}",
        )
    console.print(table)


def describe(record: Record) -> str:
    late = np.quantile(record.late, [0.5, 0.99]) * 1e3
    return (
        f"{len(record.ends)} calls: {record.count()} answered, {record.count(End.REFUSED)} refused,"
        f" {record.count(End.RESET)} reset; made {late[0]:.2f} ms late at the median, {late[1]:.2f} at p99"
    )


async def measure_capacity(address: str, slots: int, seconds: float) -> float:
    """Answers a second of the backend itself."""
    async with grpc.aio.insecure_channel(address) as channel:
        row = Row(Operation.PREDICT, PREDICT, "sarcasm", "1", 60.0)
        request = PredictionsRequest(model_name="sarcasm", input=row.to_entries()).SerializeToString()
        record = await closed_loop(channel.unary_unary(METHOD), request, slots, seconds)
    return record.count() / max(sent + own for sent, own in zip(record.sent, record.seconds, strict=True))


async def climb(
    console: Console, address: str, http: str, capacity: float, steps: Sequence[float], seconds: float
) -> None:
    """The steps, one after another, and what the quiet time before them was like."""
    await open_loop(address, "Predict", PREDICT, [(QUIET * capacity, WARM_UP)])
    rates = [(share * capacity, seconds) for share in (QUIET, *steps, QUIET)]
    before = await codes(http)
    record = await open_loop(address, "Predict", PREDICT, rates)
    unread = tell_unread(before, await codes(http), record)
    quiet_p99 = record.between(0, seconds).quantile(0.99)
    show(console, f"quiet p99 {quiet_p99 * 1e3:.1f} ms", judge(record, capacity, rates, quiet_p99))
    console.print(f"{describe(record)}; {unread}")


async def flood(console: Console, address: str, http: str, capacity: float, seconds: float) -> None:
    """Predictions among many more explanations."""
    before = await codes(http)
    predictions, explanations = await asyncio.gather(
        open_loop(address, "Predict", PREDICT, [(QUIET * capacity, seconds)]),
        open_loop(address, "Explain", EXPLAIN, [(EXPLAINED * capacity, seconds)], seed=1),
    )
    unread = tell_unread(before, await codes(http), predictions, explanations)
    console.print(
        f"\nPredict at {QUIET:g} C while Explain arrives at {EXPLAINED:g} C:"
        f" {predictions.count() / len(predictions.ends):.2%} of the predictions served (to reach: 99.9 %),"
        f" p99 {predictions.quantile(0.99) * 1e3:.1f} ms"
    )
    console.print(f"Predict: {describe(predictions)}")
    console.print(f"Explain: {describe(explanations)}; {unread}")


async def bench_slots(
    console: Console, seconds: float, slots: int, slot_seconds: float, settings: dict[str, str]
) -> None:
    arguments = ("--slots", str(slots), "--seconds", str(slot_seconds))
    with running_stage(*arguments, **settings) as stage:
        capacity = await measure_capacity(stage.backend, slots, min(seconds, 10.0))
        console.print(
            f"{slots} slots of {slot_seconds * 1e3:g} ms: C = {capacity:.1f}/s;"
            f" {', '.join(f'{name}={value}' for name, value in settings.items())}"
        )
        await open_loop(stage.gateway, "Predict", PREDICT, [(3 * capacity, WARM_UP)])
        before = resident_megabytes(stage.pid)
        await climb(console, stage.gateway, stage.http, capacity, tuple(STEPS), seconds)
        await flood(console, stage.gateway, stage.http, capacity, seconds)
        after = resident_megabytes(stage.pid)
        console.print(f"the gateway's memory: {before:.1f} MB before, {after:.1f} MB after")
        console.print(f"the gateway's own count: {enumerate_codes(await codes(stage.http))}\n")


def tell_unread(before: Counter[str], after: Counter[str], *records: Record) -> str:
    """What gRPC itself ended, where calls queued up before the gateway: only their callers know of them."""
    refused = sum(record.count(End.REFUSED) for record in records)
    return f"{refused - (after - before)['RESOURCE_EXHAUSTED']} refused by gRPC itself, unread"


def enumerate_codes(found: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in found.most_common())


async def codes(http: str) -> Counter[str]:
    """Requests by status, as /metrics has them."""
    async with httpx.AsyncClient(base_url=http, trust_env=False) as client:
        text = (await client.get("/metrics")).text
    found: Counter[str] = Counter()
    for code, value in re.findall(
        r'^attendant_requests_total{code="(\w+)".*} ([\d.e+]+)$', text, re.MULTILINE
    ):
        found[code] += round(float(value))
    return found


async def bench_stack(console: Console, seconds: float, in_flight: int) -> None:
    """TorchServe and a real model; C is measured through the gateway, which has a part in it."""
    archives = ARCHIVE.parent.resolve()
    variables = {"ATTENDANT_MAX_IN_FLIGHT": str(in_flight)}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack("torchserve", archives, Path(folder) / "stack", **variables) as stack,
    ):
        async with grpc.aio.insecure_channel(stack.address) as channel:
            for own in (WARM_UP, seconds):
                predict: Ask = channel.unary_unary(f"/{SERVICE}/Predict")
                record = await closed_loop(predict, PREDICT, in_flight, own)
        capacity = record.count() / seconds
        console.print(
            f"TorchServe, text alone: C = {capacity:.1f}/s of {in_flight} callers; ATTENDANT_MAX_IN_FLIGHT={in_flight}"
        )
        await climb(console, stack.address, stack.http, capacity, (3.0,), seconds)
        console.print(f"the gateway's own count: {enumerate_codes(await codes(stack.http))}")


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Of each step.")] = 30,
    slots: Annotated[int, typer.Option(min=1)] = 8,
    slot_seconds: Annotated[float, typer.Option(min=0.001)] = 0.05,
    in_flight: Annotated[int, typer.Option(min=1, help="ATTENDANT_MAX_IN_FLIGHT before the slots.")] = 10,
    explain_in_flight: Annotated[int, typer.Option(min=1, help="ATTENDANT_MAX_EXPLAIN_IN_FLIGHT.")] = 5,
    stack_in_flight: Annotated[int, typer.Option(min=1, help="The same before TorchServe.")] = 12,
    stack: Annotated[bool, typer.Option(help="Also before TorchServe and a real model.")] = True,
) -> None:
    """Ask a service for more than it can do."""
    console = Console(width=110)
    settings = {
        "ATTENDANT_MAX_IN_FLIGHT": str(in_flight),
        "ATTENDANT_MAX_EXPLAIN_IN_FLIGHT": str(explain_in_flight),
    }
    asyncio.run(bench_slots(console, seconds, slots, slot_seconds, settings))
    if stack:
        asyncio.run(bench_stack(console, seconds, stack_in_flight))


if __name__ == "__main__":
    typer.run(main)
