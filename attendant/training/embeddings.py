"""What a word is before anything is learnt of it: published GloVe vectors, and small noise.

GloVe (Pennington, Socher and Manning 2014), Public Domain Dedication and License; they lie in the data folder. V words.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from attendant.analysis.rows import DataError

FILES = ("glove6B_50d_5k.npz", "glove_twitter27B_25d_subset.npz")  # of general text, of tweets


def initial_vectors(words: Sequence[str], width: int, data: Path, scale: float, seed: int) -> Tensor:
    """V x width: the vectors of both files side by side, each of standard deviation `scale`.

    Other places, and words that a file has not, get noise of a quarter of that: with as much as torch gives, a rare
    word would stay the stranger that it begins as. Raises DataError for a missing file.
    """
    generator = np.random.default_rng(seed)
    vectors = generator.normal(0.0, scale / 4, (len(words), width)).astype(np.float32)
    rows = {word: row for row, word in enumerate(words)}
    start = 0
    for name in FILES:
        path = data / "embeddings" / name
        if not path.is_file():
            raise DataError(f"no such file: {path}")
        with np.load(path) as file:
            known, published = file["words"], file["vectors"]
        chosen = [(rows[word], place) for place, word in enumerate(known) if word in rows]
        taken = slice(start, min(start + published.shape[1], width))
        places = np.array([place for _, place in chosen], dtype=np.int64)
        vectors[[row for row, _ in chosen], taken] = (
            (published - published.mean(0)) / published.std(0) * scale
        )[places, : taken.stop - taken.start]
        start = taken.stop
    return torch.from_numpy(vectors)
