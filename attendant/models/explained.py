"""A sarcasm model's answer to one tweet, as the explainers see it: `attendant.explainers.base.Explainable`.

N sets of weights, B variants, C = 2 classes, L elements of a modality, d wide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from attendant.models.hfm import HierarchicalFusion
from attendant.models.replay import Elements, Replay, Tables
from attendant.models.runtime import still_blas
from attendant.models.tail import Doubles, Floats, Tail, TailWeights
from attendant.types import GRID, Check, Gradients, Modality, Typical, go_on

_POSITIVE = 1

K = TypeVar("K")


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
    """By modality that is present, in order: alpha_m (L) and features L x d, which `embed` finds; the fusion weights;
    and its tail.
    """

    def __init__(
        self,
        model: Explaining,
        embed: Callable[[], Mapping[Modality, Floats]],
        attention: Mapping[Modality, Floats],
        fusion: Floats,
        tail: Tail,
    ) -> None:
        self._model = model
        self._embed = embed
        self._attention = attention
        self._tail = tail
        self.targets = tuple(attention)
        self.classes = model.classes
        self.tracked = _POSITIVE
        self.fusion = fusion
        self._own: Doubles | None = None

    @property
    def probabilities(self) -> Doubles:
        if self._own is None:
            self.attend_each({})
            assert self._own is not None
        return self._own

    def decide(self, probabilities: Doubles) -> NDArray[np.int64]:
        """N labels: positive from the threshold on."""
        return (probabilities[:, _POSITIVE] >= self._model.threshold).astype(np.int64)

    def attention(self, target: Modality) -> Floats:
        return self._attention[target]

    def attend(self, target: Modality, weights: Floats) -> Doubles:
        return self.attend_each({target: weights})[target]

    def fuse(self, weights: Floats) -> Doubles:
        return self.attend_each({None: weights})[None]

    def attend_each(self, weights: Mapping[Modality | None, Floats]) -> dict[Modality | None, Doubles]:
        """The first time, the answer as it is goes along: alone it would take as long as ten others."""
        if self._own is not None:
            return _split(self._probabilities(self._tail.logits(weights)), weights)
        own = self.fusion[None]
        rows = {**weights, None: np.concatenate((weights[None], own)) if None in weights else own}
        found = _split(self._probabilities(self._tail.logits(rows)), rows)
        self._own = found[None][-1]
        found[None] = found[None][:-1]
        return found

    def pull(
        self, weights: Mapping[Modality, Floats]
    ) -> tuple[dict[Modality, Doubles], Callable[[Mapping[Modality, Doubles]], dict[Modality, Floats]]]:
        logits, by_weights = self._tail.logits_with_gradient(weights)
        probabilities = _split(self._probabilities(logits), weights)

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

    @cached_property
    def _features(self) -> Mapping[Modality, Floats]:
        return self._embed()

    def typical(self, target: Modality) -> Typical | None:
        return self._model.typical.get(target)

    def grid(self, target: Modality) -> tuple[int, int] | None:
        return (GRID, GRID) if target is Modality.IMAGE else None

    def answer(self, tables: Tables, variants: Sequence[Elements], *, check: Check = go_on) -> Doubles:
        return self._probabilities(self._model.replay.logits(tables, variants, check))

    def gradients(
        self,
        tables: Tables,
        variants: Sequence[Elements],
        label: int,
        targets: Sequence[Modality],
        *,
        through_attention: bool,
        check: Check = go_on,
    ) -> Gradients:
        logits, by_logit = self._model.replay.gradients(
            tables, variants, targets, through_attention=through_attention, check=check
        )
        factor = np.float32((1 if label == _POSITIVE else -1) / self._model.temperature)
        return Gradients(
            self._probabilities(logits), {target: factor * found for target, found in by_logit.items()}
        )

    def _probabilities(self, logits: Doubles) -> Doubles:
        """N logits to N x 2."""
        positive = expit(logits / self._model.temperature)
        return np.array((1 - positive, positive)).T


def _split(rows: Doubles, weights: Mapping[K, Floats]) -> dict[K, Doubles]:
    """As many rows for each as it has sets of weights."""
    found, start = {}, 0
    for key, own in weights.items():
        found[key] = rows[start : start + len(own)]
        start += len(own)
    return found
