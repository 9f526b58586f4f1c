"""What explanations cost: against Predict, against one forward in eager torch, and against doing them naively.

    .venv/bin/python -m benchmarks.explanations          (make bench-explain)

All on the same cores in one run. Blocks of calls take turns in an order shuffled anew each round, and ratios are taken
within a round.

Predict and Explain are the worker's handler itself, from a request's bytes to the answer's. A method alone starts from
the answered tweet, encoded. The yardstick is one forward of the float32 model in eager torch: image encoder and fusion.
The naive ways are `benchmarks/naive.py`.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.cbook import get_sample_data
from rich.console import Console
from rich.progress import track
from rich.table import Table

from attendant.explainers.adversarial import Attack
from attendant.explainers.base import Deadline
from attendant.explainers.catalogue import explain
from attendant.manifest import read_manifest
from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    CrossModalOptions,
    ExplainOptions,
    GradientOptions,
    Method,
    PermutationOptions,
)
from attendant.models.hfm import HfmInput, PerModality
from attendant.models.prepared import PreparedTweet
from attendant.models.runtime import available_threads
from attendant.models.sarcasm import SarcasmModel
from attendant.models.store import load_config, load_typical
from attendant.questions import DEFAULT_OPTIONS
from attendant.text import tokenise
from attendant.types import MODALITIES, Modality, Tweet
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_explain_request, encode_predict_request
from benchmarks.eager import MODEL_STORE, load_eager, open_eager
from benchmarks.naive import NaiveModel, Vector, attack, differentiate, embed, leave_out, permute, probe
from benchmarks.serving import ARCHIVE, TEXT, Measured
from handlers.worker import Context, Handler, open_archive

SHORT_TEXT = "i just love waiting in the rain"  # 7 tokens: all 5,040 permutations
PREDICT, ATTENTION, PERMUTED = "Predict", "Explain, attention alone", "Explain, 35 permutations"
YARDSTICK, FUSION = "eager forward: the yardstick", "its fusion alone"
THOROUGH, QUICK, EVERY = (
    "10,000 permutations of the image",
    "all but adversarial and cross_modal",
    "all eight methods",
)

THROUGH = "gradient, through attention"  # which is what plain autograd gives

BOXES = BoxAlignmentOptions((Box(0.3, 0.1, 0.4, 0.6),))
ALL = replace(DEFAULT_OPTIONS, box_alignment=BOXES)
OPTIONS: dict[str, ExplainOptions] = {
    **{method: ExplainOptions(**{method: getattr(ALL, method)}) for method in Method},
    THROUGH: ExplainOptions(gradient=GradientOptions(through_attention=True)),
    THOROUGH: ExplainOptions(PermutationOptions((Modality.IMAGE,), modality=False, samples=10_000)),
    QUICK: replace(ALL, adversarial=None, cross_modal=None),
    EVERY: ALL,
}
TO_REACH = {
    PERMUTED: "1.1 x Predict",
    THOROUGH: "10 x the yardstick",
    QUICK: "15 x the yardstick",
    Method.CROSS_MODAL: "1 s",
    Method.ADVERSARIAL: "1 s",
}
SLOW = (Method.LEAVE_ONE_OUT, Method.CROSS_MODAL, Method.ADVERSARIAL, QUICK, EVERY)  # one call a round
PAPERS: dict[Vector, int] = {Modality.TEXT: 10, Modality.IMAGE: 10, Modality.ATTRIBUTE: 10, None: 5}
NAIVE_SAMPLES, NAIVE_STEPS = 50, 20  # of 10,000 and of 500; the whole takes as many times as long
NAIVE = {  # what ours is compared with
    Method.PERMUTATION.value: "the whole model for each of 35",
    THOROUGH: f"the same for {NAIVE_SAMPLES}, times {10_000 // NAIVE_SAMPLES}",
    Method.LEAVE_ONE_OUT: "the fusion model for each element",
    THROUGH: "a forward and a backward of the fusion model",
    Method.ADVERSARIAL: f"autograd, one adversary at a time; {NAIVE_STEPS} steps, times {500 // NAIVE_STEPS}",
    Method.CROSS_MODAL: "a forward and a backward for each mask",
}


@dataclass(frozen=True)
class Way:
    """`ready` does what is not measured, and gives what is; the whole takes `scale` times as long."""

    ready: Callable[[], Callable[[], object]]
    calls: int = 4  # in a round
    scale: float = 1.0


def measure(ways: Mapping[str, Way], rounds: int, title: str) -> dict[str, Measured]:
    """Seconds a call, each way in each round, in a shuffled order; one round before is not counted."""
    order = random.Random(0)
    results = {name: Measured() for name in ways}
    for number in track(range(rounds + 1), title, transient=True):
        for name in order.sample(list(ways), len(ways)):
            way, block = ways[name], []
            for _ in range(way.calls):
                call = way.ready()
                started = time.perf_counter()
                call()
                block.append((time.perf_counter() - started) * way.scale)
            if number:
                results[name].latencies.append(block)
    return results


def served(handler: Handler, context: Context, version: str, tweet: Tweet) -> dict[str, Way]:
    """What a worker does with a request, from its bytes to the answer's."""

    def ask(operation: Operation, request: bytes, calls: int = 16) -> Way:
        entries = Row(operation, request, "sarcasm", version).to_entries()

        def call() -> None:
            (reply,) = handler.handle([entries], context)
            assert Reply.from_bytes(reply).response

        return Way(lambda: call, calls)

    def ask_why(options: ExplainOptions, calls: int = 16) -> Way:
        return ask(Operation.EXPLAIN, encode_explain_request("sarcasm", tweet, options=options), calls)

    ways = {
        PREDICT: ask(Operation.PREDICT, encode_predict_request("sarcasm", tweet)),
        ATTENTION: ask_why(ExplainOptions()),
        PERMUTED: ask_why(OPTIONS[Method.PERMUTATION]),
    }
    return ways | ({f"Explain, {EVERY}": ask_why(OPTIONS[EVERY], 1)} if tweet.image else {})


def methods(model: SarcasmModel, prepared: PreparedTweet) -> dict[str, Way]:
    """Each method alone, and several together, from the answered tweet on."""

    def way(name: str, options: ExplainOptions) -> Way:
        def ready() -> Callable[[], object]:
            ((_, subject),) = model.inspect([prepared])  # anew, for it keeps what it has computed
            return lambda: explain(subject, options, Deadline())

        return Way(ready, 1 if name in SLOW else 4)

    return {name: way(name, options) for name, options in OPTIONS.items()}


def yardsticks(model: SarcasmModel, prepared: PreparedTweet) -> dict[str, Way]:
    assert prepared.pixels is not None
    regions, _ = model.engine.encode(prepared.pixels[None])
    batch = model.fusion_input([prepared], regions)
    return {
        YARDSTICK: Way(lambda: lambda: model.infer([prepared]), 8),
        FUSION: Way(lambda: lambda: model.engine.fuse(batch), 8),
    }


def naive(model: SarcasmModel, prepared: PreparedTweet, version: str) -> dict[str, Way]:
    """By the name of what ours is called; `model` has read the tweet."""
    entry = read_manifest(MODEL_STORE).version_or_default(version)
    encoder, hfm = load_eager(version)
    eager = NaiveModel(hfm.requires_grad_(requires_grad=False), load_config(MODEL_STORE, entry).temperature)
    typical = load_typical(MODEL_STORE, entry)
    means = PerModality(*(torch.from_numpy(typical[modality].mean) for modality in MODALITIES))
    pixels = torch.from_numpy(prepared.pixels)[None]

    @torch.no_grad()
    def encode() -> HfmInput:
        regions = encoder(pixels).regions
        batch = model.fusion_input([prepared], regions.numpy())
        return HfmInput(
            **{field.name: torch.from_numpy(getattr(batch, field.name)) for field in fields(batch)}
        )

    batch = encode()
    with torch.no_grad():
        output = hfm(batch)
    before = float(eager.probability(output.logit))
    elements = embed(eager, batch)
    adversarial = AdversarialOptions()
    ((_, subject),) = model.inspect([prepared])
    first = Attack(subject, MODALITIES, adversarial)
    starts = {target: torch.from_numpy(rows) for target, rows in first.split(first.start()).items()}
    image: dict[Vector, int] = {Modality.IMAGE: NAIVE_SAMPLES}

    def probe_all() -> object:
        generator = torch.Generator().manual_seed(0)
        return probe(eager, batch, means, CrossModalOptions.random_masks, generator)

    calls: dict[str, Callable[[], object]] = {
        Method.PERMUTATION: lambda: permute(eager, encode, before, PAPERS),
        THOROUGH: lambda: permute(eager, encode, before, image),
        Method.LEAVE_ONE_OUT: lambda: leave_out(eager, batch),
        THROUGH: lambda: differentiate(eager, batch, elements),
        Method.ADVERSARIAL: lambda: attack(
            eager, output, batch.present, starts, NAIVE_STEPS, adversarial.epsilon
        ),
        Method.CROSS_MODAL: probe_all,
    }
    scales = {THOROUGH: 10_000 / NAIVE_SAMPLES, Method.ADVERSARIAL: adversarial.steps / NAIVE_STEPS}
    return {
        name: Way(lambda call=call: call, 4 if name == THROUGH else 1, scales.get(name, 1.0))  # type: ignore[misc]
        for name, call in calls.items()
    }


def times(slow: Measured, fast: Measured) -> str:
    """How many times as long: the median over rounds, and 80 % of the rounds."""
    ratios = [ours / theirs for ours, theirs in zip(slow.medians(), fast.medians(), strict=True)]
    low, middle, high = np.quantile(ratios, (0.1, 0.5, 0.9))
    digits = 2 if high < 10 else 0
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def milliseconds(measured: Measured) -> str:
    return f"{measured.quantile(0.5) * 1e3:.2f}"


def show(
    console: Console,
    title: str,
    results: Mapping[str, Measured],
    against: Mapping[str, str],
    names: Iterable[str],
) -> None:
    """The p50 of each of `names`, how many times as long as each of `against` (by its heading), and what to reach."""
    table = Table(title=title, title_justify="left")
    for column in ("", "p50 ms", *against, "to reach, at most"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        found = results[name]
        table.add_row(
            name,
            milliseconds(found),
            *("" if other == name else times(found, results[other]) for other in against.values()),
            TO_REACH.get(name, ""),
        )
    console.print(table)
    console.print()


def show_naive(console: Console, results: Mapping[str, Measured]) -> None:
    title = "A method alone against the same in eager torch, one question after another"
    table = Table(title=title, title_justify="left")
    for column in ("", "ours, p50 ms", "naive, p50 ms", "naive / ours", "naive is"):
        table.add_column(column, justify="left" if column in ("", "naive is") else "right")
    for name, words in NAIVE.items():
        ours, theirs = results[name], results[naively(name)]
        table.add_row(name, milliseconds(ours), milliseconds(theirs), times(theirs, ours), words)
    console.print(table)


def naively(name: str) -> str:
    return f"{name}, naively"


def main(
    rounds: Annotated[int, typer.Option(min=2, help="Rounds that are counted.")] = 10,
    version: Annotated[str, typer.Option(help="Version of the model; the default one without it.")] = "",
) -> None:
    """Compare Explain with Predict, and each explanation method with a forward pass and a naive one, side by side."""
    torch.set_num_threads(available_threads())
    console = Console(width=140)
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    version = read_manifest(MODEL_STORE).version_or_default(version).version
    handler, context = open_archive(ARCHIVE)
    tweets = {
        f"tweet with an image and {len(tokenise(TEXT))} tokens": Tweet(TEXT, photograph),
        f"text alone, {len(tokenise(TEXT))} tokens": Tweet(TEXT),
        f"text alone, {len(tokenise(SHORT_TEXT))} tokens: all 5,040 permutations": Tweet(SHORT_TEXT),
    }
    for title, tweet in tweets.items():
        results = measure(served(handler, context, version, tweet), rounds, title)
        against = {"/ Predict": PREDICT, "/ attention alone": ATTENTION}
        show(console, f"A worker's handler: {title}", results, against, results)
    model, eager = SarcasmModel.open_served(ARCHIVE / "sarcasm", version), open_eager(version)
    tweet = Tweet(TEXT, photograph)
    prepared = with_found_words(model, tweet)
    ours = methods(model, prepared)
    others = {naively(name): way for name, way in naive(model, prepared, version).items()}
    predict = {PREDICT: served(handler, context, version, tweet)[PREDICT]}
    ways = predict | yardsticks(eager, prepared) | ours | others
    results = measure(ways, rounds, "methods")
    against = {"/ yardstick": YARDSTICK, "/ its fusion": FUSION, "/ Predict": PREDICT}
    names = [name for name in results if name not in others]
    show(
        console,
        "A method alone, from the answered tweet on; the tweet with an image",
        results,
        against,
        names,
    )
    show_naive(console, results)


def with_found_words(model: SarcasmModel, tweet: Tweet) -> PreparedTweet:
    """As the model read it: with the words that it found in the image."""
    prepared = model.prepare(tweet)
    (outcome,) = model.infer([prepared])
    axis = outcome.attention.axis(Modality.ATTRIBUTE)
    assert axis is not None
    return replace(prepared, attributes=axis.labels)


if __name__ == "__main__":
    typer.run(main)
