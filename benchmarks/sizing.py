"""What one replica holds: requests a second, processor time of a request by program, and memory, by kind of request.

    .venv/bin/python -m benchmarks.sizing          (make bench)

One gateway, one TorchServe and one Valkey on this machine, each kind of request alone, by as many callers as keep them
busy. The callers take a part of the same cores: requests a second are what this machine did, processor seconds are what
to plan by. No two requests are alike but for the kind that comes from the cache.
"""

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import Progress

from attendant.channels import OPTIONS, SERVICE
from attendant.methods import AdversarialOptions, ExplainOptions, PermutationOptions
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from benchmarks.load import closed_loop_over, resident_megabytes
from services.stack import state
from services.stack.trial import RunningStack, running_stack

ARCHIVES = Path("build/archives").resolve()
PHOTOGRAPH = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
TICKS = os.sysconf("SC_CLK_TCK")
HOUR = 3600.0
MILLION = 1e6

Requests = Iterator[bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of request: its RPC, as many callers as keep the service busy, and what they ask."""

    name: str
    method: str
    callers: int
    requests: Callable[[], Requests]


@dataclass(frozen=True)
class Size:
    """What a kind of request took: answers a second, and processor seconds of an answer by program."""

    kind: str
    rate: float
    p50: float
    seconds: Mapping[str, float]

    @property
    def hours_a_million(self) -> float:
        """Core hours that a million answers take."""
        return sum(self.seconds.values()) * MILLION / HOUR


def _texts() -> Iterator[str]:
    return (
        f"Oh great, Monday number {count}. I just LOVE waiting in line #blessed"
        for count in itertools.count()
    )


def _predict(image: bytes) -> Requests:
    return (encode_predict_request("sarcasm", Tweet(text, image)) for text in _texts())


def _explain(options: ExplainOptions) -> Requests:
    return (
        encode_explain_request(
            "sarcasm", Tweet(text, PHOTOGRAPH), options=options, cache_mode=CacheMode.BYPASS
        )
        for text in _texts()
    )


def _again() -> Requests:
    return itertools.repeat(encode_explain_request("sarcasm", Tweet(next(_texts()), PHOTOGRAPH)))


KINDS = (
    Kind("Predict, text", "Predict", 32, lambda: _predict(b"")),
    Kind("Predict, text and photograph", "Predict", 32, lambda: _predict(PHOTOGRAPH)),
    Kind("Explain, attention", "Explain", 24, lambda: _explain(ExplainOptions())),
    Kind(
        "Explain, permutation impact (35)",
        "Explain",
        24,
        lambda: _explain(ExplainOptions(permutation=PermutationOptions(samples=35))),
    ),
    Kind(
        "Explain, adversarial attention",
        "Explain",
        4,
        lambda: _explain(ExplainOptions(adversarial=AdversarialOptions())),
    ),
    Kind("Explain, from the cache", "Explain", 32, _again),
)


def programs(stack: RunningStack) -> dict[str, int]:
    """Process ids by what a reader calls them; the model workers are TorchServe's."""
    running = state.read(stack.folder)
    assert running is not None
    children = {name: process.pid for name, process in running.children.items()}
    workers = {f"worker {archive}": pid for archive, pid in stack.workers().items()}
    return children | workers


def processor_seconds(pid: int) -> float:
    """Since the process began (proc(5): user and system time)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(stack: RunningStack, kind: Kind, seconds: float) -> Size:
    pids = programs(stack)
    async with grpc.aio.insecure_channel(stack.address, OPTIONS) as channel:
        ask = channel.unary_unary(f"/{SERVICE}/{kind.method}")
        requests = kind.requests()
        await closed_loop_over(ask, requests, kind.callers, seconds / 4)  # to warm up
        before = {name: processor_seconds(pid) for name, pid in pids.items()}
        began = time.perf_counter()
        record = await closed_loop_over(ask, requests, kind.callers, seconds)
        took = time.perf_counter() - began
    answers = record.count()
    assert answers == len(record.ends), f"{kind.name}: {len(record.ends) - answers} were not answered"
    spent = {name: (processor_seconds(pid) - before[name]) / answers for name, pid in pids.items()}
    return Size(kind.name, answers / took, record.quantile(0.5), spent)


def group(seconds: Mapping[str, float]) -> tuple[float, float, float]:
    """Of the gateway, of TorchServe with its workers, and of all else."""
    gateway = seconds["gateway"]
    torchserve = sum(own for name, own in seconds.items() if name.startswith(("TorchServe", "worker")))
    return gateway, torchserve, sum(seconds.values()) - gateway - torchserve


def show(console: Console, sizes: list[Size], memory: Mapping[str, float]) -> None:
    """Markdown, as it stands in docs/deploy.md."""
    lines = [
        "| request | answers/s here | p50 ms | core ms: gateway | TorchServe | the rest | core hours a million |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        gateway, torchserve, others = (own * 1e3 for own in group(size.seconds))
        lines.append(
            f"| {size.kind} | {size.rate:.0f} | {size.p50 * 1e3:.0f} | {gateway:.2f} | {torchserve:.2f} | "
            f"{others:.2f} | {size.hours_a_million:.1f} |"
        )
    lines += ["", "| program | MiB resident at the end |", "|---|---|"]
    lines += [f"| {name} | {mebibytes:.0f} |" for name, mebibytes in memory.items()]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def main(
    seconds: Annotated[float, typer.Option(min=1, help="For each kind of request.")] = 15.0,
) -> None:
    """Print what one replica of each program holds, as the tables of docs/deploy.md."""
    console = Console(width=130)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack("torchserve", ARCHIVES, Path(folder) / "stack", ATTENDANT_LOG_LEVEL="error") as stack,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        kinds = progress.track(KINDS, description="measuring")
        sizes = [asyncio.run(measure(stack, kind, seconds)) for kind in kinds]
        memory = {name: resident_megabytes(pid) * 1e6 / 2**20 for name, pid in programs(stack).items()}
    show(console, sizes, memory)


if __name__ == "__main__":
    typer.run(main)
