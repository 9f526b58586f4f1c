"""How many are chosen of a stream of explanations, and that chance alone decides which."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.thinning import Thinning


class Stream:
    """Explanations that come at given moments."""

    def __init__(self, rate, seed=0):
        self.now = 0.0
        self.thinning = Thinning(rate, random.Random(seed).random, lambda: self.now)

    def choose(self, times) -> list[bool]:
        found = []
        for self.now in times:
            found.append(self.thinning.choose())
        return found


@given(st.floats(1, 1000), st.lists(st.floats(0, 5), max_size=300))
def test_of_few_all_are_chosen(rate, pauses):
    """No second has more than the rate."""
    times = np.cumsum([max(pause, 1 / rate + 1e-9) for pause in pauses])
    assert all(Stream(rate).choose(times))


@given(st.lists(st.floats(0, 3), max_size=300), st.integers(1, 50))
def test_no_second_has_more_than_twice_the_rate(pauses, rate):
    times = np.cumsum([0.0, *(pause**8 for pause in pauses)])  # bursts
    chosen = times[np.array(Stream(rate).choose(times))]
    for start in times:  # two periods may share a second
        assert np.count_nonzero((chosen >= start) & (chosen < start + 1)) <= 4 * rate


def test_of_many_the_rate_is_chosen_by_chance():
    """Ten times as many for a minute; the second half of each second as often as the first."""
    times = np.arange(0, 60, 1 / 1000)
    found = np.array(Stream(100).choose(times))
    later = found[1000:]  # from the second second on
    assert abs(later.sum() - 5900) < 4 * np.sqrt(5900 * 0.9)
    halves = later.reshape(-1, 2, 500).sum(axis=(0, 2))
    assert abs(halves[0] - halves[1]) < 4 * np.sqrt(5900 * 0.9)


def test_after_a_burst_all_of_few_are_chosen_again():
    stream = Stream(10)
    assert sum(stream.choose(np.linspace(0, 0.9, 500))) == 20
    assert 0 < sum(stream.choose(np.linspace(1.0, 1.9, 500))) < 30
    assert all(stream.choose(np.arange(100.0, 120.0, 0.5)))
