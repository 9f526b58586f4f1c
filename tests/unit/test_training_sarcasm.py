import json

import pytest
from tiny_data import build_tiny_data

from attendant.analysis.rows import read_tweets
from attendant.analysis.sarcasm import evaluate_sarcasm
from attendant.manifest import read_manifest, verify
from attendant.models.encoders import CompactConfig
from attendant.models.hfm import HfmConfig
from attendant.models.sarcasm import SarcasmModel
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.encoder import EncoderRecipe
from attendant.training.fusion import FusionRecipe
from attendant.training.progress import Silent
from attendant.training.recipes import SarcasmRecipe, make_recipe
from attendant.training.release import Release, release
from attendant.training.sarcasm import SarcasmTraining
from attendant.types import Modality, Tweet

RECIPE = SarcasmRecipe(
    hfm=HfmConfig(
        40,
        12,
        8,
        embedding_width=8,
        attribute_width=6,
        hidden_width=5,
        image_width=7,
        fusion_width=6,
        classifier_width=4,
    ),
    compact=CompactConfig(12, widths=(4, 4, 8, 8), blocks=(0, 0, 0, 0), attribute_hidden=4),
    encoder=EncoderRecipe(epochs=1, crop=3, batch=4, warm_up=2),
    text=FusionRecipe(epochs=2, batch=8, learning_rate=1e-2, averaging=0.5),
    joint=FusionRecipe(epochs=1, batch=8, learning_rate=1e-2, averaging=0.5),
    control_limit=-1.0,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), pictures=40)


@pytest.fixture(scope="module")
def released(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("released")
    training = SarcasmTraining(data, root / "runs", 1, Silent(), RECIPE, "cpu")
    training.run("release")
    release(training, Release(root / "store" / "sarcasm", "1", "attendant train sarcasm", 1))
    return root


def test_what_is_released_can_be_served(released, data):
    folder = released / "store" / "sarcasm"
    manifest = read_manifest(folder)
    assert manifest.default_version == "1"
    assert set(manifest.versions["1"].files) == {"config", "words", "attributes", "hfm", "encoder", "card"}
    for entry in manifest.versions["1"].files.values():
        verify(folder, entry)
    model = SarcasmModel.open_torch(folder)
    tweet = Tweet(text="so much fun", image=read_mvsa(data)[0].image)
    (outcome,) = model.infer([model.prepare(tweet)])
    assert outcome.attention.axis(Modality.TEXT).labels == ("so", "much", "fun")
    assert len(outcome.attention.axis(Modality.ATTRIBUTE).labels) == 5


def test_the_card_says_what_evaluate_measures(released, data):
    folder = released / "store" / "sarcasm"
    tweets = read_tweets(sarcasm_file(data, "valid"))
    scores = evaluate_sarcasm(SarcasmModel.open_torch(folder), tweets, lambda done, total: None)
    card = (folder / "1" / "card.md").read_text()
    assert f"| text and attributes | {scores.accuracy:.4f} |" in card
    assert "pseudo-labelled" in card


def test_the_temperature_is_in_the_config(released):
    config = json.loads((released / "store" / "sarcasm" / "1" / "config.json").read_text())
    assert 0.2 <= config["temperature"] <= 5


def test_a_second_run_finds_everything_done(released, data, monkeypatch):
    def no_epoch(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("attendant.training.fusion.FusionTraining.run_epoch", no_epoch)
    monkeypatch.setattr("attendant.training.encoder.Distillation.run_epoch", no_epoch)
    training = SarcasmTraining(data, released / "runs", 1, Silent(), RECIPE, "cpu")
    release(training, Release(released / "again", "1", "attendant train sarcasm", 1))
    first = read_manifest(released / "store" / "sarcasm").versions["1"].files
    again = read_manifest(released / "again").versions["1"].files
    assert again["hfm"].sha256 == first["hfm"].sha256
    assert again["encoder"].sha256 == first["encoder"].sha256


def test_a_new_version_stands_beside_the_old_one(released, data):
    training = SarcasmTraining(data, released / "runs", 1, Silent(), RECIPE, "cpu")
    for version in ("1", "2"):
        release(training, Release(released / "two", version, "attendant train sarcasm", 1))
    manifest = read_manifest(released / "two")
    assert set(manifest.versions) == {"1", "2"}
    assert manifest.default_version == "1"


def test_vocabularies_are_counted_from_training_rows(data, tmp_path):
    training = SarcasmTraining(data, tmp_path, 1, Silent(), RECIPE, "cpu")
    words = training.vocabularies.words
    assert words.words[:2] == ("<pad>", "<unk>")
    assert "<emoji>" in words
    assert "emoji_12" not in words


def test_recipes_take_other_numbers_of_epochs():
    recipe = make_recipe(2, 5)
    assert (recipe.text.epochs, recipe.joint.epochs, recipe.encoder.epochs) == (2, 2, 5)
    assert make_recipe(None, None) == SarcasmRecipe()
