"""Divergences against closed forms and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import entropy as scipy_entropy

from attendant.statistics.divergences import (
    entropy,
    jensen_shannon,
    jensen_shannon_each,
    pairwise_jensen_shannon,
    total_variation,
)

positive = st.floats(1e-6, 1.0)


@st.composite
def distributions(draw: st.DrawFn, count: int) -> list[NDArray[np.float64]]:
    length = draw(st.integers(1, 30))
    rows = [draw(arrays(np.float64, length, elements=positive)) for _ in range(count)]
    return [row / row.sum() for row in rows]


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[0.3, 0.7]], 0.0),
        ([[0.3, 0.7], [0.3, 0.7], [0.3, 0.7]], 0.0),
        ([[1, 0], [0, 1]], math.log(2)),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], math.log(3)),
        # the entropy of (3/4, 1/4) less half that of (1/2, 1/2)
        ([[0.5, 0.5], [1, 0]], 2 * math.log(2) - 0.75 * math.log(3) - 0.5 * math.log(2)),
    ],
)
def test_closed_forms(vectors: list[list[float]], expected: float) -> None:
    assert jensen_shannon(vectors) == pytest.approx(expected, abs=1e-12)


def test_entropy_is_over_the_last_axis() -> None:
    np.testing.assert_allclose(entropy([[0.5, 0.5, 0], [1, 0, 0]]), [math.log(2), 0])


@given(st.integers(1, 5).flatmap(distributions))
def test_it_is_the_mean_divergence_from_the_mean(vectors: list[NDArray[np.float64]]) -> None:
    mean = np.mean(vectors, axis=0)
    expected = np.mean([scipy_entropy(vector, mean) for vector in vectors])
    result = jensen_shannon(vectors)
    assert result == pytest.approx(expected, abs=1e-9)
    assert 0 <= result <= math.log(len(vectors))
    assert jensen_shannon(vectors[::-1]) == pytest.approx(result, abs=1e-12)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        jensen_shannon([])
    with pytest.raises(ValueError, match="same shape"):
        jensen_shannon([[1.0], [0.5, 0.5]])


def test_groups_of_several_lengths_are_each_on_its_own() -> None:
    rng = np.random.default_rng(0)
    groups = [list(rng.dirichlet(np.ones(length), size=3)) for length in (1, 17, 196, 5)]
    expected = [jensen_shannon(vectors) for vectors in groups]
    assert jensen_shannon_each(groups) == pytest.approx(expected, abs=1e-12)
    assert jensen_shannon_each([]) == []


@given(distributions(2))
def test_pairs_are_the_general_divergence_of_two(vectors: list[NDArray[np.float64]]) -> None:
    assert pairwise_jensen_shannon(*vectors) == pytest.approx(jensen_shannon(vectors), abs=1e-12)


def test_pairs_broadcast() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(6), size=(4, 3))
    found = pairwise_jensen_shannon(rows[:, :, None], rows[:, None])
    assert found.shape == (4, 3, 3)
    for i, j, k in np.ndindex(found.shape):
        assert found[i, j, k] == pytest.approx(jensen_shannon([rows[i, j], rows[i, k]]), abs=1e-12)


def test_pairs_of_float32_stay_in_range() -> None:
    third = np.float32([1 / 3, 1 / 3, 1 / 3])
    assert pairwise_jensen_shannon(third, third) == 0
    assert pairwise_jensen_shannon(np.float32([1.0000001, 0]), np.float32([0, 1.0000001])) <= math.log(2)


@given(distributions(2))
def test_total_variation_is_the_largest_difference_of_any_event(vectors: list[NDArray[np.float64]]) -> None:
    first, second = vectors
    expected = (first - second)[first > second].sum()
    assert total_variation(first, second) == pytest.approx(expected, abs=1e-12)
    assert 0 <= total_variation(first, second) <= 1


def test_total_variation_broadcasts() -> None:
    found = total_variation([[0.5, 0.5], [1, 0], [0, 1]], [0.5, 0.5])
    np.testing.assert_allclose(found, [0, 0.5, 0.5])
    assert total_variation([0.3, 0.7], [0.1, 0.9]) == pytest.approx(0.2)
