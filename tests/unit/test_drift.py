"""The drift statistics against scipy, closed forms, and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from random_samples import draw_samples
from scipy import integrate, stats

from attendant.statistics.drift import (
    LEAST,
    MIX,
    Evidence,
    compare,
    e_values,
    kolmogorov_distance,
    ordered,
    p_value,
    p_values,
    tolerance,
    watch,
    watched_values,
)
from attendant.statistics.samples import MOSAIC, Samples, Statistic, streams
from attendant.types import MODALITIES
from benchmarks.drift import draw_references, first_alarm

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SETS = [(TEXT,), (TEXT, ATTRIBUTE), MODALITIES, MOSAIC]
VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=40)  # with ties


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


@pytest.mark.parametrize("n", [LEAST, 200, 2000])
def test_p_values_of_many_are_each_ones_and_never_too_small(n):
    distances = np.linspace(0, 0.5, 30)
    exact = stats.kstwo.sf(distances, n)
    found = p_values(distances, np.full(30, n), np.zeros(30))
    assert found == pytest.approx(exact, abs=1e-4)
    assert (found >= exact).all()
    assert found == pytest.approx([p_value(distance, n) for distance in distances])


@pytest.mark.parametrize(("n", "m"), [(LEAST, 30), (200, 1186), (2000, 300)])
def test_the_distance_is_scipys(n, m):
    rng = np.random.default_rng(n)
    first, second = rng.beta(5, 2, n), rng.beta(5, 2.4, m)
    assert kolmogorov_distance(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)


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
    assert ("attention over the segments" in by_group) == (modalities == MOSAIC)
    assert {"answers", "impacts"} <= set(by_group)


def test_of_a_mosaic_four_things_are_watched():
    found = {one.group: [] for one in watch(MOSAIC)}
    for one in watch(MOSAIC):
        found[one.group].append(one.stream.key)
    assert found == {
        "attention over the segments": ["entropy_ratio/segment"],
        "focus risk": ["focus_risk"],
        "answers": ["probability"],
        "impacts": ["impact/segment"],
    }


def test_the_mix_is_every_modalitys_presence():
    assert [one.stream.key for one in MIX] == ["presence/text", "presence/image", "presence/attribute"]
    assert sum(one.weight for one in MIX) == pytest.approx(1)


@given(arrays(np.float32, (7, 3), elements=st.sampled_from([-np.inf, -1, 0, 2, np.inf, np.nan])))
def test_ordering_leaves_out_what_is_not_finite(values):
    for column, found in zip(values.T, ordered(values), strict=True):
        assert found.tolist() == sorted(value for value in column.tolist() if np.isfinite(value))


@pytest.mark.parametrize("modalities", SETS, ids="+".join)
def test_what_is_watched_comes_in_the_order_of_watch(modalities):
    samples = draw_samples(modalities, 3, np.random.default_rng(0))
    expected = [samples.column(one.stream) for one in watch(modalities)]
    assert (watched_values(samples) == np.stack(expected, axis=1)).all()


def compared(window, reference):
    columns = (ordered(watched_values(samples)) for samples in (window, reference))
    return {one.watched.stream.key: one for one in compare(watch(window.modalities), *columns)}


def test_a_window_is_compared_stream_by_stream():
    rng = np.random.default_rng(1)
    reference, window = draw_samples((TEXT,), 1000, rng), draw_samples((TEXT,), 200, rng)
    place = [stream.statistic for stream in streams((TEXT,))].index(Statistic.PROBABILITY)
    moved = window.values.copy()
    moved[:, place] /= 2
    found = compared(Samples((TEXT,), moved, window.maps), reference)
    assert found["probability"].p_value < 1e-9
    assert found["probability"].evidence > 1e6
    assert found["entropy_ratio/text/mean"].p_value > 0.05
    assert found["entropy_ratio/text/mean"].evidence == float(
        e_values(found["entropy_ratio/text/mean"].p_value)
    )
    one_more = ordered(np.zeros((LEAST, 2), np.float32))
    with pytest.raises(ValueError, match="zip"):
        compare(watch((TEXT,)), ordered(watched_values(window)), one_more)


def test_what_does_not_exist_is_left_out_and_too_little_says_nothing():
    rng = np.random.default_rng(2)
    reference, window = draw_samples((TEXT,), 1000, rng), draw_samples((TEXT,), 200, rng)
    holes = window.values.copy()
    ratio = [stream.statistic for stream in streams((TEXT,))].index(Statistic.ENTROPY_RATIO)
    for kept, says in ((LEAST, True), (LEAST - 1, False)):
        holes[kept:, : ratio + 4] = np.nan
        found = compared(Samples((TEXT,), holes, window.maps), reference)["entropy_ratio/text/mean"]
        assert found.n == kept
        assert np.isfinite([found.distance, found.tolerance, found.p_value, found.evidence]).all() == says


def test_a_stream_that_says_nothing_stays_as_it_is():
    adding = Evidence([0.5, 0.5], 100)
    adding.add([3, 3])
    for _ in range(1000):
        assert not adding.add([0.5, np.nan])
    assert adding.processes == pytest.approx([1, 3])


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
