import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from attendant.training.ngrams import NgramRecipe, Ngrams, attributes, characters, fit_linear, words

RECIPE = NgramRecipe(least=1)


def test_words_and_pairs_of_words():
    assert list(words(("so glad", ()))) == ["so", "glad", "<s> so", "so glad", "glad </s>"]


def test_characters_run_across_words():
    assert list(characters(("a b", ()))) == [
        " a",
        "a ",
        " b",
        "b ",
        " a ",
        "a b",
        " b ",
        " a b",
        "a b ",
        " a b ",
    ]


def test_spaces_do_not_show_where_a_hashtag_was():
    assert list(characters(("so  glad ", ()))) == list(characters(("so glad", ())))


def test_the_length_of_each_part_is_fixed():
    texts = [("so glad", ("cat",)), ("glad", ("dog",)), ("more rain today", ("cat", "dog", "car"))]
    ngrams = Ngrams.of(texts, RECIPE)
    rows = ngrams.rows(texts)
    starts = np.cumsum([0, *map(len, ngrams.columns)])
    for (start, end), length in zip(
        np.lib.stride_tricks.sliding_window_view(starts, 2), (1, 1, 0.5), strict=True
    ):
        part = rows[:, start:end].toarray()
        assert np.linalg.norm(part, axis=1) == pytest.approx(length)


def test_rare_ngrams_are_left_out():
    texts = [("glad", ()), ("glad", ()), ("sad", ())]
    kept = Ngrams.of(texts, NgramRecipe(least=2)).columns[0]
    assert "glad" in kept
    assert "sad" not in kept


@given(st.text(max_size=30), st.lists(st.text(max_size=5), max_size=3))
def test_any_text_has_a_row(text, names):
    ngrams = Ngrams.of([("so glad", ("cat",)), ("so sad", ("dog",))], RECIPE)
    row = ngrams.rows([(text, tuple(names))])
    assert np.isfinite(row.toarray()).all()
    assert set(attributes((text, tuple(names)))) == set(names)


def test_learns_what_there_is_to_learn():
    texts = [(f"{'oh great' if n % 2 else 'a nice'} day {n}", ("cat",)) for n in range(60)]
    labels = np.arange(60) % 2 * 1.0
    ngrams = Ngrams.of(texts, RECIPE)
    model = fit_linear(ngrams.rows(texts), labels, strength=2.0)
    logits = model.logits(ngrams.rows([("oh great , rain", ()), ("a nice walk", ())]))
    assert logits[0] > 0 > logits[1]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_fit_is_where_the_slope_is_zero(form):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(80, 3))
    labels = (rows[:, 0] + generator.normal(size=80) > 0) * 1.0
    model = fit_linear(form(rows), labels, strength=0.7)
    errors = labels - 1 / (1 + np.exp(-model.logits(form(rows))))
    assert 0.7 * rows.T @ errors == pytest.approx(model.weights, abs=1e-2)
    assert errors.sum() == pytest.approx(0, abs=1e-2)
