"""A tiny model that offers what `Explainable` asks for, to the letter: float64 autograd throughout, no speed at all.

Text elements depend on the one before them, so their order counts; attention depends on every target that is present.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from attendant.explainers.base import (
    Doubles,
    Elements,
    Explainable,
    Floats,
    Labels,
    Pull,
    Tables,
)
from attendant.types import MODALITIES, Check, Gradients, Modality, Typical, go_on

WIDTHS = {Modality.TEXT: 5, Modality.IMAGE: 6, Modality.ATTRIBUTE: 4}
HIDDEN = 7
THRESHOLD = 0.5
LENGTHS = {Modality.TEXT: 6, Modality.IMAGE: 9, Modality.ATTRIBUTE: 3}


class ToyExplainable(Explainable):
    """`scale` times the logits: answers that really move. `grid` is the image's, rows x columns of its length."""

    def __init__(
        self,
        lengths: Mapping[Modality, int] = LENGTHS,
        *,
        seed: int = 0,
        classes: tuple[str, ...] = ("negative", "positive"),
        fused: bool = True,
        typical: bool = True,
        grid: tuple[int, int] | None = None,
        scale: float = 4.0,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64) / shape[0] ** 0.5

        # Drawn for every target, so that the same seed is the same model whichever are present.
        self._encode = {target: draw(width, HIDDEN) * 1.5 for target, width in WIDTHS.items()}
        self._previous = draw(WIDTHS[Modality.TEXT], HIDDEN)
        self._hidden = {target: draw(HIDDEN, HIDDEN) * 2 for target in MODALITIES}
        self._guidance = {target: draw(HIDDEN, HIDDEN) for target in MODALITIES}
        self._score = {target: draw(HIDDEN) * 3 for target in MODALITIES}
        self._fuse = {target: draw(HIDDEN) * 4 for target in MODALITIES}
        self._value = {target: draw(HIDDEN, HIDDEN) * 2 for target in MODALITIES}
        self._classify = draw(HIDDEN, HIDDEN) * 2
        self._logits = draw(HIDDEN, 1 if len(classes) == 2 else len(classes)) * scale
        self._typical = {t: (draw(1, w)[0], draw(1, w)[0].abs()) for t, w in WIDTHS.items()}
        self._has_typical = typical
        self._classes = classes
        self._fused = fused
        self._grid = grid
        self._targets = tuple(target for target in MODALITIES if lengths.get(target))
        self._features = {t: draw(1, lengths[t], WIDTHS[t])[0].float() for t in self._targets}
        if grid is not None and grid[0] * grid[1] != lengths.get(Modality.IMAGE):
            raise ValueError(f"{grid} are not the image's {lengths.get(Modality.IMAGE)} elements")

        self._x = self._states({target: rows.double() for target, rows in self._features.items()})
        self._alpha = {target: weights.float() for target, weights in self._attention(self._x).items()}

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def tracked(self) -> int:
        return 1 if len(self._classes) == 2 else int(self.probabilities.argmax())

    @property
    def targets(self) -> tuple[Modality, ...]:
        return self._targets

    @property
    def probabilities(self) -> Doubles:
        first = self._targets[0]
        return self.attend(first, self.attention(first)[None])[0]

    def decide(self, probabilities: Doubles) -> Labels:
        if len(self._classes) == 2:
            return (probabilities[:, 1] >= THRESHOLD).astype(np.int64)
        return probabilities.argmax(axis=-1)

    def attention(self, target: Modality) -> Floats:
        return self._alpha[target].numpy()

    @property
    def fusion(self) -> Floats | None:
        if not self._fused:
            return None
        return self._weigh(self._sums({}))[0].float().numpy()

    def attend(self, target: Modality, weights: Floats) -> Doubles:
        return self._tail({target: _tensor(weights)}).numpy()

    def fuse(self, weights: Floats) -> Doubles:
        return self._answer(self._values(self._sums({})), _tensor(weights)).softmax(-1).numpy()

    def attend_each(self, weights: Mapping[Modality | None, Floats]) -> Mapping[Modality | None, Doubles]:
        return {
            target: self.fuse(rows) if target is None else self.attend(target, rows)
            for target, rows in weights.items()
        }

    def pull(self, weights: Mapping[Modality, Floats]) -> tuple[Mapping[Modality, Doubles], Pull]:
        given = {target: _tensor(rows).requires_grad_() for target, rows in weights.items()}
        answers = {target: self._tail({target: rows}) for target, rows in given.items()}

        def back(gradients: Mapping[Modality, Doubles]) -> Mapping[Modality, Floats]:
            # Of a sum: torch imports sympy, which takes seconds, where it is given gradients to start from.
            sums = {
                target: (answers[target] * torch.tensor(rows)).sum() for target, rows in gradients.items()
            }
            return {
                target: torch.autograd.grad(total, given[target], retain_graph=True)[0].float().numpy()
                for target, total in sums.items()
            }

        return {target: answer.detach().numpy() for target, answer in answers.items()}, back

    def features(self, target: Modality) -> Floats:
        return self._features[target].numpy()

    def typical(self, target: Modality) -> Typical | None:
        mean, deviation = self._typical[target]
        return Typical(mean.float().numpy(), deviation.float().numpy()) if self._has_typical else None

    def grid(self, target: Modality) -> tuple[int, int] | None:
        return self._grid if target is Modality.IMAGE else None

    def answer(self, tables: Tables, variants: Sequence[Elements], *, check: Check = go_on) -> Doubles:
        check()
        rows = [self._whole(_elements(tables, variant)).softmax(-1) for variant in variants]
        return torch.stack(rows).numpy() if rows else np.zeros((0, len(self._classes)))

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
        probabilities, gradients = [], []
        for variant in variants:
            elements = _elements(tables, variant)
            asked = [elements[target].requires_grad_() for target in targets]
            logits = self._whole(elements, through_attention=through_attention)
            others = [i for i in range(len(self._classes)) if i != label]
            log_odds = logits[label] - logits[others].logsumexp(0)
            gradients.append(torch.autograd.grad(log_odds, asked))
            probabilities.append(logits.detach().softmax(-1))
        check()
        return Gradients(
            torch.stack(probabilities).numpy(),
            {
                target: torch.stack(rows).float().numpy()
                for target, rows in zip(targets, zip(*gradients, strict=True), strict=True)
            },
        )

    def _states(self, elements: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """L x d to X, L x HIDDEN, a target."""
        before = {target: rows @ self._encode[target] for target, rows in elements.items()}
        if Modality.TEXT in elements:
            previous = elements[Modality.TEXT].roll(1, dims=0).clone()
            previous[0] = 0
            before[Modality.TEXT] = before[Modality.TEXT] + previous @ self._previous
        return {target: rows.tanh() for target, rows in before.items()}

    def _attention(self, x: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """L weights a target, guided by the mean element of every present target."""
        guidance = torch.stack([rows.mean(0) @ self._guidance[target] for target, rows in x.items()]).sum(0)
        return {
            target: ((rows @ self._hidden[target] + guidance).tanh() @ self._score[target]).softmax(0)
            for target, rows in x.items()
        }

    def _sums(self, replaced: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """X', N x HIDDEN a target, with N x L weights in place of some targets' own."""
        weights = {target: replaced.get(target, self._alpha[target].double()[None]) for target in self._x}
        return {target: weights[target] @ rows for target, rows in self._x.items()}

    def _weigh(self, sums: Mapping[Modality, Tensor]) -> Tensor:
        """The fusion weights, N x targets: equal where the model does not weigh them."""
        scores = torch.stack(
            torch.broadcast_tensors(*(rows.tanh() @ self._fuse[target] for target, rows in sums.items())), -1
        )
        return (scores if self._fused else torch.zeros_like(scores)).softmax(-1)

    def _values(self, sums: Mapping[Modality, Tensor]) -> list[Tensor]:
        """N x HIDDEN a target."""
        return [(rows @ self._value[target]).tanh() for target, rows in sums.items()]

    def _answer(self, values: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Logits N x C; of two classes the first one's is 0."""
        together = torch.stack([weights[:, i : i + 1] * rows for i, rows in enumerate(values)]).sum(0)
        logits = (together @ self._classify).tanh() @ self._logits
        return torch.cat((torch.zeros_like(logits), logits), -1) if len(self._classes) == 2 else logits

    def _tail(self, replaced: Mapping[Modality, Tensor]) -> Tensor:
        """Probabilities N x C."""
        sums = self._sums(replaced)
        return self._answer(self._values(sums), self._weigh(sums)).softmax(-1)

    def _whole(self, elements: Mapping[Modality, Tensor], *, through_attention: bool = True) -> Tensor:
        """The whole model on one instance's elements, L x d a target: its C logits."""
        x = self._states(elements)
        weights = self._attention(x)
        if not through_attention:
            weights = {target: rows.detach() for target, rows in weights.items()}
        sums = {target: (weights[target] @ rows)[None] for target, rows in x.items()}
        fusion = self._weigh(sums)
        return self._answer(self._values(sums), fusion if through_attention else fusion.detach())[0]


def three_classes(length: int = 8, *, seed: int = 0, scale: float = 4.0) -> ToyExplainable:
    """Three classes, one target that nothing is fused with."""
    lengths = {Modality.IMAGE: length}
    return ToyExplainable(lengths, seed=seed, classes=("left", "middle", "right"), fused=False, scale=scale)


def _tensor(weights: Floats) -> Tensor:
    if weights.dtype != np.float32:
        raise TypeError(f"weights are float32, not {weights.dtype}")
    return torch.tensor(weights, dtype=torch.float64)


def _elements(tables: Tables, variant: Elements) -> dict[Modality, Tensor]:
    """What a variant is made of, L x d a target that is there. ValueError where nothing is."""
    elements = {
        target: torch.tensor(tables[target][variant[target]], dtype=torch.float64)
        for target in MODALITIES
        if target in variant and len(variant[target])
    }
    if not elements:
        raise ValueError("a variant has no element")
    return elements
