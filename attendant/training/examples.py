"""Tweets as the model's batches: which modalities take part, which words are hidden, padding.

B examples, T tokens, A attribute words, R regions, d region features.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.models.hfm import HfmInput
from attendant.text import Vocabulary, tokenise
from attendant.training.restyling import Restyling
from attendant.types import GRID, MAX_ATTRIBUTES, MAX_TOKENS

Indices = NDArray[np.int64]
POOL = 20  # batches that are sorted by length together


@dataclass(frozen=True)
class Example:
    """Indices of tokens (at least one) and attribute words (maybe none).

    `picture` is a row of the regions, `meaning` one of the sentence vectors; None where there is none.
    """

    tokens: Indices
    attributes: Indices
    target: float  # P(sarcastic)
    picture: int | None = None
    meaning: int | None = None


@dataclass(frozen=True)
class Vocabularies:
    words: Vocabulary
    attributes: Vocabulary


@dataclass(frozen=True)
class Modalities:
    """Shares of the combinations that an example is shown in; each names letters of Text, Image, Attribute."""

    shares: tuple[tuple[str, float], ...]

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Which modalities to show, bool count x 3."""
        weights = np.array([share for _, share in self.shares])
        rows = np.array([[letter in name for letter in "TIA"] for name, _ in self.shares])
        chosen: NDArray[np.bool_] = rows[generator.choice(len(rows), count, p=weights / weights.sum())]
        return chosen


@dataclass(frozen=True)
class Noise:
    """Chances: a word hidden (as `<unk>`); all of a tweet's attribute words as an encoder would have named them."""

    token: float = 0.0
    attribute: float = 0.0
    restyled: float = 0.0
    restyling: Restyling | None = None

    def tokens(self, words: Indices, generator: np.random.Generator) -> Indices:
        return np.where(generator.random(len(words)) < self.token, Vocabulary.UNK, words)

    def attributes(self, words: Indices, generator: np.random.Generator) -> Indices:
        if self.restyling is not None and generator.random() < self.restyled:
            words = self.restyling.draw(words, generator)
        return np.where(generator.random(len(words)) < self.attribute, Vocabulary.UNK, words)


def make_example(
    text: str,
    attributes: Sequence[str],
    target: float,
    vocabularies: Vocabularies,
    picture: int | None = None,
) -> Example:
    """A tweet by the vocabularies, cut at the model's limits; an empty text becomes one `<unk>`."""
    tokens = vocabularies.words.encode(tokenise(text)[:MAX_TOKENS])
    return Example(
        tokens if len(tokens) else np.array([Vocabulary.UNK]),
        vocabularies.attributes.encode(attributes[:MAX_ATTRIBUTES]),
        target,
        picture,
    )


def sample_regions(count: int, generator: np.random.Generator) -> Indices | None:
    """One region of each square of neighbours, `count` squares covering the grid; None (all) for 0.

    Raises ValueError where such squares do not tile the grid.
    """
    if not count:
        return None
    squares = math.isqrt(count)
    side = GRID // squares
    if squares * squares != count or squares * side != GRID:
        raise ValueError(f"{count} squares do not tile a grid of {GRID} x {GRID} regions")
    rows = np.arange(squares)[:, None] * side + generator.integers(0, side, (squares, squares))
    columns = np.arange(squares)[None, :] * side + generator.integers(0, side, (squares, squares))
    return np.asarray(rows * GRID + columns).ravel()


def collate(
    examples: Sequence[Example],
    present: NDArray[np.bool_],
    regions: NDArray[np.float16],
    shown: Indices | None = None,
) -> HfmInput:
    """A batch; `present` (B x 3) is narrowed to what each example has.

    `regions` N x R x d holds the pictures; N may be 0. `shown`: which of the R regions (all).
    """
    pictures = np.array([example.picture is not None for example in examples])
    attributes = np.array([len(example.attributes) > 0 for example in examples])
    present = present & np.stack([np.ones_like(pictures), pictures, attributes], axis=1)
    tokens, token_counts = _pad([example.tokens for example in examples])
    words, word_counts = _pad([example.attributes for example in examples])
    return HfmInput(
        tokens,
        token_counts,
        words,
        word_counts,
        _regions(examples, present, regions, shown),
        torch.from_numpy(present),
    )


def move(batch: HfmInput, device: torch.device) -> HfmInput:
    return HfmInput(**{name: tensor.to(device) for name, tensor in vars(batch).items()})


def _pad(rows: Sequence[Indices]) -> tuple[Tensor, Tensor]:
    counts = [len(row) for row in rows]
    padded = np.zeros((len(rows), max(1, *counts)), dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded), torch.tensor(counts)


def _regions(
    examples: Sequence[Example],
    present: NDArray[np.bool_],
    regions: NDArray[np.float16],
    shown: Indices | None,
) -> Tensor:
    if not present[:, 1].any():
        return torch.zeros(len(examples), 1, regions.shape[-1])
    rows = [example.picture or 0 for example in examples]  # a row without a picture is masked
    chosen = regions[rows] if shown is None else regions[np.ix_(np.array(rows), shown)]
    return torch.from_numpy(chosen.astype(np.float32))


def batches(
    examples: Sequence[Example], size: int, generator: np.random.Generator
) -> Iterator[list[Example]]:
    """All examples once, in random batches of similar lengths (less padding)."""
    order = generator.permutation(len(examples))
    chosen = []
    for start in range(0, len(order), size * POOL):
        pool = sorted(order[start : start + size * POOL], key=lambda row: len(examples[row].tokens))
        chosen += [pool[part : part + size] for part in range(0, len(pool), size)]
    for index in generator.permutation(len(chosen)):
        yield [examples[row] for row in chosen[index]]
