"""Gradient importance against finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from toy_explainable import ToyExplainable, three_classes

from attendant.explainers.gradient import gradient
from attendant.methods import GradientOptions
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
STEP = 1e-5


def probability(subject, elements, label, *, through_attention):
    """Of elements in float64; attention and fusion are those of the unchanged instance where they are held."""
    x = subject._states(elements)
    alpha = subject._attention(x if through_attention else subject._x)
    sums = {target: (alpha[target] @ rows)[None] for target, rows in x.items()}
    own = {target: (alpha[target] @ rows)[None] for target, rows in subject._x.items()}
    fusion = subject._weigh(sums if through_attention else own)
    return subject._answer(subject._values(sums), fusion).softmax(-1)[0, label].item()


def slopes(subject, target, label, *, through_attention):
    """|sum_d dp/de_d e_d| of each element, by scaling it: d/ds p((1 + s) e)."""
    found = []
    for i in range(len(subject.features(target))):
        values = []
        for step in (STEP, -STEP):
            elements = {t: rows.double().clone() for t, rows in subject._features.items()}
            elements[target][i] *= 1 + step
            values.append(probability(subject, elements, label, through_attention=through_attention))
        found.append(abs(values[0] - values[1]) / (2 * STEP))
    return found


@pytest.mark.parametrize("through_attention", [False, True])
@pytest.mark.parametrize(
    "subject", [ToyExplainable(seed=6), three_classes(5), ToyExplainable({TEXT: 4}, seed=2)]
)
def test_it_is_what_small_changes_do(subject, through_attention):
    found = gradient(subject, GradientOptions(through_attention))
    assert [importance.target for importance in found.importances] == list(subject.targets)
    label = subject.decide(subject.probabilities[None])[0]
    for importance in found.importances:
        expected = slopes(subject, importance.target, label, through_attention=through_attention)
        assert max(expected) > 1e-3
        np.testing.assert_allclose(importance.scores, expected, rtol=1e-4, atol=1e-6)
        tau, p_value = kendalltau(subject.attention(importance.target), importance.scores)
        assert (importance.kendall_tau, importance.p_value) == (tau, p_value)


def test_attention_is_held_unless_asked_for():
    subject = ToyExplainable(seed=6)
    held, through = (gradient(subject, GradientOptions(through)) for through in (False, True))
    assert not np.allclose(held.importances[1].scores, through.importances[1].scores, rtol=0.01)


def test_one_element_has_no_rank():
    (importance,) = gradient(ToyExplainable({TEXT: 1}), GradientOptions()).importances
    assert importance.scores.shape == (1,)
    assert (importance.kendall_tau, importance.p_value) == (None, None)


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 12), min_size=1),
    st.integers(0, 1000),
    st.sampled_from([0.0, 1.0, 1e3]),
)
def test_anything_gives_numbers_in_range(lengths, seed, scale):
    subject = ToyExplainable(lengths, seed=seed, scale=scale)
    for importance in gradient(subject, GradientOptions()).importances:
        assert importance.scores.dtype == np.float32
        assert importance.scores.shape == (lengths[importance.target],)
        assert np.all(np.isfinite(importance.scores) & (importance.scores >= 0))
        if importance.kendall_tau is not None:
            assert -1 <= importance.kendall_tau <= 1
            assert 0 <= importance.p_value <= 1
        if scale == 0:
            assert importance.kendall_tau is None
