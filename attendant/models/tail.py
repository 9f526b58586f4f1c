"""What follows HFM's attention, in closed form, forwards and backwards: the tail of one tweet.

L elements of a modality, d wide; F the width of the fusion; N sets of weights; M modalities that are present.
Explanations change attention thousands of times and leave the rest alone. X' = sum_i alpha_i X_i goes into two linear
layers, so that the positions can go through them first, once: W X' = sum_i alpha_i (W X_i).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log
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
        y = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True)
class Readout:
    """y = x weight + bias, a number for each row."""

    weight: Floats  # in
    bias: np.float32

    @classmethod
    def of(cls, layer: nn.Linear) -> Self:
        return cls(_numpy(layer.weight.detach()[0]), _numpy(layer.bias.detach())[0])

    def __call__(self, x: Floats) -> Floats:
        y: Floats = x @ self.weight + self.bias
        return y


@dataclass(frozen=True)
class TailWeights:
    """The weights of the tail. `entry` of a modality is its score's hidden layer and its value, d to 2F."""

    entry: Mapping[Modality, Linear]
    score: Mapping[Modality, Readout]  # F to 1
    hidden: Linear  # the classifier, F to its width
    logit: Readout  # to 1

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
                modality: Readout.of(layer)  # type: ignore[arg-type]
                for modality, layer in zip(MODALITIES, fusion.score, strict=True)
            },
            hidden=Linear.of(hidden),
            logit=Readout.of(logit),
        )


@dataclass(frozen=True)
class _Rest:
    """The other modalities, as a changed one meets them: one value, and one score to be weighed against."""

    score: np.float32  # ln sum_n exp(score_n); -inf where there is none
    value: Floats  # F


@dataclass(frozen=True)
class _Changed:
    """One modality with N other sets of weights, the others as they are."""

    hidden: Floats  # tanh, N x 2F: of the score and of the value
    share: Floats  # the modality's fusion weight, N x 1
    apart: Floats  # its value from the others', N x F

    def gradient(self, by_fused: Floats, score: Readout) -> Floats:
        """Of anything by what entered, N x 2F; `by_fused` is its gradient by what was fused, N x F."""
        width = by_fused.shape[1]
        by_share = np.einsum("nf,nf->n", by_fused, self.apart)[:, None]
        gradient = 1 - self.hidden**2
        gradient[:, :width] *= by_share * self.share * (1 - self.share) * score.weight
        gradient[:, width:] *= self.share * by_fused
        return gradient


class Tail:
    """Of the present modalities X_m (`raw`, L x d_m), and the fusion's `scores` (M) and `values` (M x F), in order.

    Logits are as the model gives them, before its calibration: of several modalities' rows under one another.
    """

    def __init__(
        self, weights: TailWeights, raw: Mapping[Modality, Floats], scores: Floats, values: Floats
    ) -> None:
        self._weights = weights
        self._raw = raw
        self._values = values
        self._projected: dict[Modality, Floats] = {}
        self._rest = dict(zip(raw, _others(scores, values), strict=True))

    def logits(self, weights: Mapping[Modality | None, Floats]) -> Doubles:
        """With a modality's attention replaced by each of `weights`, N x L; or, under None, the fusion weights, N x M
        in the order of `raw`.
        """
        fused = [
            rows @ self._values if modality is None else self._fuse(modality, self._enter(modality, rows))[1]
            for modality, rows in weights.items()
        ]
        return self._classify(fused)[1]

    def logits_with_gradient(
        self, weights: Mapping[Modality, Floats]
    ) -> tuple[Doubles, dict[Modality, Floats]]:
        """`logits`, and d logit / d weights, N x L."""
        changed, fused = {}, []
        for modality, rows in weights.items():
            changed[modality], mixed = self._fuse(modality, self._project(modality, rows))
            fused.append(mixed)
        hidden, logits = self._classify(fused)
        by_fused = ((hidden > 0) * self._weights.logit.weight) @ self._weights.hidden.weight.T
        gradients, start = {}, 0
        for modality, one in changed.items():
            rows = by_fused[start : start + len(one.hidden)]
            by_entered = one.gradient(rows, self._weights.score[modality])
            gradients[modality] = by_entered @ self._positions(modality).T
            start += len(rows)
        return logits, gradients

    def _enter(self, modality: Modality, weights: Floats) -> Floats:
        """Into the two linear layers, N x 2F: by whichever product is cheaper."""
        if modality in self._projected or len(weights) >= weights.shape[1]:
            return self._project(modality, weights)
        return self._weights.entry[modality](weights @ self._raw[modality])

    def _project(self, modality: Modality, weights: Floats) -> Floats:
        projected: Floats = weights @ self._positions(modality)
        projected += self._weights.entry[modality].bias
        return projected

    def _positions(self, modality: Modality) -> Floats:
        """The positions behind the two linear layers, L x 2F, made once."""
        if modality not in self._projected:
            self._projected[modality] = self._raw[modality] @ self._weights.entry[modality].weight
        return self._projected[modality]

    def _fuse(self, modality: Modality, entered: Floats) -> tuple[_Changed, Floats]:
        """With the other modalities as they are; N x F."""
        hidden = np.tanh(entered, out=entered)
        width = hidden.shape[1] // 2
        rest = self._rest[modality]
        share = expit(self._weights.score[modality](hidden[:, :width]) - rest.score)[:, None]
        apart = hidden[:, width:] - rest.value
        return _Changed(hidden, share, apart), rest.value + share * apart

    def _classify(self, fused: list[Floats]) -> tuple[Floats, Doubles]:
        """What the classifier's hidden layer is, N x its width, and N logits."""
        hidden = self._weights.hidden(np.concatenate(fused))
        logits = self._weights.logit(np.maximum(hidden, 0, out=hidden))
        return hidden, logits.astype(np.float64)


def _others(scores: Floats, values: Floats) -> list[_Rest]:
    """Of M modalities each one's others, which may be none."""
    others = [
        [score if other != i else -inf for other, score in enumerate(scores.tolist())]
        for i in range(len(scores))
    ]
    totals = [_log_sum(row) for row in others]
    weights = [
        [exp(score - total) if score > -inf else 0.0 for score in row]
        for row, total in zip(others, totals, strict=True)
    ]
    mixed = np.array(weights, np.float32) @ values
    return [_Rest(np.float32(total), value) for total, value in zip(totals, mixed, strict=True)]


def _log_sum(scores: list[float]) -> float:
    """Ln sum_n exp(score_n)."""
    largest = max(scores)
    return largest + log(sum(exp(score - largest) for score in scores)) if largest > -inf else -inf


def _numpy(tensor: Tensor) -> Floats:
    array: Floats = tensor.cpu().numpy()
    return array
