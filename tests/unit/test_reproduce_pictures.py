import numpy as np
import pytest

from attendant.analysis.dynamics import Course, Look, Shares
from attendant.analysis.focus_table import Row, Run
from attendant.pictures.charts import render
from attendant.pictures.dynamics import COLUMNS, draw_dynamics
from attendant.pictures.error_modes import draw_error_mode
from attendant.pictures.thresholds import draw_thresholds
from attendant.statistics.focus import Outcomes, measure_focus
from attendant.training.error_modes import MODES, survey
from attendant.training.mosaics import Split, plane_mosaics
from attendant.training.planes import PlaneRecipe, train_plane


@pytest.fixture(scope="module", params=MODES)
def landscape(request):
    """Of a model that has learnt next to nothing."""
    mode = MODES[request.param]
    training, held_out = (plane_mosaics(mode.plane, 60, split=split) for split in Split)
    recipe = PlaneRecipe(epochs=2)
    trained = train_plane("mode", mode.config, recipe, training, held_out, seed=1, looks=())
    return survey(trained.model, mode, held_out)


def course(name, *rows):
    """A look an epoch from 0: shares of ftpt, ffpt, ftpf, ffpf."""
    looks = [Look(epoch, 1.0, Shares(0.25, 0.25, 0.25, 0.25), Shares(*row)) for epoch, row in enumerate(rows)]
    return Course(name, tuple(looks))


LEARNT = course("learnt", (0.1, 0.2, 0.3, 0.4), (0.6, 0.3, 0.1, 0.0))


def test_an_error_mode_has_boxes_marks_and_reasons(landscape):
    figure = draw_error_mode(landscape, "Mode $x$")
    focus, classifier, bars = figure.axes
    assert f"accuracy {landscape.measures.accuracy.value:.1%}" in figure.get_suptitle()
    names = {text.get_text() for text in focus.texts}
    assert {"background", *(f"class {one.number + 1}" for one in landscape.classes)} <= names
    for axes, points in ((focus, landscape.attended), (classifier, landscape.averaged)):
        marks = [collection for collection in axes.collections if len(collection.get_offsets()) > 1]
        drawn = np.concatenate([mark.get_offsets() for mark in marks if mark.get_sizes().size])
        assert {tuple(point) for point in np.asarray(drawn, np.float32)} <= set(map(tuple, points))
    widths = [bar.get_width() for bar in bars.patches]
    expected = [one.prediction_true for one in landscape.classes] + [
        one.focus_true for one in landscape.classes
    ]
    assert widths == pytest.approx(expected)
    for one in landscape.classes:
        assert (f"Class {one.number + 1}:" in figure.get_supxlabel()) is one.astray


def test_a_background_too_small_to_see_is_enlarged(landscape):
    classifier = draw_error_mode(landscape, "mode").axes[1]
    enlarged = [child for child in classifier.child_axes if child.get_xlim() != classifier.get_xlim()]
    assert len(enlarged) == (len(landscape.foreground) == 6)
    for part in enlarged:
        box = landscape.background
        assert part.get_xlim()[0] <= box.x1[0] < box.x1[1] <= part.get_xlim()[1]
        assert part.get_ylim()[0] <= box.x2[0] < box.x2[1] <= part.get_ylim()[1]


def test_lines_and_areas_are_the_shares():
    lines, areas = draw_dynamics([LEARNT], "title", early=False).axes
    by_name = {line.get_label(): line.get_ydata() for line in lines.lines}
    assert by_name["accuracy, held out"] == pytest.approx([0.3, 0.9])
    assert by_name["focus true (FT), held out"] == pytest.approx([0.4, 0.7])
    assert by_name["focus true (FT), training mosaics"] == pytest.approx([0.5, 0.5])
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in areas.collections]
    assert tops == pytest.approx([0.6, 0.9, 1.0, 1.0])
    assert [area.get_label() for area in areas.collections][1] == "answer right, focus wrong"


@pytest.mark.parametrize("count", [1, 3, COLUMNS + 1])
def test_each_training_has_a_column(count):
    figure = draw_dynamics([LEARNT] * count, "title", early=True)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 2 * count
    assert [axes.get_xscale() for axes in shown] == ["symlog"] * len(shown)
    assert render(figure, format="png").startswith(b"\x89PNG")


def test_one_look_is_a_dot():
    lines, _ = draw_dynamics([course("begun", (0.25, 0.25, 0.25, 0.25))], "title", early=False).axes
    assert lines.lines[0].get_marker() == "."


def run(seed, weight):
    """Of two mosaics, whose foregrounds weigh `weight` and 1."""
    outcomes = Outcomes(np.array([[weight, 1 - weight], [1.0, 0.0]]), *np.zeros((3, 2), int))
    measures = measure_focus(outcomes)
    return Run(seed, 60.0, measures, measures, measures)


def row(mechanism, layer, *runs, fresh=0):
    return Row(f"sdc-cifar-{mechanism}-{layer}", mechanism, layer, 1, 1e-3, 2, fresh, (1, 1, 1), runs)


def test_threshold_curves_are_means_over_seeds():
    rows = [row("softmax", 0, run(1, 0.42), run(2, 0.12)), row("hard", 0), row("hard", 6, run(1, 0.0))]
    first, second = draw_thresholds(rows, "title").axes
    (line,) = first.lines
    heights = dict(zip(np.round(line.get_xdata(), 2), line.get_ydata(), strict=True))
    assert (heights[0.1], heights[0.15], heights[0.4], heights[0.45]) == (1, 0.75, 0.75, 0.5)
    assert first.get_legend().get_texts()[0].get_text() == "softmax (2 seeds)"
    (other,) = second.lines
    assert set(other.get_ydata()) == {0.5}
    assert other.get_color() != line.get_color()
    assert second.get_title(loc="left") == "averaging layer 6"


def test_a_sixth_mechanism_and_fresh_mosaics_are_drawn_too():
    names = ("softmax", "entropy", "sparsemax", "spherical", "hard", "gates", "doors")
    rows = [row(name, 0, run(1, 0.3), fresh=256 * (name == "gates")) for name in names]
    (axes,) = draw_thresholds(rows, "title").axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["softmax", "entropy", "sparsemax", "spherical", "hard", "gates †", "doors"]
    assert axes.get_legend().get_title().get_text() == "† trained on fresh mosaics"


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_files(landscape, kind, begin):
    assert render(draw_error_mode(landscape, "mode"), format=kind).startswith(begin)
    assert render(draw_thresholds([row("softmax", 0, run(1, 0.5))], "t"), format=kind).startswith(begin)
