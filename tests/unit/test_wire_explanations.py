"""What was computed beyond attention: what is written is what is read, and under the names of the contract."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from sample_explanations import any_explanations, explanations

from attendant.methods import BoxAlignment, CrossModal, Explanations, Gradient, LeaveOneOut, Method
from attendant.v1 import service_pb2
from attendant.wire.enums import MODALITY_TO_WIRE
from attendant.wire.explanations import encode_explanations, read_explanations


def plain(value):
    """What `==` can compare, which arrays cannot."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        assert value.dtype == np.float32
        return value.tolist()
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def assert_says(message, value):
    """Field by field, by name; only an interval is two fields, and a modality a number."""
    for field in dataclasses.fields(value):
        told = getattr(value, field.name)
        if field.name == "interval":
            assert (message.confidence_low, message.confidence_high) == told
        elif told is None and field.name != "target":
            assert not message.HasField(field.name)
        elif field.name in ("target", "masked"):
            assert getattr(message, field.name) == MODALITY_TO_WIRE[told]
        elif dataclasses.is_dataclass(told):
            assert message.HasField(field.name)
            assert_says(getattr(message, field.name), told)
        elif isinstance(told, tuple) and told and dataclasses.is_dataclass(told[0]):
            for one, other in zip(getattr(message, field.name), told, strict=True):
                assert_says(one, other)
        elif isinstance(told, tuple | np.ndarray):
            assert list(getattr(message, field.name)) == list(told)
        else:
            assert getattr(message, field.name) == told


@given(any_explanations)
def test_explanations_survive(computed):
    message = encode_explanations(computed)
    assert_says(message, computed)
    read = read_explanations(service_pb2.ExplainResponse.FromString(message.SerializeToString()))
    assert plain(read) == plain(computed)


def test_nothing_computed_is_nothing_sent():
    assert encode_explanations(Explanations()).SerializeToString() == b""
    assert {field.name for field, _ in encode_explanations(explanations()).ListFields()} == set(Method)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_a_number_that_is_none_does_not_leave_the_worker(number):
    with pytest.raises(ValueError, match=r"box_alignment\.top20 is "):
        encode_explanations(Explanations(box_alignment=BoxAlignment(0.5, number, 0.5, 0)))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nor_does_one_among_many(number):
    gradient = explanations().gradient
    gradient.importances[0].scores[2] = number
    with pytest.raises(ValueError, match=r"gradient\.importances\.scores is "):
        encode_explanations(Explanations(gradient=gradient))


def test_targets_of_a_newer_server_are_left_out():
    message = encode_explanations(explanations())
    known = read_explanations(message)
    for results in (
        message.permutation.impacts,
        message.gradient.importances,
        message.class_activation.scores,
        message.leave_one_out.importances,
        message.adversarial.attentions,
        message.erasure.curves,
        message.cross_modal.probes,
        message.cross_modal.joint_masks,
    ):
        results.add(target=99)
    message.cross_modal.probes.add(target=1, masked=99)
    assert plain(read_explanations(message)) == plain(known)


def test_a_method_that_found_nothing_is_there_and_empty():
    message = encode_explanations(
        Explanations(
            gradient=Gradient(()),
            leave_one_out=LeaveOneOut((), truncated=True),
            cross_modal=CrossModal((), (), 7, truncated=True),
        )
    )
    read = read_explanations(message)
    assert (read.gradient, read.leave_one_out) == (Gradient(()), LeaveOneOut((), truncated=True))
    assert read.cross_modal == CrossModal((), (), 7, truncated=True)
    assert read.permutation is None
