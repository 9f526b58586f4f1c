from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_sdc import HARD, SOFTMAX, build_tiny_sets

from attendant.analysis.focus_runs import Trainings, measure_variant
from attendant.analysis.focus_table import (
    ACCURACY,
    COLUMNS,
    ENTROPY,
    PUBLISHED,
    STRICTLY_TRUE,
    Reached,
    Row,
    reached,
    spread,
)
from attendant.analysis.rows import DataError
from attendant.cli.reproduced import table_document, table_markdown
from attendant.errors import AttendantError
from attendant.statistics.focus import Outcomes, measure_focus
from attendant.training.courses import read_course, read_courses
from attendant.training.progress import Silent
from attendant.training.sdc import answer, train
from attendant.training.sdc_release import as_released
from attendant.training.variants import VARIANTS, checkpoint_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sets():
    return build_tiny_sets()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def row(sets, runs):
    return measure_variant(SOFTMAX, sets, Trainings(runs, (1, 2), CPU), Silent())


def test_every_variant_has_its_published_figures():
    assert {(str(one.config.mechanism), one.config.averaging_layer) for one in VARIANTS.values()} == set(
        PUBLISHED
    )
    assert len(PUBLISHED) == 10
    assert (PUBLISHED["hard", 6].accuracy, PUBLISHED["hard", 6].focus_true) == (74.45, 86.5)


def test_a_spread_is_mean_and_deviation():
    assert spread([3.0]) == spread(iter([3.0]))
    assert spread([3.0]).deviation is None
    found = spread([1.0, 2.0, 4.5])
    assert (found.mean, found.deviation) == pytest.approx((2.5, np.std([1, 2, 4.5], ddof=1)))


def test_columns_are_in_the_units_they_name():
    """Two mosaics of two segments: one right in all respects; one wrong, with even weights and a tie of scores."""
    measured = measure_focus(
        Outcomes(
            np.array([[1.0, 0.0], [0.5, 0.5]]),
            np.array([0, 1]),
            np.array([0, 0]),
            np.array([0, 0]),
            np.array([[2.0, 1.0], [1.0, 1.0]]),
        )
    )
    accuracy, focus, strictly, nnz, dist, entropy = (column.of(measured) for column in COLUMNS)
    assert (accuracy, focus, strictly, nnz) == (
        50,
        100,
        50,
        1.5,
    )  # of a tie the first counts, unless strictly
    assert dist == pytest.approx(np.sqrt(0.5) / 2)
    assert entropy == pytest.approx(np.log(2) / 2)


def test_a_row_is_measured_on_all_three_sets_with_weights_as_shipped(row, sets, runs):
    assert [run.seed for run in row.runs] == [1, 2]
    assert [one.mosaics for one in (row.runs[0].training, row.runs[0].held_out, row.runs[0].authors)] == [
        32,
        30,
        40,
    ]
    for run in row.runs:
        stage, seconds = train(
            SOFTMAX.config,
            SOFTMAX.recipe,
            sets.training,
            sets.held_out,
            seed=run.seed,
            checkpoint=checkpoint_of(runs, SOFTMAX, run.seed),
            progress=Silent(),
            device=CPU,
        )
        model = as_released(stage.model)
        assert run.held_out == measure_focus(answer(model, sets.held_out, CPU))
        assert run.authors == measure_focus(answer(model, sets.authors, CPU))
        assert run.seconds == seconds
    assert row.runs[0].held_out != row.runs[1].held_out


def test_only_finished_trains_nothing(row, sets, runs, tmp_path):
    trainings = Trainings(runs, range(5), CPU, only_finished=True)
    found = measure_variant(SOFTMAX, sets, trainings, Silent())
    assert found == row
    assert measure_variant(HARD, sets, trainings, Silent()).runs == ()
    longer = replace(SOFTMAX, recipe=replace(SOFTMAX.recipe, epochs=2))
    assert measure_variant(longer, sets, trainings, Silent()).runs == ()  # one of its two epochs is done
    nowhere = replace(trainings, runs=tmp_path / "none")
    assert measure_variant(SOFTMAX, sets, nowhere, Silent()).runs == ()


def test_a_checkpoint_of_another_training_is_named(row, sets, runs):
    other = replace(SOFTMAX, recipe=replace(SOFTMAX.recipe, batch=8))
    path = checkpoint_of(runs, SOFTMAX, 1)
    with pytest.raises(AttendantError, match=path.name):
        measure_variant(other, sets, Trainings(runs, (1,), CPU, only_finished=True), Silent())


def test_a_figure_is_reached_where_its_interval_reaches_it(row):
    held_out, authors = (
        100 * np.mean([getattr(run, name).accuracy.high for run in row.runs])
        for name in ("held_out", "authors")
    )

    def told(published):
        return reached(row, published, lambda found: found.accuracy)

    assert told(held_out - 0.01) is Reached.LEAK_FREE
    higher, below = max(held_out, authors), min(held_out, authors)
    assert told(higher + 0.01) is Reached.NOT
    assert told((higher + below) / 2) is (Reached.LEAK_FREE if held_out > authors else Reached.AUTHORS)


def test_a_table_says_what_was_not_trained_and_fills_nothing_in(row, sets, runs):
    nothing = measure_variant(HARD, sets, Trainings(runs, (1,), CPU, only_finished=True), Silent())
    text = table_markdown([row, nothing], "attendant reproduce")
    measured, missing = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(("| sdc-cifar-softmax-0 | ", "| sdc-cifar-hard-6 † | ")) and "epoch" not in line
    )
    assert [cell for cell in missing if cell] == ["sdc-cifar-hard-6 †", "not trained", "74.45", "86.50"]
    found = ACCURACY.spread([run.held_out for run in row.runs])
    assert measured[1] == f"{found.mean:.2f} ± {found.deviation:.2f}"
    assert (measured[3], measured[7]) == ("95.04", "79.77")
    assert {measured[4], measured[8]} <= set(Reached)
    entropy = ENTROPY.spread([run.held_out for run in row.runs])
    assert measured[-1] == f"{entropy.mean:.3f} ± {entropy.deviation:.3f}"
    trained = [line for line in text.splitlines() if "the same 32 in every epoch" in line]
    assert "| 4-4-6 | 1, 2 |" in trained[0]
    assert f"| {SOFTMAX.recipe.learning_rate:g} |" in trained[0]
    assert "32 an epoch, drawn afresh from 48 images" in text
    assert "thresholds.png" in text
    assert "thresholds.png" not in table_markdown([nothing], "attendant reproduce")
    models = table_document([row, nothing], "attendant reproduce")["models"]
    assert models["sdc-cifar-hard-6"]["held_out"] is None
    assert models["sdc-cifar-hard-6"]["runs"] == ()
    assert models["sdc-cifar-softmax-0"]["published"] == {"accuracy": 95.04, "focus_true": 79.77}
    strictly = STRICTLY_TRUE.spread([run.held_out for run in row.runs])
    assert models["sdc-cifar-softmax-0"]["held_out"]["FT strict"]["mean"] == strictly.mean


def test_one_seed_has_no_deviation(row):
    alone = replace(row, runs=row.runs[:1])
    assert "±" not in table_markdown([alone], "attendant reproduce").split("Accuracy and FT in percent")[0]


def test_a_model_that_the_paper_has_not_has_nothing_published(row):
    assert replace(row, mechanism="linear").published is None
    assert isinstance(row, Row)


def test_courses_are_read_from_checkpoints(row, runs):
    courses = read_courses(runs)
    assert [course.name for course in courses] == [
        "sdc-cifar-softmax-0-fixed-1",
        "sdc-cifar-softmax-0-fixed-2",
    ]
    (look,) = courses[0].looks
    assert look.epoch == 1
    shares = look.held_out
    assert shares.ftpt + shares.ffpt + shares.ftpf + shares.ffpf == pytest.approx(1)
    saved = torch.load(checkpoint_of(runs, SOFTMAX, 1), weights_only=True)["state"]["stage"]["moments"][0]
    assert look.loss == saved["loss"]
    assert look.held_out.accuracy == pytest.approx(saved["test"]["accuracy"]["value"])
    assert look.training.focus_true == pytest.approx(saved["training"]["focus_true"]["value"])


def test_no_folder_has_no_courses(tmp_path):
    assert read_courses(tmp_path / "none") == []


@pytest.mark.parametrize(
    "content", ["", "not a checkpoint", {"state": {}}, [1], {"state": {"stage": {"moments": [1]}}}]
)
def test_what_is_no_checkpoint_is_named(content, tmp_path):
    path = tmp_path / "broken.pt"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError, match=r"broken\.pt is no checkpoint"):
        read_course(path)
