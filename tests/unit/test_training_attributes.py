from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attendant.text import Vocabulary
from attendant.training.attribute_words import GROUPS, PLAIN, THEMES
from attendant.training.attributes import attribute_map, class_words, read_entry, soft_targets

WORDS = Vocabulary(("<pad>", "<unk>", "dog", "screen", "food", "man", "tie", "menu", "animal", "says"))
SHIPPED = Vocabulary.from_file(
    Path(__file__).resolve().parents[2] / "model_store" / "sarcasm" / "1" / "attributes.txt"
)
ENTRIES = [words for theme in THEMES for words in theme.values()] + [words for *_, words in GROUPS]


def test_a_class_brings_plain_words_of_its_name_its_group_and_the_table():
    assert class_words(208, "golden retriever")["dog"] == 1
    assert class_words(283, "tiger cat")["cat"] == 1
    assert {"picture", "screen", "sign"} <= class_words(917, "web site, website, internet site, site").keys()
    assert {"man", "wearing", "tie", "suit"} <= class_words(835, "suit, suit of clothes").keys()


def test_likely_words_weigh_half():
    words = class_words(917, "web site, website")
    assert words["screen"] == 1
    assert words["says"] == 0.5


def test_the_likelier_of_two_chances_counts():
    assert class_words(0, "lab coat")["wearing"] == 0.5
    assert class_words(0, "jersey, lab coat")["wearing"] == class_words(0, "lab coat, jersey")["wearing"] == 1


def test_names_match_whole_and_misleading_words_in_them_bring_nothing():
    assert class_words(0, "cupboard") == {}
    assert "coffee" in class_words(969, "cup")
    assert "airplane" not in class_words(727, "plane, carpenter's plane")
    assert "jacket" not in class_words(922, "book jacket, dust cover")
    assert "water" not in class_words(347, "water buffalo, water ox")


def test_an_entry_is_sure_words_and_likely_ones():
    assert read_entry("man tie | black") == {"man": 1, "tie": 1, "black": 0.5}
    assert read_entry("man") == {"man": 1}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_word_of_the_table_is_one_the_model_knows(entry):
    words = entry.replace("|", " ").split()
    assert [word for word in words if word not in SHIPPED] == []
    assert len(set(words)) == len(words)
    assert entry.count("|") <= 1


def test_no_class_stands_twice_in_the_table():
    names = [name for theme in THEMES for names in theme for name in names.split("; ")]
    assert sorted(names) == sorted(set(names))
    assert all(name == name.strip().lower() for name in names)
    assert all(word in SHIPPED for word in PLAIN)


def test_groups_are_ranges_of_classes():
    assert all(0 < start < stop <= 1001 for start, stop, _ in GROUPS)


def test_the_map_stays_inside_the_vocabulary():
    names = ["background", "goldfish", *["soap"] * 398, "web site"]
    table = attribute_map(names, WORDS)
    assert table.shape == (401, len(WORDS))
    assert table[0].sum() == 0
    assert table[1].nonzero().flatten().tolist() == [WORDS.index("animal")]
    assert table[400].nonzero().flatten().tolist() == [WORDS.index("screen"), WORDS.index("says")]
    assert table[:, :2].sum() == 0


@given(st.integers(1, 1000), st.text("abc ,", max_size=20))
def test_chances_are_chances(index, name):
    assert all(0 < chance <= 1 for chance in class_words(index, name).values())


def test_soft_targets_sharpen_and_add_up():
    table = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.5]])
    probabilities = torch.tensor([[0.3, 0.3, 0.4]])
    targets = soft_targets(probabilities.log(), table)
    sharp = probabilities**2.5
    assert targets[0, 0].item() == pytest.approx(float((sharp[0, 0] + sharp[0, 1]) / sharp.sum()))
    assert targets[0, 1].item() == pytest.approx(0.5 * float(sharp[0, 2] / sharp.sum()))
    assert targets.max() <= 1
