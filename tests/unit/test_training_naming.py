from dataclasses import replace

import numpy as np
import pytest
import torch

from attendant.text import Vocabulary
from attendant.training.data import Photograph
from attendant.training.drawn import load_drawn
from attendant.training.naming import Namer, judge, name
from attendant.training.photographs import Photographs
from attendant.training.renderings import MEALS, rendering

WORDS = Vocabulary(("<pad>", "<unk>", "man", "dog", "sign", "food", "pizza", "white", "black", "table"))
CLASSES = ("background", "pizza, pizza pie", "Chihuahua", "street sign")
FLAT = torch.full((2, 4), 0.25).log()


@pytest.fixture
def namer():
    return Namer(CLASSES, WORDS)


@pytest.fixture
def photographs():
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    pixels[1] = 255
    items = tuple(Photograph(str(number), b"", words) for number, words in enumerate([("dog", "cat"), ()]))
    return Photographs(items, pixels, np.array([False, True]), "key")


def test_words_of_people_are_certain_and_colours_are_likely(namer, photographs):
    words = namer.describe_photographs(photographs, FLAT)
    assert words[0, WORDS.index("dog")] == 1
    assert words[0, WORDS.index("black")] >= 0.35
    assert words[1, WORDS.index("white")] >= 0.35
    assert words[1, WORDS.index("dog")] < 1
    assert ((words >= 0) & (words <= 1)).all()


def test_a_sure_teacher_brings_its_class_and_its_words(namer, photographs):
    log_classes = torch.tensor([[0.01, 0.97, 0.01, 0.01], [0.01, 0.01, 0.01, 0.97]]).log()
    words = namer.describe_photographs(photographs, log_classes)
    assert words[0, WORDS.index("pizza")] > 0.95
    assert words[0, WORDS.index("sign")] < 0.05
    assert words[1, WORDS.index("sign")] > 0.95


def test_right_words_are_those_of_the_five_best_classes_and_of_people(photographs):
    names = ("background", *(f"thing {number}" for number in range(5)), "pizza, pizza pie")
    namer = Namer(names, WORDS)
    classes = torch.zeros(2, 7)
    classes[0, 6] = -5.0  # the sixth best
    right = namer.right_words(photographs, classes, np.array([0]))
    assert right[0].nonzero().flatten().tolist() == [WORDS.index("dog")]
    classes[0, 6] = 5.0
    right = namer.right_words(photographs, classes, np.array([0]))
    assert right[0, WORDS.index("pizza")] == 1


def test_words_of_drawings_are_those_they_were_drawn_with(namer, tmp_path):
    meals = load_drawn(MEALS, 2, 1, 7, tmp_path, lambda _done, _of: None)
    known = namer.describe_drawn(meals, np.array([1, 2]))
    for row, index in enumerate((1, 2)):
        drawn = rendering(index, 7, MEALS).words
        assert {WORDS.words[word] for word in known[row].nonzero().flatten()} == {
            word for word in drawn if word in WORDS
        }
    assert meals.held_out.tolist() == [False, False, True]


def test_drawings_lie_on_disk_under_the_name_of_what_is_drawn(tmp_path):
    def load(kinds, shown=2):
        return load_drawn(kinds, shown, 1, 7, tmp_path, lambda _done, _of: None)

    one = load({"pizza": MEALS["pizza"]})
    assert load({"pizza": replace(MEALS["pizza"], words="pizza")}).key == one.key  # the same pixels
    assert load({"cake": MEALS["cake"]}).key != one.key
    assert load({"pizza": MEALS["pizza"]}, shown=3).key != one.key
    assert len(list(tmp_path.iterdir())) == 3


def test_the_likeliest_real_words_are_named():
    logits = torch.tensor([[9.0, 8, 1, 2, 3, 4, 5, 6, 0, 0], [9.0, 8, 0, 0, 6, 5, 4, 3, 2, 0]])
    assert name(logits).tolist() == [[7, 6, 5, 4, 3], [4, 5, 6, 7, 8]]
    assert logits[0, 0] == 9  # the caller's stay as they are


def test_precision_by_plain_counting():
    named = torch.tensor([[2, 3], [3, 4]])
    right = torch.tensor([[0, 0, 1, 1, 0], [0, 0, 0, 1, 0.0]])
    score = judge(named, right)
    assert score.precision == pytest.approx(3 / 4)
    assert score.constant == pytest.approx((1 + 0.5) / 2)  # word 3 for both, word 2 or 4
    assert score.pictures == 2
