"""Whether rankings of an instance's elements are faithful to the model.

The elements that a ranking puts first are deleted, or they alone are kept, and the model answers anew: a faithful
ranking's deletions take the probability of the predicted class away (comprehensiveness), and what it keeps holds it
(sufficiency). Measures are ERASER's (DeYoung et al. 2020). This is about the input; `explainers.erasure` is about the
attention alone.

L elements of a target; R rankings, in the order of `Ranking`; S shares, those of `methods.SHARES`; N instances.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from attendant.explainers.base import Deadline, Doubles, Explainable, Floats
from attendant.explainers.gradient import gradient
from attendant.explainers.instance import predict, unchanged
from attendant.explainers.leave_one_out import leave_one_out
from attendant.methods import GradientOptions, LeaveOneOutOptions, share_counts
from attendant.statistics.divergences import total_variation
from attendant.statistics.intervals import Estimate, mean
from attendant.statistics.ranks import kendall
from attendant.types import Modality


class Ranking(StrEnum):
    """What elements are put in order by, the highest first; of equal ones, the first in the input."""

    ATTENTION = "attention"
    GRADIENT = "gradient"
    LEAVE_ONE_OUT = "leave_one_out"
    PERMUTATION = "permutation"  # `swap_scores`
    RANDOM = "random"


@dataclass(frozen=True)
class Deletions:
    """One target of one instance: falls of the predicted class's probability, R x S in [-1, 1].

    `comprehensiveness`: p - p(without a ranking's first); `sufficiency`: p - p(with them alone). `agreement`, R x R:
    Kendall's tau-b of each two rankings, NaN where it is undefined.
    """

    comprehensiveness: Doubles
    sufficiency: Doubles
    agreement: Doubles


@dataclass(frozen=True)
class Falls:
    """Means over instances, with their intervals: at each of SHARES, and of the mean over the shares (`area`).

    `over_random`: the area less that of a random order, instance by instance.
    """

    shares: tuple[Estimate, ...]
    area: Estimate
    over_random: Estimate


@dataclass(frozen=True)
class Curves:
    """High comprehensiveness and low sufficiency speak for a ranking."""

    ranking: Ranking
    comprehensiveness: Falls
    sufficiency: Falls


@dataclass(frozen=True)
class Pair:
    """Mean tau-b of two rankings over `n` instances where it is defined; None where there is none."""

    first: Ranking
    second: Ranking
    tau: Estimate | None
    n: int


@dataclass(frozen=True)
class Faithfulness:
    """Of one target over `n` instances; `skipped` more have one element of it, which has no order."""

    target: Modality
    n: int
    skipped: int
    curves: tuple[Curves, ...]
    pairs: tuple[Pair, ...]

    @property
    def agreement(self) -> Doubles:
        """Mean tau-b, R x R with ones on the diagonal; NaN where it is undefined."""
        places = {ranking: place for place, ranking in enumerate(Ranking)}
        matrix = np.eye(len(places))
        for pair in self.pairs:
            cell = places[pair.first], places[pair.second]
            matrix[cell] = matrix[cell[::-1]] = np.nan if pair.tau is None else pair.tau.value
        return matrix


def swap_scores(subject: Explainable, target: Modality) -> Doubles:
    """How much it matters that an element has its own weight of attention: L scores in [0, 1].

    The mean, over the target's other elements, of the total variation distance by which the answer moves when the two
    swap their weights. All L (L - 1) / 2 swaps are tried. ValueError for one element.
    """
    weights = subject.attention(target)
    length = len(weights)
    if length < 2:
        raise ValueError("one element has no other to swap its weight with")
    first, second = np.triu_indices(length, 1)
    rows = np.tile(weights, (len(first), 1))
    swaps = np.arange(len(rows))
    rows[swaps, first], rows[swaps, second] = weights[second], weights[first]
    moved = total_variation(subject.attend(target, rows), subject.probabilities)
    sums = np.bincount(first, moved, length) + np.bincount(second, moved, length)
    scores: Doubles = sums / (length - 1)
    return scores


def measure(subject: Explainable, generator: np.random.Generator) -> dict[Modality, Deletions]:
    """Every target of more than one element; the random order is the generator's."""
    gradients = gradient(subject, GradientOptions()).importances
    distances = leave_one_out(subject, LeaveOneOutOptions(), Deadline()).importances
    found = {}
    for by_gradient, by_distance in zip(gradients, distances, strict=True):
        target, length = by_gradient.target, len(by_gradient.scores)
        if length < 2:
            continue
        scores: dict[Ranking, Floats | Doubles] = {
            Ranking.ATTENTION: subject.attention(target),
            Ranking.GRADIENT: by_gradient.scores,
            Ranking.LEAVE_ONE_OUT: by_distance.scores,
            Ranking.PERMUTATION: swap_scores(subject, target),
            Ranking.RANDOM: generator.random(length),
        }
        found[target] = delete(
            subject, target, np.array([scores[ranking] for ranking in Ranking], np.float64)
        )
    return found


def delete(subject: Explainable, target: Modality, scores: Doubles) -> Deletions:
    """Deletes by each of R rankings, whose scores are R x L with L > 1. What is left keeps its order.

    At a share the first ceil(share L) go, or stay: at least one, and at most L - 1.
    """
    tables, own = unchanged(subject)
    counts = list(share_counts(scores.shape[1]))
    variants = [own]
    for order in np.argsort(-scores, axis=1, kind="stable"):
        for count in counts:
            variants.append({**own, target: np.sort(order[count:])})
            variants.append({**own, target: np.sort(order[:count])})
    answers = subject.answer(tables, variants)[:, predict(subject)]
    falls = (answers[0] - answers[1:]).reshape(len(scores), len(counts), 2)
    return Deletions(falls[..., 0], falls[..., 1], _agreement(scores))


def summarise(target: Modality, found: Sequence[Deletions], skipped: int) -> Faithfulness:
    """Over N >= 1 instances."""
    comprehensiveness = np.stack([one.comprehensiveness for one in found])  # N x R x S
    sufficiency = np.stack([one.sufficiency for one in found])
    agreement = np.stack([one.agreement for one in found])  # N x R x R
    random = list(Ranking).index(Ranking.RANDOM)
    curves = [
        Curves(
            ranking,
            _falls(comprehensiveness[:, place], comprehensiveness[:, random]),
            _falls(sufficiency[:, place], sufficiency[:, random]),
        )
        for place, ranking in enumerate(Ranking)
    ]
    pairs = [
        _pair(first, second, agreement[:, i, j])
        for (i, first), (j, second) in combinations(enumerate(Ranking), 2)
    ]
    return Faithfulness(target, len(found), skipped, tuple(curves), tuple(pairs))


def _agreement(scores: Doubles) -> Doubles:
    matrix = np.eye(len(scores))
    for i, j in combinations(range(len(scores)), 2):
        found = kendall(scores[i], scores[j])
        matrix[i, j] = matrix[j, i] = np.nan if found is None else found.tau
    return matrix


def _falls(falls: Doubles, random: Doubles) -> Falls:
    """Of N x S."""
    areas = falls.mean(axis=1)
    return Falls(tuple(mean(share) for share in falls.T), mean(areas), mean(areas - random.mean(axis=1)))


def _pair(first: Ranking, second: Ranking, taus: NDArray[np.float64]) -> Pair:
    defined = taus[np.isfinite(taus)]
    return Pair(first, second, mean(defined) if defined.size else None, len(defined))
