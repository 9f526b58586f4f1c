import pytest

from attendant.analysis.planted import (
    CONSTANT_WORDS,
    PLANTED,
    SENTENCES,
    in_another_language,
    on_screenshots,
    plant,
    with_constant_words,
)
from attendant.images import decode
from attendant.text import tokenise
from attendant.types import Mosaic, Tweet

TWEETS = tuple(Tweet(" ".join(["word"] * length), b"picture", ("dog",)) for length in (1, 3, 20, 75))


def test_another_language_says_as_much():
    words = [{word for sentence in language for word in sentence.split()} for language in SENTENCES]
    for tweet, other in zip(TWEETS, in_another_language(TWEETS, 0), strict=True):
        assert len(other.text.split()) == len(tweet.text.split())
        assert any(set(other.text.split()) <= language for language in words)
        assert (other.image, other.attributes) == (tweet.image, tweet.attributes)


def test_an_empty_text_gets_a_word():
    (other,) = in_another_language([Tweet("")], 0)
    assert len(other.text.split()) == 1


def test_sentences_are_as_the_model_reads_them():
    for sentence in (one for language in SENTENCES for one in language):
        assert list(tokenise(sentence)) == sentence.split()


def test_screenshots_are_pictures_whose_words_are_predicted():
    for tweet, other in zip(TWEETS, on_screenshots(TWEETS, 0), strict=True):
        assert decode(other.image).pixels.ndim == 3
        assert (other.text, other.attributes) == (tweet.text, ())


def test_words_are_the_same_for_everybody():
    assert {tweet.attributes for tweet in with_constant_words(TWEETS, 0)} == {CONSTANT_WORDS}


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_the_same_seed_plants_the_same(planted):
    mixed = (*TWEETS, Mosaic(((1.0, 2.0), (3.0, 4.0))))
    assert plant(planted, mixed, 3) == plant(planted, TWEETS, 3)
    assert len(plant(planted, mixed, 3)) == len(TWEETS)
