from dataclasses import replace

import numpy as np
import pytest
import torch

from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.text import Vocabulary
from attendant.training.data import Photograph
from attendant.training.examples import Vocabularies
from attendant.training.pairs import Pictures, encode, name_words, posted_pairs
from attendant.training.photographs import Photographs

CPU = torch.device("cpu")
ATTRIBUTES = Vocabulary(("<pad>", "<unk>", "dog", "screen", "sign", "man", "food", "sky"))
VOCABULARIES = Vocabularies(Vocabulary(("<pad>", "<unk>", "so", "fun")), ATTRIBUTES)
CONFIG = CompactConfig(
    n_attributes=len(ATTRIBUTES),
    n_classes=5,
    stem_width=4,
    widths=(4, 4, 4, 4),
    units=(0, 0, 0, 0),
    outputs=(4, 4, 4, 6),
    feature_width=9,
)


def report(done, total):
    assert 1 <= done <= total


def build(seed):
    torch.manual_seed(seed)
    encoder = CompactEncoder(CONFIG).eval()
    torch.nn.init.normal_(encoder.attributes.weight)
    return encoder


@pytest.fixture(scope="module")
def photographs():
    """The second was not posted with a tweet."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 448, 448, 3), dtype=np.uint8)
    items = tuple(Photograph(f"mvsa/{i}", b"", tweet="" if i == 1 else f"so fun {i}") for i in range(3))
    return Photographs(items, pixels, np.array([False, False, True]), "key")


def test_the_encoder_sees_every_photograph_once(photographs, tmp_path):
    encoder = build(1)
    pictures = encode(encoder, photographs, tmp_path / "regions.npy", CPU, report)
    with torch.inference_mode():
        encoding = encoder(torch.from_numpy(photographs.pixels))
    assert pictures.regions.dtype == np.float16
    np.testing.assert_allclose(pictures.regions, encoding.regions.numpy(), atol=2e-3, rtol=2e-3)
    kept = replace(photographs, pixels=np.zeros_like(photographs.pixels))
    again = encode(encoder, kept, tmp_path / "regions.npy", CPU, report)
    np.testing.assert_array_equal(again.regions, pictures.regions)
    np.testing.assert_array_equal(again.words, pictures.words)


def test_the_words_are_the_likeliest_five_and_real_ones(photographs, tmp_path):
    encoder = build(2)
    with torch.no_grad():
        encoder.attributes.bias[:2] = 1e3  # <pad> and <unk> would be the likeliest
        logits = encoder(torch.from_numpy(photographs.pixels)).attribute_logits.numpy()
    pictures = encode(encoder, photographs, tmp_path / "regions.npy", CPU, report)
    assert pictures.words.shape == (3, 5)
    for words, row in zip(pictures.words, logits, strict=True):
        assert set(words) <= set(range(2, len(ATTRIBUTES)))
        assert (np.diff(row[words]) <= 1e-2).all()
        (left_out,) = set(range(2, len(ATTRIBUTES))) - set(words.tolist())
        assert row[left_out] <= row[words].min() + 1e-2


def test_words_are_named_by_the_mean_of_the_features():
    encoder = build(3)
    regions = torch.randn(2, 196, 6, generator=torch.Generator().manual_seed(0))
    shuffled = regions[:, torch.randperm(196, generator=torch.Generator().manual_seed(1))]
    np.testing.assert_array_equal(name_words(encoder, regions)[0], name_words(encoder, shuffled)[0])


def test_the_focus_is_where_the_words_would_be_named():
    """Regions that alone would have the five words' logits high have more of it than the others."""
    encoder = build(3)
    regions = torch.randn(2, 196, 6, generator=torch.Generator().manual_seed(0))
    words, focus = name_words(encoder, regions)
    assert focus.dtype == np.float16
    np.testing.assert_allclose(focus.astype(float).sum(1), 1, atol=2e-3)
    with torch.inference_mode():
        alone = encoder.attributes(encoder.features(regions)).numpy()  # 2 x 196 x A
    for picture in range(2):
        score = alone[picture][:, words[picture]].sum(1)
        assert np.corrcoef(np.log(focus[picture].astype(float)), score)[0, 1] > 0.99


def test_pairs_are_the_tweets_of_the_photographs_that_have_one(photographs):
    words = np.array([[2, 3, 4, 5, 6], [3, 4, 5, 6, 7], [7, 6, 5, 4, 3]])
    pictures = Pictures(np.zeros((3, 196, 6), np.float16), words, np.zeros((3, 196), np.float16))
    first, second = posted_pairs(photographs, pictures, VOCABULARIES)
    assert (first.picture, second.picture) == (0, 2)
    assert first.tokens.tolist() == [2, 3, Vocabulary.UNK]
    assert first.attributes.tolist() == [2, 3, 4, 5, 6]
    assert second.attributes.tolist() == [7, 6, 5, 4, 3]
    assert first.target == 0
