"""The drift statistics against scipy, closed forms, and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from attendant.statistics.drift import (
    LEAST,
    Evidence,
    compare,
    e_values,
    kolmogorov_distance,
    p_value,
    tolerance,
    watch,
)
from attendant.statistics.summaries import Samples, Statistic, map_sources, streams
from attendant.types import MODALITIES
from benchmarks.drift import draw_references, first_alarm

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SETS = [(TEXT,), (TEXT, ATTRIBUTE), MODALITIES]
VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=40)  # with ties


def draw(modalities, count, rng, **beta):
    """Independent Beta values in every stream."""
    values = rng.beta(beta.get("a", 5), beta.get("b", 2), (count, len(streams(modalities))))
    maps = np.full((count, len(map_sources(modalities)), 7, 7), 1 / 49, np.float16)
    return Samples(modalities, values.astype(np.float32), maps)


@given(VALUES, VALUES)
def test_the_distance_is_the_largest_difference_of_shares(first, second):
    differences = [
        abs(np.mean(np.array(first) <= x) - np.mean(np.array(second) <= x)) for x in first + second
    ]
    assert kolmogorov_distance(first, second) == pytest.approx(max(differences))


def test_the_p_value_is_scipys_where_nothing_is_excused():
    values = np.random.default_rng(0).random(50)
    found = stats.ks_1samp(values, stats.uniform.cdf, method="exact")
    assert p_value(found.statistic, 50) == pytest.approx(found.pvalue)
    assert p_value(found.statistic, 50, excused=1.0) == 1.0


def test_what_is_excused_is_what_two_halves_may_differ_by():
    """The two-sample test at 5 %; windows as large as can be lose nothing in noise."""
    m = 2000
    assert stats.kstwobign.sf(tolerance(m, 10**12) * np.sqrt(m / 2)) == pytest.approx(0.05, abs=1e-3)
    assert tolerance(m, 200) < tolerance(m, 2000)
    assert tolerance(10**9, 200) == 0


def test_e_values_expect_one_of_uniform_p_values():
    total = sum(
        integrate.quad(lambda p: float(e_values(p)), low, high, limit=200)[0]
        for low, high in ((1e-12, 1e-6), (1e-6, 1e-3), (1e-3, 1))
    )
    beneath = -1 / np.log(1e-12)  # the integral of 1 / (p ln^2 p) below, nearly
    assert total + beneath == pytest.approx(1, abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1))
def test_less_probable_is_more_evidence(one, other):
    low, high = sorted((one, other))
    assert e_values(low) >= e_values(high) - 1e-12
    assert 0.5 <= float(e_values(one)) < np.inf


@pytest.mark.parametrize("modalities", SETS, ids="+".join)
def test_groups_weigh_the_same_and_streams_within_them(modalities):
    watched = watch(modalities)
    assert sum(one.weight for one in watched) == pytest.approx(1)
    by_group = {one.group: 0.0 for one in watched}
    for one in watched:
        by_group[one.group] += one.weight
    assert list(by_group.values()) == pytest.approx([1 / len(by_group)] * len(by_group))
    assert {one.stream for one in watched} <= set(streams(modalities))
    assert ("place in the image" in by_group) == (IMAGE in modalities)


def test_a_window_is_compared_stream_by_stream():
    rng = np.random.default_rng(1)
    reference, window = draw((TEXT,), 1000, rng), draw((TEXT,), 200, rng)
    place = [stream.statistic for stream in streams((TEXT,))].index(Statistic.PROBABILITY)
    moved = window.values.copy()
    moved[:, place] /= 2
    found = {
        one.watched.stream.statistic: one for one in compare(Samples((TEXT,), moved, window.maps), reference)
    }
    assert found[Statistic.PROBABILITY].p_value < 1e-9
    assert found[Statistic.PROBABILITY].evidence > 1e6
    assert found[Statistic.ENTROPY_RATIO].p_value > 0.05
    with pytest.raises(ValueError, match="a window of"):
        compare(window, draw((TEXT, ATTRIBUTE), 10, rng))


def test_what_does_not_exist_is_left_out_and_too_little_says_nothing():
    rng = np.random.default_rng(2)
    reference, window = draw((TEXT,), 1000, rng), draw((TEXT,), 200, rng)
    holes = window.values.copy()
    ratio = [stream.statistic for stream in streams((TEXT,))].index(Statistic.ENTROPY_RATIO)
    for kept, evidence in ((LEAST, False), (LEAST - 1, True)):
        holes[kept:, : ratio + 4] = np.nan
        (found, *_) = compare(Samples((TEXT,), holes, window.maps), reference)
        assert found.n == kept
        assert (found.evidence == 1) == evidence


@given(
    st.lists(st.lists(st.floats(0, 4), min_size=3, max_size=3), max_size=20),
    st.lists(st.floats(0.1, 1), min_size=3, max_size=3),
)
def test_processes_are_sums_of_products(evidence, shares):
    """M_t = sum over s of e_s e_{s+1} ... e_t: an alarm's evidence may begin at any window."""
    weights = np.array(shares) / sum(shares)
    adding = Evidence(weights, 1e9)
    for row in evidence:
        adding.add(row)
    rows = np.array(evidence).reshape(-1, 3)
    expected = sum((rows[start:].prod(axis=0) for start in range(len(rows))), np.zeros(3))
    assert adding.processes == pytest.approx(expected)
    assert adding.total == pytest.approx(float(weights @ expected))
    assert adding.shares.sum() == pytest.approx(1 if adding.total else 0)


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [1.0, 0.0]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="add up to 1"):
        Evidence(weights, 10)


@pytest.mark.parametrize("dependence", ["independent", "the same"])
def test_false_alarms_are_as_rare_as_stated_whatever_the_streams_have_to_do_with_each_other(dependence):
    rng, stated = np.random.default_rng(3), 20.0
    adding, alarms, windows = Evidence([0.25] * 4, stated), 0, 20_000
    p = rng.random((windows, 4 if dependence == "independent" else 1)) * np.ones((1, 4))
    for row in e_values(p):
        if adding.add(row):
            alarms += 1
            adding.clear()
    assert windows / alarms >= stated


@pytest.mark.parametrize(("drifted", "delay"), [(1, 8), (4, 4)], ids=["one vector of 13", "a group of four"])
def test_a_planted_shift_is_found_in_time(drifted, delay):
    rng = np.random.default_rng(4)
    assert np.mean([first_alarm(draw_references(2409, rng), drifted, rng) for _ in range(12)]) <= delay


def test_no_alarm_in_a_thousand_windows_of_the_reference_s_own_population():
    rng = np.random.default_rng(5)
    assert first_alarm(draw_references(1186, rng, streams=3), 0, rng, windows=1000) == 1000


def test_without_what_is_excused_one_and_the_same_reference_raises_false_alarms():
    rng = np.random.default_rng(6)
    found = [
        first_alarm(draw_references(1186, rng), 0, rng, windows=400, excuse=lambda *_: 0.0) for _ in range(6)
    ]
    assert np.mean(found) < 200  # where 1,000 are stated
