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
from attendant.wire.envelope import Operation
from services.gateway.lanes import Work, work_of


@pytest.mark.parametrize(
    "options",
    [
        ExplainOptions(),
        ExplainOptions(permutation=PermutationOptions(samples=100, modality_samples=100)),
        ExplainOptions(erasure=ErasureOptions(), box_alignment=BoxAlignmentOptions(())),
    ],
)
def test_what_answers_at_once_is_fast(options):
    work = work_of(Operation.EXPLAIN, options)
    assert (work, work.lane) == (Work.EXPLAIN, Lane.FAST)


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
    work = work_of(Operation.EXPLAIN, options)
    assert (work, work.lane) == (Work.SLOW, Lane.SLOW)


@pytest.mark.parametrize("options", [ExplainOptions(), ExplainOptions(gradient=GradientOptions())])
def test_a_prediction_is_one_whatever_else_its_request_says(options):
    work = work_of(Operation.PREDICT, options)
    assert (work, work.lane) == (Work.PREDICT, Lane.FAST)
