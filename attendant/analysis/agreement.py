"""Whether attention can be an explanation: Jain and Wallace's two questions (2019, "Attention is not Explanation").

Does attention put an instance's elements in the order that other measures of importance do (their section 4.1)? And
could it look quite different and the answer be the same (their section 4.2.2)?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from attendant.explainers.adversarial import adversarial
from attendant.explainers.base import Deadline, Explainable
from attendant.explainers.gradient import gradient
from attendant.explainers.instance import predict
from attendant.explainers.leave_one_out import leave_one_out
from attendant.methods import (
    EPSILON_WIDE,
    AdversarialAttention,
    AdversarialOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Method,
    RankedImportance,
)
from attendant.statistics.intervals import Estimate, mean, proportion
from attendant.types import Modality

SIGNIFICANT = 0.05  # the p-value below which Jain and Wallace count an agreement as significant
EVERYTHING = "all"  # the group of all instances


@dataclass(frozen=True)
class Published:
    """Mean tau of attention over words with two measures, on a data set of Jain and Wallace's.

    SST and IMDB are film reviews, ADR tweets about adverse drug reactions.
    """

    data: str
    gradient: float
    leave_one_out: float


PUBLISHED = (
    Published("SST", 0.40, 0.34),
    Published("IMDB", 0.37, 0.30),
    Published("ADR tweets", 0.45, 0.29),
)


@dataclass(frozen=True)
class Examined:
    """One target of one instance that has several elements of it. `adversary` is None where none was looked for."""

    label: str  # the predicted class
    max_weight: float
    gradient: RankedImportance
    leave_one_out: RankedImportance
    adversary: AdversarialAttention | None


@dataclass(frozen=True)
class Taus:
    """Kendall's tau-b of attention with a method's scores, over the `n` instances of a group where it is defined.

    `tau` is the mean, None of none; `significant` the share with p < SIGNIFICANT; `undefined` instances have all equal.
    """

    method: Method
    group: str  # EVERYTHING, or a class that was predicted for some
    n: int
    undefined: int
    tau: Estimate | None
    significant: Estimate


@dataclass(frozen=True)
class Divergences:
    """Epsilon-max JSD over n instances, nats in [0, ln 2]: mean and quartiles where an adversary is feasible.

    `infeasible` is the share where none is; where it is 1 the others are None.
    """

    epsilon: float
    n: int
    infeasible: Estimate
    mean: Estimate | None
    quartiles: tuple[float, float, float] | None


@dataclass(frozen=True)
class Agreement:
    """Of one target over `n` instances; `skipped` more have one element of it. No divergences were asked for: none."""

    target: Modality
    n: int
    skipped: int
    taus: tuple[Taus, ...]
    divergences: tuple[Divergences, ...]


def examine(subject: Explainable, adversaries: AdversarialOptions | None) -> dict[Modality, Examined]:
    """Every target of more than one element; adversaries are looked for where there are options for them."""
    by_gradient = gradient(subject, GradientOptions()).importances
    by_distance = leave_one_out(subject, LeaveOneOutOptions(), Deadline()).importances
    attacks = {}
    if adversaries is not None:
        attacks = {one.target: one for one in adversarial(subject, adversaries, Deadline()).attentions}
    label = subject.classes[predict(subject)]
    return {
        first.target: Examined(
            label, float(subject.attention(first.target).max()), first, second, attacks.get(first.target)
        )
        for first, second in zip(by_gradient, by_distance, strict=True)
        if len(first.scores) > 1
    }


def summarise(target: Modality, found: Sequence[Examined], skipped: int, epsilon: float) -> Agreement:
    """Over N >= 1 instances; `epsilon` is what their adversaries had to keep to."""
    labels = sorted({one.label for one in found})
    groups = {EVERYTHING: found, **{label: [one for one in found if one.label == label] for label in labels}}
    taus = []
    for group, members in groups.items():
        taus.append(_taus(Method.GRADIENT, group, [one.gradient for one in members]))
        taus.append(_taus(Method.LEAVE_ONE_OUT, group, [one.leave_one_out for one in members]))
    adversaries = [one.adversary for one in found if one.adversary is not None]
    divergences: tuple[Divergences, ...] = ()
    if adversaries:
        divergences = (
            _divergences(epsilon, adversaries, lambda one: one.max_jensen_shannon),
            _divergences(EPSILON_WIDE, adversaries, lambda one: one.max_jensen_shannon_wide),
        )
    return Agreement(target, len(found), skipped, tuple(taus), divergences)


def _taus(method: Method, group: str, importances: Sequence[RankedImportance]) -> Taus:
    taus = [one.kendall_tau for one in importances if one.kendall_tau is not None]
    significant = sum(one.p_value is not None and one.p_value < SIGNIFICANT for one in importances)
    return Taus(
        method,
        group,
        len(taus),
        len(importances) - len(taus),
        mean(taus) if taus else None,
        proportion(significant, len(taus)),
    )


def _divergences(
    epsilon: float,
    adversaries: Sequence[AdversarialAttention],
    read: Callable[[AdversarialAttention], float | None],
) -> Divergences:
    values = [value for value in map(read, adversaries) if value is not None]
    infeasible = proportion(len(adversaries) - len(values), len(adversaries))
    if not values:
        return Divergences(epsilon, len(adversaries), infeasible, None, None)
    low, middle, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Divergences(epsilon, len(adversaries), infeasible, mean(values), (low, middle, high))
