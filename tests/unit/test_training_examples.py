import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.text import Vocabulary
from attendant.training.examples import (
    Example,
    Modalities,
    Noise,
    Vocabularies,
    batches,
    collate,
    make_example,
    sample_regions,
)
from attendant.training.restyling import Restyling
from attendant.types import GRID, REGIONS

WORDS = Vocabulary(("<pad>", "<unk>", "so", "fun", "#"))
ATTRIBUTES = Vocabulary(("<pad>", "<unk>", "dog", "sky"))
VOCABULARIES = Vocabularies(WORDS, ATTRIBUTES)
NO_PICTURES = np.zeros((0, 1, 6), np.float16)


def test_a_tweet_becomes_indices():
    example = make_example("So  much FUN", ["dog", "zebra"], 1.0, VOCABULARIES)
    assert example.tokens.tolist() == [2, 1, 3]
    assert example.attributes.tolist() == [2, 1]
    assert example.picture is None


def test_limits_and_empty_text():
    example = make_example("fun " * 100, ["dog"] * 9, 0.0, VOCABULARIES)
    assert len(example.tokens) == 75
    assert len(example.attributes) == 5
    assert make_example("", [], 0.0, VOCABULARIES).tokens.tolist() == [Vocabulary.UNK]


def test_a_batch_is_padded_and_lacks_what_examples_lack():
    first = Example(np.array([2, 3, 4]), np.array([2, 3]), 1.0)
    second = Example(np.array([3]), np.array([], dtype=np.int64), 0.0)
    batch = collate([first, second], np.ones((2, 3), bool), NO_PICTURES)
    assert batch.tokens.tolist() == [[2, 3, 4], [3, 0, 0]]
    assert batch.token_counts.tolist() == [3, 1]
    assert batch.attributes.tolist() == [[2, 3], [0, 0]]
    assert batch.present.tolist() == [[True, False, True], [True, False, False]]
    assert batch.regions.shape == (2, 1, 6)


def test_pictures_are_looked_up_only_where_one_is_shown():
    regions = np.arange(2 * 4 * 3, dtype=np.float16).reshape(2, 4, 3)
    seen = Example(np.array([2]), np.array([2]), 1.0, picture=1)
    blind = Example(np.array([2]), np.array([2]), 1.0)
    batch = collate([seen, blind], np.ones((2, 3), bool), regions)
    assert np.array_equal(batch.regions[0].numpy(), regions[1])
    assert batch.present[:, 1].tolist() == [True, False]
    hidden = collate([seen, blind], np.array([[True, False, True]] * 2), regions)
    assert hidden.regions.shape == (2, 1, 3)


def test_modalities_are_drawn_by_their_shares():
    shown = Modalities((("TA", 3.0), ("I", 1.0))).draw(4000, np.random.default_rng(0))
    assert {tuple(row) for row in shown.tolist()} == {(True, False, True), (False, True, False)}
    assert shown[:, 0].mean() == pytest.approx(0.75, abs=0.03)


def test_noise_hides_words():
    generator = np.random.default_rng(0)
    words = np.full(5000, 3)
    noise = Noise(token=0.2, attribute=0.1)
    assert (noise.tokens(words, generator) == Vocabulary.UNK).mean() == pytest.approx(0.2, abs=0.03)
    assert (noise.attributes(words, generator) == Vocabulary.UNK).mean() == pytest.approx(0.1, abs=0.02)
    assert np.array_equal(Noise().attributes(words, generator), words)


def test_noise_exchanges_all_words_of_a_tweet_at_once():
    generator = np.random.default_rng(0)
    named = np.array([[5, 6, 7, 8, 3]])  # one picture shares a word with the tweet
    noise = Noise(restyled=0.25, restyling=Restyling(named))
    drawn = [tuple(noise.attributes(np.array([3, 4]), generator)) for _ in range(2000)]
    assert set(drawn) == {(3, 4), (5, 6, 7, 8, 3)}
    assert np.mean([len(words) == 5 for words in drawn]) == pytest.approx(0.25, abs=0.03)
    always = Noise(attribute=1.0, restyled=1.0, restyling=Restyling(named))
    assert always.attributes(np.array([3, 4]), generator).tolist() == [Vocabulary.UNK] * 5


@given(st.sampled_from([1, 4, 49, 196]), st.integers(0, 1000))
def test_regions_are_sampled_one_of_each_square(count, seed):
    shown = sample_regions(count, np.random.default_rng(seed))
    side = GRID // round(count**0.5)
    rows, columns = np.divmod(shown, GRID)
    squares = rows // side * (GRID // side) + columns // side
    assert squares.tolist() == list(range(count))


def test_every_region_of_a_square_is_sampled():
    generator = np.random.default_rng(0)
    assert set(np.concatenate([sample_regions(49, generator) for _ in range(60)])) == set(range(REGIONS))
    assert sample_regions(0, generator) is None


@given(st.integers(1, 400).filter(lambda count: count not in {1, 4, 49, 196}))
def test_squares_that_do_not_tile_the_grid_are_refused(count):
    with pytest.raises(ValueError, match="do not tile"):
        sample_regions(count, np.random.default_rng(0))


def test_a_batch_has_the_regions_that_are_shown():
    regions = np.random.default_rng(0).normal(size=(3, REGIONS, 2)).astype(np.float16)
    examples = [Example(np.array([2]), np.array([2]), 1.0, picture) for picture in (2, None, 0)]
    batch = collate(examples, np.ones((3, 3), bool), regions, np.array([5, 190]))
    assert batch.regions.shape == (3, 2, 2)
    assert np.array_equal(batch.regions[0].numpy(), regions[2, [5, 190]])
    assert np.array_equal(batch.regions[2].numpy(), regions[0, [5, 190]])
    assert batch.present[:, 1].tolist() == [True, False, True]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=80), st.integers(1, 7))
def test_batches_hold_every_example_once(lengths, size):
    examples = [Example(np.full(n, 2), np.array([2]), float(i)) for i, n in enumerate(lengths)]
    drawn = list(batches(examples, size, np.random.default_rng(1)))
    assert sorted(example.target for batch in drawn for example in batch) == list(range(len(lengths)))
    assert max(map(len, drawn)) <= size
