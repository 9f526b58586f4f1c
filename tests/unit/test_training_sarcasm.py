import json
import shutil
from dataclasses import replace

import pytest
from tiny_data import build_tiny_data
from tiny_recipe import RECIPE, SEEDS, answer_sentences

from attendant.analysis.rows import read_tweets
from attendant.analysis.sarcasm import evaluate_sarcasm
from attendant.manifest import VersionManifest, describe, read_manifest, verify, write_manifest
from attendant.models.sarcasm import SarcasmModel
from attendant.text import tokenise
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.progress import Silent
from attendant.training.recipes import SarcasmRecipe, make_recipe
from attendant.training.release import FILES, Release, release
from attendant.training.sarcasm import Labels, SarcasmTraining
from attendant.types import Modality, Tweet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), pictures=30)


@pytest.fixture(scope="module")
def make(data, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    for labels in Labels:
        answer_sentences(data, runs, labels)
    return lambda labels=Labels.ORIGINAL: SarcasmTraining(data, runs, SEEDS, Silent(), RECIPE, labels, "cpu")


@pytest.fixture(scope="module")
def training(make):
    return make()


def unexpected(line):
    raise AssertionError(line)


@pytest.fixture(scope="module")
def released(training, tmp_path_factory):
    """The model's folder in a store."""
    folder = tmp_path_factory.mktemp("store") / "sarcasm"
    training.run("release")
    release(training, Release(folder, "1", "attendant train sarcasm"), unexpected)
    return folder


def test_what_is_released_can_be_served(released, data):
    manifest = read_manifest(released)
    assert manifest.default_version == "1"
    assert set(manifest.versions["1"].files) == set(FILES)
    for entry in manifest.versions["1"].files.values():
        verify(released, entry)
    model = SarcasmModel.open_torch(released)
    tweet = Tweet(text="so much fun", image=read_mvsa(data)[0].image)
    (outcome,) = model.infer([model.prepare(tweet)])
    assert outcome.attention.axis(Modality.TEXT).labels == ("so", "much", "fun")
    assert len(outcome.attention.axis(Modality.ATTRIBUTE).labels) == 5


def test_the_card_says_what_evaluate_measures(released, data):
    tweets = read_tweets(sarcasm_file(data, "valid"))
    scores = evaluate_sarcasm(SarcasmModel.open_torch(released), tweets, lambda done, total: None)
    card = (released / "1" / "card.md").read_text()
    assert f"| text and attributes | {scores.accuracy:.4f} (" in card
    assert "soft label" in card


def test_the_calibration_is_in_the_config(training, released):
    config = json.loads((released / "1" / "config.json").read_text())
    assert config["temperature"] == pytest.approx(training.calibration.temperature, abs=1e-4)
    assert config["threshold"] == pytest.approx(training.calibration.threshold, abs=1e-4)
    assert config["temperature"] != 1


def test_there_is_a_candidate_for_each_seed_and_the_best_is_chosen(training):
    assert [candidate.seed for candidate in training.candidates] == list(SEEDS)
    best = max(candidate.scores.accuracy for candidate in training.candidates)
    assert training.chosen.scores.accuracy == best


def test_a_second_run_finds_everything_done(released, make, tmp_path, monkeypatch):
    def no_epoch(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("attendant.training.fusion.FusionTraining.run_epoch", no_epoch)
    monkeypatch.setattr("attendant.training.encoder.Distillation.run_epoch", no_epoch)
    again = release(make(), Release(tmp_path / "again", "1", "attendant train sarcasm"), unexpected)
    first = read_manifest(released).versions["1"].files
    for role in ("hfm", "encoder", "config"):
        assert again.versions["1"].files[role].sha256 == first[role].sha256, role


def test_the_model_of_other_labels_stands_beside_the_first(released, make):
    training = make(Labels.MMSD2)
    assert "#" not in training.vocabularies.words
    manifest = release(training, Release(released, "2", "attendant train sarcasm --labels mmsd2"), unexpected)
    assert set(manifest.versions) == {"1", "2"}
    assert manifest.default_version == "1"
    for version in manifest.versions.values():
        for entry in version.files.values():
            verify(released, entry)
    first, second = (manifest.versions[name].files for name in "12")
    assert first["encoder"].sha256 == second["encoder"].sha256
    assert first["hfm"].sha256 != second["hfm"].sha256
    assert SarcasmModel.open_torch(released, "2") is not None


def test_a_version_whose_file_is_replaced_is_listed_no_more_and_that_is_said(released, make, tmp_path):
    folder, said = tmp_path / "sarcasm", []
    shutil.copytree(released, folder)
    (folder / "1" / FILES["words"]).write_text("the words of another training\n")
    before = read_manifest(folder)
    files = before.versions["1"].files | {"words": describe(folder, folder / "1" / FILES["words"])}
    sharing = VersionManifest("3", "shares all files of version 1", files)
    write_manifest(folder, replace(before, versions={"1": before.versions["1"], "3": sharing}))
    manifest = release(make(), Release(folder, "1", "attendant train sarcasm"), said.append)
    assert set(manifest.versions) == {"1"}
    (line,) = said
    assert line.startswith("version 3 ")


def test_no_text_of_validation_or_of_a_held_out_picture_is_learnt_from(training, data):
    names = training.vocabularies.words.words
    learnt = {" ".join(names[token] for token in row.tokens) for row in training.labelled + training.posted}
    posted = read_mvsa(data)
    unseen = [item.tweet for item in posted if item.held_out]
    unseen += [row.text for row in read_tweets(sarcasm_file(data, "valid"))]
    encoded = {
        " ".join(names[token] for token in training.vocabularies.words.encode(tokenise(text)))
        for text in unseen
    }
    assert any(item.held_out for item in posted)
    assert learnt
    assert not learnt & encoded
    assert len(training.labelled) == len(training.tweets) - 1  # the one that stands in both splits
    assert len(training.posted) < len(posted)


def test_vocabularies_are_counted_from_training_rows(training):
    words = training.vocabularies.words
    assert words.words[:2] == ("<pad>", "<unk>")
    assert "<emoji>" in words
    assert "emoji_12" not in words


def test_recipes_take_other_numbers_of_epochs():
    recipe = make_recipe(2, 5)
    assert (recipe.text.epochs, recipe.image.epochs, recipe.vision.encoder.together) == (2, 2, 5)
    assert make_recipe(None, None) == SarcasmRecipe()
