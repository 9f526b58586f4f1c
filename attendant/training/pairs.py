"""Tweets with the pictures they were posted with, as the trained encoder sees those.

N photographs, R = 196 regions of d features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.models.encoders import CompactEncoder
from attendant.text import Vocabulary
from attendant.training.examples import Example, Vocabularies, make_example
from attendant.training.photographs import CHUNK, Photographs, cached_array
from attendant.training.progress import Report
from attendant.types import MAX_ATTRIBUTES, REGIONS

NAMELESS = max(Vocabulary.PAD, Vocabulary.UNK) + 1  # pad and unknown are no words for a picture


@dataclass(frozen=True)
class Pictures:
    """What an encoder makes of the photographs: `regions` float16 N x R x d; `words` N x 5, best first.

    `focus`, float16 N x R, says where in a picture its words are seen: at least 0, each picture's sum is 1.
    """

    regions: NDArray[np.float16]
    words: NDArray[np.int64]
    focus: NDArray[np.float16]


def encode(
    encoder: CompactEncoder, photographs: Photographs, cache: Path, device: torch.device, report: Report
) -> Pictures:
    """The encoder over all photographs, once; `cache` is the file that keeps the regions."""

    def regions_of(part: slice) -> NDArray[np.float16]:
        pixels = torch.from_numpy(photographs.pixels[part].copy()).to(device)
        with torch.inference_mode():
            return np.asarray(encoder(pixels).regions.half().cpu())

    shape = (len(photographs), REGIONS, encoder.region_width)
    on_disk = cached_array(cache, shape, np.float16, regions_of, report)
    regions = np.array(on_disk)  # in memory: batches pick rows at random
    parts = [
        name_words(encoder, torch.from_numpy(regions[start : start + CHUNK]).float().to(device))
        for start in range(0, len(regions), CHUNK)
    ]
    words, focus = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pictures(regions, words, focus)


@torch.inference_mode()
def name_words(encoder: CompactEncoder, regions: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """The five words, best first, N x 5, that the encoder names for pictures by their regions N x R x d; and the focus.

    A word is seen where the layer that names it finds more of it than elsewhere in the picture (class activation maps,
    Zhou et al. 2016, equation 2); the focus is a softmax over the five words' mean map at variance 1.
    """
    features = encoder.features(regions)
    logits = encoder.attributes(features.mean(1))
    words = logits[:, NAMELESS:].topk(MAX_ATTRIBUTES).indices + NAMELESS
    weights = encoder.attributes.weight[words].mean(1)  # N x F: the mean of the maps is the map of the mean
    maps = (features @ weights.unsqueeze(-1)).squeeze(-1)
    maps = maps - maps.mean(1, keepdim=True)
    spread = maps.std(1, keepdim=True).clamp_min(1e-6)
    return words.cpu().numpy(), (maps / spread).softmax(1).half().cpu().numpy()


def posted_pairs(photographs: Photographs, pictures: Pictures, vocabularies: Vocabularies) -> list[Example]:
    """The tweets of the photographs that have one, with the words that the encoder names; targets are 0."""
    names = vocabularies.attributes.words
    return [
        make_example(
            item.tweet, [names[word] for word in pictures.words[row]], 0.0, vocabularies, picture=row
        )
        for row, item in enumerate(photographs.items)
        if item.tweet
    ]
