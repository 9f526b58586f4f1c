"""What is asked beyond attention: read with its defaults filled in, all that is wrong named at once; written whole."""

from collections.abc import Iterator, Sequence

import numpy as np

from attendant.errors import Violation, refusal
from attendant.methods import (
    MAX_ADVERSARIES,
    MAX_BOXES,
    MAX_RANDOM_MASKS,
    MAX_SAMPLES,
    MAX_STEPS,
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    PermutationOptions,
)
from attendant.types import MODALITIES, Modality
from attendant.v1 import explanation_pb2, model_pb2
from attendant.wire.enums import (
    DIVERSITY_FROM_WIRE,
    DIVERSITY_TO_WIRE,
    MASKING_FROM_WIRE,
    MASKING_TO_WIRE,
    MODALITY_FROM_WIRE,
    MODALITY_TO_WIRE,
)

_TARGETS = (*MODALITIES, Modality.SEGMENT)
_ROUNDING = 1e-6  # two shares that fill a picture may come to a little more than 1


def read_options(message: explanation_pb2.ExplainOptions) -> ExplainOptions:
    """Raises AttendantError(INVALID_INPUT) with all that is out of range. Targets come in the contract's order."""
    violations = tuple(_violations(message))
    if violations:
        raise refusal(violations)
    return ExplainOptions(
        permutation=_read_permutation(message.permutation) if message.HasField("permutation") else None,
        gradient=GradientOptions(message.gradient.through_attention)
        if message.HasField("gradient")
        else None,
        class_activation=ClassActivationOptions(message.class_activation.label)
        if message.HasField("class_activation")
        else None,
        leave_one_out=LeaveOneOutOptions(_read_targets(message.leave_one_out.targets))
        if message.HasField("leave_one_out")
        else None,
        adversarial=_read_adversarial(message.adversarial) if message.HasField("adversarial") else None,
        erasure=ErasureOptions(_read_targets(message.erasure.targets))
        if message.HasField("erasure")
        else None,
        cross_modal=_read_cross_modal(message.cross_modal) if message.HasField("cross_modal") else None,
        box_alignment=_read_box_alignment(message.box_alignment)
        if message.HasField("box_alignment")
        else None,
    )


def encode_options(options: ExplainOptions) -> explanation_pb2.ExplainOptions:
    """With every default spelled out, so that equal questions are equal messages.

    Raises AttendantError(INVALID_INPUT) with every 0 that would be read as a default.
    """
    message = explanation_pb2.ExplainOptions()
    if options.permutation is not None:
        message.permutation.CopyFrom(_permutation(options.permutation))
    if options.gradient is not None:
        message.gradient.CopyFrom(
            explanation_pb2.GradientOptions(through_attention=options.gradient.through_attention)
        )
    if options.class_activation is not None:
        message.class_activation.CopyFrom(
            explanation_pb2.ClassActivationOptions(label=options.class_activation.label)
        )
    if options.leave_one_out is not None:
        message.leave_one_out.CopyFrom(
            explanation_pb2.LeaveOneOutOptions(targets=_targets(options.leave_one_out.targets))
        )
    if options.adversarial is not None:
        message.adversarial.CopyFrom(_adversarial(options.adversarial))
    if options.erasure is not None:
        message.erasure.CopyFrom(explanation_pb2.ErasureOptions(targets=_targets(options.erasure.targets)))
    if options.cross_modal is not None:
        message.cross_modal.CopyFrom(_cross_modal(options.cross_modal))
    if options.box_alignment is not None:
        message.box_alignment.CopyFrom(_box_alignment(options.box_alignment))
    zeros = tuple(_zeros(message))
    if zeros:
        raise refusal(zeros)
    return message


def _violations(message: explanation_pb2.ExplainOptions) -> Iterator[Violation]:
    """A method that is not asked for is empty, and nothing is wrong with an empty one; but boxes there must be."""
    permutation, adversarial, cross_modal = message.permutation, message.adversarial, message.cross_modal
    yield from _target_violations("options.permutation.targets", permutation.targets)
    yield from _count_violations("options.permutation.samples", permutation.samples, MAX_SAMPLES)
    yield from _count_violations(
        "options.permutation.modality_samples", permutation.modality_samples, MAX_SAMPLES
    )
    yield from _share_violations("options.permutation.tolerance", permutation.tolerance)
    yield from _target_violations("options.leave_one_out.targets", message.leave_one_out.targets)
    yield from _target_violations("options.adversarial.targets", adversarial.targets)
    yield from _count_violations("options.adversarial.adversaries", adversarial.adversaries, MAX_ADVERSARIES)
    yield from _count_violations("options.adversarial.steps", adversarial.steps, MAX_STEPS)
    if not 0 <= adversarial.epsilon <= 1:
        yield _epsilon_violation(adversarial.epsilon)
    if adversarial.diversity not in DIVERSITY_FROM_WIRE:
        yield _unknown("options.adversarial.diversity", adversarial.diversity, max(DIVERSITY_FROM_WIRE))
    yield from _target_violations("options.erasure.targets", message.erasure.targets)
    if cross_modal.masking not in MASKING_FROM_WIRE:
        yield _unknown("options.cross_modal.masking", cross_modal.masking, max(MASKING_FROM_WIRE))
    yield from _count_violations(
        "options.cross_modal.random_masks", cross_modal.random_masks, MAX_RANDOM_MASKS
    )
    if message.HasField("box_alignment"):
        yield from _box_violations("options.box_alignment.boxes", message.box_alignment.boxes)


def _zeros(message: explanation_pb2.ExplainOptions) -> Iterator[Violation]:
    """On the wire a 0 means the default, so it cannot say 0; not even an epsilon too small for a float32."""
    if message.HasField("permutation"):
        permutation = message.permutation
        yield from _zero_violations("options.permutation.samples", permutation.samples, MAX_SAMPLES)
        yield from _zero_violations(
            "options.permutation.modality_samples", permutation.modality_samples, MAX_SAMPLES
        )
    if message.HasField("adversarial"):
        adversarial = message.adversarial
        yield from _zero_violations(
            "options.adversarial.adversaries", adversarial.adversaries, MAX_ADVERSARIES
        )
        yield from _zero_violations("options.adversarial.steps", adversarial.steps, MAX_STEPS)
        if adversarial.epsilon == 0:
            yield _epsilon_violation(0)
    if message.HasField("cross_modal"):
        yield from _zero_violations(
            "options.cross_modal.random_masks", message.cross_modal.random_masks, MAX_RANDOM_MASKS
        )


def _zero_violations(field: str, count: int, most: int) -> Iterator[Violation]:
    if count == 0:
        yield _count_violation(field, count, most)


def _count_violations(field: str, count: int, most: int) -> Iterator[Violation]:
    if count > most:
        yield _count_violation(field, count, most)


def _count_violation(field: str, count: int, most: int) -> Violation:
    return Violation(field, f"it is {count}; 1 to {most:,} are taken")


def _epsilon_violation(epsilon: float) -> Violation:
    return Violation("options.adversarial.epsilon", f"it is {epsilon:g}; more than 0, at most 1 is taken")


def _share_violations(field: str, share: float) -> Iterator[Violation]:
    if not 0 <= share <= 1:
        yield Violation(field, f"it is {share:g}; 0 to 1 is taken")


def _unknown(field: str, number: int, last: int) -> Violation:
    return Violation(field, f"it is {number}; 0 to {last} are taken")


def _target_violations(field: str, targets: Sequence[model_pb2.Modality.ValueType]) -> Iterator[Violation]:
    if len(targets) > len(_TARGETS):
        yield Violation(field, f"there are {len(targets)}; at most {len(_TARGETS)} are taken")
        return
    for index, number in enumerate(targets):
        modality = MODALITY_FROM_WIRE.get(number)
        if modality not in _TARGETS:
            values = model_pb2.Modality.DESCRIPTOR.values_by_number
            name = values[number].name if number in values else number
            yield Violation(f"{field}[{index}]", f"it is {name}; {', '.join(_TARGETS)} are taken")
        elif number in targets[:index]:
            yield Violation(f"{field}[{index}]", f"{modality} is there already; each is taken once")


def _box_violations(field: str, boxes: Sequence[explanation_pb2.Box]) -> Iterator[Violation]:
    if not 1 <= len(boxes) <= MAX_BOXES:
        yield Violation(field, f"there are {len(boxes)}; 1 to {MAX_BOXES} are taken")
        return
    for index, box in enumerate(boxes):
        sides = (("x", "width", box.x, box.width), ("y", "height", box.y, box.height))
        for start, length, edge, size in sides:
            place = f"{field}[{index}]"
            if not 0 <= edge < 1:
                yield Violation(f"{place}.{start}", f"it is {edge:g}; 0 to less than 1 is taken")
            if not 0 < size <= 1:
                yield Violation(f"{place}.{length}", f"it is {size:g}; more than 0, at most 1 is taken")
            if 0 <= edge < 1 and 0 < size <= 1 and edge + size > 1 + _ROUNDING:
                yield Violation(
                    f"{place}.{length}", f"{start} + {length} is {edge + size:g}; at most 1 is taken"
                )


def _read_permutation(message: explanation_pb2.PermutationOptions) -> PermutationOptions:
    return PermutationOptions(
        targets=_read_targets(message.targets),
        modality=message.modality if message.HasField("modality") else PermutationOptions.modality,
        samples=message.samples or PermutationOptions.samples,
        modality_samples=message.modality_samples or PermutationOptions.modality_samples,
        tolerance=_read_number(message.tolerance),
        seed=message.seed,
    )


def _permutation(options: PermutationOptions) -> explanation_pb2.PermutationOptions:
    return explanation_pb2.PermutationOptions(
        targets=_targets(options.targets),
        modality=options.modality,
        samples=options.samples,
        modality_samples=options.modality_samples,
        tolerance=options.tolerance,
        seed=options.seed,
    )


def _read_adversarial(message: explanation_pb2.AdversarialOptions) -> AdversarialOptions:
    return AdversarialOptions(
        targets=_read_targets(message.targets),
        adversaries=message.adversaries or AdversarialOptions.adversaries,
        steps=message.steps or AdversarialOptions.steps,
        epsilon=_read_number(message.epsilon) or AdversarialOptions.epsilon,
        diversity=DIVERSITY_FROM_WIRE[message.diversity],
        seed=message.seed,
    )


def _adversarial(options: AdversarialOptions) -> explanation_pb2.AdversarialOptions:
    return explanation_pb2.AdversarialOptions(
        targets=_targets(options.targets),
        adversaries=options.adversaries,
        steps=options.steps,
        epsilon=options.epsilon,
        diversity=DIVERSITY_TO_WIRE[options.diversity],
        seed=options.seed,
    )


def _read_cross_modal(message: explanation_pb2.CrossModalOptions) -> CrossModalOptions:
    return CrossModalOptions(
        masking=MASKING_FROM_WIRE[message.masking],
        top_k=message.top_k,
        random_masks=message.random_masks or CrossModalOptions.random_masks,
        visual_group=message.visual_group,
        seed=message.seed,
    )


def _cross_modal(options: CrossModalOptions) -> explanation_pb2.CrossModalOptions:
    return explanation_pb2.CrossModalOptions(
        masking=MASKING_TO_WIRE[options.masking],
        top_k=options.top_k,
        random_masks=options.random_masks,
        visual_group=options.visual_group,
        seed=options.seed,
    )


def _read_box_alignment(message: explanation_pb2.BoxAlignmentOptions) -> BoxAlignmentOptions:
    boxes = (
        Box(_read_number(box.x), _read_number(box.y), _read_number(box.width), _read_number(box.height))
        for box in message.boxes
    )
    return BoxAlignmentOptions(tuple(boxes), message.seed)


def _box_alignment(options: BoxAlignmentOptions) -> explanation_pb2.BoxAlignmentOptions:
    boxes = (
        explanation_pb2.Box(x=box.x, y=box.y, width=box.width, height=box.height) for box in options.boxes
    )
    return explanation_pb2.BoxAlignmentOptions(boxes=boxes, seed=options.seed)


def _read_targets(targets: Sequence[model_pb2.Modality.ValueType]) -> tuple[Modality, ...]:
    return tuple(modality for modality in _TARGETS if MODALITY_TO_WIRE[modality] in targets)


def _targets(targets: Sequence[Modality]) -> list[model_pb2.Modality.ValueType]:
    return [MODALITY_TO_WIRE[target] for target in targets]


def _read_number(number: float) -> float:
    """A float32 as what was meant by it, 0.01 and not 0.009999999776; and never minus zero."""
    return float(str(np.float32(number))) or 0.0
