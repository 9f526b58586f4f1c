"""The head that names attribute words, on an encoder's mean features: fitted last, on whole pictures.

N pictures, D features, A attribute words.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from attendant.training.progress import Report

RARE = -6.0  # log-odds of a word before anything is learnt: a thousand wrong guesses would drown all else


@dataclass(frozen=True)
class HeadRecipe:
    """A linear layer on standardised features, by Adam, in random batches."""

    epochs: int = 40
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


def fit_words(features: Tensor, chances: Tensor, recipe: HeadRecipe, seed: int, report: Report) -> nn.Linear:
    """A linear layer D -> A whose sigmoids follow `chances` N x A, P(word) each on its own, on features N x D."""
    torch.manual_seed(seed)
    mean, std = features.mean(0), features.std(0).clamp_min(1e-2)
    inputs = (features - mean) / std
    layer = nn.Linear(features.shape[1], chances.shape[1]).to(features.device)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, RARE)
    optimizer = torch.optim.AdamW(
        layer.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    generator = np.random.default_rng(seed)
    for epoch in range(recipe.epochs):
        order = torch.from_numpy(generator.permutation(len(inputs)))
        for rows in torch.split(order, recipe.batch):
            loss = F.binary_cross_entropy_with_logits(layer(inputs[rows]), chances[rows], reduction="sum")
            optimizer.zero_grad(set_to_none=True)
            (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        falling.step()
        report(epoch + 1, recipe.epochs)
    with torch.no_grad():  # the standardisation goes into the layer
        layer.weight.div_(std)
        layer.bias.sub_(layer.weight @ mean)
    return layer
