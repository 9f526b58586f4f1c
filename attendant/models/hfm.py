"""HFM, the hierarchical fusion model of Cai, Cai and Wan (2019), with its attention in a typed output.

B examples; T tokens, R regions, A attribute words: L_m elements of modality m, each d_m wide.
H = hidden_width, of one LSTM direction; F = fusion_width.
The three modalities, as targets and as sources, are always in the order text, image, attribute.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Variant(StrEnum):
    """Where public code departs from the equations; all but `CORRECTED` are for old checkpoints.

    Those attend to padding, so their answers depend on T: pad to the 75 tokens they were trained with.
    (The old PyTorch code also numbers regions by column; no weight depends on it, only how a map is drawn.)
    """

    CORRECTED = "corrected"
    PAPER_UNMASKED = "paper_unmasked"
    PYTORCH_2020 = "pytorch_2020"
    TENSORFLOW_2019 = "tensorflow_2019"

    @property
    def masked(self) -> bool:
        """Whether padding is left out of the LSTM, the guidance and the attention."""
        return self is Variant.CORRECTED

    @property
    def relu_attributes(self) -> bool:
        """Whether the attribute guidance uses ReLU in place of tanh."""
        return self in (Variant.PYTORCH_2020, Variant.TENSORFLOW_2019)

    @property
    def averages_elements(self) -> bool:
        """Whether X'_m carries an extra 1 / L_m."""
        return self is Variant.PYTORCH_2020

    @property
    def linear_head(self) -> bool:
        """Whether the classifier lacks its ReLU."""
        return self is Variant.PYTORCH_2020


@dataclass(frozen=True)
class HfmConfig:
    """Every width of the model; the defaults are the paper's. Vocabulary sizes count pad and unknown too."""

    vocabulary_size: int
    attribute_vocabulary_size: int
    region_width: int
    embedding_width: int = 200
    attribute_width: int = 200
    hidden_width: int = 256
    image_width: int = 1024
    fusion_width: int = 512
    classifier_width: int = 256
    dropout: float = 0.2
    variant: Variant = Variant.CORRECTED

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name not in ("dropout", "variant") and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")

    @property
    def widths(self) -> tuple[int, int, int]:
        """d_m of text (both directions), image and attribute."""
        return 2 * self.hidden_width, self.image_width, self.attribute_width


class PerModality(NamedTuple):
    """One tensor a modality."""

    text: Tensor
    image: Tensor
    attribute: Tensor


@dataclass(frozen=True)
class HfmInput:
    """A batch. A modality that an example lacks is False in `present`; its elements are then ignored.

    Counts are at least 1 where the modality is present. R is 196, or 1 in a batch without any image.
    """

    tokens: Tensor  # int64, B x T, padded with 0
    token_counts: Tensor  # int64, B
    attributes: Tensor  # int64, B x A, padded with 0
    attribute_counts: Tensor  # int64, B
    regions: Tensor  # float, B x R x region_width
    present: Tensor  # bool, B x 3


@dataclass(frozen=True)
class TailOutput:
    """Everything from alpha_m on: what changes when attention is changed."""

    vectors: PerModality  # X'_m, each B x d_m
    scores: Tensor  # of the fusion, before its softmax, B x 3
    values: Tensor  # v_m, B x 3 x F
    modality: Tensor  # the fusion weights, B x 3, 0 where absent
    fused: Tensor  # B x F
    logit: Tensor  # B


@dataclass(frozen=True)
class HfmOutput(TailOutput):
    """The answer, the attention and what it was computed from; weights of what is absent are 0."""

    probability: Tensor  # P(positive class), B
    representation: PerModality  # alpha_{m,n}, each B x 3 sources x L_m
    representation_mean: PerModality  # alpha_m, each B x L_m
    attribute_guidance: Tensor  # weights of the words in g_attr, B x A
    raw: PerModality  # X_m, each B x L_m x d_m
    guidance: PerModality  # g_m, each B x d_m


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where `mask` is True and 0 elsewhere: all 0, never NaN, where nothing is."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1) * mask


def weighted_sum(weights: Tensor, rows: Tensor) -> Tensor:
    """sum_i weights_i rows_i: B x L with B x L x d gives B x d."""
    return (weights.unsqueeze(-2) @ rows).squeeze(-2)


def masked_mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Mean of `rows` (B x L x d) over the elements in `mask` (B x L): 0 where there is none."""
    kept = mask.to(rows.dtype)
    return weighted_sum(kept / kept.sum(dim=1, keepdim=True).clamp(min=1), rows)


class AttributeGuidance(nn.Module):
    """g_attr: the words' embeddings, weighted by a small network of their own."""

    def __init__(self, config: HfmConfig) -> None:
        super().__init__()
        width = config.attribute_width
        self.hidden = nn.Linear(width, width // 2)
        self.score = nn.Linear(width // 2, 1)
        self.activation = nn.ReLU() if config.variant.relu_attributes else nn.Tanh()

    def forward(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Words B x A x d_attr, mask B x A: guidance B x d_attr and the weights B x A behind it."""
        weights = masked_softmax(self.score(self.activation(self.hidden(words))).squeeze(-1), mask)
        return weighted_sum(weights, words), weights


State = tuple[Tensor, Tensor]  # of an LSTM: h and c, each 1 x B x H


def _read_at_once(lstm: nn.LSTM, words: Tensor, state: State) -> Tensor:
    """Words B x T x d, from `state` on: states B x T x H."""
    states: Tensor = lstm(words, state)[0]
    return states


class GuidedBiLstm(nn.Module):
    """A bidirectional LSTM that starts from the attributes' guidance, and from zeros without attributes.

    The two directions are two LSTMs, and each row is reversed within its own length. At the real tokens that
    gives what packing gives, but it allows empty rows and becomes two plain ONNX LSTM nodes.
    """

    def __init__(self, config: HfmConfig) -> None:
        super().__init__()
        self.ahead = nn.LSTM(config.embedding_width, config.hidden_width, batch_first=True)
        self.back = nn.LSTM(config.embedding_width, config.hidden_width, batch_first=True)
        # h0 ahead, h0 back, c0 ahead, c0 back: the paper's four layers in one product
        self.start = nn.Linear(config.attribute_width, 4 * config.hidden_width)

    def forward(self, words: Tensor, counts: Tensor, guidance: Tensor, guided: Tensor) -> Tensor:
        """Words B x T x d, counts B, guidance B x d_attr, guided (has attributes) B: states B x T x 2H."""
        return torch.cat(self.directions(words, counts, guidance, guided), dim=-1)

    def directions(
        self,
        words: Tensor,
        counts: Tensor,
        guidance: Tensor,
        guided: Tensor,
        read: Callable[[nn.LSTM, Tensor, State], Tensor] = _read_at_once,
    ) -> tuple[Tensor, Tensor]:
        """The states ahead and back, each B x T x H, as `read` finds them."""
        start = self.start(guidance).relu() * guided.unsqueeze(-1)
        h_ahead, h_back, c_ahead, c_back = start.unsqueeze(0).chunk(4, dim=-1)  # 1 x B x H
        ahead = read(self.ahead, words, (h_ahead.contiguous(), c_ahead.contiguous()))
        order = reversal(counts, words)
        back = read(self.back, take(words, order), (h_back.contiguous(), c_back.contiguous()))
        return ahead, take(back, order)


def reversal(counts: Tensor, rows: Tensor) -> Tensor:
    """Indices B x T that reverse the first `counts` (B) of each T rows and leave the padding in place."""
    position = torch.arange(rows.shape[1], device=rows.device).unsqueeze(0)
    mirrored = counts.unsqueeze(1) - 1 - position
    return torch.where(mirrored >= 0, mirrored, position)


def take(rows: Tensor, order: Tensor) -> Tensor:
    """Rows B x L x d in the order B x L."""
    return rows.gather(1, order.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


class RepresentationAttention(nn.Module):
    """The three alpha_{m,n} of a target m: softmax over i of w2 . tanh(W1 [X^(i) ; g_n] + b1) + b2.

    W1 is kept in its two parts: the X parts of the three sources are one product, and g_n is not repeated
    for every element.
    """

    def __init__(self, width: int, source_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.hidden_widths = [(width + source) // 2 for source in source_widths]
        self.element = nn.Linear(width, sum(self.hidden_widths), bias=False)
        self.source = nn.ModuleList(map(nn.Linear, source_widths, self.hidden_widths))
        self.score = nn.ModuleList(nn.Linear(hidden, 1) for hidden in self.hidden_widths)

    def forward(self, raw: Tensor, guidance: PerModality, mask: Tensor, present: Tensor) -> Tensor:
        """X_m B x L x d_m, g_n each B x d_n, mask B x L, present B x 3: weights B x 3 x L."""
        scores = self.scores(self.element(raw), guidance)
        return masked_softmax(scores, mask.unsqueeze(1)) * present.unsqueeze(-1)

    def scores(self, elements: Tensor, guidance: PerModality) -> Tensor:
        """W1's part of X_m, B x L x hidden, and g_n, B x d_n: B x 3 x L, before the softmax."""
        sources = torch.cat([layer(g) for layer, g in zip(self.source, guidance, strict=True)], dim=-1)
        hidden = torch.tanh(elements + sources.unsqueeze(1))
        parts = torch.split(hidden, self.hidden_widths, dim=-1)
        scores = torch.cat([layer(part) for layer, part in zip(self.score, parts, strict=True)], dim=-1)
        return scores.transpose(1, 2)


class ModalityFusion(nn.Module):
    """A score and a value v_m for each modality; the scores' softmax weighs the values."""

    def __init__(self, config: HfmConfig) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(width, config.fusion_width) for width in config.widths)
        self.score = nn.ModuleList(nn.Linear(config.fusion_width, 1) for _ in config.widths)
        self.value = nn.ModuleList(nn.Linear(width, config.fusion_width) for width in config.widths)

    def forward(self, vectors: PerModality, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """X'_m each B x d_m, present B x 3: scores B x 3, their softmax B x 3, and values B x 3 x F."""
        layers = zip(self.hidden, self.score, vectors, strict=True)
        scores = torch.cat([score(torch.tanh(hidden(vector))) for hidden, score, vector in layers], dim=-1)
        values = [torch.tanh(layer(vector)) for layer, vector in zip(self.value, vectors, strict=True)]
        return scores, masked_softmax(scores, present), torch.stack(values, dim=-2)


class HierarchicalFusion(nn.Module):
    """Three encoders, nine representation attentions, the fusion of three modalities, a binary classifier."""

    def __init__(self, config: HfmConfig) -> None:
        super().__init__()
        self.config = config
        self.word_embedding = nn.Embedding(config.vocabulary_size, config.embedding_width)
        self.attribute_embedding = nn.Embedding(config.attribute_vocabulary_size, config.attribute_width)
        self.attribute_guidance = AttributeGuidance(config)
        self.lstm = GuidedBiLstm(config)
        self.dropout = nn.Dropout(config.dropout)
        self.image = nn.Linear(config.region_width, config.image_width)
        self.attention = nn.ModuleList(
            RepresentationAttention(width, config.widths) for width in config.widths
        )
        self.fusion = ModalityFusion(config)
        activation = nn.Identity() if config.variant.linear_head else nn.ReLU()
        self.classifier = nn.Sequential(
            nn.Linear(config.fusion_width, config.classifier_width),
            activation,
            nn.Linear(config.classifier_width, 1),
        )

    def forward(self, batch: HfmInput) -> HfmOutput:
        """Answer a batch; rows are independent of each other, and with `CORRECTED` of the padding too."""
        masks = self._masks(batch)
        attribute_raw = self.attribute_embedding(batch.attributes)
        attribute_guidance, attribute_weights = self.attribute_guidance(attribute_raw, masks.attribute)
        raw = PerModality(
            text=self._text(batch, masks.text, attribute_guidance),
            image=self.image(batch.regions).relu(),
            attribute=attribute_raw,
        )
        guidance = PerModality(
            text=masked_mean(raw.text, masks.text),
            image=masked_mean(raw.image, masks.image),
            attribute=attribute_guidance,
        )
        representation = PerModality(
            *(
                attention(elements, guidance, mask, batch.present)
                for attention, elements, mask in zip(self.attention, raw, masks, strict=True)
            )
        )
        sources = batch.present.sum(dim=1, keepdim=True).clamp(min=1)
        means = PerModality(*(weights.sum(dim=1) / sources for weights in representation))
        tail = self.tail(raw, means, batch.present)
        return HfmOutput(
            **vars(tail),
            probability=tail.logit.sigmoid(),
            representation=representation,
            representation_mean=means,
            attribute_guidance=attribute_weights,
            raw=raw,
            guidance=guidance,
        )

    def tail(self, raw: PerModality, representation_mean: PerModality, present: Tensor) -> TailOutput:
        """From X_m (B x L_m x d_m) and alpha_m (B x L_m) to the logit; the encoders are not run again."""
        vectors = PerModality(*map(weighted_sum, representation_mean, raw))
        if self.config.variant.averages_elements:
            vectors = PerModality(*(v / x.shape[-2] for v, x in zip(vectors, raw, strict=True)))
        scores, modality, values = self.fusion(vectors, present)
        fused = weighted_sum(modality, values)
        return TailOutput(vectors, scores, values, modality, fused, self.classify(fused))

    def classify(self, fused: Tensor) -> Tensor:
        """The logit, B, of a fused vector B x F."""
        logit: Tensor = self.classifier(fused).squeeze(-1)
        return logit

    def _text(self, batch: HfmInput, mask: Tensor, guidance: Tensor) -> Tensor:
        words = self.word_embedding(batch.tokens)
        _, _, attributes_present = batch.present.unbind(dim=1)
        states = self.lstm(words, mask.sum(dim=1), guidance, attributes_present)
        # As unpacking a packed sequence does: no state where there is no token
        kept: Tensor = self.dropout(states) * mask.unsqueeze(-1)
        return kept

    def _masks(self, batch: HfmInput) -> PerModality:
        """Which elements take part, each B x L_m: those of a present modality, without pads when masked."""
        text, image, attribute = batch.present.unsqueeze(-1).unbind(dim=1)  # each B x 1
        return PerModality(
            text=text & self._real(batch.tokens, batch.token_counts),
            image=image.expand(-1, batch.regions.shape[1]),
            attribute=attribute & self._real(batch.attributes, batch.attribute_counts),
        )

    def _real(self, elements: Tensor, counts: Tensor) -> Tensor:
        length = elements.shape[1]
        if not self.config.variant.masked:
            counts = torch.full_like(counts, length)
        return torch.arange(length, device=elements.device) < counts.unsqueeze(1)


def build_hfm(config: HfmConfig) -> HierarchicalFusion:
    """The model with fresh weights, in training mode."""
    return HierarchicalFusion(config)
