"""Attribute words for pictures that nobody has described: a map of our own from ImageNet classes to words.

No picture here is paired with the authors' attribute words. The teacher's class probabilities go through this map
to soft targets; a class brings the words in its own name, those of its group, and those of our table that are in
the vocabulary. C = 1001 classes, A words.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from attendant.text import Vocabulary
from attendant.training.attribute_words import GROUPS, PHRASES

SHARPNESS = 2.5


def class_words(index: int, name: str) -> set[str]:
    """Every word that the table gives class `index` of that name; some may not be in a vocabulary."""
    lowered = name.lower()
    words = set(re.findall(r"[a-z]+", lowered))
    for start, stop, group in GROUPS:
        if start <= index < stop:
            words.update(group.split())
    for phrase, brought in PHRASES.items():
        if re.search(rf"(^|, ){re.escape(phrase)}(?![a-z])", lowered):
            words.update(brought.split())
    return words


def attribute_map(class_names: Sequence[str], vocabulary: Vocabulary) -> Tensor:
    """0/1, C x A: which of the A vocabulary words each class brings. Class 0 (background) brings none."""
    table = torch.zeros(len(class_names), len(vocabulary))
    for index, name in enumerate(class_names):
        if index > 0:
            for word in class_words(index, name):
                if word in vocabulary:
                    table[index, vocabulary.index(word)] = 1.0
    return table


def soft_targets(log_probabilities: Tensor, table: Tensor) -> Tensor:
    """The teacher's log probabilities B x C to P(word) B x A: a word is there when one of its classes is.

    The teacher spreads itself thin (its best class often has 3 %), so its choice is sharpened first: else the
    398 animals together would name every picture.
    """
    sharp = (log_probabilities * SHARPNESS).softmax(-1)
    return (sharp @ table).clamp(0.0, 1.0)
