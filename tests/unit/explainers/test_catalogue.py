from dataclasses import fields, replace

import numpy as np
import pytest
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError, Reason
from attendant.explainers.base import Deadline
from attendant.explainers.catalogue import explain
from attendant.explainers.erasure import erasure
from attendant.explainers.gradient import gradient
from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    Explanations,
    GradientOptions,
    LeaveOneOutOptions,
    Masking,
    Method,
    PermutationOptions,
)
from attendant.types import MODALITIES, WarningCode

TEXT, IMAGE, ATTRIBUTE = MODALITIES
EVERYTHING = ExplainOptions(
    permutation=PermutationOptions(),
    gradient=GradientOptions(),
    class_activation=ClassActivationOptions(),
    leave_one_out=LeaveOneOutOptions(),
    adversarial=AdversarialOptions(steps=3),
    erasure=ErasureOptions(),
    cross_modal=CrossModalOptions(random_masks=2),
    box_alignment=BoxAlignmentOptions((Box(0.1, 0.1, 0.5, 0.5),)),
)


def names(explanations: Explanations) -> set[str]:
    return {field.name for field in fields(explanations) if getattr(explanations, field.name) is not None}


def codes(found) -> list[str]:
    return [warning.code for warning in found.warnings]


class Slow(ToyExplainable):
    """Whose method `slow` takes two seconds."""

    def __init__(self, slow: str, **arguments) -> None:
        super().__init__(grid=(3, 3), **arguments)
        self.now = 0.0
        run = getattr(self, slow)

        def slowly(*arguments, **options):
            self.now += 2
            return run(*arguments, **options)

        setattr(self, slow, slowly)

    def explain(self, options, seconds):
        return explain(self, options, Deadline(seconds, lambda: self.now))


def test_everything_that_is_asked_for():
    found = explain(ToyExplainable(grid=(3, 3)), EVERYTHING, Deadline())
    assert names(found.explanations) == set(Method)
    assert (found.warnings, found.truncated) == ((), False)


@pytest.mark.parametrize("method", Method)
def test_nothing_that_is_not(method):
    options = ExplainOptions(**{method: getattr(EVERYTHING, method)})
    assert names(explain(ToyExplainable(grid=(3, 3)), options, Deadline()).explanations) == {method}
    assert explain(ToyExplainable(), ExplainOptions(), Deadline()).explanations == Explanations()


def test_each_gets_its_options():
    subject = ToyExplainable()
    options = ExplainOptions(erasure=ErasureOptions((ATTRIBUTE,)), gradient=GradientOptions(True))
    found = explain(subject, options, Deadline()).explanations
    expected = gradient(subject, GradientOptions(True))
    for one, other in zip(found.gradient.importances, expected.importances, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
    (curve,) = found.erasure.curves
    np.testing.assert_array_equal(
        curve.probabilities, erasure(subject, ErasureOptions((ATTRIBUTE,))).curves[0].probabilities
    )


def test_a_model_of_another_kind():
    options = replace(EVERYTHING, box_alignment=None)
    found = explain(three_classes(), options, Deadline())
    assert names(found.explanations) == set(Method) - {Method.BOX_ALIGNMENT}
    assert found.warnings == ()


def test_after_the_deadline_nothing_runs():
    found = explain(ToyExplainable(grid=(3, 3)), EVERYTHING, Deadline(0))
    assert found.explanations == Explanations()
    assert found.truncated
    (warning,) = found.warnings
    assert warning.code == WarningCode.EXPLANATION_TRUNCATED
    assert all(f"{method} (left out)" in warning.message for method in Method)


def test_what_is_whole_or_nothing_runs_first():
    # `answer` is first used by leave-one-out, after which only the two most expensive are left.
    found = Slow("answer").explain(EVERYTHING, 1)
    assert names(found.explanations) == set(Method) - {Method.CROSS_MODAL, Method.ADVERSARIAL}
    (warning,) = found.warnings
    assert warning.message == (
        "the deadline came before the end of: "
        "leave_one_out (cut short), adversarial (left out), cross_modal (left out)"
    )
    # `gradients` by gradient importance, which has no half.
    found = Slow("gradients").explain(EVERYTHING, 1)
    assert names(found.explanations) == {"box_alignment", "erasure"}
    (warning,) = found.warnings
    assert "gradient (left out), class_activation (left out)" in warning.message


@pytest.mark.parametrize(
    ("slow", "options"),
    [
        ("attend", ExplainOptions(permutation=PermutationOptions((IMAGE,), samples=5_000))),
        ("gradients", ExplainOptions(cross_modal=CrossModalOptions(random_masks=2))),
        ("pull", ExplainOptions(adversarial=AdversarialOptions())),
    ],
)
def test_what_was_cut_short_is_told(slow, options):
    found = Slow(slow).explain(options, 5)
    (method,) = options.methods
    assert names(found.explanations) == {method}
    assert found.truncated
    (warning,) = found.warnings
    assert warning.code == WarningCode.EXPLANATION_TRUNCATED
    assert warning.message.endswith(f": {method} (cut short)")


def test_undefined_ranks_are_told_once():
    options = ExplainOptions(gradient=GradientOptions(), leave_one_out=LeaveOneOutOptions())
    found = explain(ToyExplainable({TEXT: 1, IMAGE: 4, ATTRIBUTE: 1}), options, Deadline())
    (warning,) = found.warnings
    assert warning.code == WarningCode.RANK_UNDEFINED
    assert "of text, attribute with" in warning.message
    assert not found.truncated


@pytest.mark.parametrize(
    ("masking", "told"),
    [(Masking.MEAN, "zeros"), (Masking.NOISE, "noise"), (Masking.ZERO, None), (Masking.DROP, None)],
)
def test_an_unknown_mean_is_told_where_it_is_needed(masking, told):
    options = ExplainOptions(cross_modal=CrossModalOptions(masking, random_masks=1))
    assert explain(ToyExplainable(), options, Deadline()).warnings == ()
    found = explain(ToyExplainable(typical=False), options, Deadline())
    assert codes(found) == ([WarningCode.MEAN_UNKNOWN] if told else [])
    assert all("text, image, attribute" in warning.message for warning in found.warnings)
    assert all(told in warning.message for warning in found.warnings)


def test_an_unknown_mean_does_not_matter_to_one_modality():
    options = ExplainOptions(cross_modal=CrossModalOptions())
    assert explain(ToyExplainable({TEXT: 3}, typical=False), options, Deadline()).warnings == ()


@pytest.mark.parametrize("seconds", [None, 0])
@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("permutation.targets", ExplainOptions(permutation=PermutationOptions((IMAGE,)))),
        ("erasure.targets", ExplainOptions(erasure=ErasureOptions((TEXT, IMAGE)))),
        ("leave_one_out.targets", ExplainOptions(leave_one_out=LeaveOneOutOptions((IMAGE,)))),
        ("adversarial.targets", ExplainOptions(adversarial=AdversarialOptions((IMAGE,)))),
        ("class_activation.label", ExplainOptions(class_activation=ClassActivationOptions("ironic"))),
        ("box_alignment", ExplainOptions(box_alignment=EVERYTHING.box_alignment)),
    ],
)
def test_what_does_not_suit_is_refused_whatever_the_deadline(field, options, seconds):
    with pytest.raises(AttendantError) as caught:
        explain(ToyExplainable({TEXT: 3}), options, Deadline(seconds))
    assert caught.value.reason is Reason.INVALID_INPUT
    assert [violation.field for violation in caught.value.violations] == [f"options.{field}"]


def test_the_same_bytes_again():
    first, second = (explain(ToyExplainable(seed=8, grid=(3, 3)), EVERYTHING, Deadline()) for _ in range(2))
    assert repr(first) == repr(second)
