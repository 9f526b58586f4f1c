"""Attention as different as possible that gives the same answer (Jain and Wallace 2019, "Attention is not
Explanation", section 4.2.2).

K adversaries, L elements of a target, C classes, T targets. Every target is attacked at once: their elements stand
side by side, N of all targets together, so that a step is a few calls of numpy whatever T and K are.
"""

from collections.abc import Callable, Sequence

import numpy as np

from attendant.explainers.base import Deadline, Doubles, Explainable, Floats
from attendant.explainers.instance import choose_targets
from attendant.methods import EPSILON_WIDE, Adversarial, AdversarialAttention, AdversarialOptions, Diversity
from attendant.statistics.divergences import pairwise_jensen_shannon, total_variation
from attendant.types import Modality

PENALTY = 500.0  # of each unit by which an adversary moves the answer beyond epsilon
SPREAD = 3.0  # standard deviation of the first logits
RATE = 0.01
DECAYS = 0.9, 0.999  # of Adam's two moments
TINY = 1e-8  # Adam's
_PLACES = tuple(Modality)  # each target draws from a stream of its own, whatever else is asked for

Step = Callable[[Doubles], Doubles]


def adversarial(subject: Explainable, options: AdversarialOptions, deadline: Deadline) -> Adversarial:
    """The adversaries of each target after the last step, the furthest of those that keep to epsilon.

    Where the deadline comes first, they are reported as they are then; there is at least one step. Attention over one
    element cannot differ: its divergence is 0. Raises INVALID_INPUT for a target that the instance lacks.
    """
    targets = choose_targets(subject, options.targets, "options.adversarial.targets")
    several = [target for target in targets if len(subject.attention(target)) > 1]
    found: dict[Modality, Floats] = {}
    truncated = False
    if several:
        attack = Attack(subject, several, options)
        logits, truncated = descend(attack.gradient, attack.start(), options.steps, deadline)
        found = attack.split(attack.weigh(logits))
    return Adversarial(
        tuple(
            _furthest(subject, target, found[target], options, truncated=truncated)
            if target in found
            else _only(subject, target, options)
            for target in targets
        ),
        options.seed,
    )


class Attack:
    """The loss of K adversaries a target: sum_k [-JSD(alpha_k, alpha) + 500 relu(d_k - epsilon)] - diversity.

    d_k is the total variation distance of the class distribution from the answer's. Targets share nothing but the
    arrays, which are K x N. Adversaries are float64: their logits stay far from where exp would overflow.
    """

    def __init__(
        self, subject: Explainable, targets: Sequence[Modality], options: AdversarialOptions
    ) -> None:
        attentions = [subject.attention(target) for target in targets]
        lengths = [len(attention) for attention in attentions]
        self._subject = subject
        self._options = options
        self._starts = np.cumsum([0, *lengths[:-1]])
        self._owners = np.repeat(np.arange(len(targets)), lengths)  # of each of N columns
        self._spans = {
            target: slice(start, start + length)
            for target, start, length in zip(targets, self._starts.tolist(), lengths, strict=True)
        }
        self._original = np.concatenate(attentions).astype(np.float64)  # N
        self._answer = subject.probabilities  # C
        self._diversity = _share(options.diversity, options.adversaries)

    def start(self) -> Doubles:
        """The first logits: log(1/L) + 3 N(0, 1), of a stream for each target."""
        logits = []
        for target, span in self._spans.items():
            generator = np.random.default_rng([self._options.seed, _PLACES.index(target)])
            length = span.stop - span.start
            logits.append(generator.normal(-np.log(length), SPREAD, (self._options.adversaries, length)))
        return np.concatenate(logits, axis=1)

    def weigh(self, logits: Doubles) -> Doubles:
        """Each target's softmax."""
        exponentials = np.exp(logits)
        weights: Doubles = exponentials / self._sum(exponentials)
        return weights

    def split(self, weights: Doubles) -> dict[Modality, Floats]:
        """K x L a target."""
        rounded = weights.astype(np.float32)
        return {target: rounded[:, span] for target, span in self._spans.items()}

    def gradient(self, logits: Doubles) -> Doubles:
        """Of the loss by the logits."""
        weights = self.weigh(logits)
        moved = weights * (self._hold(weights) - self._part(weights))
        moved -= weights * self._sum(moved)  # back through the softmax
        return moved

    def _sum(self, values: Doubles) -> Doubles:
        """In each of N columns, the sum over its target's."""
        sums: Doubles = np.add.reduceat(values, self._starts, axis=1).take(self._owners, axis=1)
        return sums

    def _part(self, weights: Doubles) -> Doubles:
        """The gradient of the divergences by the weights: dJSD(a, b)/da = ln(2a / (a + b)) / 2."""
        own = np.log(2 * weights)
        pairs = np.log(weights[:, None] + weights)  # K x K x N; a pair of one with itself adds 0 below
        gradient: Doubles = own - np.log(weights + self._original)
        gradient += self._diversity * (len(weights) * own - pairs.sum(axis=1))
        return gradient / 2

    def _hold(self, weights: Doubles) -> Doubles:
        """The gradient of the penalty by the weights."""
        answers, pull = self._subject.pull(self.split(weights))
        stacked = np.stack([answers[target] for target in self._spans])  # T x K x C
        beyond = total_variation(stacked, self._answer) > self._options.epsilon
        by_answers = PENALTY / 2 * np.sign(stacked - self._answer) * beyond[..., None]
        pulled = pull(dict(zip(self._spans, by_answers, strict=True)))
        return np.concatenate([pulled[target] for target in self._spans], axis=1, dtype=np.float64)


def descend(gradient: Step, start: Doubles, steps: int, deadline: Deadline) -> tuple[Doubles, bool]:
    """Adam with amsgrad (Reddi et al. 2018, as in torch) from `start`, and whether the deadline stopped it."""
    point = start.copy()
    first, second, largest = (np.zeros_like(point) for _ in range(3))
    for step in range(1, steps + 1):
        slope = gradient(point)
        first += (1 - DECAYS[0]) * (slope - first)
        second += (1 - DECAYS[1]) * (slope * slope - second)
        np.maximum(largest, second, out=largest)
        scale = np.sqrt(largest / (1 - DECAYS[1] ** step)) + TINY
        point -= RATE / (1 - DECAYS[0] ** step) * first / scale
        if step < steps and deadline.passed:
            return point, True
    return point, False


def _share(diversity: Diversity, adversaries: int) -> float:
    """What the divergence of one unordered pair of adversaries counts in the diversity."""
    if diversity is Diversity.RELEASED_CODE:
        return 2 / adversaries**2
    return 1 / (adversaries * (adversaries - 1)) if adversaries > 1 else 0.0


def _furthest(
    subject: Explainable, target: Modality, weights: Floats, options: AdversarialOptions, *, truncated: bool
) -> AdversarialAttention:
    """Measured on the rounded weights that are returned, K x L, so that they really keep to epsilon."""
    changes = total_variation(subject.attend(target, weights), subject.probabilities)
    divergences = pairwise_jensen_shannon(weights, subject.attention(target))
    feasible, wide = changes <= options.epsilon, changes <= EPSILON_WIDE
    best = int(np.where(feasible, divergences, -1).argmax())
    met = bool(feasible[best])
    return AdversarialAttention(
        target=target,
        max_jensen_shannon=float(divergences[best]) if met else None,
        weights=weights[best].copy() if met else np.zeros(0, dtype=np.float32),
        change=float(changes[best]) if met else 0.0,
        feasible=int(feasible.sum()),
        adversaries=options.adversaries,
        max_jensen_shannon_wide=float(divergences[wide].max()) if wide.any() else None,
        truncated=truncated,
    )


def _only(subject: Explainable, target: Modality, options: AdversarialOptions) -> AdversarialAttention:
    """Of one element."""
    return AdversarialAttention(
        target=target,
        max_jensen_shannon=0.0,
        weights=subject.attention(target).copy(),
        change=0.0,
        feasible=options.adversaries,
        adversaries=options.adversaries,
        max_jensen_shannon_wide=0.0,
    )
