"""What watching costs: explanations of two services side by side, of which one tells a monitor what it sees.

    .venv/bin/python -m benchmarks.watching          (make bench-watching)

Both are whole stacks on this machine. The one that watches has its monitor and the impacts that are measured unasked on
the same cores. Blocks of requests to each take turns, in an order shuffled anew each round; ratios are taken
within a round, so that the machine's noise cancels. Nothing comes from a cache.
"""

import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import grpc
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from attendant.channels import OPTIONS
from attendant.statistics.intervals import student
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request
from benchmarks.serving import TEXT, Call, Measured, run_block
from services.stack.trial import running_stack

ARCHIVES = Path("build/archives").resolve()
CONCURRENCY = 32
REQUESTS = {"text alone": 256, "tweet with an image": 64}  # a block: less than a second
MOST = 0.02  # of the throughput, that watching may cost
PLAIN, WATCHED = "unwatched", "watched"


def explain(channel: grpc.aio.Channel, request: bytes) -> Call:
    ask = channel.unary_unary("/attendant.v1.AttendantService/Explain")

    async def call() -> None:
        assert await ask(request, timeout=60)

    return call


async def compare(
    targets: dict[str, Call], rounds: int, requests: int, progress: Progress, kind: str
) -> dict[str, Measured]:
    """One round before is not counted."""
    order = random.Random(0)
    task = progress.add_task(kind, total=(rounds + 1) * len(targets))
    results = {name: Measured() for name in targets}
    for number in range(rounds + 1):
        for name in order.sample(list(targets), len(targets)):
            await run_block(targets[name], requests, CONCURRENCY, results[name] if number else Measured())
            progress.advance(task)
    return results


def show(console: Console, kind: str, results: dict[str, Measured]) -> float:
    """The share of the throughput that watching costs: its median over the rounds."""
    table = Table(title=f"{kind}, concurrency {CONCURRENCY}", title_justify="left")
    for column in ("", "p50 ms", "p99 ms", "explanations/s"):
        table.add_column(column, justify="right" if column else "left")
    for name, measured in results.items():
        table.add_row(
            name,
            f"{measured.quantile(0.5) * 1e3:.2f}",
            f"{measured.quantile(0.99) * 1e3:.2f}",
            f"{statistics.median(measured.throughput):.0f}",
        )
    console.print(table)
    pairs = zip(results[WATCHED].throughput, results[PLAIN].throughput, strict=True)
    costs = [1 - watched / plain for watched, plain in pairs]
    mean = student(statistics.mean(costs), statistics.stdev(costs) / len(costs) ** 0.5, len(costs) - 1)
    cost = statistics.median(costs)
    console.print(
        f"{kind}: watching costs {cost:.1%} of the throughput (mean's 95 % interval {mean.low:.1%} to "
        f"{mean.high:.1%}; at most {MOST:.0%} is wanted)\n"
    )
    return cost


async def bench(console: Console, tweets: Mapping[str, Tweet], rounds: int, share: float) -> bool:
    within = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        channels = {}
        for name, watch in ((PLAIN, "false"), (WATCHED, "true")):
            variables = {"ATTENDANT_WATCH": watch, "ATTENDANT_IMPACT_SHARE": str(share)}
            running = stack.enter_context(running_stack("embedded", ARCHIVES, folder / name, **variables))
            channels[name] = await stack.enter_async_context(
                grpc.aio.insecure_channel(running.address, OPTIONS)
            )
        for kind, tweet in tweets.items():
            request = encode_explain_request("sarcasm", tweet, cache_mode=CacheMode.BYPASS)
            with Progress(console=console, transient=True) as progress:
                targets = {name: explain(channel, request) for name, channel in channels.items()}
                results = await compare(targets, rounds, REQUESTS[kind], progress, kind)
            within.append(show(console, kind, results) <= MOST)
    return all(within)


def main(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds that are counted.")] = 150,
    impact_share: Annotated[float, typer.Option(help="As ATTENDANT_IMPACT_SHARE.", min=0, max=1)] = 0.05,
) -> None:
    """Compare the throughput of explanations that are watched with that of others; exits 1 where it costs too much."""
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    tweets = {"text alone": Tweet(TEXT), "tweet with an image": Tweet(TEXT, photograph)}
    if not asyncio.run(bench(Console(width=110), tweets, rounds, impact_share)):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
