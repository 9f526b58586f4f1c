"""What training FCAM costs: all segments in one call, against loops over the segments.

    .venv/bin/python -m benchmarks.training          (make bench)

One step is the same in all ways: forward, loss, backward and update, for mosaics of nine pictures, with the widths of
the released models and random pixels, on the same cores in one run. The plain loop calls the focus net for one segment
at a time; the loop over places, for all mosaics' segments of one place, as the authors' code does. Fresh mosaics share
the pictures of a step: the focus net sees each once. Ways take turns in an order shuffled anew each round, and ratios
are taken within a round.
"""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from attendant.models.fcam import Encoding, Fcam, FcamConfig, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.models.runtime import available_threads
from attendant.training.compute import autocast, bfloat16_pays
from attendant.training.variants import NETWORKS

CPU = torch.device("cpu")
SEGMENTS, CLASSES = 9, 3
BATCH = 64
FRESH_IMAGES = (
    128  # of the pictures of a step's fresh mosaics: two for each mosaic, as the released models had
)
LOOP, PLACES, TOGETHER = (
    "a plain loop over segments",
    "a loop over the nine places",
    "all segments in one call",
)
FRESH = "fresh mosaics of shared pictures"

Encode = Callable[[Fcam], Encoding]


def draw(pictures: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random pictures, and BATCH mosaics of them: pictures x 3 x 32 x 32, and indices BATCH x 9."""
    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.normal(size=(pictures, 32, 32, 3)).astype(np.float32)).permute(0, 3, 1, 2)
    if pictures == BATCH * SEGMENTS:
        return pixels, torch.arange(pictures).reshape(BATCH, SEGMENTS)
    return pixels, torch.from_numpy(rng.integers(0, pictures, (BATCH, SEGMENTS)))


def together(pictures: int) -> Encode:
    """The trainer's own way."""
    elements, indices = draw(pictures)
    return lambda model: model.encode(elements, indices)


def looped(width: int) -> Encode:
    """The segments in calls of so many: BATCH of them are those of one place of all mosaics."""
    elements, indices = draw(BATCH * SEGMENTS)

    def encode(model: Fcam) -> Encoding:
        calls = indices.T.reshape(-1, width)
        scores, phi = zip(*(model.examine(elements[call]) for call in calls), strict=True)
        return Encoding(torch.cat(scores).reshape(SEGMENTS, BATCH).T, torch.cat(phi), _places())

    return encode


def _places() -> Tensor:
    """Of each mosaic's segments among those that were gone through place by place, BATCH x 9."""
    return torch.arange(SEGMENTS * BATCH).reshape(SEGMENTS, BATCH).T


def stepping(encode: Encode) -> Callable[[], None]:
    """One step of training, with a model of its own."""
    torch.manual_seed(0)
    config = FcamConfig(Mechanism.SOFTMAX, 0, SEGMENTS, CLASSES, NETWORKS)
    model = build_fcam(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    targets = torch.arange(BATCH) % CLASSES

    def step() -> None:
        with autocast(CPU):
            loss = model.loss(encode(model), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure(ways: Mapping[str, Callable[[], None]], rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step of each way, round by round; one round before is not counted."""
    order = random.Random(0)
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in track(range(rounds + 1), "training steps", transient=True):
        for name in order.sample(list(ways), len(ways)):
            started = time.perf_counter()
            for _ in range(steps):
                ways[name]()
            if number:
                seconds[name].append((time.perf_counter() - started) / steps)
    return seconds


def main(
    rounds: Annotated[int, typer.Option(min=1, help="In which each way has its turn.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Of training, a turn.")] = 2,
) -> None:
    """Compare ways of training FCAM, side by side."""
    torch.set_num_threads(available_threads())
    ways = {
        LOOP: stepping(looped(1)),
        PLACES: stepping(looped(BATCH)),
        TOGETHER: stepping(together(BATCH * SEGMENTS)),
        FRESH: stepping(together(FRESH_IMAGES)),
    }
    seconds = measure(ways, rounds, steps)
    precision = "bfloat16" if bfloat16_pays(CPU) else "float32"
    table = Table(title=f"Training FCAM ({available_threads()} threads, {precision})", title_justify="left")
    table.add_column("way")
    for column in ("ms a step of 64 mosaics", "segments/s", "times the loop's"):
        table.add_column(column, justify="right")
    for name, found in seconds.items():
        typical = statistics.median(found)
        ratio = statistics.median(slow / fast for slow, fast in zip(seconds[LOOP], found, strict=True))
        table.add_row(name, f"{1_000 * typical:.1f}", f"{BATCH * SEGMENTS / typical:,.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
