"""Fixed rules against scipy, and against what is known of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from attendant.analysis.fixed_rules import Rule, judge

VALUES = st.lists(st.integers(-5, 5), min_size=2, max_size=40)  # with ties


def by_hand(window, reference):
    edges = np.histogram_bin_edges(np.array([*window, *reference], float), "sturges")
    p, q = (np.histogram(part, edges)[0] / len(part) for part in (window, reference))
    full_p, full_q = np.where(p > 0, p, 1e-4), np.where(q > 0, q, 1e-4)
    deviation = np.std(reference)
    moved = stats.wasserstein_distance(window, reference)
    return {
        Rule.WASSERSTEIN: moved / deviation >= 0.1 if deviation else moved > 0,
        Rule.PSI: np.sum((full_p - full_q) * np.log(full_p / full_q)) >= 0.1,
        Rule.JENSEN_SHANNON: jensenshannon(p, q) >= 0.1,
        Rule.KOLMOGOROV_SMIRNOV: stats.ks_2samp(window, reference, method="asymp").pvalue < 0.01,
    }


@given(VALUES, VALUES)
def test_they_are_what_scipy_says(window, reference):
    assert judge(window, reference) == by_hand(window, reference)


@pytest.mark.parametrize("values", [[1.0] * 30, list(range(30))], ids=("constant", "spread"))
def test_the_same_values_are_no_drift_to_any(values):
    assert not any(judge(values, values).values())


def test_what_has_nothing_in_common_is_drift_to_all():
    assert all(judge(np.arange(30), np.arange(100, 130)).values())


def test_on_beta_a_fifth_of_windows_and_more_are_false_alarms():
    """Shares are 0.28, 0.21 and 0.33 in the issue; they depend on the one reference by up to a tenth."""
    rng = np.random.default_rng(0)
    verdicts = [judge(rng.beta(5, 2, 200), rng.beta(5, 2, 2_409)) for _ in range(400)]
    shares = {rule: np.mean([verdict[rule] for verdict in verdicts]) for rule in Rule}
    assert shares[Rule.WASSERSTEIN] == pytest.approx(0.28, abs=0.07)
    assert shares[Rule.PSI] == pytest.approx(0.21, abs=0.07)
    assert shares[Rule.JENSEN_SHANNON] == pytest.approx(0.33, abs=0.09)
    assert shares[Rule.KOLMOGOROV_SMIRNOV] < 0.03
