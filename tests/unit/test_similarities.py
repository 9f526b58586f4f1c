"""Cosine and correlation against numpy, and where they are undefined."""

import numpy as np
import pytest

from attendant.statistics.similarities import correlation, cosine, length

ZEROS, ONES, RISING = np.zeros(4), np.ones(4), np.arange(4.0)


def test_against_numpy():
    first, second = np.random.default_rng(0).normal(size=(2, 50))
    assert length(first) == pytest.approx(np.linalg.norm(first))
    expected = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert cosine(first, second) == pytest.approx(expected)
    assert correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_where_there_is_no_direction_there_is_no_likeness():
    assert cosine(ZEROS, ONES) == cosine(ZEROS, ZEROS) == 0
    assert correlation(ONES, RISING) == correlation(np.ones(1), np.ones(1)) == 0


def test_opposites():
    assert cosine(RISING, -RISING) == pytest.approx(-1)
    assert correlation(RISING, 5 - 2 * RISING) == pytest.approx(-1)
