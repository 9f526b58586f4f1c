"""Explanation methods as one would first write them, in eager torch, one question after another: what ours must beat.

Of one tweet that has all three modalities and no padding. L elements of a modality, d wide; K adversaries.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attendant.explainers.adversarial import PENALTY, RATE
from attendant.explainers.cross_modal import PERCENTILE, SHARE
from attendant.models.hfm import HfmInput, HfmOutput, HierarchicalFusion, PerModality, weighted_sum
from attendant.types import MODALITIES, Modality

Vector = Modality | None  # None: the fusion weights
TEXT, IMAGE, ATTRIBUTE = range(len(MODALITIES))


@dataclass(frozen=True)
class NaiveModel:
    """P(positive) = sigmoid(logit / temperature)."""

    hfm: HierarchicalFusion
    temperature: float

    def probability(self, logit: Tensor) -> Tensor:
        return (logit / self.temperature).sigmoid()

    def attend(self, output: HfmOutput, present: Tensor, place: int, weights: Tensor) -> Tensor:
        """The probability with the attention over the modality at `place` replaced by `weights`, L."""
        means = list(output.representation_mean)
        means[place] = weights[None]
        return self.probability(self.hfm.tail(output.raw, PerModality(*means), present).logit)


@torch.no_grad()
def permute(
    model: NaiveModel,
    encode: Callable[[], HfmInput],
    before: float,
    counts: Mapping[Vector, int],
    order: Callable[[int], Tensor] = torch.randperm,
) -> dict[Vector, float]:
    """Mean |p - before|: everything again for each of the permutations, from `encode` on."""

    def change(vector: Vector) -> float:
        batch = encode()
        output = model.hfm(batch)
        if vector is None:
            shuffled = output.modality[:, order(output.modality.shape[1])]
            after = model.probability(model.hfm.classify(weighted_sum(shuffled, output.values)))
        else:
            place = MODALITIES.index(vector)
            weights = output.representation_mean[place][0]
            after = model.attend(output, batch.present, place, weights[order(len(weights))])
        return abs(float(after) - before)

    return {vector: sum(change(vector) for _ in range(count)) / count for vector, count in counts.items()}


@torch.no_grad()
def leave_out(model: NaiveModel, batch: HfmInput) -> dict[Modality, list[float]]:
    """|p - p without it| of each element: the whole fusion model again for each."""
    before = float(model.probability(model.hfm(batch).logit))
    lengths = (batch.tokens.shape[1], batch.regions.shape[1], batch.attributes.shape[1])
    return {
        modality: [
            abs(float(model.probability(model.hfm(without(batch, place, i)).logit)) - before)
            for i in range(length)
        ]
        for place, (modality, length) in enumerate(zip(MODALITIES, lengths, strict=True))
    }


def without(batch: HfmInput, place: int, element: int) -> HfmInput:
    """Without one of several elements of the modality at `place`."""

    def shorten(rows: Tensor) -> Tensor:
        return torch.cat((rows[:, :element], rows[:, element + 1 :]), dim=1)

    if place == TEXT:
        return replace(batch, tokens=shorten(batch.tokens), token_counts=batch.token_counts - 1)
    if place == IMAGE:
        return replace(batch, regions=shorten(batch.regions))
    return replace(batch, attributes=shorten(batch.attributes), attribute_counts=batch.attribute_counts - 1)


def differentiate(model: NaiveModel, batch: HfmInput, elements: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Of the logit / temperature, by token embeddings, regions and word embeddings (each 1 x L x d) that are put in."""
    words, regions, attributes = (rows.detach().requires_grad_() for rows in elements)
    hooks = [
        model.hfm.word_embedding.register_forward_hook(lambda *_: words),
        model.hfm.attribute_embedding.register_forward_hook(lambda *_: attributes),
    ]
    logit = model.hfm(replace(batch, regions=regions)).logit / model.temperature
    for hook in hooks:
        hook.remove()
    return torch.autograd.grad(logit.sum(), (words, regions, attributes))


def embed(model: NaiveModel, batch: HfmInput) -> PerModality:
    """The tweet's own elements, each 1 x L x d."""
    with torch.no_grad():
        words, attributes = (
            model.hfm.word_embedding(batch.tokens),
            model.hfm.attribute_embedding(batch.attributes),
        )
    return PerModality(words, batch.regions, attributes)


def attack(
    model: NaiveModel,
    output: HfmOutput,
    present: Tensor,
    starts: Mapping[Modality, Tensor],
    steps: int,
    epsilon: float,
) -> dict[Modality, Tensor]:
    """The adversaries of each target, K x L, from logits `starts` on; diversity as in the released code."""
    before = model.probability(output.logit).detach()
    found = {}
    for modality, start in starts.items():
        place = MODALITIES.index(modality)
        attention = output.representation_mean[place][0]
        logits = start.clone().requires_grad_()
        adam = torch.optim.Adam([logits], lr=RATE, amsgrad=True)
        for _ in range(steps):
            adversaries = [row.softmax(dim=-1) for row in logits]
            loss = torch.zeros(())
            for weights in adversaries:
                moved = (model.attend(output, present, place, weights) - before).abs().sum()
                loss = loss - divergence(weights, attention) + PENALTY * (moved - epsilon).relu()
                loss = loss - sum(divergence(weights, other) for other in adversaries) / len(adversaries) ** 2
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
        found[modality] = logits.detach().softmax(dim=-1)
    return found


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon, in nats."""

    def entropy(weights: Tensor) -> Tensor:
        return -(weights * weights.log()).sum()

    return entropy((first + second) / 2) - (entropy(first) + entropy(second)) / 2


def probe(
    model: NaiveModel, batch: HfmInput, means: PerModality, masks: int, generator: torch.Generator
) -> dict[tuple[Modality, Modality], tuple[float, float]]:
    """Of each ordered pair of target and masked modality: the similarity, and its 95th percentile of random masks.

    `means` of the training set's elements, d each, mask. One forward and one backward for each set of masks.
    """
    elements = embed(model, batch)
    lengths = [rows.shape[1] for rows in elements]

    def read(place: int, chosen: Tensor) -> tuple[Tensor, ...]:
        masked = list(elements)
        masked[place] = elements[place].clone()
        masked[place][0, chosen] = means[place]
        return differentiate(model, batch, masked)

    whole = [read(place, torch.arange(length)) for place, length in enumerate(lengths)]
    found = {}
    for target, length in enumerate(lengths):
        k = max(1, length // SHARE)
        chances = [read(target, torch.randperm(length, generator=generator)[:k]) for _ in range(masks)]
        for other in range(len(lengths)):
            if other == target:
                continue
            important = whole[other][target][0].norm(dim=-1).topk(k).indices
            similarity = cosine(read(target, important)[other], whole[target][other])
            random = torch.stack([cosine(chance[other], whole[target][other]) for chance in chances])
            pair = MODALITIES[target], MODALITIES[other]
            found[pair] = float(similarity), float(random.quantile(PERCENTILE / 100))
    return found


def cosine(first: Tensor, second: Tensor) -> Tensor:
    return torch.cosine_similarity(first.flatten(), second.flatten(), dim=0)
