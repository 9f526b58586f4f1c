"""HFM from its elements on, run again on a tweet made of other ones, in torch: what needs more than the tail.

B variants of a tweet; their elements are rows of tables (V x d a modality): token embeddings, region features, word
embeddings. Regions have no order, and most variants have most of them: the image's linear layers run once for each row
of its table. Everything is on the CPU, where an LSTM can be differentiated in eval mode.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attendant.models.hfm import (
    HierarchicalFusion,
    PerModality,
    RepresentationAttention,
    Variant,
    masked_mean,
    masked_softmax,
    weighted_sum,
)
from attendant.types import MODALITIES, Modality

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Tables = Mapping[Modality, Floats]
Elements = Mapping[Modality, Indices]  # rows of the tables; what is missing or empty is absent

_ANSWERED = 64  # variants at a time
_DIFFERENTIATED = 12  # each holds some 10 MB
_UNITS = 1 << 19  # hidden units of the regions' scores at a time: 2 MB stay in the cache
_ABSENT = np.zeros(0, np.int64)


@dataclass(frozen=True)
class _Batch:
    """B variants: their elements' rows in the tables, padded with 0, and which are real, each B x L."""

    rows: PerModality
    masks: PerModality

    @classmethod
    def of(cls, variants: Sequence[Elements]) -> Self:
        padded = [_pad([variant.get(modality, _ABSENT) for variant in variants]) for modality in MODALITIES]
        return cls(PerModality(*(rows for rows, _ in padded)), PerModality(*(mask for _, mask in padded)))

    @property
    def present(self) -> Tensor:
        """B x 3."""
        return torch.stack([mask.any(dim=1) for mask in self.masks], dim=1)


class _Regions:
    """The regions of a table, V x d_region, behind the image's linear layer and the attention's."""

    def __init__(self, model: HierarchicalFusion, table: Tensor) -> None:
        attention = model.attention[1]
        assert isinstance(attention, RepresentationAttention)
        self.layers = attention
        self.raw = model.image(table).relu()  # V x d
        self.elements = attention.element(self.raw)  # V x the hidden units of the three sources


@dataclass(frozen=True)
class _SharedImage:
    """The images of B variants, without a copy of their regions: sums over them are products with the table."""

    regions: _Regions
    rows: Tensor  # B x L
    mask: Tensor  # B x L

    def mean(self) -> Tensor:
        """B x d; 0 where there is no image."""
        return self.sum(self.mask / self.mask.sum(dim=1, keepdim=True).clamp(min=1))

    def sum(self, weights: Tensor) -> Tensor:
        """Weights B x L, 0 where the mask is: B x d."""
        table = self.regions.raw
        total: Tensor = torch.zeros(len(weights), len(table)).scatter_add(1, self.rows, weights) @ table
        return total

    def scores(self, guidance: PerModality) -> Tensor:
        """B x 3 sources x L."""
        layers = self.regions.layers
        parts = self.regions.elements.split_with_sizes(layers.hidden_widths, dim=-1)
        rows = [
            self._scores(part, source(guide), score)
            for part, source, guide, score in zip(parts, layers.source, guidance, layers.score, strict=True)
        ]
        return torch.stack(rows, dim=1)

    def _scores(self, elements: Tensor, source: Tensor, score: nn.Module) -> Tensor:
        """Elements V x hidden, source B x hidden: B x L; what two variants share is computed once."""
        inverse = None
        if not source.requires_grad:
            source, inverse = torch.unique(source, dim=0, return_inverse=True)
        step = max(1, _UNITS // elements.numel())
        parts = [
            score(torch.tanh(elements + part.unsqueeze(1))).squeeze(-1) for part in torch.split(source, step)
        ]
        scores = torch.cat(parts)
        return (scores if inverse is None else scores[inverse]).gather(1, self.rows)


class _OwnImage:
    """The images of B variants, with a copy of their regions each, by which the answer is differentiated."""

    def __init__(self, shared: _SharedImage) -> None:
        self._shared = shared
        self._raw = shared.regions.raw[shared.rows].requires_grad_()  # B x L x d
        self._elements = shared.regions.elements[shared.rows].requires_grad_()  # B x L x hidden

    @property
    def leaves(self) -> tuple[Tensor, Tensor]:
        return self._raw, self._elements

    def mean(self) -> Tensor:
        return masked_mean(self._raw, self._shared.mask)

    def sum(self, weights: Tensor) -> Tensor:
        return weighted_sum(weights, self._raw)

    def scores(self, guidance: PerModality) -> Tensor:
        if not torch.is_grad_enabled():
            return self._shared.scores(guidance)
        layers = self._shared.regions.layers
        sources = torch.cat([layer(g) for layer, g in zip(layers.source, guidance, strict=True)], dim=-1)
        hidden = torch.tanh(self._elements + sources.unsqueeze(1))
        parts = hidden.split_with_sizes(layers.hidden_widths, dim=-1)
        scores = [layer(part) for layer, part in zip(layers.score, parts, strict=True)]
        return torch.cat(scores, dim=-1).transpose(1, 2)

    def gradient(self, by_raw: Tensor, by_elements: Tensor, layer: nn.Linear) -> Tensor:
        """By the regions themselves, B x L x d_region, from the gradients by the two leaves."""
        element: Tensor = self._shared.regions.layers.element.weight  # hidden x d
        behind = (by_raw + by_elements @ element) * (self._raw > 0)
        total: Tensor = behind @ layer.weight
        return total


_Image = _SharedImage | _OwnImage


class Replay:
    """`model` is corrected and in eval mode: ValueError otherwise."""

    def __init__(self, model: HierarchicalFusion) -> None:
        if model.training or model.config.variant is not Variant.CORRECTED:
            raise ValueError("only a corrected model in eval mode is run again")
        self._model = model.requires_grad_(requires_grad=False)
        config = model.config
        self._widths = (config.embedding_width, config.region_width, config.attribute_width)
        # The last table of regions: many calls in a row have it
        self._seen: tuple[Floats, _Regions] | None = None

    @torch.no_grad()
    def logits(self, tables: Tables, variants: Sequence[Elements]) -> Doubles:
        """B logits."""
        words, regions, attributes = self._tables(tables)
        logits = [
            self._answer(
                batch,
                words[batch.rows.text],
                attributes[batch.rows.attribute],
                _SharedImage(regions, batch.rows.image, batch.masks.image),
                through_attention=False,
            )
            for batch in _batches(variants, _ANSWERED)
        ]
        return torch.cat(logits).double().numpy()

    def gradients(
        self,
        tables: Tables,
        variants: Sequence[Elements],
        targets: Sequence[Modality],
        *,
        through_attention: bool,
        check: Callable[[], None] | None = None,
    ) -> tuple[Doubles, dict[Modality, Floats]]:
        """B logits, and their gradients by the elements of `targets`, each B x L x d.

        The variants have the same number of elements in each of `targets`. Without `through_attention` all weights are
        constants: alpha_m, those of the attribute guidance, those of the fusion. `check` is called between the steps.
        """
        words, regions, attributes = self._tables(tables)
        logits: list[Tensor] = []
        gradients: dict[Modality, list[Tensor]] = {target: [] for target in targets}
        for batch in _batches(variants, _DIFFERENTIATED):
            if check is not None:
                check()
            leaves = {
                Modality.TEXT: words[batch.rows.text].requires_grad_(Modality.TEXT in targets),
                Modality.ATTRIBUTE: attributes[batch.rows.attribute].requires_grad_(
                    Modality.ATTRIBUTE in targets
                ),
            }
            shared = _SharedImage(regions, batch.rows.image, batch.masks.image)
            image = _OwnImage(shared) if Modality.IMAGE in targets else shared
            answer = self._answer(
                batch,
                leaves[Modality.TEXT],
                leaves[Modality.ATTRIBUTE],
                image,
                through_attention=through_attention,
            )
            logits.append(answer.detach())
            if check is not None:
                check()
            wanted = [target for target in leaves if target in targets]
            inputs = [leaves[target] for target in wanted]
            inputs += image.leaves if isinstance(image, _OwnImage) else ()
            found = torch.autograd.grad(answer.sum(), inputs, allow_unused=True, materialize_grads=True)
            for target, gradient in zip(wanted, found, strict=False):  # the image's two come last
                gradients[target].append(gradient)
            if check is not None:
                check()
            if isinstance(image, _OwnImage):
                by_raw, by_elements = found[-2:]
                gradients[Modality.IMAGE].append(image.gradient(by_raw, by_elements, self._model.image))
        stacked = {target: torch.cat(parts).numpy() for target, parts in gradients.items()}
        return torch.cat(logits).double().numpy(), stacked

    @torch.no_grad()
    def _tables(self, tables: Tables) -> tuple[Tensor, _Regions, Tensor]:
        words, regions, attributes = (
            torch.from_numpy(tables[m]) if m in tables else torch.zeros(1, width)
            for m, width in zip(MODALITIES, self._widths, strict=True)
        )
        return words, self._regions(tables.get(Modality.IMAGE), regions), attributes

    def _regions(self, table: Floats | None, regions: Tensor) -> _Regions:
        if table is None:
            return _Regions(self._model, regions)
        if self._seen is None or self._seen[0] is not table:
            self._seen = table, _Regions(self._model, regions)
        return self._seen[1]

    def _answer(
        self, batch: _Batch, words: Tensor, attributes: Tensor, image: _Image, *, through_attention: bool
    ) -> Tensor:
        """B logits; words B x T x d, attributes B x A x d."""
        model, masks, present = self._model, batch.masks, batch.present
        differentiated = torch.is_grad_enabled()
        with torch.set_grad_enabled(differentiated and through_attention):
            _, weights = model.attribute_guidance(attributes, masks.attribute)
        guidance = weighted_sum(weights, attributes)
        states = self._states(batch, words, guidance)
        with torch.set_grad_enabled(differentiated and through_attention):
            guides = PerModality(masked_mean(states, masks.text), image.mean(), guidance)
            sources = present.sum(dim=1, keepdim=True).clamp(min=1)
            text = model.attention[0](states, guides, masks.text, present).sum(dim=1) / sources
            scores = masked_softmax(image.scores(guides), masks.image.unsqueeze(1))
            regions = (scores * present.unsqueeze(-1)).sum(dim=1) / sources
            named = model.attention[2](attributes, guides, masks.attribute, present).sum(dim=1) / sources
        vectors = PerModality(weighted_sum(text, states), image.sum(regions), weighted_sum(named, attributes))
        _, fusion, values = model.fusion(vectors, present)
        return model.classify(weighted_sum(fusion if through_attention else fusion.detach(), values))

    def _states(self, batch: _Batch, words: Tensor, guidance: Tensor) -> Tensor:
        """The LSTM's states, B x T x d, 0 where there is no token."""
        mask, guided = batch.masks.text, batch.masks.attribute.any(dim=1)
        if torch.is_grad_enabled():
            states: Tensor = self._model.lstm(words, mask.sum(dim=1), guidance, guided)
            return states * mask.unsqueeze(-1)
        read = torch.cat((batch.rows.text, mask, batch.rows.attribute, batch.masks.attribute), dim=1)
        different, inverse = torch.unique(read, dim=0, return_inverse=True)
        first = torch.empty(len(different), dtype=torch.int64).scatter_(0, inverse, torch.arange(len(read)))
        states = self._model.lstm(words[first], mask[first].sum(dim=1), guidance[first], guided[first])
        return states[inverse] * mask.unsqueeze(-1)


def _batches(variants: Sequence[Elements], size: int) -> Iterator[_Batch]:
    return (_Batch.of(variants[start : start + size]) for start in range(0, len(variants), size))


def _pad(rows: Sequence[Indices]) -> tuple[Tensor, Tensor]:
    """Rows and mask, B x (longest, at least 1)."""
    padded = np.zeros((len(rows), max(1, *map(len, rows))), np.int64)
    mask = np.zeros(padded.shape, np.bool_)
    for i, row in enumerate(rows):
        padded[i, : len(row)], mask[i, : len(row)] = row, True
    return torch.from_numpy(padded), torch.from_numpy(mask)
