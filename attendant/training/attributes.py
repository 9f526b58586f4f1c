"""Attribute words for pictures that nobody has described: a map of our own from ImageNet classes to words.

No picture here is paired with the authors' attribute words. The teacher's class probabilities go through this map
to soft targets; a class brings plain words of its own name, those of its group, and those of our table.
C = 1001 classes, A words.
"""

import re
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from attendant.text import Vocabulary
from attendant.training.attribute_words import GROUPS, PLAIN, THEMES

SHARPNESS = 2.5
LIKELY = 0.5  # P(word | class) of words after the bar; 1 of those before it


def class_words(index: int, name: str) -> dict[str, float]:
    """P(word) of every word that the table gives class `index`, whose names `name` lists with commas."""
    names = [part.strip() for part in name.lower().split(",")]
    brought = dict.fromkeys(sorted(PLAIN.intersection(re.findall(r"[a-z]+", name.lower()))), 1.0)
    entries = [words for start, stop, words in GROUPS if start <= index < stop]
    entries += [words for own in names for words in _table().get(own, ())]
    for entry in entries:
        for word, chance in read_entry(entry).items():
            brought[word] = max(chance, brought.get(word, 0.0))
    return brought


def read_entry(entry: str) -> dict[str, float]:
    """`sure words | likely words` as P(word)."""
    sure, _, likely = entry.partition("|")
    return {**dict.fromkeys(likely.split(), LIKELY), **dict.fromkeys(sure.split(), 1.0)}


@cache
def _table() -> dict[str, tuple[str, ...]]:
    """A class's name to its entries: some stand under several themes."""
    table: dict[str, tuple[str, ...]] = {}
    for theme in THEMES:
        for names, words in theme.items():
            for name in names.split("; "):
                table[name] = (*table.get(name, ()), words)
    return table


def attribute_map(class_names: Sequence[str], vocabulary: Vocabulary) -> Tensor:
    """P(word | class), C x A, 0 to 1. Class 0 (background) brings no word."""
    table = torch.zeros(len(class_names), len(vocabulary))
    for index, name in enumerate(class_names):
        if index > 0:
            for word, chance in class_words(index, name).items():
                if word in vocabulary:
                    table[index, vocabulary.index(word)] = chance
    return table


def soft_targets(log_probabilities: Tensor, table: Tensor) -> Tensor:
    """The teacher's log probabilities B x C to P(word) B x A: a word is there when one of its classes is.

    The teacher spreads itself thin (its best class often has 3 %), so its choice is sharpened first: else the
    398 animals together would name every picture.
    """
    sharp = (log_probabilities * SHARPNESS).softmax(-1)
    return (sharp @ table).clamp(0.0, 1.0)
