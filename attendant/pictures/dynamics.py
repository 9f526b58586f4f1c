"""How focus and prediction come about in training: a column a training."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, ScalarFormatter

from attendant.analysis.dynamics import Course
from attendant.pictures.charts import dress, sheet
from attendant.pictures.style import FAINT, INK, MUTED, font

COLUMNS = 5
_ROW = 2.35  # inches
_TITLE = 24  # characters
# From right for the right reason to wrong altogether; told apart by lightness too.
_SHARES = {
    "ftpt": ("focus and answer right", "#0072b2"),
    "ffpt": ("answer right, focus wrong", "#e69f00"),
    "ftpf": ("focus right, answer wrong", "#a6cee3"),
    "ffpf": ("both wrong", "#d5d8dc"),
}


def draw_dynamics(courses: Sequence[Course], title: str, *, early: bool) -> Figure:
    """Above accuracy and FT, below how mosaics share out, of at least one training; COLUMNS beside each other.

    `early` gives the first epochs most of the room: a logarithmic axis, with 0 on it.
    """
    columns = min(len(courses), COLUMNS)
    rows = -(-len(courses) // columns)
    figure = sheet(title, 0.9 + 2 * _ROW * rows)
    grid = figure.subplots(2 * rows, columns, squeeze=False, sharex="col", sharey=True)
    for axes in grid.flat:
        axes.set_visible(False)
    for number, course in enumerate(courses):
        row, column = divmod(number, columns)
        lines, areas = grid[2 * row, column], grid[2 * row + 1, column]
        _draw_lines(lines, course, first=column == 0)
        _draw_areas(areas, course, first=column == 0)
        if early:
            areas.set_xscale("symlog", linthresh=1)
            areas.xaxis.set_major_formatter(ScalarFormatter())
        else:
            areas.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    marks = {
        label: mark
        for axes in grid[:2, 0]
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        marks.values(), marks.keys(), loc="outside lower center", ncols=4, prop=font(8.5), frameon=False
    )
    return figure


def _draw_lines(axes: Axes, course: Course, *, first: bool) -> None:
    epochs = [look.epoch for look in course.looks]
    marker = "." if len(epochs) < 3 else ""
    for name, colour, attribute in (
        ("accuracy", INK, "accuracy"),
        ("focus true (FT)", "#d55e00", "focus_true"),
    ):
        held_out = [getattr(look.held_out, attribute) for look in course.looks]
        training = [getattr(look.training, attribute) for look in course.looks]
        axes.plot(epochs, held_out, color=colour, linewidth=1.6, marker=marker, label=f"{name}, held out")
        axes.plot(
            epochs, training, color=colour, linewidth=1, linestyle=":", label=f"{name}, training mosaics"
        )
    axes.grid(color=FAINT)
    _finish(axes, course.name, "", "share of mosaics" if first else "")


def _draw_areas(axes: Axes, course: Course, *, first: bool) -> None:
    heights = [[getattr(look.held_out, name) for look in course.looks] for name in _SHARES]
    labels, colours = zip(*_SHARES.values(), strict=True)
    axes.stackplot([look.epoch for look in course.looks], heights, labels=labels, colors=colours)
    _finish(axes, "", "epoch", "share, held out" if first else "")


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_visible(True)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.margins(x=0)
    dress(axes, title, x, y)
    axes.tick_params(labelsize=7.5, colors=MUTED, labelleft=True, labelbottom=True)
