import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_data import build_tiny_data
from torch import nn

from attendant.models.encoders import CompactConfig, scale
from attendant.training.checkpoints import Checkpoint
from attendant.training.encoder import (
    Batch,
    Distillation,
    EncoderRecipe,
    Lesson,
    Standard,
    learning_rate,
    overfit_control,
)
from attendant.training.progress import Silent
from attendant.training.stages import run_stage
from attendant.training.teacher import DEPTHS, Teacher
from attendant.training.views import watch

CPU = torch.device("cpu")
CONFIG = CompactConfig(
    n_attributes=7, n_classes=6, stem_width=12, widths=(16, 24, 32, 32), units=(0, 1, 0, 0), feature_width=12
)
RECIPE = EncoderRecipe(views=2, side=64, apart=2, together=1, again=(), batch=8, warm_up=2)


def report(done, total):
    assert 1 <= done <= total


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return Teacher(build_tiny_data(tmp_path_factory.mktemp("data"), tweets=2, pictures=1), CPU)


@pytest.fixture(scope="module")
def lesson(teacher, tmp_path_factory):
    """Views of two kinds of pictures: 12 and 8; eight pictures are whole, four others held out."""
    cache = tmp_path_factory.mktemp("cache")
    blocks = np.random.default_rng(0).integers(0, 256, (14, 4, 4, 3), dtype=np.uint8)
    pictures = blocks.repeat(32, axis=1).repeat(32, axis=2)

    def views(name, rows, each):
        return watch(pictures, rows, each, RECIPE.side, teacher, cache / name, 1, report)

    return Lesson(
        training=(views("some", np.arange(6), 2), views("others", np.arange(6, 10), 2)),
        whole=pictures[:8],
        held_out=views("held-out", np.arange(10, 14), 0),
    )


@pytest.fixture
def make(teacher, lesson):
    return lambda recipe=RECIPE, seed=3: Distillation(CONFIG, teacher, lesson, recipe, CPU, seed)


@pytest.fixture(scope="module")
def batch(lesson):
    views = lesson.training[0]
    maps = tuple(torch.from_numpy(np.array(grid[:8], np.float32)) for grid in views.maps)
    return Batch(torch.from_numpy(views.pixels[:8].copy()), maps)


def test_an_encoder_learns_a_few_views_by_heart(make):
    assert overfit_control(make(), report) > 0.5


def test_a_step_says_the_errors_of_the_stages_in_its_part(make, batch):
    distillation = make()
    distillation.encoder.eval()
    assert len(distillation.step(batch, 0.0)) == len(DEPTHS)
    wanted = distillation._standard(batch.maps)
    with torch.no_grad():
        found = distillation.encoder.stages[1](wanted[0])
    (error,) = distillation.step(batch, 0.0, slice(1, 2))
    assert error == pytest.approx((found - wanted[1]).square().mean().item(), rel=0.02)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 2), (2, 4)])
def test_a_part_learns_alone(make, batch, start, stop):
    distillation = make()
    encoder = distillation.encoder
    distillation.step(batch, 1e-2)  # the optimizer has moments of all parameters
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    distillation.step(batch, 1e-2, slice(start, stop))
    moved = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    own = {f"stages.{index}" for index in range(start, stop)}
    if stop == len(DEPTHS):
        own |= {"expand", "classes"}
    assert {".".join(name.split(".")[: 2 if name.startswith("stages") else 1]) for name in moved} == own


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 2), (2, 4), (0, 4)])
def test_steps_lower_the_errors_of_their_part(make, batch, start, stop):
    distillation = make()
    errors = np.array([distillation.step(batch, 1e-2, slice(start, stop)) for _ in range(15)])
    assert (errors[-1] < 0.9 * errors[0]).all()


def test_interrupted_and_resumed_is_uninterrupted(make, tmp_path):
    straight, begun, resumed = make(), make(), make(seed=3)
    run_stage("encoder", straight, 3, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    run_stage("encoder", begun, 1, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    run_stage("encoder", resumed, 3, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    for name, tensor in straight.encoder.state_dict().items():
        assert torch.equal(tensor, resumed.encoder.state_dict()[name]), name


def test_a_seed_decides_everything(make):
    first, again, other = make(), make(), make(seed=4)
    lines = [distillation.run_epoch(0, report) for distillation in (first, again, other)]
    assert lines[0] == lines[1] != lines[2]


def test_an_epoch_has_every_view_once(make, lesson):
    distillation = make(replace(RECIPE, apart=0))
    seen = []
    step = distillation.step
    distillation.step = lambda batch, *rest: (seen.extend(batch.pixels), step(batch, *rest))[1]
    distillation.run_epoch(0, report)
    wanted = [view for part in lesson.training for view in part.pixels]
    assert distillation.steps == 3
    assert sorted(view.numpy().tobytes() for view in seen) == sorted(view.tobytes() for view in wanted)


def test_after_an_epoch_the_norms_know_whole_pictures(make, lesson):
    distillation = make()
    distillation.run_epoch(0, report)
    _, convolution, norm, *_ = distillation.encoder.stages[0]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.momentum == 0.1
    with torch.no_grad():
        x = convolution(nn.ZeroPad2d((0, 4, 0, 4))(scale(torch.from_numpy(lesson.whole))))
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)), atol=1e-4, rtol=1e-2)


def test_standard_maps_have_mean_0_and_variance_1(lesson):
    maps = [
        torch.from_numpy(np.concatenate([part.maps[depth] for part in lesson.training]).astype(np.float32))
        for depth in range(len(DEPTHS))
    ]
    for grid in Standard(lesson.training, CPU)(maps):
        torch.testing.assert_close(grid.mean((0, 2, 3)), torch.zeros(grid.shape[1]), atol=1e-3, rtol=0)
        torch.testing.assert_close(grid.std((0, 2, 3)), torch.ones(grid.shape[1]), atol=0.05, rtol=0)


def test_an_encoder_that_says_the_mean_explains_nothing(make, lesson):
    distillation = make()
    for stage in distillation.encoder.stages:
        nn.init.zeros_(stage[-1].weight)
        nn.init.zeros_(stage[-1].bias)
    scores = distillation.score()
    assert scores.map_r2 == pytest.approx((0, 0, 0, 0), abs=1e-5)
    assert scores.feature_r2 <= 0
    assert scores.pictures == len(lesson.held_out)


class Echo(nn.Module):
    """A stage that says what it should."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer[: len(x)]


def test_an_encoder_that_is_the_teacher_is_perfect(make, lesson, teacher):
    distillation = make()
    encoder = distillation.encoder
    standard = Standard(lesson.training, CPU)
    maps = [torch.from_numpy(np.array(grid, np.float32)) for grid in lesson.held_out.maps]
    encoder.stages = nn.ModuleList(Echo(answer) for answer in standard(maps))
    mean, std = standard.means[-1].flatten(), standard.stds[-1].flatten()
    head = teacher.head
    encoder.expand.load_state_dict({"weight": head.weight * std, "bias": head.bias + head.weight @ mean})
    encoder.classes.load_state_dict(teacher.classes.state_dict())
    scores = distillation.score()
    assert (*scores.map_r2, scores.feature_r2) == pytest.approx((1,) * 5, abs=1e-4)
    assert scores.top1_in_top5 == scores.region_top1_in_top5 == 1
    assert "(4 pictures)" in str(scores)


def test_a_curve_needs_only_some_of_the_held_out_pictures(make):
    scores = make().score(limit=3)
    assert scores.pictures == 3
    assert 0 <= scores.top1_in_top5 <= 1
    assert 0 <= scores.region_top1_in_top5 <= 1


@pytest.mark.parametrize("again", [(), (6,), (3, 6)])
def test_the_learning_rate_rises_then_falls_to_nothing_in_each_round(again):
    recipe = EncoderRecipe(warm_up=10, again=again)
    steps = 60
    rates = [learning_rate(step, steps, recipe) for step in range(recipe.epochs * steps)]
    ends = [0, *itertools.accumulate(epochs * steps for epochs in recipe.rounds)]
    parts = [rates[start:end] for start, end in itertools.pairwise(ends)]
    assert [len(part) // steps for part in parts] == [5, *again]
    for part in parts:
        assert np.argmax(part) == pytest.approx(9, abs=1)
        assert max(part) == pytest.approx(recipe.learning_rate, rel=0.01)
        assert part[0] < part[5] < part[9]
        assert all(early > late for early, late in itertools.pairwise(part[10:]))
        assert part[-1] == pytest.approx(0, abs=1e-6)
