"""What follows HFM's attention, in numpy and in closed form, forwards and backwards: the tail of one tweet.

L elements of a modality, d wide; F the width of the fusion; N sets of weights; M modalities that are present.
Explanations change attention thousands of times and leave the rest alone. X' = sum_i alpha_i X_i goes into two linear
layers, so that the positions can go through them first, once: W X' = sum_i alpha_i (W X_i).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from attendant.models.hfm import HierarchicalFusion, Variant
from attendant.types import MODALITIES, Modality

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """y = x weight + bias."""

    weight: Floats  # in x out
    bias: Floats  # out

    @classmethod
    def of(cls, *layers: nn.Linear) -> Self:
        """Layers that read the same, side by side."""
        weights = [_numpy(layer.weight.detach().T) for layer in layers]
        biases = [_numpy(layer.bias.detach()) for layer in layers]
        return cls(np.ascontiguousarray(np.concatenate(weights, axis=1)), np.concatenate(biases))

    def __call__(self, x: Floats) -> Floats:
        y: Floats = x @ self.weight + self.bias
        return y


@dataclass(frozen=True)
class TailWeights:
    """The weights of the tail. `entry` of a modality is its score's hidden layer and its value, d to 2F."""

    entry: Mapping[Modality, Linear]
    score: Mapping[Modality, Linear]  # F to 1
    hidden: Linear  # the classifier, F to its width
    logit: Linear  # to 1

    @classmethod
    def of(cls, model: HierarchicalFusion) -> Self:
        """ValueError for a model that departs from the equations: its attention covers padding."""
        if model.config.variant is not Variant.CORRECTED:
            raise ValueError(f"only the corrected model is explained, not {model.config.variant}")
        fusion = model.fusion
        hidden, _, logit = model.classifier
        assert isinstance(hidden, nn.Linear)
        assert isinstance(logit, nn.Linear)
        entries = zip(MODALITIES, fusion.hidden, fusion.value, strict=True)
        return cls(
            entry={modality: Linear.of(score, value) for modality, score, value in entries},  # type: ignore[arg-type]
            score={
                modality: Linear.of(layer)  # type: ignore[arg-type]
                for modality, layer in zip(MODALITIES, fusion.score, strict=True)
            },
            hidden=Linear.of(hidden),
            logit=Linear.of(logit),
        )


@dataclass(frozen=True)
class _Rest:
    """The other modalities, as a changed one meets them: one value, and one score to be weighed against."""

    score: float  # ln sum_n exp(score_n); -inf where there is none
    value: Floats  # F


@dataclass(frozen=True)
class _Forward:
    """What the way back needs, for rows of several modalities under one another."""

    hidden: Floats  # tanh, N x 2F: of the score and of the value
    share: Floats  # the changed modality's fusion weight, N x 1
    active: NDArray[np.bool_]  # of the classifier, N x its width
    logit: Doubles  # N


class Tail:
    """Of the present modalities X_m (`raw`, L x d_m), and the fusion's `scores` (M) and `values` (M x F), in order.

    Logits are as the model gives them, before its calibration.
    """

    def __init__(
        self, weights: TailWeights, raw: Mapping[Modality, Floats], scores: Floats, values: Floats
    ) -> None:
        self._weights = weights
        self._raw = raw
        self._values = values
        self._projected: dict[Modality, Floats] = {}
        self._rest = {m: _others(np.delete(scores, i), np.delete(values, i, 0)) for i, m in enumerate(raw)}

    def logits(self, modality: Modality, weights: Floats) -> Doubles:
        """N logits, with the modality's attention replaced by each of `weights`, N x L."""
        return self._forward((modality,), (self._enter(modality, weights),), (len(weights),)).logit

    def fused_logits(self, weights: Floats) -> Doubles:
        """N logits, with the fusion weights replaced by each of `weights`, N x M in the order of `raw`."""
        return self._classify(weights @ self._values)[1]

    def logits_with_gradient(
        self, weights: Mapping[Modality, Floats]
    ) -> tuple[dict[Modality, Doubles], dict[Modality, Floats]]:
        """`logits` for several modalities, each changed on its own, and d logit / d weights, N x L."""
        modalities = tuple(weights)
        counts = tuple(len(rows) for rows in weights.values())
        forward = self._forward(modalities, [self._project(m, w) for m, w in weights.items()], counts)
        backward = self._backward(modalities, forward, counts)
        logits, gradients, start = {}, {}, 0
        for modality, count in zip(modalities, counts, strict=True):
            rows = slice(start, start + count)
            logits[modality] = forward.logit[rows]
            gradients[modality] = backward[rows] @ self._positions(modality).T
            start += count
        return logits, gradients

    def _enter(self, modality: Modality, weights: Floats) -> Floats:
        """Into the two linear layers, N x 2F: by whichever product is cheaper."""
        if modality in self._projected or len(weights) >= weights.shape[1]:
            return self._project(modality, weights)
        return self._weights.entry[modality](weights @ self._raw[modality])

    def _project(self, modality: Modality, weights: Floats) -> Floats:
        projected: Floats = weights @ self._positions(modality) + self._weights.entry[modality].bias
        return projected

    def _positions(self, modality: Modality) -> Floats:
        """The positions behind the two linear layers, L x 2F, made once."""
        if modality not in self._projected:
            self._projected[modality] = self._raw[modality] @ self._weights.entry[modality].weight
        return self._projected[modality]

    def _forward(
        self,
        modalities: tuple[Modality, ...],
        entered: "list[Floats] | tuple[Floats, ...]",
        counts: tuple[int, ...],
    ) -> _Forward:
        """Rows of each modality under one another, each with the other modalities as they are."""
        hidden = np.tanh(np.concatenate(entered) if len(entered) > 1 else entered[0])
        width = hidden.shape[1] // 2
        layers = [self._weights.score[m] for m in modalities]
        score = np.einsum("nf,nf->n", hidden[:, :width], _rows([s.weight[:, 0] for s in layers], counts))
        against = _rows(
            [s.bias - self._rest[m].score for m, s in zip(modalities, layers, strict=True)], counts
        )
        share = expit(score[:, None] + against).astype(np.float32, copy=False)
        rest = _rows([self._rest[m].value for m in modalities], counts)
        active, logit = self._classify(rest + share * (hidden[:, width:] - rest))
        return _Forward(hidden, share, active, logit)

    def _backward(
        self, modalities: tuple[Modality, ...], forward: _Forward, counts: tuple[int, ...]
    ) -> Floats:
        """The gradient of the logit by what entered, N x 2F."""
        width = forward.hidden.shape[1] // 2
        rest = _rows([self._rest[m].value for m in modalities], counts)
        by_score = _rows([self._weights.score[m].weight[:, 0] for m in modalities], counts)
        by_fused = (forward.active * self._weights.logit.weight[:, 0]) @ self._weights.hidden.weight.T
        by_share = np.einsum("nf,nf->n", by_fused, forward.hidden[:, width:] - rest)[:, None]
        gradient = 1 - forward.hidden**2
        gradient[:, :width] *= by_share * forward.share * (1 - forward.share) * by_score
        gradient[:, width:] *= forward.share * by_fused
        return gradient

    def _classify(self, fused: Floats) -> tuple[NDArray[np.bool_], Doubles]:
        hidden = self._weights.hidden(fused)
        active = hidden > 0
        logits = self._weights.logit(np.maximum(hidden, 0, out=hidden))[:, 0]
        return active, logits.astype(np.float64)


def _others(scores: Floats, values: Floats) -> _Rest:
    """Of the modalities but one, which may be none."""
    if not len(scores):
        return _Rest(-np.inf, np.zeros(values.shape[1], np.float32))
    total = float(np.logaddexp.reduce(scores))
    return _Rest(total, np.exp(scores - np.float32(total)) @ values)


def _rows(values: list[Floats], counts: tuple[int, ...]) -> Floats:
    """One row a modality to one row a set of weights; a single one is left to broadcasting."""
    stacked = np.stack(values)
    return stacked if len(values) == 1 else np.repeat(stacked, counts, axis=0)


def _numpy(tensor: Tensor) -> Floats:
    array: Floats = tensor.cpu().numpy()
    return array
