"""What a cached explanation costs, beside a bare gRPC server that only sends the same bytes.

    .venv/bin/python -m benchmarks.cache          (make bench-cache)

Echo and gateways are processes of their own; blocks of requests to each take turns, in an order shuffled anew each
round, and ratios are taken within a round, so that the machine's noise cancels.
"""

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import grpc
import numpy as np
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from attendant.channels import OPTIONS, SERVICE
from attendant.methods import ExplainOptions, PermutationOptions
from attendant.types import CacheStatus, Tweet
from attendant.wire.requests import encode_explain_request
from attendant.wire.responses import decode_explain_response
from services.stack.trial import ROOT, running_stack

TEXT = "Oh great, another Monday. I just LOVE waiting in line for 2 hours #blessed"
ARCHIVES = ROOT / "build" / "archives"
ECHO, MEMORY, REDIS = "bare echo", "gateway, from its memory", "gateway, from Valkey"
LIMIT = 1.5
_SERVER = """
import asyncio, sys
from pathlib import Path
import grpc

async def main():
    answer = Path(sys.argv[1]).read_bytes()

    async def explain(request, context):
        return answer

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    methods = {"Explain": grpc.unary_unary_rpc_method_handler(explain)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(sys.argv[2], methods)])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()

asyncio.run(main())
"""

Explain = grpc.aio.UnaryUnaryMultiCallable


@contextmanager
def running_echo(answer: Path) -> Iterator[str]:
    """A grpc.aio server that knows one answer; gives its address."""
    command = (sys.executable, "-c", _SERVER, str(answer), SERVICE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


async def run_block(explain: Explain, request: bytes, count: int) -> list[float]:
    """Seconds that each of `count` calls took, one after another."""
    latencies = []
    for _ in range(count):
        started = time.perf_counter()
        await explain(request, timeout=30)
        latencies.append(time.perf_counter() - started)
    return latencies


async def wait_until_kept(explain: Explain, request: bytes) -> bytes:
    """A cached answer's bytes."""
    async with asyncio.timeout(60):
        while True:
            answer: bytes = await explain(request)
            if decode_explain_response(answer).cache is CacheStatus.HIT:
                return answer
            await asyncio.sleep(0.05)


async def compare(
    targets: dict[str, Explain], request: bytes, rounds: int, requests: int, progress: Progress
) -> dict[str, list[list[float]]]:
    """Latencies of each target, round by round; one round before is not counted."""
    order = random.Random(0)
    task = progress.add_task("", total=(rounds + 1) * len(targets))
    results: dict[str, list[list[float]]] = {name: [] for name in targets}
    for number in range(rounds + 1):
        for name in order.sample(list(targets), len(targets)):
            block = await run_block(targets[name], request, requests)
            if number:
                results[name].append(block)
            progress.advance(task)
    return results


def show(console: Console, title: str, results: dict[str, list[list[float]]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("", "p50 ms", "p99 ms", "p50 / echo"):
        table.add_column(column, justify="left" if not column else "right")
    medians = {name: [statistics.median(block) for block in blocks] for name, blocks in results.items()}
    for name, blocks in results.items():
        ratio = statistics.median(own / echo for own, echo in zip(medians[name], medians[ECHO], strict=True))
        p50, p99 = np.quantile(np.concatenate(blocks), [0.5, 0.99])
        table.add_row(name, f"{p50 * 1e3:.3f}", f"{p99 * 1e3:.3f}", f"{ratio:.2f}")
    console.print(table)
    console.print(f"to reach: at most {LIMIT}x\n")


async def bench(console: Console, photograph: bytes, rounds: int, requests: int) -> None:
    everything = Tweet(TEXT, photograph)
    questions = {
        "attention, text": encode_explain_request("sarcasm", Tweet(TEXT)),
        "attention, text and photograph": encode_explain_request("sarcasm", everything),
        "permutation impact, text and photograph": encode_explain_request(
            "sarcasm", everything, options=ExplainOptions(permutation=PermutationOptions())
        ),
    }
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with_memory, without = (
            stack.enter_context(running_stack("embedded", ARCHIVES, folder / name, **variables))
            for name, variables in (("memory", {}), ("redis", {"ATTENDANT_CACHE_BYTES": "0"}))
        )
        for kind, request in questions.items():
            answer = folder / "answer"
            near, far = [
                (await stack.enter_async_context(grpc.aio.insecure_channel(address, OPTIONS))).unary_unary(
                    f"/{SERVICE}/Explain"
                )
                for address in (with_memory.address, without.address)
            ]
            answer.write_bytes(await wait_until_kept(near, request))
            await wait_until_kept(far, request)
            with running_echo(answer) as address, Progress(console=console, transient=True) as progress:
                async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
                    targets = {ECHO: channel.unary_unary(f"/{SERVICE}/Explain"), MEMORY: near, REDIS: far}
                    results = await compare(targets, request, rounds, requests, progress)
            sizes = f"{len(request):,} bytes in, {answer.stat().st_size:,} out"
            show(console, f"{kind} ({sizes})", results)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that are counted.")] = 15,
    requests: Annotated[int, typer.Option(min=10, help="Requests to each target in a round.")] = 200,
) -> None:
    """Compare cached explanations with a bare gRPC server that sends the same bytes, side by side."""
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    asyncio.run(bench(Console(width=100), photograph, rounds, requests))


if __name__ == "__main__":
    typer.run(main)
