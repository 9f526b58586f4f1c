"""What kind of work a question is, and which lane does it."""

from enum import StrEnum

from attendant.lanes import Lane
from attendant.methods import ExplainOptions, Method
from attendant.wire.envelope import Operation

# They run the part of a model behind its attention alone.
FAST_METHODS = frozenset({Method.PERMUTATION, Method.ERASURE, Method.BOX_ALIGNMENT})
# Of each permuted vector: some 4 ms, for which the predictions in the same batch wait.
FAST_SAMPLES = 100


class Work(StrEnum):
    """Kinds of work, of which none takes another's place. Predictions and quick explanations share the fast lane."""

    PREDICT = "predict"
    EXPLAIN = "explain"
    SLOW = "slow"

    @property
    def lane(self) -> Lane:
        """Whose worker does it."""
        return Lane.SLOW if self is Work.SLOW else Lane.FAST


def work_of(operation: Operation, options: ExplainOptions) -> Work:
    """Slow is what could hold up predictions."""
    if operation is Operation.PREDICT:
        return Work.PREDICT
    return Work.EXPLAIN if FAST_METHODS.issuperset(options.methods) and _few_samples(options) else Work.SLOW


def _few_samples(options: ExplainOptions) -> bool:
    permutation = options.permutation
    return permutation is None or max(permutation.samples, permutation.modality_samples) <= FAST_SAMPLES
