"""The served sarcasm model: what it reads, what it answers, and that its weights are really the ones it used."""

import io
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_store import CLASSES, build_tiny_store

from attendant.analysis.rows import DataError, TweetRow
from attendant.analysis.sarcasm import evaluate_sarcasm
from attendant.archive import build_archives
from attendant.errors import AttendantError, Reason
from attendant.manifest import read_manifest
from attendant.models.hfm import HfmInput, PerModality
from attendant.models.sarcasm import SarcasmModel
from attendant.models.store import load_encoder, load_hfm
from attendant.types import MAX_TOKENS, MODALITIES, REGIONS, AttentionKind, Modality, Tweet, WarningCode


def picture(seed: int = 0, size: tuple[int, int] = (60, 40)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


FULL = Tweet("So much fun, I love Mondays!", picture(), ("man", "sign", "dog", "screen", "food"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_tiny_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def built(store, tmp_path_factory):
    (archive,) = build_archives(store, tmp_path_factory.mktemp("archives"))
    return archive


@pytest.fixture(scope="module")
def model(built):
    return SarcasmModel.open_served(built / "sarcasm")


@pytest.fixture(scope="module")
def torch_model(store):
    return SarcasmModel.open_torch(store / "sarcasm")


def ask(model, *tweets):
    return model.infer([model.prepare(tweet) for tweet in tweets])


def codes(outcome):
    return {warning.code for warning in outcome.warnings}


def test_a_full_tweet_gives_the_twelve_vectors_and_the_modality_vector(model):
    (outcome,) = ask(model, FULL)
    attention = outcome.attention
    kinds = [vector.kind for vector in attention.vectors]
    assert kinds == [AttentionKind.REPRESENTATION] * 9 + [AttentionKind.REPRESENTATION_MEAN] * 3 + [
        AttentionKind.MODALITY
    ]
    lengths = {
        Modality.TEXT: len(attention.axis(Modality.TEXT).labels),
        Modality.IMAGE: REGIONS,
        Modality.ATTRIBUTE: 5,
    }
    assert lengths[Modality.TEXT] == 8
    for vector in attention.vectors:
        assert vector.weights.sum() == pytest.approx(1, abs=1e-5)
        assert (vector.weights >= 0).all()
        assert len(vector.weights) == (3 if vector.target is None else lengths[vector.target])
    for target in MODALITIES:
        sources = [
            attention.find(AttentionKind.REPRESENTATION, target, source).weights for source in MODALITIES
        ]
        mean = attention.find(AttentionKind.REPRESENTATION_MEAN, target).weights
        np.testing.assert_allclose(np.mean(sources, axis=0), mean, atol=1e-6)
    assert codes(outcome) == {WarningCode.ATTENTION_IS_NOT_IMPORTANCE}


def test_the_weights_returned_are_the_weights_used(model, store):
    """Pushed through the tail of the torch model, they give the returned probability."""
    (outcome,) = ask(model, FULL)
    prepared = model.prepare(FULL)
    version = read_manifest(store / "sarcasm").version_or_default()
    fusion, encoder = load_hfm(store / "sarcasm", version), load_encoder(store / "sarcasm", version)
    with torch.no_grad():
        regions = encoder(torch.from_numpy(prepared.pixels[None])).regions
        batch = model.fusion_input([prepared], regions.numpy())
        tensors = {name: torch.from_numpy(value) for name, value in vars(batch).items()}
        raw = fusion(HfmInput(**tensors)).raw
        means = PerModality(
            *(
                torch.from_numpy(
                    outcome.attention.find(AttentionKind.REPRESENTATION_MEAN, target).weights[None]
                )
                for target in MODALITIES
            )
        )
        tail = fusion.tail(raw, means, tensors["present"])
    assert torch.sigmoid(tail.logit / 1.3).item() == pytest.approx(outcome.prediction.probability, abs=1e-5)
    np.testing.assert_allclose(
        tail.modality[0], outcome.attention.find(AttentionKind.MODALITY).weights, atol=1e-5
    )


SUBSETS = [  # with an image and no attributes, attributes are predicted
    subset
    for size in (1, 2)
    for subset in itertools.combinations(MODALITIES, size)
    if Modality.IMAGE not in subset or Modality.ATTRIBUTE in subset
]


@pytest.mark.parametrize("subset", SUBSETS, ids=["+".join(subset) for subset in SUBSETS])
def test_what_is_absent_takes_no_part(model, subset):
    tweet = Tweet(
        FULL.text if Modality.TEXT in subset else "",
        FULL.image if Modality.IMAGE in subset else b"",
        FULL.attributes if Modality.ATTRIBUTE in subset else (),
    )
    (outcome,) = ask(model, tweet)
    assert {axis.modality for axis in outcome.attention.axes} == set(subset)
    assert len(outcome.attention.vectors) == len(subset) ** 2 + len(subset) + 1
    weights = outcome.attention.find(AttentionKind.MODALITY).weights
    assert [bool(weight) for weight in weights] == [modality in subset for modality in MODALITIES]
    absent = [warning for warning in outcome.warnings if warning.code is WarningCode.MODALITY_ABSENT]
    assert len(absent) == 3 - len(subset)


def test_an_image_alone_is_given_five_words(model):
    (outcome,) = ask(model, Tweet(image=FULL.image))
    axis = outcome.attention.axis(Modality.ATTRIBUTE)
    assert len(set(axis.labels)) == 5
    assert not {"<pad>", "<unk>"} & set(axis.labels)
    assert list(axis.scores) == sorted(axis.scores, reverse=True)
    assert WarningCode.ATTRIBUTES_PREDICTED in codes(outcome)


def test_a_callers_words_are_kept(model):
    (outcome,) = ask(model, Tweet(image=FULL.image, attributes=(" Dog ", "blimp")))
    axis = outcome.attention.axis(Modality.ATTRIBUTE)
    assert axis.labels == ("dog", "blimp")
    assert axis.scores == ()
    (warning,) = [warning for warning in outcome.warnings if warning.code is WarningCode.UNKNOWN_ATTRIBUTE]
    assert "blimp" in warning.message
    assert "dog" not in warning.message


def test_a_long_text_is_cut_with_a_warning(model):
    (outcome, short) = ask(model, Tweet("fun " * 100), Tweet("fun " * MAX_TOKENS))
    assert len(outcome.attention.axis(Modality.TEXT).labels) == MAX_TOKENS
    assert WarningCode.TEXT_TRUNCATED in codes(outcome)
    assert WarningCode.TEXT_TRUNCATED not in codes(short)
    assert outcome.prediction == short.prediction


@pytest.mark.parametrize(
    ("tweet", "field"),
    [
        (Tweet(), "instance.tweet"),
        (Tweet(" \n\t"), "instance.tweet"),
        (Tweet("https://t.co/abcdef"), "instance.tweet.text"),
        (Tweet(image=b"no image"), "instance.tweet.image"),
        (Tweet("a", attributes=("a", "b", "c", "d", "e", "f")), "instance.tweet.attributes"),
        (Tweet("a", attributes=("a", " ")), "instance.tweet.attributes[1]"),
    ],
)
def test_bad_input_names_its_field(model, tweet, field):
    with pytest.raises(AttendantError) as caught:
        model.prepare(tweet)
    assert caught.value.reason is Reason.INVALID_INPUT
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_row_that_would_be_refused_is_named(torch_model):
    rows = [TweetRow("fun", 1, ()), TweetRow("https://t.co/abcdef", 0, (), "rows.jsonl: row 7")]
    with pytest.raises(DataError, match=r"rows\.jsonl: row 7: instance\.tweet\.text"):
        evaluate_sarcasm(torch_model, rows, lambda _done, _total: None)


def test_a_prediction_is_calibrated_and_named(model):
    (outcome,) = ask(model, FULL)
    prediction = outcome.prediction
    assert [label for label, _ in prediction.scores] == list(CLASSES)
    assert sum(score for _, score in prediction.scores) == pytest.approx(1)
    assert prediction.label == CLASSES[prediction.probability >= 0.5]


words = st.lists(st.sampled_from(["i", "love", "mondays", "!", "<user>", "zebra"]), max_size=20).map(" ".join)
attributes = st.lists(st.sampled_from(["man", "sign", "dog", "blimp"]), max_size=5).map(tuple)
images = st.sampled_from([b"", picture(1), picture(2, (3, 90)), picture(3, (1, 1))])
tweets = st.builds(Tweet, words, images, attributes).filter(lambda tweet: tweet != Tweet())


@settings(max_examples=25)
@given(st.lists(tweets, min_size=1, max_size=8))
def test_rows_do_not_depend_on_their_batch_nor_on_the_engine(model, torch_model, batch):
    together = ask(model, *batch)
    in_torch = ask(torch_model, *batch)
    for tweet, outcome, other in zip(batch, together, in_torch, strict=True):
        (alone,) = ask(model, tweet)
        labels = [[axis.labels for axis in each.attention.axes] for each in (outcome, alone, other)]
        assert labels[0] == labels[1] == labels[2]
        assert outcome.warnings == alone.warnings
        assert outcome.prediction.probability == pytest.approx(alone.prediction.probability, abs=1e-5)
        assert outcome.prediction.probability == pytest.approx(other.prediction.probability, abs=1e-4)
        vectors = (outcome.attention.vectors, alone.attention.vectors, other.attention.vectors)
        for left, right, third in zip(*vectors, strict=True):
            np.testing.assert_allclose(left.weights, right.weights, atol=1e-5)
            np.testing.assert_allclose(left.weights, third.weights, atol=1e-4)


def test_the_archive_serves_the_stores_digest(model, torch_model):
    assert model.ref == torch_model.ref
    assert model.runtime.device == "cpu"
    assert model.runtime.threads >= 1
