from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_data import build_tiny_data

from attendant.errors import AttendantError
from attendant.models.encoders import CompactConfig
from attendant.text import Vocabulary
from attendant.training.encoder import EncoderRecipe
from attendant.training.heads import HeadRecipe
from attendant.training.vision import VisionRecipe, VisionTraining
from attendant.types import IMAGE_SIZE

CPU = torch.device("cpu")
WORDS = Vocabulary(
    ("<pad>", "<unk>", "man", "suit", "screen", "sign", "food", "dog", "picture", "woman", "tie", "pizza")
)
RECIPE = VisionRecipe(
    CompactConfig(
        n_attributes=1,  # it is that of the vocabulary
        n_classes=6,
        stem_width=4,
        widths=(8, 8, 8, 8),
        units=(0, 0, 0, 0),
        feature_width=12,
    ),
    EncoderRecipe(views=1, side=64, apart=1, together=1, again=(), batch=4, warm_up=2),
    HeadRecipe(epochs=3, batch=8),
    renderings=6,
    held_out_renderings=4,
    rendering_views=1,
    meals=5,
    held_out_meals=3,
    control_limit=-1.0,
)


class Heard:
    """A `Progress` that keeps what it hears."""

    def __init__(self):
        self.tasks = []
        self.said = []

    def task(self, name):
        def report(done, total):
            assert 1 <= done <= total
            self.tasks.append(name)

        return report

    def say(self, line):
        self.said.append(line)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), tweets=2, pictures=20)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def make(data, runs):
    def make(recipe=RECIPE, runs=runs, progress=None, resume=True):
        return VisionTraining(data, runs, 1, progress or Heard(), recipe, WORDS, CPU, resume)

    return make


@pytest.fixture(scope="module")
def heard():
    return Heard()


@pytest.fixture(scope="module")
def trained(make, heard):
    training = make(progress=heard)
    assert training.encoder is not None
    return training


def test_an_encoder_with_its_heads_comes_out(trained):
    encoder = trained.encoder
    assert not any(module.training for module in encoder.modules())
    assert encoder.attributes.weight.shape == (len(WORDS), 12)
    for head in (encoder.attributes, encoder.classes):
        assert head.weight.abs().max() > 0
    with torch.inference_mode():
        encoding = encoder(torch.from_numpy(trained.photographs.pixels[:2].copy()))
    assert encoding.regions.shape == (2, 196, 320)
    assert torch.isfinite(encoding.attribute_logits).all()


def test_it_says_how_it_goes(trained, heard):
    assert any(line.startswith("overfit control: R2") for line in heard.said)
    assert {"overfit control", "attribute words", "rendering pictures", "drawing meals"} <= set(heard.tasks)
    assert trained.seconds > 0


def test_a_second_run_trains_nothing(make, trained):
    heard = Heard()
    again = make(progress=heard)
    assert again.key == trained.key
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(again.encoder.state_dict()[name], tensor), name
    assert heard.tasks == []
    assert again.seconds == trained.seconds


def test_scores_are_of_held_out_pictures(trained):
    held_out = int(trained.photographs.held_out.sum())
    assert trained.scores.pictures == held_out > 0
    scores = trained.word_scores
    assert (scores.photographs.pictures, scores.pages.pictures, scores.meals.pictures) == (held_out, 4, 3)


def test_word_scores_are_shares(trained):
    scores = trained.word_scores
    for score in (scores.photographs, scores.pages, scores.meals):
        assert 0 <= score.precision <= 1
        assert 0 < score.constant <= 1


def test_words_are_learnt_from_photographs_pages_and_meals_that_are_not_held_out(trained):
    counts = [len(part.words) for part in trained._described(held_out=False)]
    assert counts == [int((~trained.photographs.held_out).sum()), 6, 5]
    for part in trained._described(held_out=False):
        assert len(part.pictures.rows) == len(part.words)


def test_other_meals_need_other_words_and_no_other_body(make, trained):
    other = make(replace(RECIPE, meals=6))
    assert other.key != trained.key
    assert other._body_key == trained._body_key


def test_what_is_taught_are_the_likeliest_real_words_of_training_photographs(trained):
    taught = trained.taught_words
    chances = trained._photograph_words[np.flatnonzero(~trained.photographs.held_out)].numpy()
    assert taught.shape == (len(chances), 5)
    assert taught.min() >= 2
    for words, row in zip(taught, chances, strict=True):
        others = np.setdiff1d(np.arange(2, len(WORDS)), words)
        assert row[words].min() >= row[others].max()


def test_renderings_are_pictures_as_the_service_sees_them(trained):
    assert trained.renderings.pixels.shape == (10, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert len(np.unique(trained.renderings.pixels[:, ::64, ::64].reshape(10, -1), axis=0)) == 10


def test_the_norms_are_measured_on_training_pictures_alone(trained):
    sample = {picture.tobytes() for picture in trained._norm_sample()}
    held_out = trained.photographs.pixels[trained.photographs.held_out]
    assert not sample & {picture.tobytes() for picture in held_out}
    assert len(sample) > 6


def test_an_encoder_that_cannot_learn_by_heart_is_not_trained(make, trained, tmp_path):
    with pytest.raises(AttendantError, match="overfit control"):
        make(replace(RECIPE, control_limit=1.1), tmp_path).encoder  # noqa: B018 - a property that trains
    assert not (tmp_path / "encoder.pt").exists()


def test_other_words_need_a_fresh_start_and_no_other_body(make, trained, runs):
    longer = replace(RECIPE, head=HeadRecipe(epochs=4, batch=8))
    heard = Heard()
    with pytest.raises(AttendantError, match=r"words\.pt.*--no-resume"):
        make(longer, progress=heard).encoder  # noqa: B018 - a property that trains
    assert not any(task.startswith("encoder, epoch") for task in heard.tasks)


def test_without_resume_all_is_trained_again(make, trained, runs):
    heard = Heard()
    again = make(progress=heard, resume=False)
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(again.encoder.state_dict()[name], tensor), name
    assert {"encoder, epoch 1 of 2", "encoder, epoch 2 of 2", "attribute words"} <= set(heard.tasks)
    assert "rendering pictures" not in heard.tasks
