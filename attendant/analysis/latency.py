"""How long two ways to do the same take, side by side."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.intervals import Estimate, bootstrap

ROUNDS = 60
WARM_UP = 5


@dataclass(frozen=True)
class Latency:
    """Median milliseconds of both, over `rounds`, and how many times as long the other one takes (`ratio`)."""

    this_ms: Estimate
    other_ms: Estimate
    ratio: Estimate
    rounds: int


def time_in_turn(
    this: Callable[[], object],
    other: Callable[[], object],
    report: Callable[[int, int], None],
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Runs both in turn, so that whatever else the machine does hits both. `report` gets the rounds done."""
    seconds = np.zeros((rounds, 2))
    for number in range(-WARM_UP, rounds):
        for column, run in enumerate((this, other)):
            begin = clock()
            run()
            if number >= 0:
                seconds[number, column] = clock() - begin
        report(max(number + 1, 0), rounds)
    these, others = seconds.T * 1e3
    return Latency(
        bootstrap(np.median, these), bootstrap(np.median, others), bootstrap(_ratio, these, others), rounds
    )


def _ratio(these: NDArray[np.float64], others: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return np.asarray(np.median(others, axis) / np.median(these, axis))
