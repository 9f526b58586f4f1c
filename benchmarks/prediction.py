"""What Predict costs inside a worker: ONNX Runtime as served against eager float32 torch, and where the time goes.

    .venv/bin/python -m benchmarks.prediction          (make bench)

Both answer the same tweets, from the bytes of a JPEG to the attention, on the same cores in one run. Blocks of requests
to each take turns in an order shuffled anew each round, and ratios are taken within a round.

Eager torch has the same weights in the float32 encoder that is trained, convolutions and batch norms: it does not spend
its time on imitating integers. Beside it stands the same with its convolutions' weights laid out as its maps are, which
torch does not do by itself. How far answers lie apart is told of both: of the model as torch computes it for
training and evaluation, and of the one without rounding.
"""

import io
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.cbook import get_sample_data
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from attendant.images import decode
from attendant.models.pixels import resize
from attendant.models.prepared import PreparedTweet
from attendant.models.quantisation import TOLERATED, generated_pictures
from attendant.models.runtime import available_threads
from attendant.models.sarcasm import SarcasmModel
from attendant.types import MAX_ATTRIBUTES, Modality, Outcome, Tweet
from benchmarks.eager import MODEL_STORE, open_eager
from benchmarks.serving import ARCHIVE, TEXT, Measured

SERVED, EAGER = "ONNX Runtime, as served", "eager float32 torch"
TUNED = "the same, weights channels last"
BATCH = 8
TEXTS = (
    TEXT,
    "so much fun",
    "I love it when my phone dies",
    "best lunch ever with <user> !",
    "Nice weather.",
)
ATTRIBUTES = (("man", "sign", "dog"), ("food", "plate", "table", "screen", "phone"))

Answer = Callable[[Sequence[Tweet]], object]


@dataclass
class Timed(Measured):
    """Also seconds of processor time a tweet, round by round: what other work on the machine moves least."""

    cpu: list[float] = field(default_factory=list)


def photographs(count: int, seed: int = 0) -> Iterator[bytes]:
    """JPEGs as people post them: cuts of a photograph in several sizes, and every fourth one a generated picture."""
    rng = np.random.default_rng(seed)
    whole = Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    for number, generated in enumerate(generated_pictures(count, seed)):
        left, top = (rng.uniform(0, 0.4) * side for side in whole.size)
        width = int(rng.integers(400, 1300))
        if number % 4 == 3:
            picture = Image.fromarray(generated)
        else:
            box = (left, top, left + whole.width * 0.6, top + whole.height * 0.6)
            picture = whole.resize((width, int(width * rng.uniform(0.6, 1.3))), box=box)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(70, 95)))
        yield file.getvalue()


def tweets(count: int, seed: int = 0) -> list[Tweet]:
    """Tweets with an image; every fifth has no text, and every fifth has attributes of its own."""
    return [
        Tweet(
            TEXTS[number % len(TEXTS)] if number % 5 != 1 else "",
            data,
            ATTRIBUTES[number % len(ATTRIBUTES)] if number % 5 == 2 else (),
        )
        for number, data in enumerate(photographs(count, seed))
    ]


def predict(model: SarcasmModel, rows: int) -> Answer:
    """Answers tweets, `rows` at a time."""

    def answer(asked: Sequence[Tweet]) -> None:
        for start in range(0, len(asked), rows):
            model.infer([model.prepare(tweet) for tweet in asked[start : start + rows]])

    return answer


def compare(
    ways: dict[str, Answer], asked: Sequence[Tweet], rows: int, rounds: int, title: str
) -> dict[str, Timed]:
    """Seconds a tweet, each way in each round, in a shuffled order; one round before is not counted."""
    order = random.Random(0)
    results = {name: Timed() for name in ways}
    for number in track(range(rounds + 1), title, transient=True):
        for name in order.sample(list(ways), len(ways)):
            block, used = [], time.process_time()
            for start in range(0, len(asked), rows):
                started = time.perf_counter()
                ways[name](asked[start : start + rows])
                block.append((time.perf_counter() - started) / rows)
            if number:
                results[name].latencies.append(block)
                results[name].cpu.append((time.process_time() - used) / len(asked))
    return results


def show(console: Console, title: str, results: dict[str, Timed]) -> None:
    """Prints the comparison; of each other way, how many times as long it takes as serving, median over rounds."""
    table = Table(title=title, title_justify="left")
    for column in ("", "p50 ms", "mean ms", "p99 ms", "CPU ms"):
        table.add_column(column, justify="left" if not column else "right")
    for name, measured in results.items():
        mean = statistics.mean(map(statistics.mean, measured.latencies))
        cpu = statistics.median(measured.cpu)
        numbers = (measured.quantile(0.5), mean, measured.quantile(0.99), cpu)
        table.add_row(name, *(f"{seconds * 1e3:.2f}" for seconds in numbers))
    console.print(table)
    ours = results[SERVED]
    for name, theirs in results.items():
        if name == SERVED:
            continue
        ratios = [
            statistics.mean(slow) / statistics.mean(fast)
            for fast, slow in zip(ours.latencies, theirs.latencies, strict=True)
        ]
        low, middle, high = np.quantile(ratios, (0.1, 0.5, 0.9))
        work = statistics.median(slow / fast for fast, slow in zip(ours.cpu, theirs.cpu, strict=True))
        console.print(
            f"{name}: {middle:.2f} times as long (80 % of the rounds: {low:.2f} to {high:.2f}), "
            f"{work:.2f} times the processor time"
        )
    console.print()


def profile(model: SarcasmModel, asked: Sequence[Tweet], rounds: int) -> dict[str, float]:
    """Median milliseconds a tweet in each part of Predict, one tweet at a time."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for tweet in list(asked) * rounds:
        lap = Stopwatch()
        picture = decode(tweet.image)
        seconds["JPEG decoding"].append(lap())
        resize(picture.pixels)
        seconds["resize to 448 x 448"].append(lap())
        prepared = model.prepare(tweet)
        preparing = lap()
        assert prepared.pixels is not None
        regions, _ = model.engine.encode(prepared.pixels[None])
        seconds["region encoder"].append(lap())
        batch = model.fusion_input([with_words(prepared)], regions)
        lap()
        model.engine.fuse(batch)
        seconds["fusion (HFM)"].append(lap())
        model.infer([prepared])
        whole = preparing + lap()
        parts = ("JPEG decoding", "resize to 448 x 448", "region encoder", "fusion (HFM)")
        rest = whole - sum(seconds[part][-1] for part in parts)
        seconds["tokens, words and assembling the answer"].append(rest)
        seconds["Predict"].append(whole)
    return {part: statistics.median(laps) * 1e3 for part, laps in seconds.items()}


class Stopwatch:
    """Called, it gives the seconds since it was last called."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def with_words(prepared: PreparedTweet) -> PreparedTweet:
    """With as many words as the encoder would have named."""
    return prepared if prepared.attributes else replace(prepared, attributes=("man",) * MAX_ATTRIBUTES)


def show_profile(console: Console, profiles: dict[str, dict[str, float]]) -> None:
    table = Table(title="Where the time of one tweet with an image goes, median ms", title_justify="left")
    table.add_column("")
    for name in profiles:
        table.add_column(name, justify="right")
    for part in profiles[SERVED]:
        table.add_row(part, *(f"{parts[part]:.2f}" for parts in profiles.values()))
    console.print(table)


def show_movement(
    console: Console, name: str, served: SarcasmModel, other: SarcasmModel, asked: Sequence[Tweet]
) -> None:
    """Over tweets for which both name the same words, and how many those are."""
    pairs = [(answer(served, tweet), answer(other, tweet)) for tweet in asked]
    alike = [(ours, theirs) for ours, theirs in pairs if words(ours) == words(theirs)]
    if not alike:
        console.print(f"{name}: other words named for all of them")
        return
    probability = [abs(a.prediction.probability - b.prediction.probability) for a, b in alike]
    attention = [
        max(
            float(np.abs(mine.weights - other.weights).max())
            for mine, other in zip(ours.attention.vectors, theirs.attention.vectors, strict=True)
        )
        for ours, theirs in alike
    ]
    console.print(
        f"{name}: the same words named for {len(alike)}; among those, the furthest an attention weight lies apart "
        f"{max(attention):.5f} (median over tweets {statistics.median(attention):.5f}; tolerated "
        f"{TOLERATED.attention}), the probability {max(probability):.5f} "
        f"({statistics.median(probability):.5f}; {TOLERATED.probability})"
    )


def answer(model: SarcasmModel, tweet: Tweet) -> Outcome:
    (outcome,) = model.infer([model.prepare(tweet)])
    return outcome


def words(outcome: Outcome) -> tuple[str, ...]:
    axis = outcome.attention.axis(Modality.ATTRIBUTE)
    return axis.labels if axis else ()


def main(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds that are counted.")] = 20,
    pictures: Annotated[int, typer.Option(min=5, help="Tweets between which the answers are compared.")] = 50,
    version: Annotated[str, typer.Option(help="Version of the model; the default one without it.")] = "",
) -> None:
    """Compare Predict in ONNX Runtime, as served, with eager float32 torch, in one process and side by side."""
    torch.set_num_threads(available_threads())
    console = Console(width=110)
    served = SarcasmModel.open_served(ARCHIVE / "sarcasm", version)
    eager, exact = open_eager(version), SarcasmModel.open_torch(MODEL_STORE, version)
    models = {SERVED: served, EAGER: eager, TUNED: open_eager(version, torch.channels_last)}
    asked = tweets(BATCH)
    bare = [Tweet(text) for text in TEXTS] * 2
    for rows in (1, BATCH):
        ways = {name: predict(model, rows) for name, model in models.items()}
        for kind, chosen in (("tweet with an image", asked), ("text alone", bare[:BATCH])):
            title = f"{kind}, {'alone' if rows == 1 else f'a batch of {rows}, ms a tweet'}"
            show(console, title, compare(ways, chosen, rows, rounds, title))
    show_profile(console, {name: profile(model, asked, rounds) for name, model in models.items()})
    asked = tweets(pictures, seed=1)
    console.print(f"How far the answers to {pictures} tweets with images lie apart from those as served:")
    show_movement(console, "the model in torch, rounded alike", served, exact, asked)
    show_movement(console, EAGER, served, eager, asked)


if __name__ == "__main__":
    typer.run(main)
