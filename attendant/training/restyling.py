"""Attribute words as an encoder would have named them, for tweets whose picture is not here.

The sarcasm rows carry the authors' words; served pictures get the encoder's, which are skewed another way. A row's
words are exchanged for all those that the encoder names for some real picture that shares words with the row: so the
words stay together as the encoder puts them, and most of what the row was about stays too.
N pictures, W words each, A words in the vocabulary.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from attendant.text import Vocabulary

Indices = NDArray[np.int64]
CANDIDATES = 8  # pictures looked at for a row: more keep more of its meaning, fewer draw from more pictures


class Restyling:
    """`named`, N x W: the words that an encoder names for each picture, as indices of the vocabulary."""

    def __init__(self, named: Indices, candidates: int = CANDIDATES) -> None:
        self._named = named
        self._candidates = candidates
        pictures: defaultdict[int, list[int]] = defaultdict(list)
        for picture, words in enumerate(named.tolist()):
            for word in set(words) - {Vocabulary.PAD, Vocabulary.UNK}:
                pictures[word].append(picture)
        self._pictures = dict(pictures)

    def draw(self, words: Indices, generator: np.random.Generator) -> Indices:
        """The encoder's words for a picture that is named with one of `words`, and likely with several.

        Words that no picture is named with are left out of the search; with none left, `words` come back.
        """
        having = [self._pictures[int(word)] for word in words if int(word) in self._pictures]
        if not having:
            return words
        rows = generator.integers(0, len(having), self._candidates)
        seen = np.array([having[row][generator.integers(len(having[row]))] for row in rows])
        shared = np.isin(self._named[seen], words).sum(-1)
        best: Indices = self._named[seen[shared.argmax()]]
        return best
