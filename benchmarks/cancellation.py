"""How soon work that nobody waits for any more ends.

    OMP_WAIT_POLICY=PASSIVE .venv/bin/python -m benchmarks.cancellation          (make bench-overload)

Each method at its limits, of the longest tweet: for how long it computes without a look at its deadline. Then, through
a whole stack with the embedded worker, explanations that are cancelled at random moments while they run: how long the
worker is held by each. That is the time from the cancellation to the next answer, less what the next takes alone.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import grpc
import numpy as np
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.table import Table

from attendant.channels import OPTIONS, SERVICE
from attendant.explainers.base import Deadline
from attendant.explainers.catalogue import explain
from attendant.manifest import read_manifest
from attendant.methods import (
    MAX_ADVERSARIES,
    MAX_RANDOM_MASKS,
    MAX_SAMPLES,
    MAX_STEPS,
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Masking,
    PermutationOptions,
)
from attendant.models.sarcasm import SarcasmModel
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request
from benchmarks.load import Ask, Record, call
from benchmarks.serving import ARCHIVE
from services.stack.trial import running_stack

LIMITS = {
    "permutation": ExplainOptions(
        permutation=PermutationOptions(samples=MAX_SAMPLES, modality_samples=MAX_SAMPLES)
    ),
    "gradient": ExplainOptions(gradient=GradientOptions(through_attention=True)),
    "class_activation": ExplainOptions(class_activation=ClassActivationOptions()),
    "leave_one_out": ExplainOptions(leave_one_out=LeaveOneOutOptions()),
    "adversarial": ExplainOptions(
        adversarial=AdversarialOptions(adversaries=MAX_ADVERSARIES, steps=MAX_STEPS)
    ),
    "erasure": ExplainOptions(erasure=ErasureOptions()),
    "box_alignment": ExplainOptions(box_alignment=BoxAlignmentOptions((Box(0.1, 0.1, 0.5, 0.5),))),
    **{
        f"cross_modal, {masking}": ExplainOptions(
            cross_modal=CrossModalOptions(masking=masking, random_masks=MAX_RANDOM_MASKS)
        )
        for masking in Masking
    },
}
CANCELLED = ("permutation", "leave_one_out", "adversarial", f"cross_modal, {Masking.MEAN}")
SHORT = ExplainOptions(gradient=GradientOptions())


class Watched(Deadline):
    """Notes how long it was not looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()

    @property
    def passed(self) -> bool:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now
        return False


def look(tweet: Tweet) -> Iterator[tuple[str, float, list[float]]]:
    """A method, its seconds, and those between its looks."""
    folder = ARCHIVE / "sarcasm"
    model = SarcasmModel.open_served(folder)
    offered = read_manifest(folder).methods
    prepared = [model.prepare(tweet)]
    for name, options in LIMITS.items():
        assert {str(method) for method in options.methods} <= set(offered)
        ((_, subject),) = model.inspect(prepared)
        explain(subject, SHORT, Deadline())  # what is made on first use is made
        watched = Watched()
        started = time.perf_counter()
        explain(subject, options, watched)
        assert not watched.passed
        yield name, time.perf_counter() - started, watched.gaps


async def hold(ask: Ask, long: bytes, short: bytes, times: int) -> list[float]:
    """Seconds for which each cancelled explanation held the worker."""
    alone, found = Record(time.perf_counter()), Record(time.perf_counter())
    moments = random.Random(0)
    for _ in range(times):
        await call(ask, short, alone)
        running = ask(long, timeout=60)
        await asyncio.sleep(moments.uniform(0.05, 0.3))
        if running.done():
            continue
        running.cancel()
        await call(ask, short, found)
    assert alone.count() + found.count() == len(alone.ends) + len(found.ends)
    usual = float(np.median(alone.seconds))
    return [max(0.0, seconds - usual) for seconds in found.seconds]


async def cancel(address: str, tweet: Tweet, times: int) -> dict[str, list[float]]:
    channel = grpc.aio.insecure_channel(address, OPTIONS)
    ask: Ask = channel.unary_unary(f"/{SERVICE}/Explain")
    short = encode_explain_request("sarcasm", tweet, options=SHORT, cache_mode=CacheMode.BYPASS)
    found = {}
    for name in CANCELLED:
        long = encode_explain_request("sarcasm", tweet, options=LIMITS[name], cache_mode=CacheMode.BYPASS)
        found[name] = await hold(ask, long, short, times)
    await channel.close()
    return found


def main(times: Annotated[int, typer.Option(min=1, help="Cancellations of each method.")] = 40) -> None:
    """Stop explanations while they run."""
    console = Console(width=110)
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    tweet = Tweet(
        "so much fun to wait in the rain again " * 12, photograph, ("dog", "man", "food", "sign", "car")
    )
    table = Table(title="at its limits, of the longest tweet", title_justify="left")
    for column in ("method", "s in all", "ms between looks: p50", "p99", "longest"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, seconds, gaps in look(tweet):
        table.add_row(
            name, f"{seconds:.2f}", *(f"{np.quantile(gaps, share) * 1e3:.1f}" for share in (0.5, 0.99, 1))
        )
    console.print(table)
    console.print("to reach: 50 ms\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack("embedded", ARCHIVE.parent.resolve(), Path(folder) / "stack") as stack,
    ):
        held = asyncio.run(cancel(stack.address, tweet, times))
    table = Table(title="cancelled while it runs: ms until the worker is free", title_justify="left")
    for column in ("method", "p50", "p99", "longest"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, seconds_held in held.items():
        table.add_row(name, *(f"{np.quantile(seconds_held, share) * 1e3:.1f}" for share in (0.5, 0.99, 1)))
    console.print(table)
    console.print("to reach: 100 ms")


if __name__ == "__main__":
    typer.run(main)
