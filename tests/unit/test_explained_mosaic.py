"""A mosaic as the explainers see it, against the model run again, plain loops and finite differences."""

import itertools
from dataclasses import is_dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fcam import CLASSES, METHODS, draw_segments, small_fcam

from attendant.errors import AttendantError
from attendant.explainers.base import Deadline
from attendant.explainers.catalogue import explain
from attendant.methods import (
    AdversarialOptions,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    PermutationOptions,
)
from attendant.models.explained_mosaic import ExplainedMosaic
from attendant.models.fcam import Fcam, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.models.segments import prepare
from attendant.types import Modality, WarningCode

SEGMENT = Modality.SEGMENT
KINDS = [("image", 0), ("image", 6), ("vector", 0), ("vector", 6)]
MODELS = [(mechanism, kind, layer) for mechanism in Mechanism for kind, layer in KINDS]
OFFERED = ExplainOptions(
    permutation=PermutationOptions(),
    gradient=GradientOptions(),
    leave_one_out=LeaveOneOutOptions(),
    adversarial=AdversarialOptions(steps=60),
    erasure=ErasureOptions(),
)


def model_of(mechanism: Mechanism, kind: str, layer: int, segments: int = 4) -> Fcam:
    """In double precision, for finite differences."""
    return small_fcam(mechanism, layer, kind, segments=segments).double().requires_grad_(False)


def segments_of(model: Fcam, seed: int = 1) -> torch.Tensor:
    """m x ..., as a mosaic is read; with a seed whose weights lie on several segments."""
    kind = "image" if len(model.config.networks.segment) > 1 else "vector"
    return prepare(draw_segments(kind, model.config.n_segments, seed)).double()


def explained(model: Fcam, seed: int = 1) -> ExplainedMosaic:
    segments = segments_of(model, seed)
    output = model(segments[None])
    parts = (segments, output.weights[0], output.phi[0])
    return ExplainedMosaic(model, CLASSES, *(part.float().contiguous().numpy() for part in parts))


def subject_of(mechanism: Mechanism, kind: str, layer: int, segments: int = 4) -> ExplainedMosaic:
    return explained(model_of(mechanism, kind, layer, segments))


def some_weights(count: int, length: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(length), count).astype(np.float32)


def variation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).sum() / 2)


@pytest.mark.parametrize("model", MODELS)
def test_its_own_attention_changes_nothing(model) -> None:
    fcam = model_of(*model)
    subject = explained(fcam)
    expected = fcam(segments_of(fcam)[None]).probabilities[0].numpy()
    np.testing.assert_allclose(subject.probabilities, expected, atol=1e-6)
    answered = subject.attend(SEGMENT, subject.attention(SEGMENT)[None])
    np.testing.assert_array_equal(answered[0], subject.probabilities)
    tables = {SEGMENT: subject.features(SEGMENT)}
    np.testing.assert_allclose(subject.answer(tables, [{SEGMENT: np.arange(4)}])[0], expected, atol=1e-6)


def test_what_it_is() -> None:
    subject = subject_of(Mechanism.SOFTMAX, "image", 0)
    assert subject.targets == (SEGMENT,)
    assert subject.fusion is None
    assert subject.typical(SEGMENT) is None
    assert subject.grid(SEGMENT) is None
    assert subject.features(SEGMENT).shape == (4, 3 * 32 * 32)
    assert subject.tracked == subject.probabilities.argmax() == subject.decide(subject.probabilities[None])[0]
    assert subject.decide(np.array([[0.2, 0.4, 0.4], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])).tolist() == [1, 0, 2]
    with pytest.raises(NotImplementedError):
        subject.fuse(np.ones((1, 1), np.float32))


@pytest.mark.parametrize(("kind", "layer"), KINDS)
def test_replaced_weights_are_a_loop(kind: str, layer: int) -> None:
    model = model_of(Mechanism.SOFTMAX, kind, layer)
    subject = explained(model)
    _, phi = model.examine(segments_of(model))
    weights = some_weights(70)
    found = subject.attend(SEGMENT, weights)
    assert found.dtype == np.float64
    for row, answered in zip(weights, found, strict=True):
        blend = sum(float(weight) * part for weight, part in zip(row, phi, strict=True))
        expected = model.classify(blend[None])[0].softmax(0)
        np.testing.assert_allclose(answered, expected, atol=1e-6)


def rows_through(module: torch.nn.Module) -> list[int]:
    """The batch sizes that a net will have been called with."""
    seen: list[int] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


def test_ten_thousand_permutations_go_through_g_a_few_at_a_time() -> None:
    model = model_of(Mechanism.SOFTMAX, "vector", 0)
    subject = explained(model)
    seen = rows_through(model.classifier)
    assert subject.attend(SEGMENT, some_weights(10_000)).shape == (10_000, 3)
    assert sum(seen) == 10_000
    assert max(seen) <= 64


def test_equal_weights_are_answered_once() -> None:
    model = model_of(Mechanism.HARD, "image", 0)
    subject = explained(model)
    seen = rows_through(model.classifier)
    places = np.random.default_rng(0).integers(0, 4, 1_000)
    found = subject.attend(SEGMENT, np.eye(4, dtype=np.float32)[places])
    assert sum(seen) == 4
    for place, answered in zip(places, found, strict=True):
        np.testing.assert_array_equal(answered, found[places.tolist().index(place)])


def test_no_weights_have_no_answers() -> None:
    assert subject_of(Mechanism.SOFTMAX, "vector", 0).attend(SEGMENT, some_weights(0)).shape == (0, 3)


@pytest.mark.parametrize("model", MODELS)
def test_without_a_segment_is_the_model_run_again(model) -> None:
    fcam = model_of(*model)
    shorter = build_fcam(replace(fcam.config, n_segments=3)).double().eval()
    shorter.load_state_dict(fcam.state_dict())
    segments = segments_of(fcam)
    subject = explained(fcam)
    found = explain(subject, ExplainOptions(leave_one_out=LeaveOneOutOptions()), Deadline()).explanations
    (importance,) = found.leave_one_out.importances
    for left_out, score in enumerate(importance.scores):
        rest = segments[[i for i in range(4) if i != left_out]]
        with torch.no_grad():
            expected = shorter(rest[None]).probabilities[0].numpy()
        assert score == pytest.approx(variation(expected, subject.probabilities), abs=1e-6)


def test_f_runs_once_a_row_of_the_table() -> None:
    model = model_of(Mechanism.SPARSEMAX, "vector", 0)
    subject = explained(model)
    seen = rows_through(model.focus)
    variants = [{SEGMENT: np.array(rows)} for rows in ([0, 1, 2], [3], [2, 2, 0, 1], [1, 3])]
    found = subject.answer({SEGMENT: subject.features(SEGMENT)}, variants)
    assert sum(seen) == 4
    scores, phi = model.examine(segments_of(model))
    for variant, answered in zip(variants, found, strict=True):
        rows = torch.from_numpy(variant[SEGMENT])
        weights = Mechanism.SPARSEMAX.focus_map.weights(scores[rows][None])
        np.testing.assert_allclose(answered, model.tail(phi[rows][None], weights).probabilities[0], atol=1e-6)


@pytest.mark.parametrize("variant", [{}, {SEGMENT: np.zeros(0, np.int64)}])
def test_nothing_has_no_answer(variant) -> None:
    subject = subject_of(Mechanism.SOFTMAX, "vector", 0)
    with pytest.raises(ValueError, match="no segment"):
        subject.answer({SEGMENT: subject.features(SEGMENT)}, [variant])


def log_odds(model: Fcam, segments: torch.Tensor, label: int, weights: torch.Tensor | None) -> float:
    """Of a mosaic m x ..., at attention of its own or at these weights."""
    scores, phi = model.examine(segments)
    own = model.config.mechanism.focus_map.weights(scores[None])
    probability = model.tail(phi[None], own if weights is None else weights).probabilities[0, label]
    return float((probability / (1 - probability)).log())


@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_finite_differences(model, through: bool) -> None:
    fcam = model_of(*model)
    subject = explained(fcam)
    tables, whole = {SEGMENT: subject.features(SEGMENT)}, {SEGMENT: np.arange(4)}
    segments = torch.from_numpy(tables[SEGMENT]).double().reshape(4, *fcam.config.networks.segment)
    held = None if through else fcam.config.mechanism.focus_map.weights(fcam.examine(segments)[0][None])
    generator = torch.Generator().manual_seed(3)
    for label in range(3):
        found = subject.gradients(tables, [whole, whole], label, (SEGMENT,), through_attention=through)
        np.testing.assert_allclose(found.probabilities[0], subject.probabilities, atol=1e-6)
        gradients = found.elements[SEGMENT]
        assert gradients.shape == (2, 4, tables[SEGMENT].shape[1])
        np.testing.assert_allclose(gradients[0], gradients[1])
        for changed in range(4):
            step = torch.zeros_like(segments)
            step[changed] = torch.randn(segments.shape[1:], generator=generator, dtype=torch.float64)
            ahead, back = (log_odds(fcam, segments + sign * 1e-6 * step, label, held) for sign in (1, -1))
            expected = (ahead - back) / 2e-6
            told = float((gradients[0].astype(np.float64) * step.flatten(1).numpy()).sum())
            assert told == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_gradient_importance_is_that_of_the_predicted_probability(model) -> None:
    fcam = model_of(*model)
    subject = explained(fcam)
    found = explain(subject, ExplainOptions(gradient=GradientOptions()), Deadline()).explanations
    (importance,) = found.gradient.importances
    segments = segments_of(fcam).requires_grad_()
    scores, phi = fcam.examine(segments)
    weights = fcam.config.mechanism.focus_map.weights(scores[None]).detach()
    fcam.tail(phi[None], weights).probabilities[0, subject.tracked].backward()
    expected = (segments.grad * segments).flatten(1).sum(1).abs()
    np.testing.assert_allclose(importance.scores, expected.detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("kind", "layer"), KINDS)
def test_pulling_back_is_a_finite_difference(kind: str, layer: int) -> None:
    model = model_of(Mechanism.SOFTMAX, kind, layer)
    subject = explained(model)
    _, phi = model.examine(segments_of(model))
    weights = some_weights(3)
    outer = np.random.default_rng(1).normal(size=(3, 3))
    probabilities, back = subject.pull({SEGMENT: weights})
    np.testing.assert_allclose(probabilities[SEGMENT], subject.attend(SEGMENT, weights), atol=1e-6)
    found = back({SEGMENT: outer})[SEGMENT]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(back({SEGMENT: outer})[SEGMENT], found)
    for row, place in itertools.product(range(3), range(4)):
        changed = torch.from_numpy(weights).double()[[row, row]]
        changed[:, place] += torch.tensor([1e-6, -1e-6])
        ahead, behind = model.tail(phi[None], changed).probabilities.numpy()
        expected = float(((ahead - behind) * outer[row]).sum()) / 2e-6
        assert found[row, place] == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_every_offered_method_answers_and_answers_again(model) -> None:
    assert {method.value for method in METHODS} == {method.value for method in OFFERED.methods}
    subject = subject_of(*model, segments=9)
    first, second = (explain(subject, OFFERED, Deadline()) for _ in range(2))
    np.testing.assert_equal(numbers_of(first.explanations), numbers_of(second.explanations))
    assert not first.truncated
    for value in numbers_of(first.explanations):
        assert np.isfinite(value).all()
    assert {warning.code for warning in first.warnings} <= {WarningCode.RANK_UNDEFINED}


def numbers_of(found) -> list[np.ndarray]:
    """All the numbers in an explanation, in order."""
    if isinstance(found, np.ndarray | float | int):
        return [np.asarray(found)]
    parts = found if isinstance(found, tuple) else vars(found).values() if is_dataclass(found) else ()
    return [number for part in parts for number in numbers_of(part)]


def test_another_seed_draws_other_permutations() -> None:
    subject = subject_of(Mechanism.SOFTMAX, "vector", 0, segments=9)
    first, second = (
        explain(subject, ExplainOptions(permutation=PermutationOptions(seed=seed)), Deadline()).explanations
        for seed in (0, 1)
    )
    assert first.permutation.impacts[0].impact != second.permutation.impacts[0].impact


@pytest.mark.parametrize("model", MODELS)
def test_permutation_is_a_loop_over_all_permutations(model) -> None:
    fcam = model_of(*model)
    subject = explained(fcam)
    with torch.no_grad():
        output = fcam(segments_of(fcam)[None])
        own = output.probabilities[0].numpy()
        answers = [
            fcam.tail(output.phi, output.weights[:, list(order)]).probabilities[0].numpy()
            for order in itertools.permutations(range(4))
        ]
    options = ExplainOptions(permutation=PermutationOptions())
    (impact,) = explain(subject, options, Deadline()).explanations.permutation.impacts
    assert (impact.target, impact.samples, impact.exhaustive) == (SEGMENT, 24, True)
    distances = [variation(answer, own) for answer in answers]
    assert impact.median_total_variation == pytest.approx(np.median(distances), abs=1e-6)
    changes = [answer[own.argmax()] - own.max() for answer in answers]
    assert impact.impact == pytest.approx(np.abs(changes).mean(), abs=1e-6)
    assert impact.signed_change == pytest.approx(np.mean(changes), abs=1e-6)
    flips = [answer.argmax() != own.argmax() for answer in answers]
    assert impact.flip_share == pytest.approx(np.mean(flips))


@pytest.mark.parametrize("model", MODELS)
def test_adversaries_keep_to_the_answer(model) -> None:
    subject = subject_of(*model)
    options = AdversarialOptions(steps=60, epsilon=0.02)
    found = explain(subject, ExplainOptions(adversarial=options), Deadline()).explanations.adversarial
    (attention,) = found.attentions
    assert attention.target is SEGMENT
    assert (
        (attention.max_jensen_shannon is None) == (attention.feasible == 0) == (len(attention.weights) == 0)
    )
    if attention.feasible:
        assert attention.weights.sum() == pytest.approx(1, abs=1e-5)
        assert attention.weights.min() >= 0
        moved = subject.attend(SEGMENT, attention.weights[None])[0]
        assert variation(moved, subject.probabilities) <= options.epsilon + 1e-9
        assert attention.change == pytest.approx(variation(moved, subject.probabilities))


def test_some_model_has_adversaries() -> None:
    """So that the test before this one tests something."""
    subject = subject_of(Mechanism.SOFTMAX, "vector", 0)
    options = ExplainOptions(adversarial=AdversarialOptions(steps=300))
    (attention,) = explain(subject, options, Deadline()).explanations.adversarial.attentions
    assert attention.feasible
    assert attention.max_jensen_shannon > 0


@pytest.mark.parametrize("model", MODELS)
def test_erasure_goes_from_the_highest_weight(model) -> None:
    fcam = model_of(*model)
    subject = explained(fcam)
    (curve,) = explain(
        subject, ExplainOptions(erasure=ErasureOptions()), Deadline()
    ).explanations.erasure.curves
    output = fcam(segments_of(fcam)[None])
    weights = output.weights[0].numpy().copy()
    order = np.argsort(-weights, kind="stable")
    for count, told in enumerate(curve.probabilities):
        rest = weights.copy()
        rest[order[:count]] = 0
        rest = rest / rest.sum() if rest.sum() else np.isin(np.arange(4), order[count:]) / (4 - count)
        expected = fcam.tail(output.phi, torch.from_numpy(rest)[None]).probabilities[0, subject.tracked]
        assert told == pytest.approx(float(expected), abs=1e-5)


def test_what_needs_several_targets_or_a_grid_says_so() -> None:
    subject = subject_of(Mechanism.SOFTMAX, "image", 0)
    with pytest.raises(AttendantError, match="boxes need an image"):
        explain(subject, ExplainOptions(box_alignment=BoxAlignmentOptions(())), Deadline())
    with pytest.raises(AttendantError, match="the instance has no text; it has: segment"):
        explain(subject, ExplainOptions(erasure=ErasureOptions((Modality.TEXT,))), Deadline())
    options = ExplainOptions(class_activation=ClassActivationOptions("bird"), cross_modal=CrossModalOptions())
    found = explain(subject, options, Deadline()).explanations
    assert found.cross_modal.probes == ()
    assert found.class_activation.scores[0].scores.shape == (4,)


@settings(max_examples=20)
@given(
    st.sampled_from(MODELS),
    st.integers(0, 10_000),
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=5),
)
def test_a_variant_does_not_depend_on_the_others(model, seed, chosen) -> None:
    subject = explained(model_of(*model), seed)
    tables = {SEGMENT: subject.features(SEGMENT)}
    variants = [{SEGMENT: np.array(rows)} for rows in chosen]
    together = subject.answer(tables, variants)
    np.testing.assert_allclose(together.sum(axis=1), 1)
    for variant, answered in zip(variants, together, strict=True):
        np.testing.assert_allclose(subject.answer(tables, [variant])[0], answered, atol=1e-9)
        backwards = {SEGMENT: variant[SEGMENT][::-1].copy()}
        if subject._model.config.mechanism is not Mechanism.HARD:  # which takes the first of a tie
            np.testing.assert_allclose(subject.answer(tables, [backwards])[0], answered, atol=1e-6)
