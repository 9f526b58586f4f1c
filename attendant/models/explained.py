"""A sarcasm model's answer to one tweet, as the explainers see it: `attendant.explainers.base.Explainable`.

N sets of weights, B variants, C = 2 classes, L elements of a modality, d wide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from attendant.models.hfm import HierarchicalFusion
from attendant.models.replay import Elements, Replay, Tables
from attendant.models.runtime import still_blas
from attendant.models.tail import Doubles, Floats, Tail, TailWeights
from attendant.types import GRID, Gradients, Modality, Typical

_POSITIVE = 1


@dataclass(frozen=True)
class Explaining:
    """What all explanations of a model's version share. P(positive) = expit(logit / temperature)."""

    classes: tuple[str, str]
    temperature: float
    threshold: float
    tail: TailWeights
    replay: Replay
    words: Floats  # the embedding of each token
    attributes: Floats  # and of each attribute word
    typical: Mapping[Modality, Typical]

    @classmethod
    def of(
        cls,
        hfm: HierarchicalFusion,
        classes: tuple[str, str],
        temperature: float,
        threshold: float,
        typical: Mapping[Modality, Typical],
    ) -> Self:
        """ValueError where `hfm` is not one that can be explained."""
        still_blas()
        return cls(
            classes,
            temperature,
            threshold,
            TailWeights.of(hfm),
            Replay(hfm),
            hfm.word_embedding.weight.detach().numpy(),
            hfm.attribute_embedding.weight.detach().numpy(),
            typical,
        )


class ExplainedTweet:
    """By modality that is present, in order: features L x d and alpha_m (L); the fusion weights; and its tail."""

    def __init__(
        self,
        model: Explaining,
        features: Mapping[Modality, Floats],
        attention: Mapping[Modality, Floats],
        fusion: Floats,
        tail: Tail,
    ) -> None:
        self._model = model
        self._features = features
        self._attention = attention
        self._tail = tail
        self.targets = tuple(features)
        self.classes = model.classes
        self.tracked = _POSITIVE
        self.fusion = fusion
        self.probabilities: Doubles = self.fuse(fusion[None])[0]

    def decide(self, probabilities: Doubles) -> NDArray[np.int64]:
        """N labels: positive from the threshold on."""
        return (probabilities[:, _POSITIVE] >= self._model.threshold).astype(np.int64)

    def attention(self, target: Modality) -> Floats:
        return self._attention[target]

    def attend(self, target: Modality, weights: Floats) -> Doubles:
        return self._probabilities(self._tail.logits(target, weights))

    def fuse(self, weights: Floats) -> Doubles:
        return self._probabilities(self._tail.fused_logits(weights))

    def pull(
        self, weights: Mapping[Modality, Floats]
    ) -> tuple[dict[Modality, Doubles], Callable[[Mapping[Modality, Doubles]], dict[Modality, Floats]]]:
        logits, by_weights = self._tail.logits_with_gradient(weights)
        probabilities = {target: self._probabilities(found) for target, found in logits.items()}

        def back(by_probabilities: Mapping[Modality, Doubles]) -> dict[Modality, Floats]:
            found = {}
            for target, outer in by_probabilities.items():
                slope = probabilities[target].prod(axis=1) / self._model.temperature
                by_logit = (outer[:, _POSITIVE] - outer[:, 1 - _POSITIVE]) * slope
                found[target] = by_logit[:, None].astype(np.float32) * by_weights[target]
            return found

        return probabilities, back

    def features(self, target: Modality) -> Floats:
        return self._features[target]

    def typical(self, target: Modality) -> Typical | None:
        return self._model.typical.get(target)

    def grid(self, target: Modality) -> tuple[int, int] | None:
        return (GRID, GRID) if target is Modality.IMAGE else None

    def answer(self, tables: Tables, variants: Sequence[Elements]) -> Doubles:
        return self._probabilities(self._model.replay.logits(tables, variants))

    def gradients(
        self,
        tables: Tables,
        variants: Sequence[Elements],
        label: int,
        targets: Sequence[Modality],
        *,
        through_attention: bool,
    ) -> Gradients:
        logits, by_logit = self._model.replay.gradients(
            tables, variants, targets, through_attention=through_attention
        )
        factor = np.float32((1 if label == _POSITIVE else -1) / self._model.temperature)
        return Gradients(
            self._probabilities(logits), {target: factor * found for target, found in by_logit.items()}
        )

    def _probabilities(self, logits: Doubles) -> Doubles:
        """N logits to N x 2."""
        positive = expit(logits / self._model.temperature)
        return np.stack((1 - positive, positive), axis=1)
