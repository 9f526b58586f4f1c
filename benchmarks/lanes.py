"""What slow explanations cost predictions, which have a worker of their own.

    .venv/bin/python -m benchmarks.lanes          (make bench-overload)

Predictions arrive (Poisson) at a steady rate before a whole stack; in every other block the slow lane is as full as it
can be. Blocks of both kinds take turns, their order shuffled anew each round; all latencies of a kind are put together.
The slow lane's priority is that of k8s/base/torchserve unless it is told.
"""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import grpc
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.table import Table

from attendant.channels import OPTIONS, SERVICE
from attendant.methods import CrossModalOptions, ExplainOptions
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from benchmarks.load import Ask, Record, closed_loop, open_loop
from benchmarks.serving import ARCHIVE, TEXT
from services.gateway.config import GatewaySettings
from services.stack.trial import running_stack

SLOW = GatewaySettings.model_fields["max_slow_in_flight"].default
ALONE, BESIDE = "alone", f"beside {SLOW} slow explanations"


async def measure(
    address: str, predict: bytes, explain: bytes, rate: float, rounds: int, seconds: float
) -> dict[str, Record]:
    channel = grpc.aio.insecure_channel(address, OPTIONS)
    explanations: Ask = channel.unary_unary(f"/{SERVICE}/Explain")
    found = {ALONE: Record(), BESIDE: Record()}
    order = random.Random(0)
    for number in range(rounds + 1):  # the first is not counted
        for kind in order.sample(list(found), len(found)):
            slow = (
                asyncio.create_task(closed_loop(explanations, explain, SLOW, seconds + 1))
                if kind == BESIDE
                else None
            )
            await asyncio.sleep(1)  # the lane is full, or what filled it is over
            record = await open_loop(address, "Predict", predict, [(rate, seconds)], seed=number)
            if slow is not None:
                assert (await slow).count(), "nothing was explained"
            if number:
                found[kind].seconds += record.seconds
                found[kind].ends += record.ends
    await channel.close()
    return found


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 6,  # 1,200 calls: fewer have no steady p99
    seconds: Annotated[float, typer.Option(min=1, help="Of a block.")] = 10,
    rate: Annotated[float, typer.Option(min=1, help="Predictions a second.")] = 20,
    priority: Annotated[Literal["low", "idle"], typer.Option(help="ATTENDANT_SLOW_PRIORITY.")] = "idle",
) -> None:
    """Fill the slow lane of both backends."""
    archives = ARCHIVE.parent.resolve()
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    explain = encode_explain_request(
        "sarcasm",
        Tweet(TEXT, photograph),
        options=ExplainOptions(cross_modal=CrossModalOptions()),
        cache_mode=CacheMode.BYPASS,
    )
    title = f"Predict, {rate:g} a second; slow explanations at priority {priority}"
    table = Table(title=title, title_justify="left")
    for column in ("", "", "answered", "p50 ms", "p99 ms", "p99 / alone"):
        table.add_column(column, justify="right" if column else "left")
    for backend in ("embedded", "torchserve"):
        with (
            tempfile.TemporaryDirectory() as folder,
            running_stack(
                backend, archives, Path(folder) / "stack", ATTENDANT_SLOW_PRIORITY=priority
            ) as stack,
        ):
            for what, tweet in {"text alone": Tweet(TEXT), "with an image": Tweet(TEXT, photograph)}.items():
                predict = encode_predict_request("sarcasm", tweet)
                found = asyncio.run(measure(stack.address, predict, explain, rate, rounds, seconds))
                for kind, record in found.items():
                    table.add_row(
                        f"{backend}, {what}",
                        kind,
                        f"{record.count()} of {len(record.ends)}",
                        f"{record.quantile(0.5) * 1e3:.1f}",
                        f"{record.quantile(0.99) * 1e3:.1f}",
                        f"{record.quantile(0.99) / found[ALONE].quantile(0.99):.2f}",
                    )
    console = Console(width=110)
    console.print(table)
    console.print("to reach: p99 at most 1.5 times what it is alone")


if __name__ == "__main__":
    typer.run(main)
