"""Explanations of every method: drawn with a seed over the elements of a test's tweet, and any that the types allow."""

import numpy as np
from hypothesis import strategies as st

from attendant.methods import (
    SHARES,
    Adversarial,
    AdversarialAttention,
    BoxAlignment,
    ClassActivation,
    CrossModal,
    CrossModalProbe,
    ElementScores,
    Erasure,
    ErasureCurve,
    Explanations,
    Gradient,
    JointMask,
    LeaveOneOut,
    Permutation,
    PermutationImpact,
    RankedImportance,
)
from attendant.types import MODALITIES, REGIONS, Attention, AttentionKind, Modality

LENGTHS = {Modality.TEXT: 11, Modality.IMAGE: REGIONS, Modality.ATTRIBUTE: 5}


def lengths(attention: Attention) -> dict[Modality, int]:
    """How many elements each target of an answer has."""
    return {
        vector.target: vector.weights.size
        for vector in attention.vectors
        if vector.kind in (AttentionKind.REPRESENTATION_MEAN, AttentionKind.FOCUS)
    }


def explanations(lengths=LENGTHS, seed: int = 0, label: str = "sarcastic") -> Explanations:
    """All eight, with values as a model gives them; the last target's are cut short or not defined."""
    generator = np.random.default_rng(seed)
    targets = list(lengths)

    def scores(target, scale):
        return (scale * generator.random(lengths[target]) ** 3).astype(np.float32)

    def importances(scale):
        return tuple(
            RankedImportance(target, scores(target, scale), *((0.32, 0.011) if number else (None, None)))
            for number, target in enumerate(targets)
        )

    return Explanations(
        permutation=Permutation(
            tuple(_impact(target, generator, truncated=target is targets[-1]) for target in (*targets, None)),
            seed,
        ),
        gradient=Gradient(importances(2.0)),
        class_activation=ClassActivation(
            label, tuple(ElementScores(target, scores(target, 0.1)) for target in targets)
        ),
        leave_one_out=LeaveOneOut(importances(0.05)),
        adversarial=Adversarial(
            tuple(
                _adversary(target, lengths[target], generator, feasible=number < 2)
                for number, target in enumerate(targets)
            ),
            seed,
        ),
        erasure=Erasure(tuple(_curve(target, lengths[target], generator) for target in targets)),
        cross_modal=CrossModal(
            tuple(
                _probe(target, masked, lengths[target], generator)
                for target in targets
                for masked in targets
                if target is not masked
            ),
            tuple(_joint(target, generator) for target in targets if len(targets) == 3),
            seed,
        ),
        box_alignment=BoxAlignment(0.61, 0.53, 0.24, seed) if Modality.IMAGE in lengths else None,
    )


def _impact(target, generator, *, truncated) -> PermutationImpact:
    impact, error = generator.uniform(0.01, 0.2), generator.uniform(0.001, 0.02)
    exhaustive = target in (None, Modality.ATTRIBUTE)
    return PermutationImpact(
        target=target,
        impact=impact,
        standard_error=0.0 if exhaustive else error,
        interval=(impact, impact) if exhaustive else (max(0.0, impact - 2.3 * error), impact + 2.3 * error),
        signed_change=-impact / 2,
        flip_share=0.03,
        median_total_variation=0.8 * impact,
        samples=120 if exhaustive else 10,
        exhaustive=exhaustive,
        impact_without_identity=1.01 * impact if exhaustive else None,
        truncated=truncated,
    )


def _adversary(target, length, generator, *, feasible) -> AdversarialAttention:
    weights = generator.dirichlet(np.full(length, 0.3)).astype(np.float32)
    return AdversarialAttention(
        target=target,
        max_jensen_shannon=0.41 if feasible else None,
        weights=weights if feasible else weights[:0],
        change=0.008 if feasible else 0.0,
        feasible=4 if feasible else 0,
        adversaries=5,
        max_jensen_shannon_wide=0.52 if feasible else None,
        truncated=not feasible,
    )


def _curve(target, length, generator) -> ErasureCurve:
    steps = np.cumsum(np.append(0, generator.normal(0.3, 0.5, length - 1))) / length
    return ErasureCurve(
        target=target,
        probabilities=np.clip(0.875 - steps, 0, 1).astype(np.float32),
        flip_share=0.12 if target is Modality.TEXT else None,
        comprehensiveness=tuple(float(share) / 3 for share in SHARES),
        sufficiency=tuple((0.5 - share) / 3 for share in SHARES),
    )


def _probe(target, masked, length, generator) -> CrossModalProbe:
    return CrossModalProbe(
        target=target,
        masked=masked,
        norm_change=float(generator.uniform(0, 0.6)),
        class_changed=bool(generator.random() < 0.3),
        probability=float(generator.random()),
        contributes=bool(generator.random() < 0.5),
        important_elements=tuple(range(max(1, length // 10))),
        similarity=0.93,
        norm_correlation=0.88,
        relative_distance=0.31,
        random_similarity=0.91,
        confirmed=bool(generator.random() < 0.5),
    )


def _joint(target, generator) -> JointMask:
    return JointMask(
        target=target,
        norm_change=float(generator.uniform(0, 0.9)),
        class_changed=bool(generator.random() < 0.3),
        probability=float(generator.random()),
    )


# Anything that the types allow

_numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
_optional = st.none() | _numbers
_counts = st.integers(0, 2**32 - 1)
_seeds = st.integers(0, 2**64 - 1)
_targets = st.sampled_from((*MODALITIES, Modality.SEGMENT))
_sides = st.sampled_from(Modality)
_weights = st.lists(_numbers, max_size=5).map(lambda numbers: np.array(numbers, np.float32))


def _tuples(strategy):
    return st.lists(strategy, max_size=4).map(tuple)


_importances = _tuples(st.builds(RankedImportance, _sides, _weights, _optional, _optional))
_impacts = st.builds(
    PermutationImpact,
    target=st.none() | _targets,
    impact=_numbers,
    standard_error=_numbers,
    interval=st.tuples(_numbers, _numbers),
    signed_change=_numbers,
    flip_share=_numbers,
    median_total_variation=_numbers,
    samples=_counts,
    exhaustive=st.booleans(),
    impact_without_identity=_optional,
    truncated=st.booleans(),
)
_adversaries = st.builds(
    AdversarialAttention,
    target=_targets,
    max_jensen_shannon=_optional,
    weights=_weights,
    change=_numbers,
    feasible=_counts,
    adversaries=_counts,
    max_jensen_shannon_wide=_optional,
    truncated=st.booleans(),
)
_curves = st.builds(
    ErasureCurve,
    _targets,
    _weights,
    _optional,
    comprehensiveness=_tuples(_numbers),
    sufficiency=_tuples(_numbers),
)
_probes = st.builds(
    CrossModalProbe,
    target=_sides,
    masked=_sides,
    norm_change=_numbers,
    class_changed=st.booleans(),
    probability=_numbers,
    contributes=st.booleans(),
    important_elements=_tuples(_counts),
    similarity=_numbers,
    norm_correlation=_numbers,
    relative_distance=_numbers,
    random_similarity=_numbers,
    confirmed=st.booleans(),
)
_joint_masks = st.builds(JointMask, _sides, _numbers, st.booleans(), _numbers)
any_explanations = st.builds(
    Explanations,
    permutation=st.none() | st.builds(Permutation, _tuples(_impacts), _seeds),
    gradient=st.none() | st.builds(Gradient, _importances),
    class_activation=st.none()
    | st.builds(ClassActivation, st.text(), _tuples(st.builds(ElementScores, _targets, _weights))),
    leave_one_out=st.none() | st.builds(LeaveOneOut, _importances, st.booleans()),
    adversarial=st.none() | st.builds(Adversarial, _tuples(_adversaries), _seeds),
    erasure=st.none() | st.builds(Erasure, _tuples(_curves)),
    cross_modal=st.none()
    | st.builds(CrossModal, _tuples(_probes), _tuples(_joint_masks), _seeds, st.booleans()),
    box_alignment=st.none() | st.builds(BoxAlignment, _numbers, _numbers, _numbers, _seeds),
)
