import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from attendant.training.shades import SHADES, name_shades


def plain(colour, high=40, wide=60):
    return np.full((high, wide, 3), colour, dtype=np.uint8)


@pytest.mark.parametrize(("name", "colour"), SHADES)
def test_a_plain_colour_has_its_name(name, colour):
    assert name_shades(plain(colour))[0] == name


def test_what_covers_most_comes_first_and_little_is_left_out():
    picture = plain((255, 255, 255))
    picture[:16] = (10, 10, 10)
    picture[16:20] = (205, 40, 45)
    assert name_shades(picture) == ("white", "black")
    assert name_shades(picture, share=0.05) == ("white", "black", "red")


def test_dark_and_bright_are_of_the_whole():
    assert "dark" in name_shades(plain((5, 5, 60)))
    assert "bright" in name_shades(plain((250, 20, 20)))
    assert not {"dark", "bright"} & set(name_shades(plain((130, 130, 130))))


@settings(max_examples=40)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=60).map(lambda size: (*size, 3))),
    st.floats(0.01, 1),
)
def test_any_picture_gets_distinct_known_words(pixels, share):
    words = name_shades(pixels, share)
    assert len(set(words)) == len(words)
    assert set(words) <= {name for name, _ in SHADES} | {"dark", "bright"}
    assert len(words) <= 1 / share + 1
