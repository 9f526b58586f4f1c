"""Divergences against closed forms and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import entropy as scipy_entropy

from attendant.statistics.divergences import entropy, jensen_shannon

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
