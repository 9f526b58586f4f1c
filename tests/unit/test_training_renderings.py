from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attendant.text import Vocabulary
from attendant.training.drawings import faces
from attendant.training.drawings.canvas import Pen, canvas, wrap
from attendant.training.drawings.colours import BLACK, BRIGHT, DEEP, SOFT, WHITE, ink
from attendant.training.renderings import KINDS, LONGEST, MEALS, PAGES, SHORTEST, draw_kind, rendering

VOCABULARY = Vocabulary.from_file(
    Path(__file__).resolve().parents[2] / "model_store" / "sarcasm" / "1" / "attributes.txt"
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_drawn_and_named(kind):
    drawn = draw_kind(kind, np.random.default_rng(1))
    assert drawn.pixels.dtype == np.uint8
    assert drawn.pixels.shape[2:] == (3,)
    assert SHORTEST <= max(drawn.pixels.shape) <= LONGEST
    assert drawn.pixels.std() > 5  # something was drawn
    assert set(KINDS[kind].words.split()) <= set(drawn.words)
    assert len(set(drawn.words)) == len(drawn.words)
    assert [word for word in drawn.words if word not in VOCABULARY] == []


@settings(deadline=None, max_examples=8)
@given(index=st.integers(0, 10**6), seed=st.integers(0, 2**32))
def test_a_rendering_is_the_same_every_time(index, seed):
    first, again = rendering(index, seed, KINDS), rendering(index, seed, KINDS)
    assert first.name == again.name
    assert first.words == again.words
    np.testing.assert_array_equal(first.pixels, again.pixels)


@settings(deadline=None, max_examples=10)
@given(high=st.integers(24, 600), wide=st.integers(24, 600), kind=st.sampled_from(sorted(KINDS)))
def test_a_canvas_of_any_size_can_be_drawn_on(high, wide, kind):
    page = canvas(wide, high, np.random.default_rng(high))
    KINDS[kind].draw(page)
    assert page.image.size == (wide, high)


def test_every_number_and_seed_has_a_rendering_of_its_own():
    many = [rendering(index, 5, KINDS) for index in range(6)]
    assert len({drawn.name for drawn in many}) == 6
    assert not np.array_equal(many[0].pixels, rendering(0, 6, KINDS).pixels)


@pytest.mark.parametrize("kinds", [PAGES, MEALS], ids=["pages", "meals"])
def test_many_renderings_are_varied(kinds):
    drawn = [rendering(index, 0, kinds) for index in range(40)]
    names = {picture.name.split("/")[0] for picture in drawn}
    assert len(names) > 10
    assert names <= kinds.keys()
    assert len({picture.pixels.shape for picture in drawn}) > 35
    assert len({word for picture in drawn for word in picture.words}) > 40


def test_kinds_are_drawn_as_often_as_their_weights_say():
    kinds = {
        "clock_face": replace(PAGES["clock_face"], weight=1.0),
        "smiley": replace(PAGES["smiley"], weight=3.0),
    }
    names = [rendering(index, 0, kinds).name.split("/")[0] for index in range(80)]
    assert abs(names.count("smiley") - 60) < 4 * (80 * 0.75 * 0.25) ** 0.5


@given(
    words=st.lists(st.text("abcdefgmw", min_size=1, max_size=14), max_size=30),
    width=st.floats(20, 500),
    size=st.integers(8, 40),
    face=st.sampled_from(faces.ALL),
)
def test_wrapping_keeps_all_words_and_mostly_the_width(words, width, size, face):
    pen = Pen(size, BLACK, face)
    lines = wrap(" ".join(words), pen, width)
    assert " ".join(lines).split() == words
    letters = width / (faces.breadth(face) * size)
    assert all(len(line) <= letters or " " not in line for line in lines)


@pytest.mark.parametrize("background", [*BRIGHT, *DEEP, *SOFT])
def test_ink_can_be_read(background):
    contrast = np.abs(np.subtract(ink(background), background)).mean()
    assert contrast > 80
    assert ink(background) in {BLACK, WHITE}
