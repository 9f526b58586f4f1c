"""How soon a planted shift is found, in windows, and what else was thought of.

    .venv/bin/python -m benchmarks.drift

Some of 13 independent streams go from Beta(5, 2) to Beta(5, 2.4); windows of 200, stated run length 1,000. Each time
with references drawn anew. docs/adr/0015 has what came of it.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from attendant.statistics.drift import Evidence, e_values, kolmogorov_distance, p_value, tolerance

STREAMS, WINDOW, RUN_LENGTH = 13, 200, 1000
References = Sequence[NDArray[np.float64]]


def draw_references(size: int, rng: np.random.Generator, streams: int = STREAMS) -> References:
    return [rng.beta(5, 2, size) for _ in range(streams)]


def first_alarm(
    references: References,
    drifted: int,
    rng: np.random.Generator,
    *,
    windows: int = 100,
    excuse: Callable[[int, int], float] = tolerance,
    average_first: bool = False,
) -> int:
    """Windows until the alarm, `windows` where there is none: of one stream a reference, the first `drifted` drift.

    `average_first`: one process over the mean e-value of a window, in place of one process a stream.
    """
    count = len(references)
    evidence = Evidence([1.0] if average_first else [1 / count] * count, RUN_LENGTH)
    excused = excuse(len(references[0]), WINDOW)
    for number in range(1, windows + 1):
        rows = [rng.beta(5, 2.4 if place < drifted else 2, WINDOW) for place in range(count)]
        p = [
            p_value(kolmogorov_distance(row, reference), WINDOW, excused)
            for row, reference in zip(rows, references, strict=True)
        ]
        found = e_values(p)
        if evidence.add([found.mean()] if average_first else found):
            return number
    return windows


def main(
    times: Annotated[int, typer.Option(min=1, help="Simulations of each.")] = 60,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate how soon drift is found."""
    rng = np.random.default_rng(seed)
    table = Table(title=f"mean windows until the alarm, {times} times", title_justify="left")
    for column in ("reference", "streams that drift", "a process a stream", "averaged first"):
        table.add_column(column, justify="right")
    cases = [(size, drifted) for size in (1186, 2409) for drifted in (1, 4, STREAMS)]
    for size, drifted in track(cases, "simulating", console=Console(stderr=True), transient=True):
        means = [
            np.mean(
                [
                    first_alarm(draw_references(size, rng), drifted, rng, average_first=average)
                    for _ in range(times)
                ]
            )
            for average in (False, True)
        ]
        table.add_row(f"{size:,}", f"{drifted} of {STREAMS}", *(f"{mean:.1f}" for mean in means))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
