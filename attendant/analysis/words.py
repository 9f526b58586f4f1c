"""How far the words that an encoder names for pictures are from those that the sarcasm model learnt with.

The model's attribute words are the authors' predictor's; ours names other words of the same vocabulary more often.
Counts are how often each word was named, over pictures or rows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.divergences import jensen_shannon

SHOWN = 10  # words that are named most too often, and too rarely
RARE = 1e-4  # of all words the authors named: below this a word is rare, one row in 2,000


@dataclass(frozen=True)
class WordShare:
    """A word's share of all words named: for pictures by the encoder, and in the reference. 0 to 1."""

    word: str
    predicted: float
    reference: float


@dataclass(frozen=True)
class WordSkew:
    """`divergence`: Jensen-Shannon, nats, 0 (the same) to ln 2 (nothing shared).

    `unknown` and `rare`: the share of the predicted words that the reference never has, and has rarely or never.
    `overused` and `underused`: the words whose shares differ most, the largest difference first.
    """

    divergence: float
    unknown: float
    rare: float
    overused: tuple[WordShare, ...]
    underused: tuple[WordShare, ...]


def count_words(rows: Iterable[Sequence[str]]) -> Counter[str]:
    """How often each word stands in the rows."""
    return Counter(word for row in rows for word in row)


def measure_skew(
    predicted: Mapping[str, int], reference: Mapping[str, int], shown: int = SHOWN, rare: float = RARE
) -> WordSkew:
    """Compares two counts of words. Raises ValueError where one of them is empty."""
    words = sorted(predicted.keys() | reference.keys())
    named, learnt = _shares(predicted, words), _shares(reference, words)
    shares = [
        WordShare(word, float(mine), float(theirs))
        for word, mine, theirs in zip(words, named, learnt, strict=True)
    ]
    ordered = sorted(
        shares, key=lambda share: share.reference - share.predicted
    )  # a stable sort: ties by name
    return WordSkew(
        divergence=jensen_shannon([named, learnt]),
        unknown=float(named[learnt == 0].sum()),
        rare=float(named[learnt < rare].sum()),
        overused=tuple(share for share in ordered[:shown] if share.predicted > share.reference),
        underused=tuple(share for share in ordered[::-1][:shown] if share.reference > share.predicted),
    )


def _shares(counts: Mapping[str, int], words: Sequence[str]) -> NDArray[np.float64]:
    values = np.array([counts.get(word, 0) for word in words], dtype=np.float64)
    if not values.sum() > 0:
        raise ValueError("no words were counted")
    shares: NDArray[np.float64] = values / values.sum()
    return shares
