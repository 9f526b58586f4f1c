import pytest
import torch

from attendant.text import Vocabulary
from attendant.training.attributes import attribute_map, class_words, soft_targets

WORDS = Vocabulary(("<pad>", "<unk>", "dog", "screen", "food", "man", "tie", "menu", "animal"))


def test_a_class_brings_its_name_its_group_and_the_table():
    assert {"golden", "retriever", "dog", "animal"} <= class_words(208, "golden retriever")
    assert {"web", "site", "screen"} <= class_words(917, "web site, website, internet site, site")
    assert {"man", "wearing", "tie", "suit"} <= class_words(835, "suit, suit of clothes")


def test_phrases_match_whole_names_only():
    assert "coffee" not in class_words(1, "cupboard")
    assert "coffee" in class_words(969, "cup")


def test_the_map_stays_inside_the_vocabulary():
    names = ["background", "goldfish", *["bubble"] * 398, "web site"]
    table = attribute_map(names, WORDS)
    assert table.shape == (401, len(WORDS))
    assert table[0].sum() == 0
    assert table[1].nonzero().flatten().tolist() == [WORDS.index("animal")]
    assert table[400].nonzero().flatten().tolist() == [WORDS.index("screen")]
    assert table[:, :2].sum() == 0


def test_soft_targets_sharpen_and_add_up():
    table = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    probabilities = torch.tensor([[0.3, 0.3, 0.4]])
    targets = soft_targets(probabilities.log(), table)
    sharp = probabilities**2.5
    assert targets[0, 0].item() == pytest.approx(float((sharp[0, 0] + sharp[0, 1]) / sharp.sum()))
    assert targets.max() <= 1
