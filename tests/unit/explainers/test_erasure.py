import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError
from attendant.explainers.erasure import erasure
from attendant.methods import SHARES, ErasureOptions
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES


def curve_of(subject, target):
    return erasure(subject, ErasureOptions((target,))).curves[0]


def with_attention(weights) -> ToyExplainable:
    """A text whose mean attention is given."""
    subject = ToyExplainable({TEXT: len(weights), IMAGE: 2})
    subject._alpha[TEXT] = torch.tensor(weights, dtype=torch.float32)
    return subject


def answer_with(subject, target, kept):
    """The answer's probabilities where only the elements in `kept` have their attention."""
    weights = np.zeros_like(subject.attention(target))
    weights[kept] = subject.attention(target)[kept]
    return subject.attend(target, weights[None] / weights.sum())[0]


@pytest.mark.parametrize(
    "subject", [ToyExplainable({IMAGE: 30, TEXT: 2}, seed=5, scale=8), three_classes(30, scale=8)]
)
def test_the_highest_go_first(subject):
    found = curve_of(subject, IMAGE)
    order = sorted(range(30), key=lambda i: -subject.attention(IMAGE)[i])
    expected = np.array([answer_with(subject, IMAGE, order[k:]) for k in range(30)])
    np.testing.assert_allclose(found.probabilities, expected[:, subject.tracked], atol=1e-6)
    label = subject.decide(expected)[0]
    flips = [k for k in range(30) if subject.decide(expected)[k] != label]
    assert found.flip_share == (flips[0] / 30 if flips else None)
    for share, comprehensiveness, sufficiency in zip(
        SHARES, found.comprehensiveness, found.sufficiency, strict=True
    ):
        k = {0.01: 1, 0.05: 2, 0.1: 3, 0.2: 6, 0.5: 15}[share]
        alone = answer_with(subject, IMAGE, order[:k])
        assert comprehensiveness == pytest.approx(expected[0, label] - expected[k, label], abs=1e-6)
        assert sufficiency == pytest.approx(expected[0, label] - alone[label], abs=1e-6)


def test_some_decisions_flip():
    curves = [curve_of(ToyExplainable(seed=seed), IMAGE) for seed in range(20)]
    flips = [curve.flip_share for curve in curves if curve.flip_share is not None]
    assert 0 < len(flips) < 20
    assert all(share * 9 == pytest.approx(round(share * 9)) and share > 0 for share in flips)


def test_the_curve_starts_at_the_answer():
    subject = ToyExplainable()
    found = erasure(subject, ErasureOptions())
    assert [curve.target for curve in found.curves] == list(MODALITIES)
    for curve in found.curves:
        assert curve.probabilities[0] == np.float32(subject.probabilities[1])
        assert len(curve.probabilities) == len(subject.attention(curve.target))


def test_ties_go_in_order():
    subject = with_attention([0.25, 0.25, 0.25, 0.25])
    expected = [answer_with(subject, TEXT, list(range(k, 4)))[1] for k in range(4)]
    np.testing.assert_allclose(curve_of(subject, TEXT).probabilities, expected, atol=1e-7)


def test_without_attention_left_the_rest_shares_it():
    subject = with_attention([0.0, 1.0, 0.0])
    found = curve_of(subject, TEXT)
    equal = np.array([[0.5, 0, 0.5], [0, 0, 1]], dtype=np.float32)
    np.testing.assert_allclose(found.probabilities[1:], subject.attend(TEXT, equal)[:, 1], atol=1e-7)


def test_one_element_has_nothing_to_compare():
    found = curve_of(ToyExplainable({TEXT: 1, IMAGE: 4}), TEXT)
    assert len(found.probabilities) == 1
    assert found.flip_share is None
    assert found.comprehensiveness == found.sufficiency == (0,) * len(SHARES)


def test_of_two_one_goes_and_one_stays():
    subject = ToyExplainable({TEXT: 2, IMAGE: 4})
    found = curve_of(subject, TEXT)
    for values in (found.comprehensiveness, found.sufficiency):
        assert values == pytest.approx([values[0]] * len(SHARES))
        assert abs(values[0]) > 0.01


def test_a_target_that_is_absent_is_refused():
    with pytest.raises(AttendantError, match=r"options\.erasure\.targets: the instance has no attribute"):
        curve_of(ToyExplainable({TEXT: 2}), ATTRIBUTE)


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40).filter(any),
    st.sampled_from([0, 1, 2]),
)
def test_any_attention_gives_numbers_in_range(raw, zeros):
    weights = np.array([*raw, *[0.0] * zeros])
    found = curve_of(with_attention((weights / weights.sum()).tolist()), TEXT)
    assert len(found.probabilities) == len(weights)
    assert np.all((found.probabilities >= 0) & (found.probabilities <= 1))
    assert np.all(np.abs([*found.comprehensiveness, *found.sufficiency]) <= 1)
