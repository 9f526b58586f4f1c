"""From the scores of m segments to attention weights, and the loss that each such map is trained with.

B mosaics of m segments, k classes; phi as in `fcam`. Scores are finite, float32 or wider; weights are never negative
and sum to 1. To add a mechanism: its map, and a line of `Mechanism`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

Map = Callable[[Tensor], Tensor]  # scores B x m to weights B x m


class EntropyTerm(StrEnum):
    """How the entropy enters the loss, at a weight w."""

    ADDED = "added"  # the paper's: CE + w Ent
    SHARED = "shared"  # the released code's: (1 - w) CE + w Ent


@dataclass(frozen=True)
class LossOptions:
    """Read by losses with an entropy, which is in nats. The authors tried weights of 0.001 to 0.05."""

    entropy_weight: float = 0.005
    entropy_term: EntropyTerm = EntropyTerm.ADDED

    def __post_init__(self) -> None:
        if self.entropy_weight < 0:
            raise ValueError(f"entropy_weight must not be negative, but it is {self.entropy_weight}")
        if self.entropy_term is EntropyTerm.SHARED and self.entropy_weight > 1:
            raise ValueError(f"entropy_weight is a share, at most 1, not {self.entropy_weight}")


@dataclass(frozen=True)
class Attended:
    """What a loss is formed from: N elements, of which mosaics are made. `classify` is g: N x ... to logits N x k."""

    scores: Tensor  # B x m
    weights: Tensor  # those to train with, B x m
    elements: Tensor  # phi, N x ...
    indices: Tensor  # of the mosaics' segments in it, B x m
    classify: Map


Loss = Callable[[Attended, Tensor, LossOptions], Tensor]  # with the targets, int64, B: the mean of B losses


def softmax(scores: Tensor) -> Tensor:
    return scores.softmax(dim=-1)


def sparsemax(scores: Tensor) -> Tensor:
    """The nearest point of the simplex (Martins and Astudillo 2016): what exceeds a threshold tau, and 0 elsewhere.

    Its gradient is exact: on the support S, dweight_i/dscore_j = [i = j] - 1/|S|. At a kink, where a score equals
    tau, it is that of the smaller support.
    """
    # The shift changes no weight; without it 1e30 - 1 would be 1e30
    shifted = scores - scores.detach().amax(dim=-1, keepdim=True)
    with torch.no_grad():
        ordered = shifted.sort(dim=-1, descending=True).values
        rank = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
        size = (1 + rank * ordered > ordered.cumsum(dim=-1)).sum(dim=-1, keepdim=True)
        support = shifted >= ordered.gather(-1, size - 1)  # a tie is in or out as a whole
    tau = (shifted.where(support, 0).sum(dim=-1, keepdim=True) - 1) / support.sum(dim=-1, keepdim=True)
    return (shifted - tau).where(support, 0).clamp(min=0)  # clamped: rounding


def spherical(scores: Tensor) -> Tensor:
    """z_i^2 / sum z^2. All-zero scores have equal weights and no gradient."""
    # The scale changes no weight; without it squares would over- or underflow
    scale = scores.detach().abs().amax(dim=-1, keepdim=True)
    nothing = scale == 0
    squares = (scores / scale.where(~nothing, 1)).square()
    total = squares.sum(dim=-1, keepdim=True).where(~nothing, 1)
    return (squares / total).where(~nothing, 1 / scores.shape[-1])


def one_hot(scores: Tensor) -> Tensor:
    """All weight on the largest score, the first of a tie. No gradient."""
    return functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).to(scores.dtype)


def average(weights: Tensor, phi: Tensor) -> Tensor:
    """sum_j weights_j phi_j: B x m with B x m x ... gives B x ..."""
    flat = (weights.unsqueeze(-2) @ phi.flatten(2)).squeeze(-2)
    return flat.reshape(-1, *phi.shape[2:])


def softmax_entropy(scores: Tensor) -> Tensor:
    """Entropy of the softmax over the last axis, in nats; finite, and so is its gradient, where weights are 0."""
    logs = scores.log_softmax(dim=-1).clamp(min=torch.finfo(scores.dtype).min)
    return -(logs.exp() * logs).sum(dim=-1)


def mixture_loss(attended: Attended, targets: Tensor, _: LossOptions) -> Tensor:
    """CE(g(sum_j alpha_j phi_j), y)."""
    logits = attended.classify(average(attended.weights, attended.elements[attended.indices]))
    return functional.cross_entropy(logits, targets)


def entropy_loss(attended: Attended, targets: Tensor, options: LossOptions) -> Tensor:
    """`mixture_loss` and the entropy of softmax weights, together as the options say."""
    weight = options.entropy_weight
    share = 1 - weight if options.entropy_term is EntropyTerm.SHARED else 1.0
    return share * mixture_loss(attended, targets, options) + weight * softmax_entropy(attended.scores).mean()


def expected_loss(attended: Attended, targets: Tensor, _: LossOptions) -> Tensor:
    """sum_j alpha_j CE(g(phi_j), y): the expected loss of attending to one segment drawn from the weights.

    g runs once an element, however many mosaics it is in.
    """
    logs = attended.classify(attended.elements).log_softmax(dim=-1)  # N x k
    losses = -logs[attended.indices, targets.unsqueeze(1)]  # B x m
    return (attended.weights * losses).sum(dim=1).mean()


@dataclass(frozen=True)
class FocusMap:
    """What a mechanism does: the weights of an answer, those of training where they are others, and the loss."""

    weights: Map
    says: str  # in a few words, for people
    surrogate: Map | None = None
    loss: Loss = mixture_loss

    @property
    def training_weights(self) -> Map:
        return self.surrogate or self.weights


class Mechanism(StrEnum):
    """How segments are attended to: its name, and what it does."""

    focus_map: FocusMap

    def __new__(cls, name: str, focus_map: FocusMap) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.focus_map = focus_map
        return member

    SOFTMAX = "softmax", FocusMap(softmax, "every segment has some weight")
    ENTROPY = "entropy", FocusMap(softmax, "softmax, trained with its entropy as a cost", loss=entropy_loss)
    SPARSEMAX = "sparsemax", FocusMap(sparsemax, "the scores' projection on the simplex: some weights are 0")
    SPHERICAL = "spherical", FocusMap(spherical, "shares of the squared scores")
    HARD = "hard", FocusMap(one_hot, "one segment alone has all the weight", softmax, expected_loss)
