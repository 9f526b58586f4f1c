"""What a picture shows of an explanation: the vectors over one modality, first all together, then source by source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.types import MODALITIES, Attention, AttentionKind, Modality, Prediction, Weights

FULL = 3  # times the weight that each element would have if all had the same
NAMES = {Modality.TEXT: "text", Modality.IMAGE: "image", Modality.ATTRIBUTE: "attributes"}


@dataclass(frozen=True)
class View:
    """One attention vector over a modality; `source` is what guided it, None for the mean over the sources."""

    name: str
    source: Modality | None
    weights: Weights

    @property
    def shades(self) -> NDArray[np.float64]:
        """How strongly to show each weight, in [0, 1]: 1 is the largest, if that is at least FULL even shares.

        So attention that is spread evenly looks pale, not strong everywhere.
        """
        full = max(float(self.weights.max()), min(1.0, FULL / self.weights.size))
        return self.weights.astype(np.float64) / full


def views(attention: Attention, target: Modality) -> tuple[View, ...]:
    """The mean and then each source; the mean alone where there is but one source; nothing for an absent modality."""
    mean = attention.find(AttentionKind.REPRESENTATION_MEAN, target)
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
