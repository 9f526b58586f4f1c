import pytest

from attendant.lanes import Lane
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
from services.gateway.lanes import lane_of


@pytest.mark.parametrize(
    "options",
    [
        ExplainOptions(),
        ExplainOptions(permutation=PermutationOptions(samples=100, modality_samples=100)),
        ExplainOptions(erasure=ErasureOptions(), box_alignment=BoxAlignmentOptions(())),
    ],
)
def test_what_answers_at_once_is_fast(options):
    assert lane_of(options) is Lane.FAST


@pytest.mark.parametrize(
    "options",
    [
        ExplainOptions(permutation=PermutationOptions(samples=101)),
        ExplainOptions(permutation=PermutationOptions(modality_samples=101)),
        ExplainOptions(gradient=GradientOptions()),
        ExplainOptions(class_activation=ClassActivationOptions()),
        ExplainOptions(leave_one_out=LeaveOneOutOptions()),
        ExplainOptions(adversarial=AdversarialOptions()),
        ExplainOptions(cross_modal=CrossModalOptions()),
        ExplainOptions(permutation=PermutationOptions(), gradient=GradientOptions()),
    ],
)
def test_one_slow_method_makes_a_slow_question(options):
    assert lane_of(options) is Lane.SLOW
