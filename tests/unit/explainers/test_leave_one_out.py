"""Leave-one-out against models that never had the element."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError
from attendant.explainers.base import Deadline
from attendant.explainers.instance import unchanged
from attendant.explainers.leave_one_out import leave_one_out
from attendant.methods import LeaveOneOutOptions
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES


def answer_of(subject, elements):
    """The whole model, run on elements L x d a target."""
    present = {target: rows for target, rows in elements.items() if len(rows)}
    return subject._whole(present).softmax(-1).numpy()


@pytest.mark.parametrize(
    "subject", [ToyExplainable(seed=3), three_classes(), ToyExplainable({TEXT: 1, IMAGE: 3})]
)
def test_it_is_the_answer_of_an_instance_without_the_element(subject):
    own = {target: rows.double() for target, rows in subject._features.items()}
    answer = answer_of(subject, own)
    found = leave_one_out(subject, LeaveOneOutOptions(), Deadline())
    assert [importance.target for importance in found.importances] == list(subject.targets)
    for importance in found.importances:
        target, length = importance.target, len(own[importance.target])
        expected = []
        for i in range(length):
            without = answer_of(subject, {**own, target: own[target][[j for j in range(length) if j != i]]})
            expected.append(0.5 * np.abs(without - answer).sum())
        assert max(expected) > 0.005
        np.testing.assert_allclose(importance.scores, expected, atol=1e-7)
        if length > 1:
            tau, p_value = kendalltau(subject.attention(target), importance.scores)
            assert (importance.kendall_tau, importance.p_value) == (tau, p_value)


def test_the_only_element_of_all_scores_nothing():
    (importance,) = leave_one_out(ToyExplainable({TEXT: 1}), LeaveOneOutOptions(), Deadline()).importances
    assert importance.scores.tolist() == [0]
    assert (importance.kendall_tau, importance.p_value) == (None, None)


def test_only_the_targets_asked_for():
    found = leave_one_out(ToyExplainable(), LeaveOneOutOptions((ATTRIBUTE, TEXT)), Deadline())
    assert [importance.target for importance in found.importances] == [TEXT, ATTRIBUTE]


def test_a_target_that_is_absent_is_refused():
    with pytest.raises(AttendantError, match=r"options\.leave_one_out\.targets: the instance has no image"):
        leave_one_out(ToyExplainable({TEXT: 2}), LeaveOneOutOptions((IMAGE,)), Deadline())


def test_the_deadline_leaves_out_targets():
    ticks = itertools.count()
    late = Deadline(2.5, clock=lambda: next(ticks))  # looked at before each target here; passed at the third
    found = leave_one_out(ToyExplainable(), LeaveOneOutOptions(), late)
    assert found.truncated
    assert [importance.target for importance in found.importances] == [TEXT, IMAGE]
    assert not leave_one_out(ToyExplainable(), LeaveOneOutOptions(), Deadline()).truncated


def test_many_elements_are_as_few():
    """More than are run at a time."""
    subject = ToyExplainable({TEXT: 70, ATTRIBUTE: 2})
    tables, own = unchanged(subject)
    (found,) = leave_one_out(subject, LeaveOneOutOptions((TEXT,)), Deadline()).importances
    for i in (0, 31, 32, 69):
        without = subject.answer(tables, [{**own, TEXT: np.delete(own[TEXT], i)}])[0]
        assert found.scores[i] == pytest.approx(np.abs(without - subject.probabilities).sum() / 2, rel=1e-4)


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 6), min_size=1), st.integers(0, 1000))
def test_anything_gives_numbers_in_range(lengths, seed):
    for importance in leave_one_out(
        ToyExplainable(lengths, seed=seed), LeaveOneOutOptions(), Deadline()
    ).importances:
        assert importance.scores.shape == (lengths[importance.target],)
        assert np.all((importance.scores >= 0) & (importance.scores <= 1))
