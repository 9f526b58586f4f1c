import numpy as np
import pytest
import torch
from tiny_data import build_tiny_data

from attendant.models.encoders import CompactConfig
from attendant.text import Vocabulary
from attendant.training.attributes import attribute_map
from attendant.training.checkpoints import Checkpoint
from attendant.training.data import read_coco, read_mvsa
from attendant.training.encoder import Crops, Distillation, EncoderRecipe, learning_rate
from attendant.training.photographs import load_photographs
from attendant.training.progress import Silent
from attendant.training.stages import run_stage
from attendant.training.teacher import load_teacher, watch

WORDS = Vocabulary(("<pad>", "<unk>", "dog", "screen", "sign", "man", "food"))
CONFIG = CompactConfig(len(WORDS), widths=(4, 4, 8, 8), blocks=(0, 0, 0, 0), attribute_hidden=4)
RECIPE = EncoderRecipe(epochs=3, crop=3, batch=4, warm_up=2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), pictures=20)


@pytest.fixture(scope="module")
def photographs(data, tmp_path_factory):
    return load_photographs(read_mvsa(data) + read_coco(data), tmp_path_factory.mktemp("cache"), Silent())


@pytest.fixture(scope="module")
def teacher(data, photographs, tmp_path_factory):
    return watch(data, photographs, tmp_path_factory.mktemp("teacher"), CPU, Silent())


@pytest.fixture(scope="module")
def crops(photographs, teacher):
    return Crops(photographs, teacher, WORDS)


@pytest.fixture
def make(teacher, crops):
    table = attribute_map(teacher.class_names, WORDS)
    return lambda: Distillation(CONFIG, teacher, crops, table, RECIPE, CPU, seed=3)


def test_the_teacher_sees_every_region_of_the_right_picture(data, photographs, teacher):
    network, names = load_teacher(data)
    assert names[0] == "background"
    assert teacher.grids.shape == (len(photographs), 14, 14, 12)
    cell = photographs.pixels[4, 2 * 32 : 3 * 32, 5 * 32 : 6 * 32].astype(np.float32) / 127.5 - 1
    expected = network.features(torch.from_numpy(cell).permute(2, 0, 1)[None]).flatten()
    np.testing.assert_allclose(teacher.grids[4, 2, 5].astype(np.float32), expected.numpy(), atol=5e-3)


def test_crops_keep_pictures_and_features_together(crops, teacher, data):
    network, _ = load_teacher(data)
    batch = crops(np.array([1, 2]), cells=3, generator=np.random.default_rng(5))
    assert batch.pixels.shape == (2, 96, 96, 3)
    assert batch.grids.shape == (2, 9, 12)
    whole = crops(np.array([1]))
    assert torch.equal(whole.grids[0], torch.from_numpy(np.array(teacher.grids[1], np.float32)).flatten(0, 1))
    # the tiny teacher sees cells alone: what it says of an unlit, unmirrored crop is the crop of what it said
    seen = network.features(whole.pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
    torch.testing.assert_close(seen.flatten(2).transpose(1, 2), whole.grids, atol=5e-3, rtol=1e-2)


def test_words_that_people_used_are_targets(crops, photographs):
    row = next(i for i, item in enumerate(photographs.items) if item.words)
    words = crops(np.array([row])).words[0]
    assert words[WORDS.index("dog")] == words[WORDS.index("sign")] == 1
    assert words.sum() == 2


def test_interrupted_and_resumed_is_uninterrupted(make, tmp_path):
    straight, begun, resumed = make(), make(), make()
    run_stage("encoder", straight, 3, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    run_stage("encoder", begun, 1, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    run_stage("encoder", resumed, 3, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    for name, tensor in straight.student.state_dict().items():
        assert torch.equal(tensor, resumed.student.state_dict()[name]), name


def test_a_student_learns_a_picture_by_heart(make, crops):
    distillation = make()
    batch = crops(crops.training[:2])
    errors = [distillation.step(batch, 2e-2) for _ in range(40)]
    assert errors[-1] < 0.7 * errors[0]


def test_scores_are_of_whole_held_out_pictures(make, crops):
    scores = make().score(crops.training)
    assert scores.r2 == pytest.approx(0, abs=0.01)  # a zero head says the mean everywhere
    assert 0 <= scores.top1_in_top5 <= 1
    assert scores.photographs == len(crops.training)


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, 100, EncoderRecipe(warm_up=10)) for step in range(101)]
    assert np.argmax(rates) == pytest.approx(9, abs=1)
    assert rates[0] < rates[5] < rates[9]
    assert rates[-1] == pytest.approx(0, abs=1e-9)
