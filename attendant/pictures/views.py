"""What is shown over one modality: attention, all together and source by source, and what methods found beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.methods import Explanations, Method
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionVector,
    Modality,
    Prediction,
    Weights,
)

FULL = 3  # times the weight that each element would have if all had the same
NAMES = {
    Modality.TEXT: "text",
    Modality.IMAGE: "image",
    Modality.ATTRIBUTE: "attributes",
    Modality.SEGMENT: "segments",
}
METHOD_NAMES = {
    Method.GRADIENT: "gradients",
    Method.LEAVE_ONE_OUT: "one left out",
    Method.CLASS_ACTIVATION: "class activation",
    Method.ADVERSARIAL: "other attention",
}


@dataclass(frozen=True)
class View:
    """One vector over a modality: attention guided by `source`, or what `method` found; neither: the mean attention."""

    name: str
    source: Modality | None
    weights: Weights
    method: Method | None = None

    @property
    def main(self) -> bool:
        return self.source is None and self.method is None

    @property
    def shades(self) -> NDArray[np.float64]:
        """How strongly to show each weight, in [0, 1]: 1 is the largest, if that is at least FULL even shares.

        So attention that is spread evenly looks pale, not strong everywhere.
        """
        full = max(float(self.weights.max()), min(1.0, FULL / self.weights.size))
        return self.weights.astype(np.float64) / full


def views(attention: Attention, target: Modality) -> tuple[View, ...]:
    """The mean and then each source; the mean alone where there are no two sources; nothing for an absent modality."""
    mean = _main(attention, target)
    if mean is None:
        return ()
    guided = [
        View(f"guided by {NAMES[source]}", source, vector.weights)
        for source in MODALITIES
        if (vector := attention.find(AttentionKind.REPRESENTATION, target, source)) is not None
    ]
    if len(guided) < 2:
        return (View("attention", None, mean.weights),)
    return (View("all together", None, mean.weights), *guided)


def compared(explanations: Explanations, attention: Attention, target: Modality) -> tuple[View, ...]:
    """The mean attention, then each method's shares of what it found in all; nothing where no method found anything."""
    mean = _main(attention, target)
    found: list[tuple[Method, Weights]] = []
    if explanations.gradient is not None:
        found += [
            (Method.GRADIENT, one.scores) for one in explanations.gradient.importances if one.target is target
        ]
    if explanations.leave_one_out is not None:
        found += [
            (Method.LEAVE_ONE_OUT, one.scores)
            for one in explanations.leave_one_out.importances
            if one.target is target
        ]
    if explanations.class_activation is not None:
        found += [
            (Method.CLASS_ACTIVATION, one.scores)
            for one in explanations.class_activation.scores
            if one.target is target
        ]
    if explanations.adversarial is not None:
        found += [
            (Method.ADVERSARIAL, one.weights)
            for one in explanations.adversarial.attentions
            if one.target is target and one.weights.size
        ]
    if mean is None or not found:
        return ()
    views = (View(METHOD_NAMES[method], None, _shares(scores), method) for method, scores in found)
    return (View("attention", None, mean.weights), *views)


def _main(attention: Attention, target: Modality) -> AttentionVector | None:
    """What the answer was computed with."""
    kind = AttentionKind.FOCUS if target is Modality.SEGMENT else AttentionKind.REPRESENTATION_MEAN
    return attention.find(kind, target)


def _shares(scores: Weights) -> Weights:
    """Of their sum; all 0 where they are."""
    return scores / (float(scores.sum(dtype=np.float64)) or 1.0)


def modality_weights(attention: Attention) -> dict[Modality, float]:
    """The fusion weights of the modalities that took part."""
    vector = attention.find(AttentionKind.MODALITY)
    if vector is None:
        return {}
    return {
        modality: float(weight)
        for modality, weight in zip(MODALITIES, vector.weights, strict=True)
        if attention.axis(modality) is not None
    }


def score(prediction: Prediction) -> float:
    """The probability of the label itself."""
    return dict(prediction.scores).get(prediction.label, prediction.probability)
