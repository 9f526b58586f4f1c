import numpy as np
import pytest
from hypothesis import given, settings
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
)

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


def test_noise_hides_and_swaps():
    generator = np.random.default_rng(0)
    words = np.full(5000, 3)
    noise = Noise(token=0.2, attribute=0.1, swap=0.5, strangers=np.array([2]))
    assert (noise.tokens(words, generator) == Vocabulary.UNK).mean() == pytest.approx(0.2, abs=0.03)
    changed = noise.attributes(words, generator)
    assert (changed == Vocabulary.UNK).mean() == pytest.approx(0.1, abs=0.02)
    assert (changed == 2).mean() == pytest.approx(0.45, abs=0.03)
    assert np.array_equal(Noise().attributes(words, generator), words)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=80), st.integers(1, 7))
def test_batches_hold_every_example_once(lengths, size):
    examples = [Example(np.full(n, 2), np.array([2]), float(i)) for i, n in enumerate(lengths)]
    drawn = list(batches(examples, size, np.random.default_rng(1)))
    assert sorted(example.target for batch in drawn for example in batch) == list(range(len(lengths)))
    assert max(map(len, drawn)) <= size
