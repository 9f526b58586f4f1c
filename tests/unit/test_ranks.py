"""Rank agreement against counted pairs."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.statistics.ranks import kendall


def tau_b(first, second):
    pairs = [
        (np.sign(a - b), np.sign(c - d))
        for (a, c), (b, d) in combinations(zip(first, second, strict=True), 2)
    ]
    untied = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    return sum(x * y for x, y in pairs) / np.sqrt(untied[0] * untied[1])


def test_by_hand():
    # six pairs: five agree, one does not
    found = kendall([0.1, 0.2, 0.3, 0.4], [1, 2, 4, 3])
    assert found.tau == pytest.approx(4 / 6)


def test_the_p_value_is_the_share_of_orders_that_agree_as_much():
    values = [3, 1, 4, 2, 5]
    found = kendall(range(5), values)
    as_much = [abs(tau_b(range(5), order)) >= abs(found.tau) - 1e-9 for order in permutations(range(5))]
    assert found.p_value == pytest.approx(np.mean(as_much))


@pytest.mark.parametrize(
    ("first", "second"),
    [([1], [2]), ([], []), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([0, 0], [1, 1])],
)
def test_undefined(first, second):
    assert kendall(first, second) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_ties_count_for_neither(pairs):
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = kendall(first, second)
    if len(set(first)) < 2 or len(set(second)) < 2:
        assert found is None
        return
    assert found.tau == pytest.approx(tau_b(first, second))
    assert 0 <= found.p_value <= 1
    assert kendall(second, first).tau == pytest.approx(found.tau)


def test_two_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        kendall([1, 2], [1, 2, 3])
