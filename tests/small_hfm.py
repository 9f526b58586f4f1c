"""A small HFM of seeded random weights and one tweet for it, for tests of what is built on them."""

from dataclasses import dataclass

import numpy as np
import torch

from attendant.models.explained import ExplainedTweet, Explaining
from attendant.models.hfm import HfmConfig, HfmInput, HfmOutput, HierarchicalFusion, build_hfm
from attendant.models.tail import Tail
from attendant.types import MODALITIES, Modality

CONFIG = HfmConfig(
    vocabulary_size=40,
    attribute_vocabulary_size=20,
    region_width=7,
    embedding_width=6,
    attribute_width=8,
    hidden_width=5,
    image_width=9,
    fusion_width=10,
    classifier_width=12,
)
LENGTHS = {Modality.TEXT: 6, Modality.IMAGE: 8, Modality.ATTRIBUTE: 4}


def small_hfm(seed: int = 0, scale: float = 2.0) -> HierarchicalFusion:
    """In eval mode; `scale` times the usual weights, so that attention is not even and answers move."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_hfm(CONFIG).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(scale)
    return model


@dataclass(frozen=True)
class SmallTweet:
    """Every token and word is another one, so that a row of the embeddings is an element."""

    model: HierarchicalFusion
    batch: HfmInput
    output: HfmOutput
    lengths: dict[Modality, int]

    @property
    def tables(self) -> dict[Modality, np.ndarray]:
        """The elements of what is present, each L x d."""
        elements = (
            self.model.word_embedding.weight[self.batch.tokens[0]],
            self.batch.regions[0],
            self.model.attribute_embedding.weight[self.batch.attributes[0]],
        )
        found = zip(MODALITIES, elements, strict=True)
        return {m: e[: self.lengths[m]].detach().numpy().copy() for m, e in found if self.lengths[m]}

    @property
    def whole(self) -> dict[Modality, np.ndarray]:
        return {m: np.arange(length) for m, length in self.lengths.items() if length}

    def explained(
        self, explaining: Explaining, kind: type[ExplainedTweet] = ExplainedTweet
    ) -> ExplainedTweet:
        """As the explainers see it. All three modalities have to be there."""
        raw, attention = (
            {m: self.part(values, m) for m, values in zip(MODALITIES, part, strict=True)}
            for part in (self.output.raw, self.output.representation_mean)
        )
        tail = Tail(explaining.tail, raw, self.output.scores[0].numpy(), self.output.values[0].numpy())
        return kind(explaining, lambda: self.tables, attention, self.output.modality[0].numpy(), tail)

    def part(self, values: torch.Tensor, modality: Modality) -> np.ndarray:
        """Of a B x L (x d) tensor the real elements of the first row."""
        return values[0, : self.lengths[modality]].detach().numpy()


def small_tweet(
    model: HierarchicalFusion, lengths: dict[Modality, int] = LENGTHS, seed: int = 0
) -> SmallTweet:
    rng = np.random.default_rng(seed)
    tokens, regions, words = (lengths.get(m, 0) for m in MODALITIES)
    batch = HfmInput(
        tokens=torch.from_numpy(
            rng.permutation(np.arange(2, CONFIG.vocabulary_size))[None, : max(1, tokens)]
        ),
        token_counts=torch.tensor([tokens]),
        attributes=torch.from_numpy(
            rng.permutation(np.arange(2, CONFIG.attribute_vocabulary_size))[None, : max(1, words)]
        ),
        attribute_counts=torch.tensor([words]),
        regions=torch.from_numpy(
            rng.normal(size=(1, max(1, regions), CONFIG.region_width)).astype(np.float32)
        ),
        present=torch.tensor([[tokens > 0, regions > 0, words > 0]]),
    )
    with torch.no_grad():
        output = model(batch)
    return SmallTweet(model, batch, output, {m: lengths.get(m, 0) for m in MODALITIES})
