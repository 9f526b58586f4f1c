"""What is asked beyond attention: defaults, limits, and that equal questions are equal bytes."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.errors import AttendantError, Reason, invalid
from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    Diversity,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Masking,
    Method,
    PermutationOptions,
)
from attendant.questions import DEFAULT_OPTIONS
from attendant.types import MODALITIES, Modality
from attendant.v1 import explanation_pb2, model_pb2
from attendant.wire.options import encode_options, read_options

MESSAGE = explanation_pb2.ExplainOptions
NAN, INFINITY = float("nan"), float("inf")
BOX = {"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}


def short(low, high, **more):
    """Numbers as people write them; every float32 has one such, and it is what is read."""
    return st.floats(low, high, width=32, **more).map(lambda number: float(str(np.float32(number))) or 0.0)


SEEDS = st.integers(0, 2**64 - 1)
ELEMENTS = (*MODALITIES, Modality.SEGMENT)
TARGETS = st.sets(st.sampled_from(ELEMENTS)).map(
    lambda chosen: tuple(modality for modality in ELEMENTS if modality in chosen)
)
SIDES = st.tuples(short(0, 0.5), short(np.float32(0.01), 0.5))
BOXES = st.tuples(SIDES, SIDES).map(lambda both: Box(both[0][0], both[1][0], both[0][1], both[1][1]))
OPTIONS = st.builds(
    ExplainOptions,
    permutation=st.none()
    | st.builds(
        PermutationOptions,
        targets=TARGETS,
        modality=st.booleans(),
        samples=st.integers(1, 100_000),
        modality_samples=st.integers(1, 100_000),
        tolerance=short(0, 1),
        seed=SEEDS,
    ),
    gradient=st.none() | st.builds(GradientOptions, st.booleans()),
    class_activation=st.none() | st.builds(ClassActivationOptions, st.text()),
    leave_one_out=st.none() | st.builds(LeaveOneOutOptions, TARGETS),
    adversarial=st.none()
    | st.builds(
        AdversarialOptions,
        targets=TARGETS,
        adversaries=st.integers(1, 20),
        steps=st.integers(1, 2_000),
        epsilon=short(0, 1, exclude_min=True),
        diversity=st.sampled_from(Diversity),
        seed=SEEDS,
    ),
    erasure=st.none() | st.builds(ErasureOptions, TARGETS),
    cross_modal=st.none()
    | st.builds(
        CrossModalOptions,
        masking=st.sampled_from(Masking),
        top_k=st.integers(0, 200),
        random_masks=st.integers(1, 200),
        visual_group=st.booleans(),
        seed=SEEDS,
    ),
    box_alignment=st.none()
    | st.builds(BoxAlignmentOptions, st.lists(BOXES, min_size=1, max_size=64).map(tuple), SEEDS),
)


@given(OPTIONS)
def test_what_is_written_is_what_is_read(options):
    assert read_options(encode_options(options)) == options


def test_an_empty_message_asks_for_the_papers_defaults():
    message = MESSAGE()
    assert read_options(message) == ExplainOptions()
    for method in Method:
        if method is not Method.BOX_ALIGNMENT:
            getattr(message, method).SetInParent()
    expected = ExplainOptions(
        permutation=PermutationOptions((), True, 10, 5, 0.0, 0),
        gradient=GradientOptions(False),
        class_activation=ClassActivationOptions(""),
        leave_one_out=LeaveOneOutOptions(()),
        adversarial=AdversarialOptions((), 5, 500, 0.01, Diversity.RELEASED_CODE, 0),
        erasure=ErasureOptions(()),
        cross_modal=CrossModalOptions(Masking.MEAN, 0, 20, False, 0),
    )
    assert read_options(message) == expected
    assert read_options(message).methods == tuple(Method)[:7]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"permutation": {}}, {"permutation": {"samples": 10, "modality_samples": 5, "modality": True}}),
        (
            {"adversarial": {}},
            {"adversarial": {"adversaries": 5, "steps": 500, "epsilon": 0.01, "diversity": 1}},
        ),
        ({"cross_modal": {}}, {"cross_modal": {"masking": 1, "random_masks": 20}}),
        ({"permutation": {"tolerance": 0.0}}, {"permutation": {"tolerance": -0.0}}),
        ({"erasure": {"targets": [1, 2]}}, {"erasure": {"targets": [2, 1]}}),
    ],
)
def test_questions_that_mean_the_same_are_the_same_bytes(one, other):
    canonical = [
        encode_options(read_options(MESSAGE(**options))).SerializeToString() for options in (one, other)
    ]
    assert canonical[0] == canonical[1]


def test_a_modality_vector_that_is_not_wanted_is_told_from_one_not_mentioned():
    assert read_options(MESSAGE(permutation={"modality": False})).permutation == PermutationOptions(
        modality=False
    )


def test_numbers_are_read_as_they_were_meant():
    assert read_options(MESSAGE(permutation={"tolerance": 0.1})).permutation.tolerance == 0.1
    box = read_options(MESSAGE(box_alignment={"boxes": [BOX]})).box_alignment.boxes[0]
    assert box == Box(**BOX)


COUNTS = [
    ("permutation", "samples", 100_000),
    ("permutation", "modality_samples", 100_000),
    ("adversarial", "adversaries", 20),
    ("adversarial", "steps", 2_000),
    ("cross_modal", "random_masks", 200),
]


def violations(message):
    with pytest.raises(AttendantError) as caught:
        read_options(message)
    assert caught.value.reason is Reason.INVALID_INPUT
    for violation in caught.value.violations:
        assert f"{violation.field}: {violation.description}" in caught.value.message
    return [(violation.field, violation.description) for violation in caught.value.violations]


@pytest.mark.parametrize(("method", "name", "most"), COUNTS)
def test_counts_have_limits(method, name, most):
    read = read_options(MESSAGE(**{method: {name: most}}))
    assert getattr(getattr(read, method), name) == most
    assert violations(MESSAGE(**{method: {name: 1_000_000_000}})) == [
        (f"options.{method}.{name}", f"it is 1000000000; 1 to {most:,} are taken")
    ]
    assert len(violations(MESSAGE(**{method: {name: most + 1}}))) == 1


ZEROS = [
    *((method, name, "0", f"1 to {most:,} are taken") for method, name, most in COUNTS),
    ("adversarial", "epsilon", "0", "more than 0, at most 1 is taken"),
    ("adversarial", "epsilon", "-0.0", "more than 0, at most 1 is taken"),
    ("adversarial", "epsilon", "1e-50", "more than 0, at most 1 is taken"),
]


@pytest.mark.parametrize(("method", "name", "zero", "limit"), ZEROS)
def test_a_zero_that_would_mean_the_default_is_not_written(method, name, zero, limit):
    default = getattr(DEFAULT_OPTIONS, method)
    asked = dataclasses.replace(default, **{name: type(getattr(default, name))(zero)})
    with pytest.raises(AttendantError) as caught:
        encode_options(ExplainOptions(**{method: asked}))
    assert caught.value == invalid(f"options.{method}.{name}", f"it is 0; {limit}")
    too_much = MESSAGE(**{method: {name: 1_000_000}})
    assert violations(too_much)[0][1].endswith(f"; {limit}")


def test_every_zero_is_named_at_once():
    options = ExplainOptions(
        permutation=PermutationOptions(samples=0, modality_samples=0),
        adversarial=AdversarialOptions(adversaries=0, steps=0, epsilon=0),
        cross_modal=CrossModalOptions(random_masks=0),
    )
    with pytest.raises(AttendantError) as caught:
        encode_options(options)
    assert {violation.field for violation in caught.value.violations} == {
        f"options.{method}.{name}" for method, name, *_ in ZEROS
    }


def test_a_zero_that_means_what_it_says_is_written():
    options = ExplainOptions(
        permutation=PermutationOptions(tolerance=0, seed=0),
        cross_modal=CrossModalOptions(top_k=0, seed=0),
        box_alignment=BoxAlignmentOptions((Box(0, 0, 1, 1),), seed=0),
    )
    assert read_options(encode_options(options)) == options


@pytest.mark.parametrize("share", [NAN, INFINITY, -INFINITY, -1e-9, 1.0001])
def test_shares_are_from_0_to_1(share):
    message = MESSAGE(permutation={"tolerance": share}, adversarial={"epsilon": share})
    assert [field for field, _ in violations(message)] == [
        "options.permutation.tolerance",
        "options.adversarial.epsilon",
    ]
    read_options(MESSAGE(permutation={"tolerance": 1.0}, adversarial={"epsilon": 1.0}))


@pytest.mark.parametrize("method", ["permutation", "leave_one_out", "adversarial", "erasure"])
@pytest.mark.parametrize(
    ("targets", "found"),
    [
        ([0], ("[0]", "it is MODALITY_UNSPECIFIED; text, image, attribute, segment are taken")),
        ([5], ("[0]", "it is MODALITY_VISUAL; text, image, attribute, segment are taken")),
        ([99], ("[0]", "it is 99; text, image, attribute, segment are taken")),
        ([2, 1, 2], ("[2]", "image is there already; each is taken once")),
        ([1, 2, 3, 4, 1], ("", "there are 5; at most 4 are taken")),
    ],
)
def test_targets_are_what_an_instance_is_made_of_each_once(method, targets, found):
    index, description = found
    assert violations(MESSAGE(**{method: {"targets": targets}})) == [
        (f"options.{method}.targets{index}", description)
    ]
    assert getattr(read_options(MESSAGE(**{method: {"targets": [3, 1]}})), method).targets == (
        Modality.TEXT,
        Modality.ATTRIBUTE,
    )
    assert getattr(read_options(MESSAGE(**{method: {"targets": [4]}})), method).targets == (Modality.SEGMENT,)


def test_enumerations_of_a_newer_contract_are_refused():
    message = MESSAGE(adversarial={"diversity": 3}, cross_modal={"masking": 6})
    assert violations(message) == [
        ("options.adversarial.diversity", "it is 3; 0 to 2 are taken"),
        ("options.cross_modal.masking", "it is 6; 0 to 5 are taken"),
    ]


@pytest.mark.parametrize("count", [0, 65, 10_000])
def test_boxes_are_1_to_64(count):
    assert violations(MESSAGE(box_alignment={"boxes": [BOX] * count})) == [
        ("options.box_alignment.boxes", f"there are {count}; 1 to 64 are taken")
    ]
    assert len(read_options(MESSAGE(box_alignment={"boxes": [BOX] * 64})).box_alignment.boxes) == 64


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"x": NAN}, "x"),
        ({"x": 1.0}, "x"),
        ({"y": -0.1}, "y"),
        ({"y": INFINITY}, "y"),
        ({"width": 0.0}, "width"),
        ({"width": NAN}, "width"),
        ({"height": 1.1}, "height"),
        ({"x": 0.8}, "width"),
        ({"y": 0.6001}, "height"),
    ],
)
def test_a_box_lies_in_the_picture(change, field):
    found = violations(MESSAGE(box_alignment={"boxes": [BOX, BOX | change]}))
    assert [place for place, _ in found] == [f"options.box_alignment.boxes[1].{field}"]


@given(st.floats(0, 1, exclude_max=True, width=32))
def test_a_box_up_to_the_edge_is_inside(x):
    width = np.float32(1) - np.float32(x)
    read_options(MESSAGE(box_alignment={"boxes": [{"x": x, "y": 0, "width": width, "height": 1}]}))


def test_all_that_is_wrong_is_said_at_once():
    message = MESSAGE(
        permutation={"samples": 100_001, "tolerance": NAN, "targets": [0, 0]},
        adversarial={"steps": 2_001},
        box_alignment={},
    )
    assert [field for field, _ in violations(message)] == [
        "options.permutation.targets[0]",
        "options.permutation.targets[1]",
        "options.permutation.samples",
        "options.permutation.tolerance",
        "options.adversarial.steps",
        "options.box_alignment.boxes",
    ]


@given(st.binary(max_size=60))
def test_any_message_is_options_within_their_limits_or_bad_input(data):
    message = MESSAGE()
    try:
        message.ParseFromString(data)
        options = read_options(message)
    except Exception as error:  # noqa: BLE001
        assert type(error).__name__ in ("DecodeError", "AttendantError")  # noqa: PT017
    else:
        assert read_options(encode_options(options)) == options


def test_the_domain_has_every_option_of_the_contract():
    for field in dataclasses.fields(ExplainOptions):
        descriptor = MESSAGE.DESCRIPTOR.fields_by_name[field.name].message_type
        (domain,) = (kind for kind in field.type.__args__ if dataclasses.is_dataclass(kind))
        assert [one.name for one in dataclasses.fields(domain)] == [one.name for one in descriptor.fields]
    numbers = set(model_pb2.Modality.values())
    assert numbers == {0, 1, 2, 3, 4, 5}


def test_reading_options_needs_no_torch():
    script = "import sys, attendant.wire.options; print({'torch', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"
