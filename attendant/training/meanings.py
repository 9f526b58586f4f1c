"""What a sentence encoder makes of texts, as vectors to learn from: what words mean, beyond how they are labelled.

N texts, V values a vector.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.training.checkpoints import fingerprint
from attendant.training.progress import Report
from attendant.training.sentences import pad, pretrained, split

PIECES = 72
BATCH = 64


def sentence_vectors(
    texts: Sequence[str], folder: Path, device: torch.device, report: Report
) -> NDArray[np.float32]:
    """The published encoder's mean states, N x V, each value of mean 0 and variance 1 over the texts; kept in `folder`.

    Raises AttendantError where the encoder is not installed and the vectors are not in `folder`.
    """
    path = folder / file_name(texts)
    if not path.exists():
        vectors = _encode(texts, device, report)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, (vectors - vectors.mean(0)) / vectors.std(0).clip(1e-6))
        part.replace(path)
    kept: NDArray[np.float32] = np.load(path)
    return kept


def file_name(texts: Sequence[str]) -> str:
    """Of the file that keeps the vectors of these texts."""
    return f"meanings-{fingerprint(list(texts), PIECES)}.npy"


@torch.inference_mode()
def _encode(texts: Sequence[str], device: torch.device, report: Report) -> NDArray[np.float32]:
    encoder = pretrained(0.0, seed=0).to(device).eval()  # the seed makes its head, which is not used
    tweets = [tweet.shown(attributes=False) for tweet in split([(text, ()) for text in texts], PIECES)]
    order = np.argsort([len(pieces) for pieces, _ in tweets], kind="stable")
    vectors = np.zeros((len(texts), encoder.head.in_features), np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        pieces, segments, real = pad([tweets[row] for row in rows], device)
        kept = real.unsqueeze(-1)
        states = encoder.states(pieces, segments, real) * kept
        vectors[rows] = (states.sum(1) / kept.sum(1)).float().cpu().numpy()
        report(min(start + BATCH, len(order)), len(order))
    return vectors
