"""Building references: which rows they are made of, and that they are the served pipeline's."""

from dataclasses import replace

import numpy as np
import pytest
from reference_data import build_reference_data, name, texts
from tiny_store import build_tiny_store

from attendant.analysis.references import (
    SEED,
    Halves,
    HeldBack,
    build_reference,
    check_weights,
    hold_back_tweets,
    origin_of,
    read_as,
    read_inputs,
    release_reference,
    split,
)
from attendant.analysis.rows import DataError
from attendant.explainers.base import Deadline
from attendant.explainers.permutation import permutation
from attendant.manifest import read_manifest, verify
from attendant.methods import PermutationOptions
from attendant.models.sarcasm import SarcasmModel
from attendant.statistics.references import read_reference
from attendant.statistics.samples import Statistic, sample, streams
from attendant.training.data import read_mvsa
from attendant.training.photographs import load_photographs
from attendant.training.progress import Silent
from attendant.types import MODALITIES, Modality, Tweet

TEXT = (Modality.TEXT,)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_reference_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def inputs(data):
    return read_inputs(data)


@pytest.fixture(scope="module")
def held_back(data):
    return hold_back_tweets(data)


@pytest.fixture
def folder(tmp_path):
    return build_tiny_store(tmp_path, versions=("1", "2")) / "sarcasm"


def test_every_set_has_what_it_says(inputs):
    text, words, full = inputs
    assert text.modalities == TEXT
    assert all(tweet == Tweet(tweet.text) for tweet in text.tweets)
    assert all(len(tweet.attributes) == 5 and not tweet.image for tweet in words.tweets)
    assert full.modalities == MODALITIES
    assert all(tweet.image and not tweet.attributes for tweet in full.tweets)
    assert 0 < len(full.tweets) < 50  # one in ten of 100


def test_texts_that_were_trained_on_are_left_out(inputs):
    assert f"so much {name(0)} fun" not in texts(inputs[0].tweets)
    assert len(inputs[0].tweets) == 23


def test_photographs_are_held_out_as_training_holds_them_out(data, tmp_path):
    photographs = load_photographs(read_mvsa(data), tmp_path, Silent())
    assert [item.held_out for item in photographs.items] == photographs.held_out.tolist()


def test_reference_and_replay_have_no_text_in_common(inputs):
    halves = [split(one.tweets, seed=5) for one in inputs]
    for one, (reference, replay) in zip(inputs, halves, strict=True):
        assert sorted(texts(reference + replay)) == sorted(texts(one.tweets))
        assert reference
        assert replay
    # nor across sets: the same tweet with and without its words is on one side
    references, replays = (
        {text for half in side for text in texts(half)} for side in zip(*halves, strict=True)
    )
    assert not references & replays
    spaced = [Tweet(f"  so   much {name(i)} FUN ") for i in range(24)]
    assert {read_as(tweet.text) for tweet in split(spaced, seed=5)[0]}.isdisjoint(map(read_as, replays))


def test_the_seed_chooses_the_halves(inputs):
    tweets = inputs[0].tweets
    assert split(tweets, seed=1) == split(tweets, seed=1)
    assert split(tweets, seed=1) != split(tweets, seed=2)


def test_the_halves_are_those_of_the_split(inputs, held_back):
    for one, halves in zip(inputs, held_back.sets, strict=True):
        assert (halves.modalities, halves.source) == (one.modalities, one.source)
        assert (halves.reference, halves.replay) == split(one.tweets)
    assert "SHA-256('1' NUL tokens" in held_back.rule
    assert "'text'" in held_back.inputs


def test_a_reference_is_what_the_pipeline_answers(held_back, folder):
    model = SarcasmModel.open_torch(folder, "2")
    reference = build_reference(model, held_back, Silent())
    assert [found.modalities for found in reference.sets] == [one.modalities for one in held_back.sets]
    for one, found in zip(held_back.sets, reference.sets, strict=True):
        outcomes = model.infer([model.prepare(tweet) for tweet in one.reference])
        plain = np.array([stream.statistic is not Statistic.IMPACT for stream in streams(one.modalities)])
        expected = sample(outcomes).values[:, plain]
        np.testing.assert_allclose(found.samples.values[:, plain], expected, atol=1e-4)
        assert (found.eligible, found.refused) == (len(one.reference) + len(one.replay), 0)


def test_its_impacts_are_those_of_the_default_options(held_back, folder):
    model = SarcasmModel.open_torch(folder)
    reference = build_reference(model, held_back, Silent())
    for one, found in zip(held_back.sets, reference.sets, strict=True):
        inspected = model.inspect([model.prepare(tweet) for tweet in one.reference])
        for row, (_, subject) in enumerate(inspected):
            expected = permutation(subject, PermutationOptions(), Deadline()).impacts
            impacts = [column[row] for column in found.impacts.values()]
            np.testing.assert_allclose(impacts, [one.impact for one in expected], atol=1e-5)


def test_what_the_service_refuses_is_counted(held_back, folder):
    model = SarcasmModel.open_torch(folder)
    full = held_back.sets[2]
    unreadable = tuple(Tweet(f"i love {name(i)}", b"no image") for i in range(20))
    mixed = replace(full, reference=full.reference + unreadable)
    (found,) = build_reference(model, replace(held_back, sets=(mixed,)), Silent()).sets
    assert found.refused == len(unreadable)
    assert len(found.samples) == len(full.reference)
    refused = HeldBack("pictures", "none", SEED, (Halves(MODALITIES, "pictures", unreadable, ()),))
    with pytest.raises(DataError, match="the service reads none"):
        build_reference(model, refused, Silent())


def test_release_lists_the_file_and_leaves_the_weights_digest(held_back, folder):
    model = SarcasmModel.open_torch(folder, "2")
    reference = build_reference(model, replace(held_back, sets=held_back.sets[:1]), Silent())
    assert reference.origin == origin_of(model, held_back)
    before = read_manifest(folder)
    entry = release_reference(reference, folder)
    after = read_manifest(folder)
    assert after.versions["2"].files["reference"] == entry
    assert after.versions["2"].digest == before.versions["2"].digest == model.ref.weights_digest
    assert after.versions["1"] == before.versions["1"]
    opened = read_reference(verify(folder, entry), entry.sha256)
    assert opened.origin == reference.origin
    assert release_reference(reference, folder) == entry  # again, and the same bytes
    SarcasmModel.open_torch(folder, "2")


def test_other_weights_are_refused(folder):
    made_by = SarcasmModel.open_torch(folder, "1").ref
    assert check_weights(folder, made_by).version == "1"
    with pytest.raises(DataError, match="make archive"):
        check_weights(folder, replace(made_by, version="2"))
