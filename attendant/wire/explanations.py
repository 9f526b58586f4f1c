"""What was computed beyond attention: the typed messages of an ExplainResponse, written and read.

What is not defined is absent, never NaN. Modalities of a newer server, which this code has no names for, are left out.
"""

from collections.abc import Iterable
from math import isfinite

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from attendant.methods import (
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
from attendant.types import Weights
from attendant.v1 import explanation_pb2, service_pb2
from attendant.wire.enums import MODALITY_FROM_WIRE, MODALITY_TO_WIRE


def encode_explanations(explanations: Explanations) -> service_pb2.ExplainResponse:
    """A response with nothing else in it; raises ValueError where a number is not finite."""
    message = service_pb2.ExplainResponse()
    if explanations.permutation is not None:
        message.permutation.CopyFrom(_permutation(explanations.permutation))
    if explanations.gradient is not None:
        message.gradient.CopyFrom(
            explanation_pb2.Gradient(importances=map(_importance, explanations.gradient.importances))
        )
    if explanations.class_activation is not None:
        message.class_activation.CopyFrom(_class_activation(explanations.class_activation))
    if explanations.leave_one_out is not None:
        message.leave_one_out.CopyFrom(
            explanation_pb2.LeaveOneOut(
                importances=map(_importance, explanations.leave_one_out.importances),
                truncated=explanations.leave_one_out.truncated,
            )
        )
    if explanations.adversarial is not None:
        message.adversarial.CopyFrom(_adversarial(explanations.adversarial))
    if explanations.erasure is not None:
        message.erasure.CopyFrom(_erasure(explanations.erasure))
    if explanations.cross_modal is not None:
        message.cross_modal.CopyFrom(_cross_modal(explanations.cross_modal))
    if explanations.box_alignment is not None:
        message.box_alignment.CopyFrom(_box_alignment(explanations.box_alignment))
    check_finite(message)
    return message


def read_explanations(message: service_pb2.ExplainResponse) -> Explanations:
    """Those that the response holds."""
    return Explanations(
        permutation=_read_permutation(message.permutation) if message.HasField("permutation") else None,
        gradient=Gradient(_read_importances(message.gradient.importances))
        if message.HasField("gradient")
        else None,
        class_activation=_read_class_activation(message.class_activation)
        if message.HasField("class_activation")
        else None,
        leave_one_out=LeaveOneOut(
            _read_importances(message.leave_one_out.importances), message.leave_one_out.truncated
        )
        if message.HasField("leave_one_out")
        else None,
        adversarial=_read_adversarial(message.adversarial) if message.HasField("adversarial") else None,
        erasure=_read_erasure(message.erasure) if message.HasField("erasure") else None,
        cross_modal=_read_cross_modal(message.cross_modal) if message.HasField("cross_modal") else None,
        box_alignment=_read_box_alignment(message.box_alignment)
        if message.HasField("box_alignment")
        else None,
    )


def check_finite(message: Message, path: str = "") -> None:
    """Raises ValueError that names a number, at any depth, that is not finite; `path` goes before its name."""
    for field, value in message.ListFields():
        place = path + field.name
        if field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                check_finite(one, place + ".")
        elif field.type == FieldDescriptor.TYPE_FLOAT and not all(
            map(isfinite, value if field.is_repeated else (value,))
        ):
            raise ValueError(f"{place} is {value}; every number of an explanation is finite")


def _permutation(permutation: Permutation) -> explanation_pb2.Permutation:
    return explanation_pb2.Permutation(
        impacts=[
            explanation_pb2.PermutationImpact(
                target=MODALITY_TO_WIRE[one.target],
                impact=one.impact,
                standard_error=one.standard_error,
                confidence_low=one.interval[0],
                confidence_high=one.interval[1],
                signed_change=one.signed_change,
                flip_share=one.flip_share,
                median_total_variation=one.median_total_variation,
                samples=one.samples,
                exhaustive=one.exhaustive,
                impact_without_identity=one.impact_without_identity,
                truncated=one.truncated,
            )
            for one in permutation.impacts
        ],
        seed=permutation.seed,
    )


def _read_permutation(message: explanation_pb2.Permutation) -> Permutation:
    """Here a target that is not specified is the modality vector."""
    return Permutation(
        tuple(
            PermutationImpact(
                target=MODALITY_FROM_WIRE[one.target],
                impact=one.impact,
                standard_error=one.standard_error,
                interval=(one.confidence_low, one.confidence_high),
                signed_change=one.signed_change,
                flip_share=one.flip_share,
                median_total_variation=one.median_total_variation,
                samples=one.samples,
                exhaustive=one.exhaustive,
                impact_without_identity=one.impact_without_identity
                if one.HasField("impact_without_identity")
                else None,
                truncated=one.truncated,
            )
            for one in message.impacts
            if one.target in MODALITY_FROM_WIRE
        ),
        message.seed,
    )


def _importance(importance: RankedImportance) -> explanation_pb2.RankedImportance:
    return explanation_pb2.RankedImportance(
        target=MODALITY_TO_WIRE[importance.target],
        scores=importance.scores.tolist(),
        kendall_tau=importance.kendall_tau,
        p_value=importance.p_value,
    )


def _read_importances(
    messages: Iterable[explanation_pb2.RankedImportance],
) -> tuple[RankedImportance, ...]:
    return tuple(
        RankedImportance(
            target=target,
            scores=_read_weights(one.scores),
            kendall_tau=one.kendall_tau if one.HasField("kendall_tau") else None,
            p_value=one.p_value if one.HasField("p_value") else None,
        )
        for one in messages
        if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
    )


def _class_activation(activation: ClassActivation) -> explanation_pb2.ClassActivation:
    return explanation_pb2.ClassActivation(
        label=activation.label,
        scores=[
            explanation_pb2.ElementScores(target=MODALITY_TO_WIRE[one.target], scores=one.scores.tolist())
            for one in activation.scores
        ],
    )


def _read_class_activation(message: explanation_pb2.ClassActivation) -> ClassActivation:
    return ClassActivation(
        message.label,
        tuple(
            ElementScores(target, _read_weights(one.scores))
            for one in message.scores
            if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
        ),
    )


def _adversarial(adversarial: Adversarial) -> explanation_pb2.Adversarial:
    return explanation_pb2.Adversarial(
        attentions=[
            explanation_pb2.AdversarialAttention(
                target=MODALITY_TO_WIRE[one.target],
                max_jensen_shannon=one.max_jensen_shannon,
                weights=one.weights.tolist(),
                change=one.change,
                feasible=one.feasible,
                adversaries=one.adversaries,
                max_jensen_shannon_wide=one.max_jensen_shannon_wide,
                truncated=one.truncated,
            )
            for one in adversarial.attentions
        ],
        seed=adversarial.seed,
    )


def _read_adversarial(message: explanation_pb2.Adversarial) -> Adversarial:
    return Adversarial(
        tuple(
            AdversarialAttention(
                target=target,
                max_jensen_shannon=one.max_jensen_shannon if one.HasField("max_jensen_shannon") else None,
                weights=_read_weights(one.weights),
                change=one.change,
                feasible=one.feasible,
                adversaries=one.adversaries,
                max_jensen_shannon_wide=one.max_jensen_shannon_wide
                if one.HasField("max_jensen_shannon_wide")
                else None,
                truncated=one.truncated,
            )
            for one in message.attentions
            if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
        ),
        message.seed,
    )


def _erasure(erasure: Erasure) -> explanation_pb2.Erasure:
    return explanation_pb2.Erasure(
        curves=[
            explanation_pb2.ErasureCurve(
                target=MODALITY_TO_WIRE[one.target],
                probabilities=one.probabilities.tolist(),
                flip_share=one.flip_share,
                comprehensiveness=one.comprehensiveness,
                sufficiency=one.sufficiency,
            )
            for one in erasure.curves
        ]
    )


def _read_erasure(message: explanation_pb2.Erasure) -> Erasure:
    return Erasure(
        tuple(
            ErasureCurve(
                target=target,
                probabilities=_read_weights(one.probabilities),
                flip_share=one.flip_share if one.HasField("flip_share") else None,
                comprehensiveness=tuple(one.comprehensiveness),
                sufficiency=tuple(one.sufficiency),
            )
            for one in message.curves
            if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
        )
    )


def _cross_modal(cross_modal: CrossModal) -> explanation_pb2.CrossModal:
    return explanation_pb2.CrossModal(
        probes=[
            explanation_pb2.CrossModalProbe(
                target=MODALITY_TO_WIRE[one.target],
                masked=MODALITY_TO_WIRE[one.masked],
                norm_change=one.norm_change,
                class_changed=one.class_changed,
                probability=one.probability,
                contributes=one.contributes,
                important_elements=one.important_elements,
                similarity=one.similarity,
                norm_correlation=one.norm_correlation,
                relative_distance=one.relative_distance,
                random_similarity=one.random_similarity,
                confirmed=one.confirmed,
            )
            for one in cross_modal.probes
        ],
        joint_masks=[
            explanation_pb2.JointMask(
                target=MODALITY_TO_WIRE[one.target],
                norm_change=one.norm_change,
                class_changed=one.class_changed,
                probability=one.probability,
            )
            for one in cross_modal.joint_masks
        ],
        seed=cross_modal.seed,
        truncated=cross_modal.truncated,
    )


def _read_cross_modal(message: explanation_pb2.CrossModal) -> CrossModal:
    return CrossModal(
        tuple(
            CrossModalProbe(
                target=target,
                masked=masked,
                norm_change=one.norm_change,
                class_changed=one.class_changed,
                probability=one.probability,
                contributes=one.contributes,
                important_elements=tuple(one.important_elements),
                similarity=one.similarity,
                norm_correlation=one.norm_correlation,
                relative_distance=one.relative_distance,
                random_similarity=one.random_similarity,
                confirmed=one.confirmed,
            )
            for one in message.probes
            if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
            and (masked := MODALITY_FROM_WIRE.get(one.masked)) is not None
        ),
        tuple(
            JointMask(target, one.norm_change, one.class_changed, one.probability)
            for one in message.joint_masks
            if (target := MODALITY_FROM_WIRE.get(one.target)) is not None
        ),
        message.seed,
        message.truncated,
    )


def _box_alignment(alignment: BoxAlignment) -> explanation_pb2.BoxAlignment:
    return explanation_pb2.BoxAlignment(
        full=alignment.full, top20=alignment.top20, random20=alignment.random20, seed=alignment.seed
    )


def _read_box_alignment(message: explanation_pb2.BoxAlignment) -> BoxAlignment:
    return BoxAlignment(message.full, message.top20, message.random20, message.seed)


def _read_weights(numbers: Iterable[float]) -> Weights:
    return np.array(numbers, np.float32)
