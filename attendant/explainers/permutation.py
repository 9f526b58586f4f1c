"""Permutation impact: how far the answer moves when weights are shuffled (after Jain and Wallace 2019, section 4.2.1).

L elements, P permutations, C classes. A target's mean attention is shuffled over its elements, and everything behind
it computed again; or the fusion weights are shuffled over the targets, whose values stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations
from math import factorial, sqrt

import numpy as np

from attendant.explainers.base import Deadline, Doubles, Explainable, Floats, Indices
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
    vectors = [_Vector(target, subject.attention(target), options.samples) for target in targets]
    fusion = subject.fusion
    if options.modality and fusion is not None and len(fusion) > 1:
        vectors.append(_Vector(None, fusion, options.modality_samples))
    portions = [_portions(vector, options.seed) for vector in vectors]
    first = subject.attend_each({vector.target: next(portions[i]) for i, vector in enumerate(vectors)})
    answered = [
        _answer(subject, vector, first[vector.target], rest, options.tolerance, deadline)
        for vector, rest in zip(vectors, portions, strict=True)
    ]
    return Permutation(tuple(_measure(subject, vectors, answered)), options.seed)


@dataclass(frozen=True)
class _Vector:
    """What is shuffled: a target's attention, or without one the fusion weights."""

    target: Modality | None
    weights: Floats  # L
    samples: int

    @cached_property
    def permutations(self) -> int:
        return factorial(len(self.weights))

    @cached_property
    def exhaustive(self) -> bool:
        return self.permutations <= max(self.samples, ENUMERATED)

    @cached_property
    def unit(self) -> int:
        """How many permutations are drawn as one, independently of the others."""
        length = len(self.weights)
        return length if not self.exhaustive and self.samples >= BLOCKS * length else 1

    @cached_property
    def drawn(self) -> int:
        """How many are drawn at a time: whole units, at least two."""
        return max(_ROWS // self.unit, 2) * self.unit

    @cached_property
    def wanted(self) -> int:
        return self.permutations if self.exhaustive else self.samples // self.unit * self.unit


def _answer(
    subject: Explainable,
    vector: _Vector,
    first: Doubles,
    portions: Iterator[Floats],
    tolerance: float,
    deadline: Deadline,
) -> tuple[list[Doubles], bool]:
    """Answers P x C, of which the first are there, and whether they are as precise as is asked for."""
    answers, count, precise = [first], len(first), False
    while count < vector.wanted:
        late = deadline.passed
        if late or count % vector.drawn == 0:
            enough = not vector.exhaustive and count >= BLOCKS * vector.unit
            precise = enough and _error_of(subject, answers, vector.unit) < tolerance
            if late or precise:
                break
        answers.append(subject.attend_each({vector.target: next(portions)})[vector.target])
        count += len(answers[-1])
    return answers, precise


def _measure(
    subject: Explainable, vectors: Sequence[_Vector], answered: Sequence[tuple[list[Doubles], bool]]
) -> Iterator[PermutationImpact]:
    own, tracked = subject.probabilities, subject.tracked
    answers = np.concatenate([part for parts, _ in answered for part in parts])
    changes = answers[:, tracked] - own[tracked]
    distances = np.abs(changes)
    flips = subject.decide(answers) != subject.decide(own[None])
    variations = total_variation(answers, own)
    end = 0
    for vector, (parts, precise) in zip(vectors, answered, strict=True):
        count = sum(map(len, parts))
        start, end = end, end + count
        rows = slice(start, end)
        impact = float(distances[rows].sum()) / count
        exhaustive = vector.exhaustive and count == vector.wanted
        error = 0.0 if exhaustive else _standard_error(distances[rows], vector.unit)
        yield PermutationImpact(
            target=vector.target,
            impact=impact,
            standard_error=error,
            interval=_interval(impact, error, count // vector.unit),
            signed_change=float(changes[rows].sum()) / count,
            flip_share=float(flips[rows].sum()) / count,
            median_total_variation=_median(variations[rows]),
            samples=count,
            exhaustive=exhaustive,
            # The identity changes nothing, so the others' mean has the same sum.
            impact_without_identity=impact * count / (count - 1) if exhaustive and count > 1 else None,
            truncated=count < vector.wanted and not precise,
        )


def _portions(vector: _Vector, seed: int) -> Iterator[Floats]:
    """Some units at a time, at least one, P x L."""
    source = (seed, _PLACES.index(vector.target))
    step = max(_LOOK // vector.unit, 1) * vector.unit
    for rows in _enumerate(vector, source) if vector.exhaustive else _sample(vector, source):
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def _enumerate(vector: _Vector, source: tuple[int, int]) -> Iterator[Floats]:
    """Every permutation once, in random order where not all are answered at once."""
    orders = _orders(len(vector.weights))
    if len(orders) > _LOOK:
        orders = np.random.default_rng(source).permutation(orders)
    for start in range(0, len(orders), vector.drawn):
        yield vector.weights[orders[start : start + vector.drawn]]


@cache
def _orders(length: int) -> Indices:
    """All permutations of so many places."""
    return np.array(list(permutations(range(length))))


def _sample(vector: _Vector, source: tuple[int, int]) -> Iterator[Floats]:
    """Random permutations, or blocks of all cyclic shifts of each."""
    rng = np.random.default_rng(source)
    length = len(vector.weights)
    for start in range(0, vector.wanted, vector.drawn):
        units = min(vector.drawn, vector.wanted - start) // vector.unit
        rows = rng.permuted(np.repeat(vector.weights[None], units, axis=0), axis=1)
        yield rows if vector.unit == 1 else rows[:, _shifts(length)].reshape(-1, length)


@cache
def _shifts(length: int) -> Indices:
    """All cyclic shifts of so many places, L x L."""
    places = np.arange(length)
    return (places + places[:, None]) % length


def _error_of(subject: Explainable, answers: Sequence[Doubles], unit: int) -> float:
    distances = np.abs(np.concatenate(answers) - subject.probabilities)
    return _standard_error(distances[:, subject.tracked], unit)


def _standard_error(distances: Doubles, unit: int) -> float:
    """Of the mean of P distances, of which each `unit` in a row were drawn together."""
    means = distances.reshape(-1, unit).sum(axis=1) / unit
    count = len(means)
    if count == 1:
        return LARGEST_ERROR
    squares = np.square(means - means.sum() / count).sum()
    return sqrt(float(squares) / (count - 1) / count)


def _median(values: Doubles) -> float:
    """For few values np.median takes ten times as long."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _interval(impact: float, error: float, units: int) -> tuple[float, float]:
    if units == 1 and error > 0:
        return 0.0, 1.0
    found = student(impact, error, max(units - 1, 1))
    return max(found.low, 0.0), min(found.high, 1.0)
