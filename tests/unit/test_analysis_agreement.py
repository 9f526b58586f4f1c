import numpy as np
import pytest
from scipy.stats import kendalltau
from toy_explainable import ToyExplainable

from attendant.analysis.agreement import EVERYTHING, Examined, examine, summarise
from attendant.explainers.gradient import gradient
from attendant.methods import (
    AdversarialAttention,
    AdversarialOptions,
    GradientOptions,
    Method,
    RankedImportance,
)
from attendant.types import Modality

TEXT, ATTRIBUTE = Modality.TEXT, Modality.ATTRIBUTE
NOTHING = np.zeros(0, np.float32)


def ranked(tau, p_value=0.5):
    return RankedImportance(TEXT, np.ones(3, np.float32), tau, None if tau is None else p_value)


def adversary(near, wide):
    return AdversarialAttention(TEXT, near, NOTHING, 0.0, 1, 5, wide)


def examined(label, first, second, attack=None):
    return Examined(label, 0.5, first, second, attack)


def test_an_instance_is_examined_target_by_target():
    subject = ToyExplainable({TEXT: 6, Modality.IMAGE: 1, ATTRIBUTE: 3}, seed=3)
    found = examine(subject, AdversarialOptions(steps=3))
    assert list(found) == [TEXT, ATTRIBUTE]
    one = found[TEXT]
    scores = gradient(subject, GradientOptions()).importances[0].scores
    assert one.gradient.kendall_tau == pytest.approx(kendalltau(subject.attention(TEXT), scores).statistic)
    assert one.label == subject.classes[int(subject.probabilities.argmax())]
    assert one.max_weight == pytest.approx(float(subject.attention(TEXT).max()))
    assert one.adversary.target is TEXT
    assert len(found[ATTRIBUTE].leave_one_out.scores) == 3


def test_adversaries_are_looked_for_only_where_asked():
    found = examine(ToyExplainable(), None)
    assert all(one.adversary is None for one in found.values())
    agreement = summarise(TEXT, [found[TEXT]], 0, 0.01)
    assert agreement.divergences == ()


def test_taus_by_method_and_predicted_class():
    found = [
        examined("no", ranked(0.2, 0.01), ranked(1.0, 0.001)),
        examined("no", ranked(0.4, 0.2), ranked(None)),
        examined("yes", ranked(0.9, 0.04), ranked(0.0, 0.9)),
    ]
    agreement = summarise(TEXT, found, skipped=2, epsilon=0.01)
    assert (agreement.n, agreement.skipped) == (3, 2)
    taus = {(one.method, one.group): one for one in agreement.taus}
    assert len(taus) == 6
    everything = taus[Method.GRADIENT, EVERYTHING]
    assert everything.tau.value == pytest.approx(0.5)
    assert everything.significant.value == pytest.approx(2 / 3)
    assert taus[Method.GRADIENT, "no"].tau.value == pytest.approx(0.3)
    assert taus[Method.GRADIENT, "yes"].n == 1
    left_out = taus[Method.LEAVE_ONE_OUT, "no"]
    assert (left_out.n, left_out.undefined, left_out.tau.value) == (1, 1, 1.0)


def test_where_tau_is_undefined_everywhere_there_is_no_mean():
    agreement = summarise(TEXT, [examined("no", ranked(None), ranked(0.1))], 0, 0.01)
    assert {one.group for one in agreement.taus} == {EVERYTHING, "no"}  # classes that were predicted
    first = agreement.taus[0]
    assert (first.n, first.undefined, first.tau) == (0, 1, None)


def test_divergences_are_over_instances_with_an_adversary():
    attacks = [adversary(value, wide) for value, wide in ((0.1, 0.2), (0.3, 0.3), (0.2, 0.6), (None, 0.5))]
    found = [examined("no", ranked(0.2), ranked(0.1), attack) for attack in attacks]
    near, wide = summarise(TEXT, found, 0, 0.02).divergences
    assert (near.epsilon, wide.epsilon) == (0.02, 0.05)
    assert near.n == wide.n == 4
    assert near.infeasible.value == 0.25
    assert near.mean.value == pytest.approx(0.2)
    assert near.quartiles == pytest.approx((0.15, 0.2, 0.25))
    assert (wide.infeasible.value, wide.mean.value) == (0, pytest.approx(0.4))


def test_where_no_adversary_is_feasible_there_is_no_mean():
    found = [examined("no", ranked(0.2), ranked(0.1), adversary(None, None))]
    near, _ = summarise(TEXT, found, 0, 0.01).divergences
    assert (near.infeasible.value, near.mean, near.quartiles) == (1, None, None)
