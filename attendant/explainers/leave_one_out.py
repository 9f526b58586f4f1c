"""Leave-one-out: how far the answer moves without an element (Jain and Wallace 2019, section 4.1)."""

import numpy as np

from attendant.explainers.base import Deadline, Doubles, Explainable, Late
from attendant.explainers.instance import choose_targets, rank, unchanged
from attendant.methods import LeaveOneOut, LeaveOneOutOptions, RankedImportance
from attendant.statistics.divergences import total_variation
from attendant.types import Modality


def leave_one_out(subject: Explainable, options: LeaveOneOutOptions, deadline: Deadline) -> LeaveOneOut:
    """The total variation distance, in [0, 1], between the answers with and without each of the L elements of a target.

    The element is gone, and attention is computed anew. Without its only element a target is absent; the only element
    of the only target scores 0, since without it nothing is asked. tau is between attention and the distances.
    Where the deadline comes first, the targets that were done. INVALID_INPUT for a target that the instance lacks.
    """
    targets = choose_targets(subject, options.targets, "options.leave_one_out.targets")
    importances: list[RankedImportance] = []
    try:
        for target in targets:
            importances.append(rank(subject, target, _distances(subject, target, deadline)))  # noqa: PERF401 - see Late
    except Late:
        return LeaveOneOut(tuple(importances), truncated=True)
    return LeaveOneOut(tuple(importances))


def _distances(subject: Explainable, target: Modality, deadline: Deadline) -> Doubles:
    """One for each of L elements."""
    tables, own = unchanged(subject)
    if len(own) == 1 and len(own[target]) == 1:
        return np.zeros(1)
    variants = [{**own, target: np.delete(own[target], i)} for i in own[target]]
    found = subject.answer(tables, [own, *variants], check=deadline.check)
    return total_variation(found[1:], found[:1])
