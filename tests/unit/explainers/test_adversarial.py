"""Adversarial attention against the same loss written plainly in torch, with torch's autograd and Adam."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError
from attendant.explainers.adversarial import Attack, adversarial, descend
from attendant.explainers.base import Deadline
from attendant.methods import EPSILON_WIDE, AdversarialOptions, Diversity
from attendant.statistics.divergences import jensen_shannon, total_variation
from attendant.types import MODALITIES, Modality

SUBJECTS = [ToyExplainable(), three_classes(scale=2)]
WAYS = [
    AdversarialOptions(adversaries=adversaries, diversity=diversity, seed=seed)
    for seed, (adversaries, diversity) in enumerate(itertools.product((1, 3), Diversity))
]


def divergence(a: Tensor, b: Tensor) -> Tensor:
    middle = (a + b) / 2
    return ((a * (a / middle).log()).sum() + (b * (b / middle).log()).sum()) / 2


def loss(subject: ToyExplainable, options: AdversarialOptions, logits: Tensor) -> Tensor:
    """As the specification has it, one adversary after another; `logits` of all targets side by side."""
    answer = torch.from_numpy(subject.probabilities)
    total = torch.zeros(())
    start = 0
    for target in subject.targets:
        original = torch.from_numpy(subject.attention(target)).double()
        weights = logits[:, start : start + len(original)].softmax(-1)
        start += len(original)
        for row, moved in zip(weights, subject._tail({target: weights}), strict=True):
            distance = (moved - answer).abs().sum() / 2
            total = total - divergence(row, original) + 500 * (distance - options.epsilon).relu()
        k = len(weights)
        if options.diversity is Diversity.RELEASED_CODE:
            total = total - sum(divergence(a, b) for a in weights for b in weights) / k**2
        elif k > 1:
            total = total - sum(divergence(a, b) for a, b in itertools.combinations(weights, 2)) / (
                k * (k - 1)
            )
    return total


def attack(subject: ToyExplainable, options: AdversarialOptions) -> Attack:
    return Attack(subject, subject.targets, options)


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=["two", "three"])
def test_the_gradient_is_that_of_the_loss(subject, options):
    attacked = attack(subject, options)
    start = attacked.start()
    logits = torch.from_numpy(start.copy()).requires_grad_()
    loss(subject, options, logits).backward()
    found = attacked.gradient(start)
    np.testing.assert_allclose(found, logits.grad.numpy(), atol=1e-4 * np.abs(found).max())

    direction = np.random.default_rng(7).standard_normal(start.shape)
    step = 1e-6
    ahead, behind = (
        loss(subject, options, torch.from_numpy(start + way * step * direction)).item() for way in (1, -1)
    )
    assert (ahead - behind) / (2 * step) == pytest.approx((found * direction).sum(), rel=1e-3)


@pytest.mark.parametrize("diversity", Diversity)
def test_it_descends_as_torch_does(diversity):
    subject, options = SUBJECTS[0], AdversarialOptions(adversaries=3, diversity=diversity, seed=1)
    attacked = attack(subject, options)
    start, steps = attacked.start(), 40
    logits = torch.from_numpy(start.copy()).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.01, amsgrad=True)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(subject, options, logits).backward()
        optimiser.step()
    found, truncated = descend(attacked.gradient, start, steps, Deadline())
    assert not truncated
    np.testing.assert_allclose(found, logits.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("subject", SUBJECTS, ids=["two", "three"])
def test_what_is_reported_gives_the_same_answer_by_other_attention(subject):
    found = adversarial(subject, AdversarialOptions(seed=1), Deadline())
    assert [attention.target for attention in found.attentions] == list(subject.targets)
    for attention in found.attentions:
        original = subject.attention(attention.target)
        assert attention.max_jensen_shannon is not None
        assert 0.1 < attention.max_jensen_shannon <= math.log(2)
        assert attention.max_jensen_shannon == pytest.approx(jensen_shannon([attention.weights, original]))
        assert attention.max_jensen_shannon_wide >= attention.max_jensen_shannon
        moved = subject.attend(attention.target, attention.weights[None])
        change = float(total_variation(moved, subject.probabilities)[0])
        assert change == pytest.approx(attention.change, abs=1e-9)
        assert attention.change <= 0.01
        assert attention.weights.sum() == pytest.approx(1, abs=1e-6)
        assert 1 <= attention.feasible <= attention.adversaries == 5
        assert not attention.truncated


def test_more_steps_bring_the_answer_back():
    """Random attention moves it; the penalty does the rest."""
    subject = ToyExplainable()
    first, last = (
        sum(attention.feasible for attention in adversarial(subject, options, Deadline()).attentions)
        for options in (AdversarialOptions(steps=1), AdversarialOptions(steps=300))
    )
    assert first < last


def test_none_may_be_feasible():
    options = AdversarialOptions(adversaries=2, steps=1, epsilon=1e-9)
    for attention in adversarial(ToyExplainable(), options, Deadline()).attentions:
        assert attention.max_jensen_shannon is None
        assert attention.weights.shape == (0,)
        assert (attention.change, attention.feasible, attention.adversaries) == (0, 0, 2)


def test_the_deadline_leaves_what_was_reached():
    ticks = itertools.count()
    subject, options = ToyExplainable(), AdversarialOptions(adversaries=2)
    stopped = adversarial(
        subject, options, Deadline(2.5, clock=lambda: next(ticks))
    )  # passed at the third look
    short = adversarial(subject, replace(options, steps=3), Deadline())
    assert all(attention.truncated for attention in stopped.attentions)
    assert not any(attention.truncated for attention in short.attentions)
    assert_same(stopped, short)


def test_there_is_at_least_a_step():
    subject, options = ToyExplainable(), AdversarialOptions(adversaries=2, steps=100)
    at_once = adversarial(subject, options, Deadline(0))
    assert all(attention.truncated for attention in at_once.attentions)
    only = adversarial(subject, replace(options, steps=1), Deadline(0))
    assert not any(attention.truncated for attention in only.attentions)
    assert_same(at_once, only)


def assert_same(first, second):
    for one, other in zip(first.attentions, second.attentions, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        assert replace(one, weights=other.weights, truncated=other.truncated) == other


def test_one_element_cannot_be_attended_otherwise():
    subject = ToyExplainable({Modality.TEXT: 1, Modality.IMAGE: 4})
    text, image = adversarial(subject, AdversarialOptions(steps=2), Deadline()).attentions
    assert (text.max_jensen_shannon, text.max_jensen_shannon_wide, text.change) == (0, 0, 0)
    assert text.weights.tolist() == [1]
    assert text.feasible == text.adversaries == 5
    assert len(image.weights) in (0, 4)
    (alone,) = adversarial(ToyExplainable({Modality.TEXT: 1}), AdversarialOptions(), Deadline(0)).attentions
    assert not alone.truncated


def test_a_target_does_not_depend_on_the_others():
    subject, options = ToyExplainable(), AdversarialOptions(steps=30, epsilon=0.5, seed=3)
    together = adversarial(subject, options, Deadline())
    assert_same(together, adversarial(subject, options, Deadline()))
    for attention in together.attentions:
        alone = adversarial(subject, replace(options, targets=(attention.target,)), Deadline())
        assert_same(replace(together, attentions=(attention,)), alone)
    other = adversarial(subject, replace(options, seed=4), Deadline())
    assert (other.attentions[0].weights != together.attentions[0].weights).any()
    assert (together.seed, other.seed) == (3, 4)


def test_an_absent_target_is_refused():
    with pytest.raises(AttendantError) as caught:
        adversarial(
            ToyExplainable({Modality.TEXT: 3}), AdversarialOptions(targets=(Modality.IMAGE,)), Deadline()
        )
    assert caught.value.violations[0].field == "options.adversarial.targets"


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 12), min_size=1),
    st.builds(
        AdversarialOptions,
        adversaries=st.integers(1, 6),
        steps=st.integers(1, 4),
        epsilon=st.floats(1e-4, 1),
        diversity=st.sampled_from(Diversity),
        seed=st.integers(0, 2**64 - 1),
    ),
)
def test_any_options_give_numbers_in_range(present, options):
    subject = ToyExplainable(present, seed=options.seed % 5)
    for attention in adversarial(subject, options, Deadline()).attentions:
        assert 0 <= attention.feasible <= options.adversaries
        assert (attention.feasible == 0) == (attention.max_jensen_shannon is None)
        assert len(attention.weights) == (present[attention.target] if attention.feasible else 0)
        assert np.isfinite(attention.weights).all()
        assert (attention.weights >= 0).all()
        assert 0 <= attention.change <= options.epsilon
        for value in (attention.max_jensen_shannon, attention.max_jensen_shannon_wide):
            assert value is None or 0 <= value <= math.log(2)
        if options.epsilon <= EPSILON_WIDE and attention.feasible:
            assert attention.max_jensen_shannon_wide >= attention.max_jensen_shannon
