"""Permutation impact: how far the answer moves when weights are shuffled (after Jain and Wallace 2019, section 4.2.1).

L elements, P permutations, C classes. A target's mean attention is shuffled over its elements, and everything behind
it computed again; or the fusion weights are shuffled over the targets, whose values stay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import factorial, sqrt

import numpy as np

from attendant.explainers.base import Deadline, Doubles, Explainable, Floats
from attendant.explainers.instance import choose_targets
from attendant.methods import Permutation, PermutationImpact, PermutationOptions
from attendant.statistics.divergences import total_variation
from attendant.statistics.intervals import student
from attendant.types import Modality

ENUMERATED = 5_040  # 7!: so many permutations are cheaper to go through than to explain a standard error
BLOCKS = 8  # a variance between fewer is not worth much
LARGEST_ERROR = 0.5  # the standard deviation of what lies in [0, 1] is at most that (Popoviciu 1935)
_ROWS = 1_000  # of weights at a time: 0.8 MB of 196 regions; the tolerance is looked at in between
_LOOK = 150  # permutations that are answered at a time, between which the deadline may come: up to 30 ms
_PLACES = (*Modality, None)  # each vector draws from a stream of its own, whatever else is asked for


def permutation(subject: Explainable, options: PermutationOptions, deadline: Deadline) -> Permutation:
    """The impact of each target asked for, then of the modality vector where the model weighs several targets.

    All L! permutations where there are at most `samples` or ENUMERATED of them. Else complete blocks of the L cyclic
    shifts of a random permutation (a Latin square: each weight is once with each element) where `samples` allows BLOCKS
    of them, `samples // L * L` permutations; else `samples` uniform permutations, identity allowed. The standard error
    is from the variance between independent blocks or permutations, the interval Student's t, clipped to [0, 1]. Of one
    permutation the error is unknown: LARGEST_ERROR and the interval (0, 1) are told.

    A tolerance is looked at every thousand permutations or so, from BLOCKS blocks on, and does not stop an enumeration.
    The deadline is looked at more often; each vector has some permutations. An enumeration that it cuts is a random
    sample.
    INVALID_INPUT for a target that the instance lacks.
    """
    targets = choose_targets(subject, options.targets, "options.permutation.targets")
    vectors = [_of_target(subject, target, options.samples) for target in targets]
    fusion = subject.fusion
    if options.modality and fusion is not None and len(fusion) > 1:
        vectors.append(_Vector(None, fusion, subject.fuse, options.modality_samples))
    impacts = tuple(_measure(subject, vector, options, deadline) for vector in vectors)
    return Permutation(impacts, options.seed)


@dataclass(frozen=True)
class _Vector:
    """What is shuffled, and what answers then."""

    target: Modality | None
    weights: Floats  # L
    answer: Callable[[Floats], Doubles]  # P x L to P x C
    samples: int

    @property
    def permutations(self) -> int:
        return factorial(len(self.weights))

    @property
    def exhaustive(self) -> bool:
        return self.permutations <= max(self.samples, ENUMERATED)

    @property
    def unit(self) -> int:
        """How many permutations are drawn as one, independently of the others."""
        length = len(self.weights)
        return length if not self.exhaustive and self.samples >= BLOCKS * length else 1

    @property
    def wanted(self) -> int:
        return self.permutations if self.exhaustive else self.samples // self.unit * self.unit


def _of_target(subject: Explainable, target: Modality, samples: int) -> _Vector:
    def answer(weights: Floats) -> Doubles:
        return subject.attend(target, weights)

    return _Vector(target, subject.attention(target), answer, samples)


def _measure(
    subject: Explainable, vector: _Vector, options: PermutationOptions, deadline: Deadline
) -> PermutationImpact:
    rng = np.random.default_rng((options.seed, _PLACES.index(vector.target)))
    chunks = _enumerate(vector, rng) if vector.exhaustive else _sample(vector, rng)
    own = subject.probabilities
    answers = np.empty((0, len(own)))
    precise = False
    for weights in chunks:
        answers = np.concatenate((answers, *_answer(vector, weights, deadline)))
        error = _standard_error(np.abs(answers[:, subject.tracked] - own[subject.tracked]), vector.unit)
        enough = not vector.exhaustive and len(answers) >= BLOCKS * vector.unit
        precise = enough and error < options.tolerance
        if precise or deadline.passed:
            break
    count = len(answers)
    changes = answers[:, subject.tracked] - own[subject.tracked]
    impact = float(np.abs(changes).mean())
    exhaustive = vector.exhaustive and count == vector.wanted
    error = 0.0 if exhaustive else error
    return PermutationImpact(
        target=vector.target,
        impact=impact,
        standard_error=error,
        interval=_interval(impact, error, count // vector.unit),
        signed_change=float(changes.mean()),
        flip_share=float((subject.decide(answers) != subject.decide(own[None])).mean()),
        median_total_variation=float(np.median(total_variation(answers, own))),
        samples=count,
        exhaustive=exhaustive,
        # The identity changes nothing, so the others' mean has the same sum.
        impact_without_identity=impact * count / (count - 1) if exhaustive and count > 1 else None,
        truncated=count < vector.wanted and not precise,
    )


def _answer(vector: _Vector, weights: Floats, deadline: Deadline) -> Iterator[Doubles]:
    """Some units at a time, at least one, until the deadline."""
    step = max(_LOOK // vector.unit, 1) * vector.unit
    for start in range(0, len(weights), step):
        yield vector.answer(weights[start : start + step])
        if deadline.passed:
            return


def _enumerate(vector: _Vector, rng: np.random.Generator) -> Iterator[Floats]:
    """Every permutation once, in random order."""
    order = rng.permutation(list(permutations(range(len(vector.weights)))))
    for start in range(0, len(order), _ROWS):
        yield vector.weights[order[start : start + _ROWS]]


def _sample(vector: _Vector, rng: np.random.Generator) -> Iterator[Floats]:
    """Random permutations, or blocks of all cyclic shifts of each; at least two units at a time where there are."""
    length = len(vector.weights)
    places = np.arange(length)
    shifts = (places + places[: vector.unit, None]) % length  # 1 or L x L
    units = vector.wanted // vector.unit
    step = max(_ROWS // vector.unit, 2)
    for start in range(0, units, step):
        rows = np.tile(vector.weights, (min(step, units - start), 1))
        shuffled = rng.permuted(rows, axis=1)
        yield shuffled[:, shifts].reshape(-1, length)


def _standard_error(distances: Doubles, unit: int) -> float:
    """Of the mean of P distances, of which each `unit` in a row were drawn together."""
    means = distances.reshape(-1, unit).mean(axis=1)
    return float(means.std(ddof=1)) / sqrt(len(means)) if len(means) > 1 else LARGEST_ERROR


def _interval(impact: float, error: float, units: int) -> tuple[float, float]:
    if units == 1 and error > 0:
        return 0.0, 1.0
    found = student(impact, error, max(units - 1, 1))
    return max(found.low, 0.0), min(found.high, 1.0)
