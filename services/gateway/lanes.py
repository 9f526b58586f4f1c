"""Which lane answers a question."""

from attendant.lanes import Lane
from attendant.methods import ExplainOptions, Method

# They run the part of a model behind its attention alone.
FAST_METHODS = frozenset({Method.PERMUTATION, Method.ERASURE, Method.BOX_ALIGNMENT})
# Of each permuted vector: some 4 ms, for which the predictions in the same batch wait.
FAST_SAMPLES = 100


def lane_of(options: ExplainOptions) -> Lane:
    """The slow one for what could hold up predictions."""
    return Lane.FAST if FAST_METHODS.issuperset(options.methods) and _few_samples(options) else Lane.SLOW


def _few_samples(options: ExplainOptions) -> bool:
    permutation = options.permutation
    return permutation is None or max(permutation.samples, permutation.modality_samples) <= FAST_SAMPLES
