"""Mosaics through the real service, on both backends: what is refused, what is answered, and what the focus says."""

from dataclasses import replace

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import refusal
from small_fcam import draw_segments, to_png

from attendant.client import Client
from attendant.methods import (
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
from attendant.training.mosaics import ERROR_MODES, Mosaics, Split, plane_mosaics
from attendant.types import Modality, Mosaic, Tweet, WarningCode
from attendant.v1 import instance_pb2, service_pb2
from attendant.wire.requests import CacheMode, encode_explain_request

POINTS, PICTURES = "sdc-error-mode-1", "sdc-cifar-sparsemax-0"
POINT = instance_pb2.Segment(vector=instance_pb2.FloatVector(values=[1.5, 0.5]))
PICTURE = instance_pb2.Segment(image=to_png(draw_segments("image", 1, 0)[0]))
LARGER = instance_pb2.Segment(image=to_png(np.zeros((48, 32, 3), np.uint8)))
BROKEN = instance_pb2.Segment(image=PICTURE.image[:-40])


def vector(*values: float) -> instance_pb2.Segment:
    return instance_pb2.Segment(vector=instance_pb2.FloatVector(values=values))


def ask(model: str, segments: list[instance_pb2.Segment], foreground_index: int | None = None) -> bytes:
    mosaic = instance_pb2.Mosaic(segments=segments, foreground_index=foreground_index)
    instance = instance_pb2.Instance(mosaic=mosaic)
    return service_pb2.PredictRequest(model=model, instance=instance).SerializeToString()


def among(
    odd: instance_pb2.Segment, others: instance_pb2.Segment, count: int = 9
) -> list[instance_pb2.Segment]:
    """That one as segment 3."""
    return [*[others] * 3, odd, *[others] * (count - 4)]


REFUSED = {
    "none": (ask(POINTS, []), "segments"),
    "one segment": (ask(POINTS, [POINT]), "segments"),
    "eight segments": (ask(PICTURES, [PICTURE] * 8), "segments"),
    "a hundred segments": (ask(PICTURES, [PICTURE] * 100), "segments"),
    "mixed kinds": (ask(POINTS, among(PICTURE, POINT)), "segments[3]"),
    "images for points": (ask(POINTS, [PICTURE] * 9), "segments[0]"),
    "points for images": (ask(PICTURES, [POINT] * 9), "segments[0]"),
    "an empty segment": (ask(POINTS, among(instance_pb2.Segment(), POINT)), "segments[3]"),
    "an image of another size": (ask(PICTURES, among(LARGER, PICTURE)), "segments[3].image"),
    "an image that ends early": (ask(PICTURES, among(BROKEN, PICTURE)), "segments[3].image"),
    "no image": (ask(PICTURES, among(instance_pb2.Segment(image=b"abc"), PICTURE)), "segments[3].image"),
    "three numbers": (ask(POINTS, among(vector(1, 2, 3), POINT)), "segments[3].vector.values"),
    "no numbers": (ask(POINTS, among(vector(), POINT)), "segments[3].vector.values"),
    "not a number": (ask(POINTS, among(vector(1, float("nan")), POINT)), "segments[3].vector.values"),
    "infinity": (ask(POINTS, among(vector(float("inf"), 1), POINT)), "segments[3].vector.values"),
    "a number beyond all data": (ask(POINTS, among(vector(1e30, 1), POINT)), "segments[3].vector.values"),
    "an index out of range": (ask(POINTS, [POINT] * 9, 9), "foreground_index"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_mosaic_is_refused_with_its_field(service, name) -> None:
    request, field = REFUSED[name]
    for method in ("Predict", "Explain"):
        code, reason, fields = refusal(service, request, method)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
        assert f"instance.mosaic.{field}" in fields
        assert all(one.startswith("instance.mosaic.") for one in fields)
    assert service.call("Predict", ask(POINTS, [POINT] * 9))


@pytest.mark.parametrize(
    ("model", "instance"), [("sarcasm", Mosaic(((1.0, 2.0),) * 9)), (POINTS, Tweet("a tweet"))]
)
def test_a_model_of_the_other_kind_refuses(service, model, instance) -> None:
    code, reason, fields = refusal(service, encode_explain_request(model, instance), "Explain")
    assert (code, reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT", ["instance"])


NOT_OFFERED = grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_AVAILABLE", []


@pytest.mark.parametrize(
    ("options", "code", "reason", "fields"),
    [
        (
            ExplainOptions(erasure=ErasureOptions((Modality.TEXT,))),
            *(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT", ["options.erasure.targets"]),
        ),
        (ExplainOptions(cross_modal=CrossModalOptions()), *NOT_OFFERED),
        (ExplainOptions(class_activation=ClassActivationOptions()), *NOT_OFFERED),
        (ExplainOptions(box_alignment=BoxAlignmentOptions((Box(0, 0, 1, 1),))), *NOT_OFFERED),
    ],
    ids=["text", "cross_modal", "class_activation", "box_alignment"],
)
def test_methods_and_targets_that_are_not_there_are_refused(service, options, code, reason, fields) -> None:
    request = encode_explain_request(POINTS, Mosaic(((1.0, 2.0),) * 9), options=options)
    found = refusal(service, request, "Explain")
    assert found == (code, reason, fields)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_error_mode_is_right_looks_elsewhere_and_is_suspected(service, number) -> None:
    """Of held-out mosaics through gRPC."""
    drawn = plane_mosaics(ERROR_MODES[number - 1], 120, split=Split.TEST, seed=11)
    with Client(service.address) as client:
        found = [
            client.explain(mosaic_of(drawn, row), model=f"sdc-error-mode-{number}")
            for row in range(len(drawn))
        ]
    labels = [f"class {label + 1}" for label in drawn.labels]
    right = [one.prediction.label == label for one, label in zip(found, labels, strict=True)]
    assert np.mean(right) >= 0.95
    true = np.array([one.focus.is_true for one in found])
    assert 0.5 < true.mean() < 0.85
    risk = np.array([one.focus.risk for one in found])
    assert risk[~true].mean() > 0.7 > 0.35 > risk[true].mean()
    for one, place in zip(found, drawn.foreground, strict=True):
        (vector_,) = one.attention.vectors
        assert one.focus.index == vector_.weights.argmax()
        assert one.focus.is_true == (one.focus.index == place)
        warned = any(warning.code == WarningCode.FOCUS_AT_RISK for warning in one.warnings)
        assert warned == (one.focus.risk >= 0.5)


def mosaic_of(drawn: Mosaics, row: int) -> Mosaic:
    points = drawn.gather([row])[0]
    return Mosaic(tuple(tuple(map(float, point)) for point in points), int(drawn.foreground[row]))


def test_the_focus_is_true_or_false_only_where_the_foreground_is_told(service) -> None:
    drawn = plane_mosaics(ERROR_MODES[0], 1)
    told = mosaic_of(drawn, 0)
    with Client(service.address) as client:
        with_index = client.explain(told, model=POINTS)
        without = client.explain(replace(told, foreground_index=None), model=POINTS)
    assert without.focus == replace(with_index.focus, is_true=None)


def test_every_sdc_model_is_listed_with_its_classes_and_shape(service) -> None:
    with Client(service.address) as client:
        models = {model.name: model for model in client.list_models() if model.mosaic is not None}
    for mechanism in ("softmax", "entropy", "sparsemax", "spherical", "hard"):
        for layer in (0, 6):
            model = models.pop(f"sdc-cifar-{mechanism}-{layer}")
            assert model.ready
            assert model.classes == ("airplane", "automobile", "bird")
            assert (model.mosaic.segments, model.mosaic.segment) == (9, (32, 32, 3))
    assert set(models) == {f"sdc-error-mode-{number}" for number in (1, 2, 3)}
    for number, count in ((1, 3), (2, 3), (3, 6)):
        model = models[f"sdc-error-mode-{number}"]
        assert model.classes == tuple(f"class {label}" for label in range(1, count + 1))
        assert (model.mosaic.segments, model.mosaic.segment) == (9, (2,))


SEEDS = st.integers(0, 2**64 - 1)
OPTIONS = st.builds(
    ExplainOptions,
    permutation=st.none() | st.builds(PermutationOptions, samples=st.integers(1, 300), seed=SEEDS),
    gradient=st.none() | st.builds(GradientOptions, through_attention=st.booleans()),
    leave_one_out=st.none() | st.just(LeaveOneOutOptions()),
    adversarial=st.none()
    | st.builds(AdversarialOptions, adversaries=st.integers(1, 3), steps=st.integers(1, 5), seed=SEEDS),
    erasure=st.none() | st.just(ErasureOptions()),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([POINTS, "sdc-error-mode-3", PICTURES, "sdc-cifar-hard-6", "sdc-cifar-spherical-0"]),
    st.integers(0, 5),
    OPTIONS,
)
def test_any_mosaic_and_options_give_the_same_bytes_on_both_backends(services, model, seed, options) -> None:
    pictures = model.startswith("sdc-cifar")
    drawn = draw_segments("image" if pictures else "vector", 9, seed)
    segments = tuple(to_png(one) if pictures else tuple(map(float, one * 4)) for one in drawn)
    request = encode_explain_request(
        model, Mosaic(segments, seed), options=options, cache_mode=CacheMode.BYPASS, request_id="same"
    )
    answers = [
        service_pb2.ExplainResponse.FromString(service.call("Explain", request)) for service in services
    ]
    for answer in answers:
        answer.ClearField("timing")
        assert answer.attention.vectors[0].target == answer.attention.axes[0].modality
        assert sum(answer.attention.vectors[0].weights) == pytest.approx(1, abs=1e-5)
        assert 0 <= answer.focus.risk <= 1
        asked = {option.name for option, _ in request_options(request).ListFields()}
        assert asked <= {field.name for field, _ in answer.ListFields()}
    assert answers[0].SerializeToString(deterministic=True) == answers[1].SerializeToString(
        deterministic=True
    )


def request_options(request: bytes):
    return service_pb2.ExplainRequest.FromString(request).options
