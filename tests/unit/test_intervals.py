import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.statistics.intervals import bootstrap, correlation, mean, proportion, student


def test_wilson_by_hand():
    # z = 1.959964: centre (p + z^2/2n) / (1 + z^2/n), half-width z/(1 + z^2/n) sqrt(p(1-p)/n + z^2/4n^2)
    found = proportion(8, 10)
    z2, p, n = 1.959964**2, 0.8, 10
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.959964 / (1 + z2 / n) * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    assert found.value == p
    assert found.interval == pytest.approx((centre - half, centre + half), abs=1e-6)


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_proportion_lies_in_its_interval(hits, misses):
    found = proportion(hits, hits + misses)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_nothing_tried_says_nothing():
    assert proportion(0, 0).interval == (0, 1)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = mean(values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx((found.value - half, found.value + half), abs=0.03)


def test_a_seed_fixes_the_bootstrap():
    values = np.random.default_rng(2).random(50)
    assert mean(values, seed=5) == mean(values, seed=5)
    assert mean(values, seed=5) != mean(values, seed=6)


def test_columns_are_drawn_together():
    def difference(first, second, axis=-1):
        return (first - second).mean(axis)

    values = np.random.default_rng(3).random(30)
    found = bootstrap(difference, values + 1, values)
    assert found.interval == pytest.approx((1, 1))


def test_basic_turns_the_percentiles_around():
    values = np.random.default_rng(4).exponential(size=60)
    percentile, basic = (bootstrap(np.median, values, method=method) for method in ("percentile", "basic"))
    assert basic.low == pytest.approx(2 * percentile.value - percentile.high)
    assert basic.high == pytest.approx(2 * percentile.value - percentile.low)


def test_one_row_is_its_own_interval():
    assert mean([0.25]).interval == (0.25, 0.25)


def test_fisher_by_hand():
    x = np.arange(20.0)
    y = x + 8 * np.sin(x * 3)
    found = correlation(x, y)
    r = np.corrcoef(x, y)[0, 1]
    half = 1.959964 / np.sqrt(17)
    assert found.value == pytest.approx(r)
    assert found.interval == pytest.approx((np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)))


def test_student_by_hand():
    # t at 97.5 %: 2.262157 with 9 degrees of freedom
    found = student(0.3, 0.1, 9)
    assert found.value == 0.3
    assert found.interval == pytest.approx((0.3 - 0.2262157, 0.3 + 0.2262157), abs=1e-6)
    assert student(0.3, 0.1, 10**6).high == pytest.approx(0.3 + 0.1959964, abs=1e-5)


def test_student_without_error_is_the_mean():
    assert student(0.3, 0.0, 1).interval == (0.3, 0.3)


def test_student_covers_the_mean_of_normal_values():
    values = np.random.default_rng(5).normal(1, 2, (2000, 5))
    errors = values.std(axis=1, ddof=1) / np.sqrt(5)
    found = [student(row.mean(), error, 4) for row, error in zip(values, errors, strict=True)]
    assert np.mean([interval.low <= 1 <= interval.high for interval in found]) == pytest.approx(
        0.95, abs=0.015
    )
