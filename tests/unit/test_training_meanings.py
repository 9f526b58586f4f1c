import numpy as np
import pytest
import torch

from attendant.errors import AttendantError
from attendant.training import meanings, sentences
from attendant.training.meanings import file_name, sentence_vectors

CPU = torch.device("cpu")
TEXTS = ("a man is eating food", "oh great , another monday", "the stock market fell sharply")


def silent(done, total):
    pass


class Counting:
    """In place of the encoder: a text's vector is its length and its number of words."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts, device, report):
        self.asked.append(tuple(texts))
        return np.array([[len(text), len(text.split())] for text in texts], np.float32)


def test_vectors_are_standardised_and_kept(tmp_path, monkeypatch):
    encode = Counting()
    monkeypatch.setattr(meanings, "_encode", encode)
    vectors = sentence_vectors(TEXTS, tmp_path / "cache", CPU, silent)
    np.testing.assert_allclose(vectors.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(vectors.std(0), [1, 0], atol=1e-6)  # all three have five words
    again = sentence_vectors(TEXTS, tmp_path / "cache", CPU, silent)
    np.testing.assert_array_equal(again, vectors)
    assert encode.asked == [TEXTS]


def test_other_texts_have_another_file():
    assert file_name(TEXTS) == file_name(list(TEXTS))
    assert len({file_name(TEXTS), file_name(TEXTS[::-1]), file_name(TEXTS[:2])}) == 3


def test_without_the_encoder_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sentences, "WHEEL", "no_such_package")
    with pytest.raises(AttendantError, match="make train"):
        sentence_vectors(TEXTS, tmp_path, CPU, silent)
    assert not list(tmp_path.iterdir())
