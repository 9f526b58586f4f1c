"""The focus maps against closed forms, an independent projection and finite differences; the losses by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

from attendant.models.focus_maps import (
    Attended,
    EntropyTerm,
    LossOptions,
    Mechanism,
    average,
    one_hot,
    softmax,
    softmax_entropy,
    sparsemax,
    spherical,
)

MAPS = (softmax, sparsemax, spherical, one_hot)
SMOOTH = (softmax, sparsemax, spherical)  # differentiable almost everywhere
F32 = torch.float32
EDGES = {
    "huge": torch.tensor([[1e30, -1e30, 3e29, 1e30], [-1e30, -1e30, -1e30, -2e30]]),
    "largest": torch.tensor([[torch.finfo(F32).max, torch.finfo(F32).min, 0.0, 1.0]]),
    "lowest": torch.full((1, 4), torch.finfo(F32).min),
    "tiny": torch.tensor([[1e-30, 2e-30, -1e-30, 0.0], [1e-42, 0.0, 0.0, 0.0]]),
    "zero": torch.zeros(2, 4),
    "negative zero": torch.full((1, 3), -0.0),
    "tied": torch.tensor([[2.0, 2.0, -1.0, 2.0]]),
    "one segment": torch.tensor([[-3.0], [0.0], [1e30]]),
}

scores_of = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-20, 20))
each_map = pytest.mark.parametrize("weigh", MAPS)


def nearest_on_simplex(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """By root finding: the projection is (z - tau)+ with the tau at which it sums to 1."""
    excess = lambda tau: np.maximum(scores - tau, 0).sum() - 1  # noqa: E731
    tau = brentq(excess, scores.min() - 1, scores.max(), xtol=1e-14, rtol=1e-14)
    return np.maximum(scores - tau, 0)


@settings(deadline=None, max_examples=60)
@given(scores_of)
def test_sparsemax_is_the_projection_onto_the_simplex(scores: NDArray[np.float64]) -> None:
    expected = np.stack([nearest_on_simplex(row) for row in scores])
    np.testing.assert_allclose(sparsemax(torch.from_numpy(scores)).numpy(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("weigh", "scores", "expected"),
    [
        (softmax, [0.0, math.log(3)], [0.25, 0.75]),
        (sparsemax, [0.3, 0.1], [0.6, 0.4]),  # two segments: (1 + z1 - z2) / 2, clipped
        (sparsemax, [5.0, 1.0], [1.0, 0.0]),
        (sparsemax, [0.2, 0.5, 0.3], [0.2, 0.5, 0.3]),  # already on the simplex
        (sparsemax, [1.0, 0.6, -0.4], [0.7, 0.3, 0.0]),
        (sparsemax, [1.0, 0.0], [1.0, 0.0]),  # the kink: a score that equals tau
        (spherical, [3.0, -4.0], [0.36, 0.64]),
        (spherical, [0.0, 0.0, -2.0], [0.0, 0.0, 1.0]),
        (one_hot, [1.0, 2.0, 2.0], [0.0, 1.0, 0.0]),
    ],
)
def test_closed_forms(weigh: Callable[[Tensor], Tensor], scores: list[float], expected: list[float]) -> None:
    weights = weigh(torch.tensor([scores], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([expected], dtype=torch.float64), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(scores=scores_of, seed=st.integers(0, 1000))
@pytest.mark.parametrize("weigh", MAPS)
def test_weights_are_a_distribution_and_follow_a_permutation(
    weigh: Callable[[Tensor], Tensor], scores: NDArray[np.float64], seed: int
) -> None:
    rows = torch.from_numpy(scores)
    weights = weigh(rows)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(rows), dtype=rows.dtype))
    torch.testing.assert_close(weights[:1], weigh(rows[:1]))  # rows are independent
    if weigh is one_hot and any(len(set(row.tolist())) < len(row) for row in rows):
        return  # the first of a tie depends on the order
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows.shape[1]))
    torch.testing.assert_close(weigh(rows[:, order]), weights[:, order])


@settings(deadline=None, max_examples=60)
@given(scores_of, st.floats(-50, 50))
def test_what_changes_nothing(scores: NDArray[np.float64], constant: float) -> None:
    """A constant added to every score, and for the spherical map a constant factor, of either sign."""
    rows = torch.from_numpy(scores)
    for weigh in (softmax, sparsemax):
        torch.testing.assert_close(weigh(rows + constant), weigh(rows), rtol=0, atol=1e-10)
    factor = math.copysign(max(abs(constant), 1e-3), constant)
    rows = torch.where(rows.abs() < 1e-100, 0, rows)  # whose product would vanish
    torch.testing.assert_close(spherical(factor * rows), spherical(rows), rtol=0, atol=1e-10)


def test_a_constant_changes_spherical_weights() -> None:
    rows = torch.tensor([[1.0, 2.0]])
    assert not torch.allclose(spherical(rows + 1), spherical(rows))


@each_map
@pytest.mark.parametrize("edge", EDGES)
def test_edge_cases_give_distributions_and_finite_gradients(
    weigh: Callable[[Tensor], Tensor], edge: str
) -> None:
    scores = EDGES[edge].clone().requires_grad_()
    weights = weigh(scores)
    assert weights.shape == scores.shape
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(scores)))
    if weigh is not one_hot and edge != "tiny":  # at 1e-42 the spherical map's slope is itself beyond float32
        (weights * torch.arange(scores.shape[1])).sum().backward()
        assert scores.grad is not None
        assert scores.grad.isfinite().all()


@each_map
def test_ties_and_zeros(weigh: Callable[[Tensor], Tensor]) -> None:
    equal = torch.zeros(1, 4)
    expected = torch.tensor([[1.0, 0, 0, 0]]) if weigh is one_hot else torch.full((1, 4), 0.25)
    assert torch.equal(weigh(equal), expected)
    tied = weigh(EDGES["huge"])[0]
    expected = torch.tensor([1.0, 0, 0, 0]) if weigh is one_hot else torch.tensor([0.5, 0, 0, 0.5])
    if weigh is not spherical:
        assert torch.equal(tied, expected)
    assert weigh(EDGES["one segment"]).eq(1).all()


def test_spherical_ignores_the_scale_where_squares_would_not_fit() -> None:
    for scale in (1e-30, 1.0, 1e30):
        weights = spherical(torch.tensor([[3.0, -4.0]]) * scale)
        torch.testing.assert_close(weights, torch.tensor([[0.36, 0.64]]))


@pytest.mark.parametrize("weigh", SMOOTH)
def test_gradients_are_those_of_finite_differences(weigh: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(5, 6, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(weigh, (scores,), eps=1e-7, atol=1e-6)


def test_sparsemax_jacobian() -> None:
    """[i = j] - 1/|S| on the support; at a kink the smaller support's; a tie is in as a whole."""
    jacobian = torch.autograd.functional.jacobian
    inside = torch.tensor([[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]])
    torch.testing.assert_close(jacobian(sparsemax, torch.tensor([1.0, 0.6, -0.4])), inside)
    assert jacobian(sparsemax, torch.tensor([1.0, 0.0])).eq(0).all()
    tied = torch.eye(3) - 1 / 3
    torch.testing.assert_close(jacobian(sparsemax, torch.tensor([7.0, 7.0, 7.0])), tied)


def test_all_zero_scores_have_no_spherical_gradient() -> None:
    scores = torch.zeros(1, 3, requires_grad=True)
    spherical(scores)[0, 0].backward()
    assert scores.grad is not None
    assert scores.grad.eq(0).all()


def test_average_is_the_weighted_sum_over_segments() -> None:
    weights, phi = torch.rand(2, 3), torch.randn(2, 3, 4, 5)
    looped = torch.stack(
        [sum(w * x for w, x in zip(*row, strict=True)) for row in zip(weights, phi, strict=True)]
    )
    torch.testing.assert_close(average(weights, phi), looped)


def test_entropy_of_the_softmax() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, math.log(3), -1e30, -1e30]], requires_grad=True)
    quarters = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    torch.testing.assert_close(softmax_entropy(scores), torch.tensor([math.log(4), quarters]))
    extremes = torch.cat((EDGES["huge"], EDGES["largest"])).requires_grad_()
    softmax_entropy(extremes).sum().backward()
    assert extremes.grad is not None
    assert extremes.grad.isfinite().all()


DEFAULTS = LossOptions()
SCORES = torch.tensor([[0.0, math.log(3)]])  # softmax: 1/4, 3/4
PHI = torch.tensor([[math.log(2), 0.0], [0.0, 0.0]])  # P(class 0) of the two segments: 2/3, 1/2
ENTROPY = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
MIXTURE = -math.log(2**0.25 / (2**0.25 + 1))  # logits 1/4 ln 2, 0


def loss_of(mechanism: Mechanism, options: LossOptions = DEFAULTS) -> float:
    focus_map = mechanism.focus_map
    weights, indices = focus_map.training_weights(SCORES), torch.tensor([[0, 1]])
    attended = Attended(SCORES, weights, PHI, indices, classify=lambda phi: phi)
    return focus_map.loss(attended, torch.tensor([0]), options).item()


def test_losses_by_hand() -> None:
    assert loss_of(Mechanism.SOFTMAX) == pytest.approx(MIXTURE)
    assert loss_of(Mechanism.SPARSEMAX) == pytest.approx(-math.log(1 / 2))  # all weight on the second
    assert loss_of(Mechanism.SPHERICAL) == pytest.approx(-math.log(1 / 2))
    added, shared = (LossOptions(0.1, term) for term in EntropyTerm)
    assert loss_of(Mechanism.ENTROPY, added) == pytest.approx(MIXTURE + 0.1 * ENTROPY)
    assert loss_of(Mechanism.ENTROPY, shared) == pytest.approx(0.9 * MIXTURE + 0.1 * ENTROPY)
    assert loss_of(Mechanism.ENTROPY, LossOptions(0.0)) == pytest.approx(MIXTURE)
    assert loss_of(Mechanism.HARD) == pytest.approx(-0.25 * math.log(2 / 3) - 0.75 * math.log(1 / 2))


def test_mechanisms_are_found_by_name_and_only_hard_trains_with_other_weights() -> None:
    assert [Mechanism(str(one)) for one in Mechanism] == list(Mechanism)
    maps = {one: one.focus_map for one in Mechanism}
    assert [name for name, one in maps.items() if one.training_weights is not one.weights] == ["hard"]
    with pytest.raises(ValueError, match="entmax"):
        Mechanism("entmax")


@pytest.mark.parametrize(("weight", "term"), [(-0.1, EntropyTerm.ADDED), (1.5, EntropyTerm.SHARED)])
def test_a_bad_entropy_weight_is_named(weight: float, term: EntropyTerm) -> None:
    with pytest.raises(ValueError, match="entropy_weight"):
        LossOptions(weight, term)
