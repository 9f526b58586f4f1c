"""All of few explanations, and of many a share by chance: how attention behaves shows in some as well as in all."""

import random
import time
from collections.abc import Callable

PERIOD = 1.0  # seconds; how many came in one says what share of the next is chosen


class Thinning:
    """Chooses `rate` a second of those that come, or all that do.

    Chance decides, not the order: of a burst the first are not like the others. How many will come is taken from the
    second before; one that brings far more gives its first, twice the rate at most.
    """

    def __init__(
        self,
        rate: float,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._draw = draw
        self._clock = clock
        self._began = clock()
        self._came = self._chosen = 0
        self._share = 1.0

    def choose(self) -> bool:
        """Whether the one that comes now is among them."""
        seconds = self._clock() - self._began
        if seconds >= PERIOD:
            self._share = self._rate * seconds / max(self._came, self._rate * seconds)
            self._began += seconds
            self._came = self._chosen = 0
        self._came += 1
        if self._draw() >= self._share or self._chosen >= 2 * self._rate * PERIOD:
            return False
        self._chosen += 1
        return True
