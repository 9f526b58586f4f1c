"""What `make bench-watching` makes of what it measures."""

import random

import pytest

from benchmarks.watching import COUNTED, SETTLE, draw_phases, estimate

ROUNDS = 200


def rates(phases, cost, noise=0.0):
    """Of two sides, of which the second is quicker, on a machine whose speed changes all the time."""
    generator = random.Random(1)
    first, second = [], []
    for phase in phases:
        speed = generator.uniform(50, 150)
        first.append(speed * (1 - cost * phase.watched) * (1 + generator.gauss(0, noise)))
        second.append(1.2 * speed * (1 - cost * (not phase.watched)))
    return first, second


def test_both_sides_are_watched_in_every_round_in_phases_that_follow_each_other():
    phases = draw_phases(ROUNDS, 10.0, random.Random(0))
    assert len(phases) == 2 * ROUNDS
    assert all(one.watched != other.watched for one, other in zip(phases[::2], phases[1::2], strict=True))
    assert 0 < sum(phase.watched for phase in phases[::2]) < ROUNDS
    begins = [10.0, *(phase.end for phase in phases[:-1])]
    assert [phase.begin for phase in phases] == [begin + SETTLE for begin in begins]
    assert all(COUNTED[0] <= phase.end - phase.begin <= COUNTED[1] for phase in phases)


@pytest.mark.parametrize("cost", [0.0, 0.02, -0.01])
def test_what_the_machine_does_and_what_one_side_does_better_cancels(cost):
    phases = draw_phases(ROUNDS, 0.0, random.Random(0))
    found = estimate(phases, rates(phases, cost))
    assert found.value == pytest.approx(cost, abs=1e-9)
    assert found.low <= found.value <= found.high


def test_the_interval_is_as_wide_as_the_noise_is_large():
    phases = draw_phases(ROUNDS, 0.0, random.Random(0))
    found = estimate(phases, rates(phases, 0.02, noise=0.05))
    assert found.low < 0.02 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.97 * 0.05 / (2 * ROUNDS) ** 0.5, rel=0.2)
