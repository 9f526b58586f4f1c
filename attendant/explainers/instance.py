"""What several methods ask of the answered instance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from attendant.errors import invalid
from attendant.explainers.base import Elements, Explainable, Tables
from attendant.methods import RankedImportance
from attendant.statistics.ranks import kendall
from attendant.types import Modality


def choose_targets(subject: Explainable, asked: Sequence[Modality], field: str) -> tuple[Modality, ...]:
    """Those asked for, once each and in the contract's order; every present one where none is asked for.

    INVALID_INPUT, at `field`, for one that the instance lacks.
    """
    for target in asked:
        if target not in subject.targets:
            raise invalid(field, f"the instance has no {target}; it has: {', '.join(subject.targets)}")
    return tuple(target for target in subject.targets if not asked or target in asked)


def predict(subject: Explainable) -> int:
    """The class that the model decides for."""
    return int(subject.decide(subject.probabilities[None])[0])


def unchanged(subject: Explainable) -> tuple[Tables, Elements]:
    """The instance's own elements, and the variant that is the instance itself."""
    tables = {target: subject.features(target) for target in subject.targets}
    return tables, {target: np.arange(len(rows)) for target, rows in tables.items()}


def rank(subject: Explainable, target: Modality, scores: ArrayLike) -> RankedImportance:
    """L scores with their rank agreement with the target's mean attention, over the scores as they are answered."""
    answered = np.asarray(scores, dtype=np.float32)
    agreement = kendall(subject.attention(target), answered)
    if agreement is None:
        return RankedImportance(target, answered, None, None)
    return RankedImportance(target, answered, agreement.tau, agreement.p_value)
