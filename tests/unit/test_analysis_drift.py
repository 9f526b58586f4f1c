"""Simulated drift: where the truth is known because values were drawn, and where closed forms say it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_samples import draw_samples, make_reference, shifted
from scipy import stats

from attendant.analysis import drift
from attendant.analysis.drift import (
    Delays,
    RunLength,
    measure_delays,
    measure_mix,
    measure_mix_delays,
    measure_quiet,
    measure_rules,
)
from attendant.analysis.fixed_rules import Rule
from attendant.statistics.samples import MEAN, Statistic, Stream
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SPREAD = Stream(Statistic.ENTROPY_RATIO, TEXT, MEAN)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def told():
    """What was reported."""
    return []


@pytest.fixture
def report(told):
    return lambda done, of: told.append((done, of))


def pair(rng, modalities=(TEXT,), size=1_000):
    """A reference, and a pool of the same population."""
    return make_reference(draw_samples(modalities, size, rng)), draw_samples(modalities, size, rng)


@pytest.mark.parametrize("alarms", [0, 1, 7])
def test_the_lower_bound_is_where_so_few_alarms_have_a_chance_of_a_twentieth(alarms):
    found = RunLength(10_000, alarms)
    assert stats.poisson.cdf(alarms, 10_000 / found.least) == pytest.approx(0.05)


def test_without_alarms_the_bound_is_a_third_of_the_windows():
    found = RunLength(3_000, 0)
    assert found.mean is None
    assert found.least == pytest.approx(3_000 / np.log(20))
    assert RunLength(3_000, 2).mean == 1_500


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(0, 20), st.floats(0.01, 1))
def test_quantiles_count_what_was_never_found_as_longest(found, missing, q):
    of = len(found) + missing
    if not of:
        return
    value = Delays(0.1, of, 50, tuple(sorted(found)), "").quantile(q)
    everything = sorted([*found, *[np.inf] * missing])
    expected = np.quantile(everything, q, method="inverted_cdf")
    assert (value or np.inf) == expected


def test_the_same_population_is_quiet(rng, report, told):
    reference, pool = pair(rng)
    quiet = measure_quiet(reference, pool, 100, rng, report)
    assert quiet.run_length == RunLength(100, 0)
    assert (quiet.name, quiet.reference, quiet.replay, quiet.rule_windows) == ("text", 1_000, 1_000, 100)
    assert told[-1] == (100, 100)
    shares = {one.rule: one for one in quiet.rules}
    assert set(shares) == set(Rule)
    assert all(0 <= one.of_streams <= one.of_windows <= 1 for one in quiet.rules)
    assert shares[Rule.WASSERSTEIN].of_windows > 0.3


def test_rules_judge_the_first_windows_only(rng, report, monkeypatch):
    monkeypatch.setattr(drift, "RULE_WINDOWS", 3)
    reference, pool = pair(rng)
    assert measure_quiet(reference, pool, 5, rng, report).rule_windows == 3


def test_what_has_no_reference_is_not_simulated(rng, report):
    reference, _ = pair(rng)
    with pytest.raises(ValueError, match="no reference of text\\+attribute"):
        measure_quiet(reference, draw_samples((TEXT, ATTRIBUTE), 30, rng), 5, rng, report)


def test_alarms_are_counted_as_often_as_they_come(rng, report):
    reference, pool = pair(rng)
    quiet = measure_quiet(reference, shifted(pool, SPREAD, 0.5), 20, rng, report)
    assert quiet.run_length.alarms > 10


def test_drift_is_found_and_named_and_less_of_it_takes_longer(rng, report, told):
    reference, pool = pair(rng)
    drifted = shifted(pool, SPREAD, 0.7)
    whole, half = (
        measure_delays(reference, pool, drifted, share, 5, 60, rng, report) for share in (1.0, 0.3)
    )
    assert told[-1] == (5, 5)
    assert whole.named == half.named == SPREAD.key
    assert len(whole.found) == 5
    assert whole.quantile(0.5) <= half.quantile(0.5)


def test_no_drift_is_not_found(rng, report):
    reference, pool = pair(rng)
    none = measure_delays(reference, pool, pool, 1.0, 2, 20, rng, report)
    assert none == Delays(1.0, 2, 20, (), "")
    assert none.quantile(0.5) is None


def test_the_mix_is_quiet_until_fewer_requests_have_images(rng, report):
    assert measure_mix(20, rng, report) == RunLength(40, 0)
    found = measure_mix_delays(1.0, 3, 20, rng, report)
    assert len(found.found) == 3
    assert found.named.startswith("presence/")


def test_mixes_are_shares_and_twice_as_many_lack_an_image():
    for mix in (drift.USUAL_MIX, drift.FEWER_IMAGES):
        assert sum(mix.values()) == pytest.approx(1)
    without = (
        sum(share for modalities, share in mix.items() if IMAGE not in modalities)
        for mix in (drift.USUAL_MIX, drift.FEWER_IMAGES)
    )
    usual, fewer = without
    assert fewer == pytest.approx(2 * usual)


def test_rules_on_beta(rng, report):
    shares = {one.rule: one.of_streams for one in measure_rules(100, rng, report)}
    assert shares[Rule.KOLMOGOROV_SMIRNOV] < 0.05 < shares[Rule.PSI]
