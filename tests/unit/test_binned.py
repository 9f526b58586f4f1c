"""PSI, Jensen-Shannon divergences and their thresholds against loops, scipy and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from attendant.statistics.binned import (
    LEAST,
    bin_and_compare,
    boundaries,
    map_divergence,
    map_threshold,
)


def ascending(values):
    return np.sort(np.asarray(values, np.float32))


def in_cell(value, edges):
    return next((cell for cell, edge in enumerate(edges) if value <= edge), len(edges))


def by_loops(window, reference, edges):
    cells = range(len(edges) + 1)
    counts = [
        [sum(in_cell(x, edges) == cell for x in side) for cell in cells] for side in (window, reference)
    ]
    psi = 0.0
    for in_window, in_reference in zip(*counts, strict=True):
        p = (in_window + 0.5) / (len(window) + len(cells) / 2)
        q = (in_reference + 0.5) / (len(reference) + len(cells) / 2)
        psi += (p - q) * math.log(p / q)
    return counts, psi


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 15, 1000]), st.integers(5, 700))
def test_figures_are_those_of_loops(seed, levels, m):
    """With few levels most values are ties."""
    rng = np.random.default_rng(seed)
    reference = ascending(rng.integers(0, levels, m))
    window = ascending(rng.integers(0, levels + 1, LEAST))
    edges = boundaries(reference).tolist()
    found = bin_and_compare(window, reference)
    counts, psi = by_loops(window.tolist(), reference.tolist(), edges)
    assert all(counts[1])  # no cell is empty in the reference
    if not edges:
        assert math.isnan(found.psi)
        return
    assert found.psi == pytest.approx(psi)
    assert found.jsd == pytest.approx(jensenshannon(*counts) ** 2, abs=1e-12)
    threshold = (1 / LEAST + 1 / m) * stats.chi2.ppf(0.99, len(edges))
    assert (found.psi_threshold, found.jsd_threshold) == pytest.approx((threshold, threshold / 8))


def test_deciles_without_ties_are_ten_equal_cells():
    assert boundaries(ascending(range(1, 1001))).tolist() == [100.0 * k for k in range(1, 10)]


@pytest.mark.parametrize(("window", "reference"), [(LEAST - 1, 900), (LEAST, 0)])
def test_too_little_says_nothing(window, reference):
    found = bin_and_compare(ascending(range(window)), ascending(range(reference)))
    assert np.isnan([found.psi, found.psi_threshold, found.jsd, found.jsd_threshold]).all()


def test_thresholds_are_passed_by_one_window_in_a_hundred_without_drift():
    rng = np.random.default_rng(0)
    found = [
        bin_and_compare(ascending(rng.beta(5, 2, 800)), ascending(rng.beta(5, 2, 1200))) for _ in range(1500)
    ]
    assert 0.004 < np.mean([one.psi >= one.psi_threshold for one in found]) < 0.018
    assert 0.004 < np.mean([one.jsd >= one.jsd_threshold for one in found]) < 0.018


def draw_maps(rng, count, corner=0.5):
    """Peaked maps; `corner` is how much the first cell tends to get."""
    return rng.dirichlet([corner] + [0.5] * 48, count).astype(np.float16)


def test_the_divergence_is_that_of_the_mean_maps():
    rng = np.random.default_rng(1)
    window, reference = draw_maps(rng, 30), draw_maps(rng, 40)
    means = (maps.astype(np.float64).mean(axis=0) for maps in (window, reference))
    assert map_divergence(window, reference) == pytest.approx(jensenshannon(*means) ** 2)


def test_the_map_threshold_is_a_quantile_of_what_redrawing_gives():
    rng = np.random.default_rng(2)
    reference = draw_maps(rng, 150)
    redrawn = [
        map_divergence(*(reference[rng.integers(150, size=size)] for size in (200, 150))) for _ in range(2000)
    ]
    found = map_threshold(reference, 200)
    assert found == map_threshold(reference, 200)
    assert 0.97 < np.mean(np.array(redrawn) <= found) < 0.999


def test_maps_without_drift_stay_below_and_maps_that_moved_do_not():
    rng = np.random.default_rng(3)
    passed = []
    for _ in range(10):
        reference = draw_maps(rng, 200)
        threshold = map_threshold(reference, 500)
        passed += [map_divergence(draw_maps(rng, 500), reference) >= threshold for _ in range(30)]
        assert map_divergence(draw_maps(rng, 500, corner=1.5), reference) > threshold
    assert np.mean(passed) < 0.04
