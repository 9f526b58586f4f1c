"""HFM from its elements on, run again on a tweet made of other ones, in torch: what needs more than the tail.

B variants of a tweet; their elements are rows of tables (V x d a modality): token embeddings, region features, word
embeddings. Regions have no order, and most variants have most of them: the image's linear layers run once for each row
of its table. Everything is on the CPU, where an LSTM can be differentiated in eval mode.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attendant.models.hfm import (
    HierarchicalFusion,
    PerModality,
    RepresentationAttention,
    State,
    Variant,
    masked_mean,
    masked_softmax,
    weighted_sum,
)
from attendant.types import MODALITIES, Check, Modality, go_on

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Tables = Mapping[Modality, Floats]
Elements = Mapping[Modality, Indices]  # rows of the tables; what is missing or empty is absent

_ANSWERED = 64  # variants at a time
_DIFFERENTIATED = 12  # each holds some 10 MB
_READ = 1200  # tokens of all variants that are read at a time; a quarter of them goes through the attention's layer
_STEPS = 38  # tokens of each that one direction reads between two looks, half of the longest text: some 10 ms
_UNITS = 1 << 19  # hidden units of scores at a time: 2 MB stay in the cache
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


@dataclass(frozen=True)
class _Read:
    """Elements behind the attention's linear layer: G groups of V. Many variants may be made of one group."""

    layers: RepresentationAttention
    raw: Tensor  # G x V x d
    elements: Tensor  # G x V x the hidden units of all sources


@dataclass(frozen=True)
class _Shared:
    """A target of B variants, without a copy of their elements: sums over them are products with their group."""

    read: _Read
    group: Tensor  # B
    rows: Tensor  # B x L, of the group's V
    mask: Tensor  # B x L
    check: Check

    def mean(self) -> Tensor:
        """B x d; 0 where there is nothing."""
        return self.sum(self.mask / self.mask.sum(dim=1, keepdim=True).clamp(min=1))

    def sum(self, weights: Tensor) -> Tensor:
        """Weights B x L, 0 where the mask is: B x d."""
        raw = self.read.raw
        total = torch.zeros(len(weights), raw.shape[1]).scatter_add(1, self.rows, weights)  # B x V
        return total @ raw[0] if len(raw) == 1 else weighted_sum(total, raw[self.group])

    def scores(self, guidance: PerModality) -> Tensor:
        """B x 3 sources x L."""
        layers = self.read.layers
        parts = self.read.elements.split_with_sizes(layers.hidden_widths, dim=-1)
        rows = [
            self._scores(part, source(guide), score)
            for part, source, guide, score in zip(parts, layers.source, guidance, layers.score, strict=True)
        ]
        return torch.stack(rows, dim=1)

    def _scores(self, elements: Tensor, source: Tensor, score: nn.Module) -> Tensor:
        """Elements G x V x hidden, source B x hidden: B x L; what two variants share is computed once."""
        group, inverse = self.group, None
        if not source.requires_grad:
            pairs, inverse = torch.unique(
                torch.cat((group.unsqueeze(1), source), dim=1), dim=0, return_inverse=True
            )
            group, source = pairs[:, 0].long(), pairs[:, 1:]
        step = max(1, _UNITS // elements[0].numel())
        parts = []
        for groups, part in zip(torch.split(group, step), torch.split(source, step), strict=True):
            self.check()
            own = elements if len(elements) == 1 else elements[groups]
            parts.append(score(torch.tanh(own + part.unsqueeze(1))).squeeze(-1))
        scores = torch.cat(parts)
        return (scores if inverse is None else scores[inverse]).gather(1, self.rows)


@dataclass(frozen=True)
class _Own:
    """A target of B variants, with a copy of their elements each, by which the answer is differentiated."""

    layers: RepresentationAttention
    raw: Tensor  # B x L x d
    elements: Tensor  # B x L x hidden
    mask: Tensor  # B x L
    shared: _Shared | None = None  # the same, for scores that are not differentiated

    @classmethod
    def of(cls, shared: _Shared) -> Self:
        """Of one group, by whose elements behind the two layers the answer is differentiated."""
        read = shared.read
        raw, elements = (part[0, shared.rows].requires_grad_() for part in (read.raw, read.elements))
        return cls(read.layers, raw, elements, shared.mask, shared)

    def mean(self) -> Tensor:
        return masked_mean(self.raw, self.mask)

    def sum(self, weights: Tensor) -> Tensor:
        return weighted_sum(weights, self.raw)

    def scores(self, guidance: PerModality) -> Tensor:
        if self.shared is not None and not torch.is_grad_enabled():
            return self.shared.scores(guidance)
        return self.layers.scores(self.elements, guidance)

    def by_table(self, by_raw: Tensor, by_elements: Tensor, layer: nn.Linear) -> Tensor:
        """The gradient in front of `layer` and its relu, B x L x what it reads, from those by the two leaves."""
        element: Tensor = self.layers.element.weight  # hidden x d
        behind = (by_raw + by_elements @ element) * (self.raw > 0)
        total: Tensor = behind @ layer.weight
        return total


_Target = _Shared | _Own


class Replay:
    """`model` is corrected and in eval mode: ValueError otherwise."""

    def __init__(self, model: HierarchicalFusion) -> None:
        if model.training or model.config.variant is not Variant.CORRECTED:
            raise ValueError("only a corrected model in eval mode is run again")
        self._model = model.requires_grad_(requires_grad=False)
        config = model.config
        self._widths = (config.embedding_width, config.region_width, config.attribute_width)
        # The last table of regions: many calls in a row have it
        self._seen: tuple[Floats, _Read] | None = None

    @torch.no_grad()
    def logits(self, tables: Tables, variants: Sequence[Elements], check: Check = go_on) -> Doubles:
        """B logits. `check` is called between the steps."""
        words, regions, attributes = self._tables(tables)
        logits = [
            self._answer(
                batch,
                words[batch.rows.text],
                attributes[batch.rows.attribute],
                _image(regions, batch, check),
                check,
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
        check: Check = go_on,
    ) -> tuple[Doubles, dict[Modality, Floats]]:
        """B logits, and their gradients by the elements of `targets`, each B x L x d.

        The variants have the same number of elements in each of `targets`. Without `through_attention` all weights are
        constants: alpha_m, those of the attribute guidance, those of the fusion. `check` is called between the steps.
        """
        words, regions, attributes = self._tables(tables)
        logits: list[Tensor] = []
        gradients: dict[Modality, list[Tensor]] = {target: [] for target in targets}
        for batch in _batches(variants, _DIFFERENTIATED):
            leaves = {
                Modality.TEXT: words[batch.rows.text].requires_grad_(Modality.TEXT in targets),
                Modality.ATTRIBUTE: attributes[batch.rows.attribute].requires_grad_(
                    Modality.ATTRIBUTE in targets
                ),
            }
            shared = _image(regions, batch, check)
            image = _Own.of(shared) if Modality.IMAGE in targets else shared
            answer = self._answer(
                batch,
                leaves[Modality.TEXT],
                leaves[Modality.ATTRIBUTE],
                image,
                check,
                through_attention=through_attention,
            )
            logits.append(answer.detach())
            check()
            wanted = [target for target in leaves if target in targets]
            inputs = [leaves[target] for target in wanted]
            inputs += (image.raw, image.elements) if isinstance(image, _Own) else ()
            found = torch.autograd.grad(answer.sum(), inputs, allow_unused=True, materialize_grads=True)
            for target, gradient in zip(wanted, found, strict=False):  # the image's two come last
                gradients[target].append(gradient)
            check()
            if isinstance(image, _Own):
                by_raw, by_elements = found[-2:]
                gradients[Modality.IMAGE].append(image.by_table(by_raw, by_elements, self._model.image))
        stacked = {target: torch.cat(parts).numpy() for target, parts in gradients.items()}
        return torch.cat(logits).double().numpy(), stacked

    @torch.no_grad()
    def _tables(self, tables: Tables) -> tuple[Tensor, _Read, Tensor]:
        words, regions, attributes = (
            torch.from_numpy(tables[m]) if m in tables else torch.zeros(1, width)
            for m, width in zip(MODALITIES, self._widths, strict=True)
        )
        return words, self._regions(tables.get(Modality.IMAGE), regions), attributes

    def _regions(self, table: Floats | None, regions: Tensor) -> _Read:
        if table is None:
            return self._read_regions(regions)
        if self._seen is None or self._seen[0] is not table:
            self._seen = table, self._read_regions(regions)
        return self._seen[1]

    def _read_regions(self, regions: Tensor) -> _Read:
        layers, raw = self._attention(Modality.IMAGE), self._model.image(regions).relu().unsqueeze(0)
        return _Read(layers, raw, layers.element(raw))

    def _attention(self, target: Modality) -> RepresentationAttention:
        attention = self._model.attention[MODALITIES.index(target)]
        assert isinstance(attention, RepresentationAttention)
        return attention

    def _answer(
        self,
        batch: _Batch,
        words: Tensor,
        attributes: Tensor,
        image: _Target,
        check: Check,
        *,
        through_attention: bool,
    ) -> Tensor:
        """B logits; words B x T x d, attributes B x A x d."""
        model, masks, present = self._model, batch.masks, batch.present
        differentiated = torch.is_grad_enabled()
        with torch.set_grad_enabled(differentiated and through_attention):
            _, weights = model.attribute_guidance(attributes, masks.attribute)
        guidance = weighted_sum(weights, attributes)
        text = self._text(batch, words, guidance, check)
        with torch.set_grad_enabled(differentiated and through_attention):
            guides = PerModality(text.mean(), image.mean(), guidance)
            sources = present.sum(dim=1, keepdim=True).clamp(min=1)
            tokens, regions = (
                (masked_softmax(target.scores(guides), target.mask.unsqueeze(1)) * present.unsqueeze(-1)).sum(
                    dim=1
                )
                / sources
                for target in (text, image)
            )
            named = model.attention[2](attributes, guides, masks.attribute, present).sum(dim=1) / sources
        check()
        vectors = PerModality(text.sum(tokens), image.sum(regions), weighted_sum(named, attributes))
        _, fusion, values = model.fusion(vectors, present)
        return model.classify(weighted_sum(fusion if through_attention else fusion.detach(), values))

    def _text(self, batch: _Batch, words: Tensor, guidance: Tensor, check: Check) -> _Target:
        """The LSTM's states, 0 where there is no token. What is not differentiated is read once for all variants that
        have the same tokens and attributes.
        """
        layers, lstm = self._attention(Modality.TEXT), self._model.lstm
        mask, guided = batch.masks.text, batch.masks.attribute.any(dim=1)
        read = partial(_read_in_pieces, check=check)
        if torch.is_grad_enabled():
            states = torch.cat(lstm.directions(words, mask.sum(dim=1), guidance, guided, read), dim=-1)
            states = states * mask.unsqueeze(-1)
            check()
            return _Own(layers, states, layers.element(states), mask)
        seen = torch.cat((batch.rows.text, mask, batch.rows.attribute, batch.masks.attribute), dim=1)
        different, group = torch.unique(seen, dim=0, return_inverse=True)
        first = torch.empty(len(different), dtype=torch.int64).scatter_(0, group, torch.arange(len(seen)))
        length = mask.shape[1]
        states = torch.empty(len(first), length, layers.element.in_features)
        elements = torch.empty(len(first), length, layers.element.out_features)
        for some in torch.split(torch.arange(len(first)), max(1, _READ // length)):
            own = first[some]
            found = lstm.directions(words[own], mask[own].sum(dim=1), guidance[own], guided[own], read)
            states[some] = torch.cat(found, dim=-1) * mask[own].unsqueeze(-1)
            for few in torch.split(some, max(1, _READ // 4 // length)):
                check()
                elements[few] = layers.element(states[few])
        check()
        rows = torch.arange(length).expand(mask.shape)
        return _Shared(_Read(layers, states, elements), group, rows, mask, check)


def _read_in_pieces(lstm: nn.LSTM, words: Tensor, state: State, check: Check) -> Tensor:
    """Words B x T x d: states B x T x H, piece by piece, with a look before each, and before each on the way back."""
    pieces = []
    for piece in torch.split(words, _STEPS, dim=1):
        check()
        states, state = lstm(piece, state)
        if states.requires_grad:
            states.register_hook(lambda _: check())
        pieces.append(states)
    return torch.cat(pieces, dim=1)


def _image(regions: _Read, batch: _Batch, check: Check) -> _Shared:
    rows = batch.rows.image
    return _Shared(regions, torch.zeros(len(rows), dtype=torch.int64), rows, batch.masks.image, check)


def _batches(variants: Sequence[Elements], size: int) -> Iterator[_Batch]:
    return (_Batch.of(variants[start : start + size]) for start in range(0, len(variants), size))


def _pad(rows: Sequence[Indices]) -> tuple[Tensor, Tensor]:
    """Rows and mask, B x (longest, at least 1)."""
    padded = np.zeros((len(rows), max(1, *map(len, rows))), np.int64)
    mask = np.zeros(padded.shape, np.bool_)
    for i, row in enumerate(rows):
        padded[i, : len(row)], mask[i, : len(row)] = row, True
    return torch.from_numpy(padded), torch.from_numpy(mask)
