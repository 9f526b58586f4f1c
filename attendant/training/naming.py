"""What pictures are to be named, and how well an encoder names them.

N pictures, A attribute words, C classes of the teacher.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.text import Vocabulary
from attendant.training.attributes import attribute_map, soft_targets
from attendant.training.drawn import Drawn
from attendant.training.photographs import Photographs
from attendant.training.shades import name_shades
from attendant.types import MAX_ATTRIBUTES

SHADE_SHARE, SHADE_CHANCE = 0.3, 0.35  # pixels of a colour that name it, and P(word) then
BEST_CLASSES = 5


@dataclass(frozen=True)
class WordScore:
    """The five words named for each of some held-out pictures: `precision` is the share that is right, 0 to 1.

    `constant`: what the same five words for all get.
    """

    precision: float
    constant: float
    pictures: int

    def __str__(self) -> str:
        return f"{self.precision:.3f} (one answer for all {self.constant:.3f}) of {self.pictures}"


@dataclass(frozen=True)
class WordScores:
    """Right are, for a photograph, the words of the teacher's five best classes and people's; else what was drawn."""

    photographs: WordScore
    pages: WordScore
    meals: WordScore

    def __str__(self) -> str:
        return (
            f"right words of five: photographs {self.photographs}, drawn pages {self.pages}, "
            f"drawn meals {self.meals}"
        )


class Namer:
    """Knows the words for photographs and drawings; `class_names` are the teacher's."""

    def __init__(self, class_names: Sequence[str], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.table = attribute_map(class_names, vocabulary)

    def describe_photographs(self, photographs: Photographs, log_classes: Tensor) -> Tensor:
        """P(word), N x A: by the teacher's classes N x C, by the picture's colours, and 1 for people's words."""
        words = soft_targets(log_classes, self.table)
        for row, (item, pixels) in enumerate(zip(photographs.items, photographs.pixels, strict=True)):
            shades = self._indices(name_shades(pixels, share=SHADE_SHARE))
            words[row, shades] = words[row, shades].clamp_min(SHADE_CHANCE)
            words[row, self._indices(item.words)] = 1.0
        return words

    def describe_drawn(self, drawn: Drawn, rows: NDArray[np.int64]) -> Tensor:
        """0 or 1, N x A, of the drawings `rows`: what a drawing shows is known."""
        return self._known(drawn.words(int(row)) for row in rows)

    def right_words(self, photographs: Photographs, log_classes: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """0 or 1, N x A, of the photographs `rows`: words of the teacher's five best classes, and people's."""
        of_classes = (self.table[log_classes[rows].topk(BEST_CLASSES).indices].amax(1) > 0).float()
        return torch.maximum(of_classes, self._known(photographs.items[row].words for row in rows))

    def _known(self, words: Iterable[Iterable[str]]) -> Tensor:
        found = [self._indices(row) for row in words]
        known = torch.zeros(len(found), len(self._vocabulary))
        for row, indices in enumerate(found):
            known[row, indices] = 1.0
        return known

    def _indices(self, words: Iterable[str]) -> list[int]:
        return [self._vocabulary.index(word) for word in words if word in self._vocabulary]


def name(chances: Tensor) -> Tensor:
    """The five likeliest real words, N x 5, of chances or logits N x A."""
    real = chances.clone()
    real[:, [Vocabulary.PAD, Vocabulary.UNK]] = -torch.inf
    return real.topk(MAX_ATTRIBUTES).indices


def judge(named: Tensor, right: Tensor) -> WordScore:
    """Of the words `named` N x 5, where `right` N x A are 0 or 1."""
    found = right.gather(1, named).mean().item()
    return WordScore(found, right.mean(0).topk(named.shape[1]).values.mean().item(), len(right))
