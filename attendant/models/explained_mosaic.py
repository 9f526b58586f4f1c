"""An SDC model's answer to one mosaic, as the explainers see it: `attendant.explainers.base.Explainable`.

m segments, d numbers in each; k classes; N sets of weights; B variants; V rows of a table. Everything is in torch, on
the CPU: g behind changed attention, and f too where segments are changed.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.models.fcam import Fcam
from attendant.types import Check, Gradients, Modality, Typical, go_on

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Elements = Mapping[Modality, NDArray[np.int64]]  # rows of a table
Tables = Mapping[Modality, Floats]

_ANSWERED = 32  # averages or segments at a time: their first maps take 2 to 4 MB, and stay in the cache
_SEGMENT = Modality.SEGMENT


class ExplainedMosaic:
    """Of a model in eval mode, on the CPU and without gradients of its own: `segments` and `phi`, m x ..., `weights`
    m, and the names of the k classes.
    """

    targets = (_SEGMENT,)
    fusion: Floats | None = None

    def __init__(
        self, model: Fcam, classes: tuple[str, ...], segments: Floats, weights: Floats, phi: Floats
    ) -> None:
        self.classes = classes
        self._model = model
        self._kind = next(model.parameters()).dtype
        self._segments = segments.reshape(len(segments), -1)
        self._weights = weights
        self._phi = torch.from_numpy(phi).to(self._kind)
        self.probabilities: Doubles = self.attend(_SEGMENT, weights[None])[0]
        self.tracked = int(self.probabilities.argmax())

    def decide(self, probabilities: Doubles) -> NDArray[np.int64]:
        """N labels: the most probable class, the first of a tie."""
        labels: NDArray[np.int64] = probabilities.argmax(axis=1)
        return labels

    def attention(self, target: Modality) -> Floats:  # noqa: ARG002 - there is one
        return self._weights

    def attend(self, target: Modality, weights: Floats) -> Doubles:  # noqa: ARG002
        # Of sparse weights many permutations are the same: of one-hot ones, m of them
        distinct, places = np.unique(weights, axis=0, return_inverse=True)
        answers = self._answer(self._phi, torch.from_numpy(distinct).to(self._kind))
        return answers[places.reshape(-1)]

    def fuse(self, weights: Floats) -> Doubles:
        raise NotImplementedError("an SDC model has nothing to fuse")

    def attend_each(self, weights: Mapping[Modality | None, Floats]) -> dict[Modality | None, Doubles]:
        return {_SEGMENT: self.attend(_SEGMENT, weights[_SEGMENT])}

    def pull(
        self, weights: Mapping[Modality, Floats]
    ) -> tuple[dict[Modality, Doubles], Callable[[Mapping[Modality, Doubles]], dict[Modality, Floats]]]:
        given = torch.from_numpy(weights[_SEGMENT]).to(self._kind).requires_grad_()
        answers = self._probabilities(self._phi, given)

        def back(by_probabilities: Mapping[Modality, Doubles]) -> dict[Modality, Floats]:
            # Of a sum: torch imports sympy, which takes seconds, where it is given gradients to start from
            total = (answers * torch.from_numpy(by_probabilities[_SEGMENT])).sum()
            (found,) = torch.autograd.grad(total, given, retain_graph=True)
            return {_SEGMENT: found.float().numpy()}

        return {_SEGMENT: answers.detach().numpy()}, back

    def features(self, target: Modality) -> Floats:  # noqa: ARG002
        """The segments as f reads them, m x d."""
        return self._segments

    def typical(self, target: Modality) -> Typical | None:  # noqa: ARG002
        return None

    def grid(self, target: Modality) -> tuple[int, int] | None:  # noqa: ARG002 - the order of segments says nothing
        return None

    @torch.inference_mode()
    def answer(self, tables: Tables, variants: Sequence[Elements], *, check: Check = go_on) -> Doubles:
        """B x k; variants may have fewer segments than the model is trained with. f runs once a row of the table.

        ValueError for a variant without segments.
        """
        check()  # once: a mosaic takes a few milliseconds
        scores, phi = self._examine(self._shape(tables[_SEGMENT]))
        weights = torch.zeros(len(variants), len(scores), dtype=self._kind)
        for row, variant in zip(weights, variants, strict=True):
            places = torch.from_numpy(_segments_of(variant))
            row.index_add_(0, places, self._attend(scores[places]))
        return self._answer(phi, weights)

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
        check()  # once: a mosaic takes a few milliseconds
        places = torch.from_numpy(np.stack([_segments_of(variant) for variant in variants]))  # B x L
        elements = self._shape(tables[_SEGMENT])[places].requires_grad_()
        scores, phi = (
            part.reshape(*places.shape, *part.shape[1:])
            for part in self._model.examine(elements.flatten(0, 1))
        )
        weights = self._attend(scores)
        logits = self._model.tail(phi, weights if through_attention else weights.detach()).logits.double()
        others = [other for other in range(len(self.classes)) if other != label]
        odds = logits[:, label] - logits[:, others].logsumexp(dim=1)
        (found,) = torch.autograd.grad(odds.sum(), elements)
        return Gradients(
            logits.detach().softmax(dim=1).numpy(),
            {target: found.flatten(2).float().numpy() for target in targets},
        )

    def _shape(self, rows: Floats) -> Tensor:
        """V x d to V x ..."""
        return torch.from_numpy(rows).to(self._kind).reshape(-1, *self._model.config.networks.segment)

    def _examine(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and phi of V elements."""
        parts = [self._model.examine(chunk) for chunk in torch.split(elements, _ANSWERED)]
        scores, phi = zip(*parts, strict=True)
        return torch.cat(scores), torch.cat(phi)

    def _attend(self, scores: Tensor) -> Tensor:
        return self._model.config.mechanism.focus_map.weights(scores)

    @torch.inference_mode()
    def _answer(self, phi: Tensor, weights: Tensor) -> Doubles:
        """N x k, of weights N x V over phi V x ..."""
        parts = [self._probabilities(phi, chunk) for chunk in torch.split(weights, _ANSWERED)]
        answers: Doubles = torch.cat(parts).numpy()
        return answers

    def _probabilities(self, phi: Tensor, weights: Tensor) -> Tensor:
        """N x k, float64."""
        return self._model.tail(phi[None], weights).logits.double().softmax(dim=1)


def _segments_of(variant: Elements) -> NDArray[np.int64]:
    rows = variant.get(_SEGMENT)
    if rows is None or not len(rows):
        raise ValueError("a variant has no segment")
    return rows
