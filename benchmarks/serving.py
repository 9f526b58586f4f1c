"""What serving costs: the handler in-process, TorchServe called directly, and the gateway with each backend.

    .venv/bin/python benchmarks/serving.py          (make bench)

All four answer the same Predict requests on the same machine in one run. Blocks of requests to each take turns, in an
order shuffled anew each round, and ratios are taken within a round, so that the machine's noise cancels.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import grpc
import numpy as np
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from attendant.archive import ServingConfig
from attendant.channels import OPTIONS
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.types import Tweet
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_predict_request
from handlers.worker import Context, Handler, open_archive
from services.stack.trial import running_stack

ARCHIVE = Path("build/archives/sarcasm")
TEXT = "Oh great, another Monday. I just LOVE waiting in line for 2 hours #blessed"
CONCURRENCY = (1, 8, 32)
BATCH = ServingConfig().batch_size
IN_PROCESS, DIRECT, GATEWAY = "handler, in-process", "TorchServe, direct", "gateway + TorchServe"

Call = Callable[[], Awaitable[None]]


@dataclass
class Measured:
    """Latencies in seconds and requests per second, round by round."""

    latencies: list[list[float]] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        return float(np.quantile(np.concatenate(self.latencies), share))

    def medians(self) -> list[float]:
        return [statistics.median(block) for block in self.latencies]


async def run_block(call: Call, requests: int, concurrency: int, measured: Measured) -> None:
    """`requests` calls by `concurrency` callers, each waiting for its answer."""
    remaining = iter(range(requests))
    latencies: list[float] = []

    async def caller() -> None:
        for _ in remaining:
            started = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    measured.throughput.append(requests / (time.perf_counter() - started))
    measured.latencies.append(latencies)


def in_process(handler: Handler, context: Context, request: bytes, concurrency: int) -> Call:
    """The handler itself, given as many rows at once as TorchServe would batch."""
    rows = [Row(Operation.PREDICT, request, "sarcasm", "1").to_entries()]
    rows *= rows_a_call(IN_PROCESS, concurrency)

    async def call() -> None:
        for reply in handler.handle(rows, context):
            assert Reply.from_bytes(reply).response

    return call


def direct(channel: grpc.aio.Channel, request: bytes) -> Call:
    predictions = channel.unary_unary(
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions",
        PredictionsRequest.SerializeToString,
        PredictionResponse.FromString,
    )
    row = Row(Operation.PREDICT, request, "sarcasm", "1")

    async def call() -> None:
        answer = await predictions(PredictionsRequest(model_name="sarcasm", input=row.to_entries()))
        assert Reply.from_bytes(answer.prediction).response

    return call


def through_gateway(channel: grpc.aio.Channel, request: bytes) -> Call:
    predict = channel.unary_unary("/attendant.v1.AttendantService/Predict")

    async def call() -> None:
        assert await predict(request, timeout=60)

    return call


def rows_a_call(name: str, concurrency: int) -> int:
    """The handler alone is called with a batch; everybody else batches for themselves."""
    return min(concurrency, BATCH) if name == IN_PROCESS else 1


async def compare(
    targets: dict[str, Call], concurrency: int, rounds: int, requests: int, advance: Callable[[], None]
) -> dict[str, Measured]:
    """Every target in every round, in a shuffled order; one round before is not counted."""
    order = random.Random(0)
    results = {name: Measured() for name in targets}
    for number in range(rounds + 1):
        for name in order.sample(list(targets), len(targets)):
            calls, callers = (
                (requests // rows_a_call(name, concurrency), 1)
                if name == IN_PROCESS
                else (requests, concurrency)
            )
            await run_block(targets[name], calls, callers, results[name] if number else Measured())
            advance()
    return results


def show(console: Console, kind: str, concurrency: int, results: dict[str, Measured]) -> None:
    table = Table(title=f"{kind}, concurrency {concurrency}", title_justify="left")
    for column in ("", "p50 ms", "p99 ms", "requests/s", "p50 / direct", "throughput / direct"):
        table.add_column(column, justify="left" if not column else "right")
    reference = results[DIRECT]
    for name, measured in results.items():
        rows = rows_a_call(name, concurrency)
        slower = [own / other for own, other in zip(measured.medians(), reference.medians(), strict=True)]
        faster = [
            rows * own / other for own, other in zip(measured.throughput, reference.throughput, strict=True)
        ]
        table.add_row(
            name if rows == 1 else f"{name} (batches of {rows})",
            f"{measured.quantile(0.5) * 1e3:.2f}",
            f"{measured.quantile(0.99) * 1e3:.2f}",
            f"{rows * statistics.median(measured.throughput):.0f}",
            f"{statistics.median(slower):.2f}",
            f"{statistics.median(faster):.2f}",
        )
    console.print(table)


def verdict(console: Console, kind: str, alone: dict[str, Measured], busy: dict[str, Measured]) -> None:
    """The two ratios that NUMBERS asks for."""
    latency = statistics.median(
        own / other for own, other in zip(alone[GATEWAY].medians(), alone[DIRECT].medians(), strict=True)
    )
    throughput = statistics.median(
        own / other for own, other in zip(busy[GATEWAY].throughput, busy[DIRECT].throughput, strict=True)
    )
    console.print(
        f"{kind}: {GATEWAY} over {DIRECT}: p50 at concurrency 1 {latency:.2f}x (to reach: at most 1.3x), "
        f"throughput at 32 {throughput:.2f}x (to reach: at least 0.9x)\n"
    )


async def bench(console: Console, photograph: bytes, rounds: int, requests: int) -> None:
    tweets = {"tweet with an image": Tweet(TEXT, photograph), "text alone": Tweet(TEXT)}
    handler, context = open_archive(ARCHIVE)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        behind_torchserve, embedded = (
            stack.enter_context(running_stack(backend, ARCHIVE.parent.resolve(), folder / backend))
            for backend in ("torchserve", "embedded")
        )
        direct_channel, gateway_channel, embedded_channel = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, OPTIONS))
            for address in (behind_torchserve.torchserve_address, behind_torchserve.address, embedded.address)
        ]
        for kind, tweet in tweets.items():
            request = encode_predict_request("sarcasm", tweet)
            measured: dict[int, dict[str, Measured]] = {}
            for concurrency in CONCURRENCY:
                targets = {
                    IN_PROCESS: in_process(handler, context, request, concurrency),
                    DIRECT: direct(direct_channel, request),
                    GATEWAY: through_gateway(gateway_channel, request),
                    "gateway + embedded": through_gateway(embedded_channel, request),
                }
                with Progress(console=console, transient=True) as progress:
                    task = progress.add_task(
                        f"{kind}, concurrency {concurrency}", total=(rounds + 1) * len(targets)
                    )
                    measured[concurrency] = await compare(
                        targets, concurrency, rounds, requests, partial(progress.advance, task)
                    )
                show(console, kind, concurrency, measured[concurrency])
            verdict(console, kind, measured[1], measured[32])


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that are counted.")] = 5,
    requests: Annotated[int, typer.Option(min=32, help="Requests to each target in a round.")] = 64,
) -> None:
    """Compare the handler, TorchServe and the gateway with each backend, side by side."""
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    asyncio.run(bench(Console(width=110), photograph, rounds, requests))


if __name__ == "__main__":
    typer.run(main)
