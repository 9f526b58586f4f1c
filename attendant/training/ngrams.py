"""A linear model of word and character n-grams: quick to fit, and wrong about other tweets than a sentence encoder is.

N tweets, G n-grams.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from attendant.text import tokenise

Floats = NDArray[np.float64]
Text = tuple[str, tuple[str, ...]]  # a tweet and its attribute words, maybe none
CHARACTERS = (2, 3, 4, 5)


@dataclass(frozen=True)
class NgramRecipe:
    """Which n-grams count, and how strongly the weights are kept small (`strength`: less is stricter)."""

    least: int = 3  # tweets that an n-gram stands in
    strength: float = 2.0
    attributes: float = 0.5  # length of the attributes' part of a row; words and characters have 1 each
    iterations: int = 60


def words(text: Text) -> Iterator[str]:
    """Words and pairs of words."""
    tokens = tokenise(text[0])
    yield from tokens
    yield from map(" ".join, zip(("<s>", *tokens), (*tokens, "</s>"), strict=True))


def characters(text: Text) -> Iterator[str]:
    """Runs of 2 to 5 characters, across words too."""
    line = f" {' '.join(tokenise(text[0]))} "
    for length in CHARACTERS:
        yield from (line[start : start + length] for start in range(len(line) - length + 1))


def attributes(text: Text) -> Iterator[str]:
    yield from text[1]


KINDS = (words, characters, attributes)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of each kind with their columns, and each column's weight by how rare it is."""

    columns: tuple[Mapping[str, int], ...]
    rarity: tuple[Floats, ...]
    recipe: NgramRecipe

    @classmethod
    def of(cls, texts: Sequence[Text], recipe: NgramRecipe) -> "Ngrams":
        """Those that stand in `recipe.least` texts or more."""
        columns, rarity = [], []
        for kind in KINDS:
            counts = Counter(gram for text in texts for gram in set(kind(text)))
            kept = {gram: count for gram, count in counts.items() if count >= recipe.least}
            columns.append({gram: column for column, gram in enumerate(kept)})
            rarity.append(np.log(len(texts) / np.array(list(kept.values()), dtype=np.float64)))
        return cls(tuple(columns), tuple(rarity), recipe)

    def rows(self, texts: Sequence[Text]) -> Any:
        """Sparse N x G: which n-grams stand in a text, by rarity; a kind's part of a row has a fixed length."""
        parts = [
            _unit(texts, kind, columns, rarity) * length
            for kind, columns, rarity, length in zip(
                KINDS, self.columns, self.rarity, (1.0, 1.0, self.recipe.attributes), strict=True
            )
        ]
        return sparse.hstack(parts).tocsr()


def _unit(texts: Sequence[Text], kind: Any, columns: Mapping[str, int], rarity: Floats) -> Any:
    found = [sorted({columns[gram] for gram in kind(text) if gram in columns}) for text in texts]
    indices = np.array([column for row in found for column in row], dtype=np.int64)
    starts = np.cumsum([0, *map(len, found)])
    matrix = sparse.csr_matrix((rarity[indices], indices, starts), shape=(len(texts), len(columns)))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-9)) @ matrix


@dataclass(frozen=True)
class LinearModel:
    """`logits` of sparse rows: a weight a column, and a constant."""

    weights: Floats
    constant: float

    def logits(self, rows: Any) -> Floats:
        """N, of rows N x G."""
        return np.asarray(rows @ self.weights + self.constant)


def fit_linear(rows: Any, labels: Floats, strength: float, iterations: int = 60) -> LinearModel:
    """Logistic regression of 0/1 labels, N, on rows N x G (sparse or not): likelihood times `strength` less |w|^2/2."""
    signs = 2 * labels - 1
    columns = rows.T.tocsr() if sparse.issparse(rows) else rows.T

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, constant = parameters[:-1], parameters[-1]
        margins = signs * (rows @ weights + constant)
        slope = -strength * signs / (1 + np.exp(np.clip(margins, -500, 500)))
        value = strength * np.logaddexp(0, -margins).sum() + weights @ weights / 2
        return float(value), np.append(columns @ slope + weights, slope.sum())

    start = np.zeros(rows.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    return LinearModel(found.x[:-1], float(found.x[-1]))
