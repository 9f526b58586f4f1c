"""Which modality's gradients depend on which other one, and on which of its elements (spec: cross-modal gradient
probing; after the gradient experiments of "Towards more explainable multimodal machine learning").

A *group* is one modality, or image and attributes together. L elements of a group, of several widths where it has
several members; B variants; C classes; D numbers in a group's elements.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.explainers.base import (
    Deadline,
    Doubles,
    Elements,
    Explainable,
    Floats,
    Indices,
    Late,
    Tables,
)
from attendant.explainers.instance import predict
from attendant.methods import CrossModal, CrossModalOptions, CrossModalProbe, JointMask, Masking
from attendant.statistics.similarities import correlation, cosine, length
from attendant.types import MODALITIES, Modality

Bools = NDArray[np.bool_]
Groups = Mapping[Modality, tuple[Modality, ...]]
"""The members of each group."""

UNCHANGED = 0.1  # norms that change by no more, and the same class: what was masked does not contribute
SIMILAR = 0.9  # what confirms elements, where it is also more than by chance and than with no mask
PERCENTILE = 95  # of the random masks' similarities
ROUNDING = 1e-6  # of cosines of float32 gradients: similarities within it are the same
SHARE = 10  # the important elements are a tenth
NOTHING = -1  # the row of what is dropped
_ROOM = 80  # elements in a sequence, of all variants at a time: 15 to 50 ms; the longest tweet is a call a variant


def cross_modal(subject: Explainable, options: CrossModalOptions, deadline: Deadline) -> CrossModal:
    """A probe for each ordered pair of groups, by target; none where there is one group.

    Of three groups also, for each, what masking both others does. Where the deadline comes first, what there is of the
    targets that were done.
    """
    groups = group(subject.targets, visual=options.visual_group)
    probes: list[CrossModalProbe] = []
    joint: list[JointMask] = []
    truncated = False
    if len(groups) > 1:
        try:
            probing = _Probing(subject, groups, options, deadline)
            joint += probing.mask_jointly()
            for target in groups:
                probes += probing.probe(target)
        except Late:
            truncated = True
    return CrossModal(tuple(probes), tuple(joint), options.seed, truncated)


def group(targets: Sequence[Modality], *, visual: bool) -> Groups:
    """Each target by itself; or image and attribute as one, where both are there."""
    seen = (Modality.IMAGE, Modality.ATTRIBUTE)
    if not (visual and set(seen) <= set(targets)):
        return {target: (target,) for target in targets}
    return {target: (target,) for target in targets if target not in seen} | {Modality.VISUAL: seen}


class Masks:
    """An instance's elements and what stands in for them: variants are rows of `tables`.

    `mean` is zeros, and `noise` as large as all of the target's numbers vary, where the model does not tell what is
    typical. Noise and order are drawn once an element, of a stream for each target, so that what a mask does to an
    element does not depend on which others it hides.
    """

    def __init__(self, subject: Explainable, groups: Groups, options: CrossModalOptions) -> None:
        self._groups = groups
        self._masking = options.masking
        self._stand_ins: dict[Modality, Indices] = {}
        tables: dict[Modality, Floats] = {}
        for target in subject.targets:
            rng = np.random.default_rng([options.seed, MODALITIES.index(target)])
            more, self._stand_ins[target] = _stand_in(subject, target, options.masking, rng)
            tables[target] = np.concatenate((subject.features(target), more), dtype=np.float32)
        self.tables: Tables = tables

    def hide(self, *names: Modality) -> Elements:
        """The instance with whole groups masked."""
        return self.apply({name: np.ones(self.size(name), dtype=np.bool_) for name in names})

    def size(self, name: Modality) -> int:
        """Elements of a group."""
        return sum(len(self._stand_ins[member]) for member in self._groups[name])

    def apply(self, hidden: Mapping[Modality, Bools]) -> Elements:
        """The instance with some elements of groups masked: each L, over the group's members one after another."""
        rows = {target: np.arange(len(stand_in)) for target, stand_in in self._stand_ins.items()}
        for name, chosen in hidden.items():
            members = self._groups[name]
            ends = np.cumsum([len(rows[member]) for member in members])[:-1]
            for member, part in zip(members, np.split(chosen, ends), strict=True):
                stand_ins = self._stand_ins[member]
                if self._masking is Masking.REORDER:  # those hidden change places among themselves
                    rows[member][part] = stand_ins[part[stand_ins]]
                else:
                    rows[member][part] = stand_ins[part]
        kept = {target: found[found != NOTHING] for target, found in rows.items()}
        return {target: found for target, found in kept.items() if len(found)}


def _stand_in(
    subject: Explainable, target: Modality, masking: Masking, rng: np.random.Generator
) -> tuple[Floats, Indices]:
    """The rows behind a target's own L, and for each element the row that stands in for it."""
    features, typical = subject.features(target), subject.typical(target)
    count, width = features.shape
    behind = np.full(count, count)
    none = np.zeros((0, width), dtype=np.float32)
    match masking:
        case Masking.MEAN if typical is not None:
            return typical.mean[None], behind
        case Masking.MEAN | Masking.ZERO:
            return np.zeros((1, width), dtype=np.float32), behind
        case Masking.DROP:
            return none, np.full(count, NOTHING)
        case Masking.REORDER:
            return none, rng.permutation(count)
        case Masking.NOISE:
            deviation = features.std() if typical is None else typical.deviation
            noise = rng.standard_normal(features.shape) * deviation
            return (features + noise).astype(np.float32), behind + np.arange(count)


@dataclass(frozen=True)
class Slope:
    """The gradient by a group's elements: all D numbers in a row, and each element's norm (L)."""

    flat: Doubles
    norms: Doubles

    @property
    def norm(self) -> float:
        return length(self.norms)


@dataclass(frozen=True)
class _Reading:
    """One variant: its class probabilities (C), and the slopes of the groups that were asked for."""

    probabilities: Doubles
    slopes: Mapping[Modality, Slope]


class _Probing:
    """One instance under one way of masking. What masking a whole group does is read once, for every pair.

    Whatever reads the model raises Late once the deadline has passed.
    """

    def __init__(
        self, subject: Explainable, groups: Groups, options: CrossModalOptions, deadline: Deadline
    ) -> None:
        self._subject = subject
        self._groups = groups
        self._options = options
        self._deadline = deadline
        self._label = predict(subject)
        self._masks = Masks(subject, groups, options)
        in_sequence = sum(
            len(subject.features(target)) for target in subject.targets if subject.grid(target) is None
        )
        self._step = max(1, _ROOM // max(1, in_sequence))  # variants a call
        masked = [self._masks.hide(name) for name in groups]
        if options.masking is Masking.DROP:  # what is dropped has no gradients
            (self._unmasked,) = self._read([self._masks.hide()], tuple(groups))
            readings = [
                reading
                for name, variant in zip(groups, masked, strict=True)
                for reading in self._read([variant], self._others(name))
            ]
        else:
            self._unmasked, *readings = self._read([self._masks.hide(), *masked], tuple(groups))
        self._masked = dict(zip(groups, readings, strict=True))

    def mask_jointly(self) -> Iterator[JointMask]:
        """Each of three groups with both others masked."""
        if len(self._groups) < 3:
            return
        for target in self._groups:
            (without,) = self._read([self._masks.hide(*self._others(target))], (target,))
            yield JointMask(
                target,
                self._norm_change(target, without),
                self._class_changed(without),
                float(without.probabilities[self._subject.tracked]),
            )

    def probe(self, target: Modality) -> list[CrossModalProbe]:
        """The pairs of a target with every other group."""
        size = self._masks.size(target)
        k = min(self._options.top_k or max(1, size // SHARE), size)
        others = self._others(target)
        important = [strongest(self._masked[other].slopes[target].norms, k) for other in others]
        hidden = np.zeros((len(others) + self._options.random_masks, size), dtype=np.bool_)
        for row, elements in zip(hidden, (*important, *self._draw(target, k)), strict=True):
            row[elements] = True
        # Of few elements there are few masks: each is read once.
        distinct, which = np.unique(hidden, axis=0, return_inverse=True)
        similar = np.empty((len(others), len(distinct)))
        partial: dict[int, _Reading] = {}  # with important elements masked
        for number, reading in enumerate(
            self._read([self._masks.apply({target: row}) for row in distinct], others)
        ):
            if number in which[: len(others)]:
                partial[number] = reading
            for place, other in enumerate(others):
                full = self._masked[target].slopes[other]
                similar[place, number] = cosine(reading.slopes[other].flat, full.flat)
        by_chance = np.percentile(similar[:, which[len(others) :]], PERCENTILE, axis=1)
        return [
            self._judge(target, other, elements, partial[number], float(similar[place, number]), chance)
            for place, (other, elements, number, chance) in enumerate(
                zip(others, important, which[: len(others)].tolist(), by_chance.tolist(), strict=True)
            )
        ]

    def _judge(
        self,
        target: Modality,
        masked: Modality,
        important: Indices,
        partial: _Reading,
        similarity: float,
        by_chance: float,
    ) -> CrossModalProbe:
        """`partial` is read with the important elements of `target` masked."""
        without = self._masked[masked]
        norm_change = self._norm_change(target, without)
        class_changed = self._class_changed(without)
        full, found = self._masked[target].slopes[masked], partial.slopes[masked]
        unmasked = cosine(self._unmasked.slopes[masked].flat, full.flat)
        return CrossModalProbe(
            target=target,
            masked=masked,
            norm_change=norm_change,
            class_changed=class_changed,
            probability=float(without.probabilities[self._subject.tracked]),
            contributes=class_changed or norm_change > UNCHANGED,
            important_elements=tuple(important.tolist()),
            similarity=similarity,
            norm_correlation=correlation(found.norms, full.norms),
            relative_distance=_relative(length(found.flat - full.flat), full.norm),
            random_similarity=by_chance,
            confirmed=similarity >= SIMILAR and similarity > max(by_chance, unmasked) + ROUNDING,
        )

    def _norm_change(self, target: Modality, without: _Reading) -> float:
        before = self._unmasked.slopes[target].norm
        return _relative(abs(without.slopes[target].norm - before), before)

    def _class_changed(self, without: _Reading) -> bool:
        """Against the model that is run again, whose rounding may not be that of the answer."""
        both = np.stack((self._unmasked.probabilities, without.probabilities))
        before, after = self._subject.decide(both).tolist()
        return bool(before != after)

    def _others(self, name: Modality) -> tuple[Modality, ...]:
        return tuple(other for other in self._groups if other != name)

    def _draw(self, target: Modality, k: int) -> Indices:
        """Random masks x k elements, for every pair of the target the same."""
        # A group's stream is its first member's, and not the one that masks are made of.
        rng = np.random.default_rng([self._options.seed, MODALITIES.index(self._groups[target][0]), 1])
        order = rng.random((self._options.random_masks, self._masks.size(target))).argsort(axis=1)
        return order[:, :k]

    def _read(self, variants: Sequence[Elements], names: Sequence[Modality]) -> Iterator[_Reading]:
        """Some variants a call of the model: between calls the deadline may come, and gradients take memory."""
        targets = [member for name in names for member in self._groups[name]]
        for start in range(0, len(variants), self._step):
            self._deadline.check()
            found = self._subject.gradients(
                self._masks.tables,
                variants[start : start + self._step],
                self._label,
                targets,
                through_attention=True,
                check=self._deadline.check,
            )
            for row, probabilities in enumerate(found.probabilities):
                slopes = {
                    name: join([found.elements[member][row] for member in self._groups[name]])
                    for name in names
                }
                yield _Reading(probabilities, slopes)


def join(gradients: Sequence[Floats]) -> Slope:
    """Of a group whose members' gradients are each L x d."""
    return Slope(
        np.concatenate([gradient.ravel() for gradient in gradients], dtype=np.float64),
        np.concatenate([np.linalg.norm(gradient, axis=1) for gradient in gradients], dtype=np.float64),
    )


def _relative(difference: float, size: float) -> float:
    """At least 0. Of nothing: 0 where there is no difference, else 1."""
    return difference / size if size > 0 else float(difference > 0)


def strongest(norms: Doubles, k: int) -> Indices:
    """Where the k largest are, in descending order; of those alike the first."""
    return np.argsort(-norms, kind="stable")[:k]
