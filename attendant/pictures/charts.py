"""What the charts of measurements have in common: a figure, the look of its axes, and files of it."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from attendant.pictures.style import INK, MUTED, WIDTH, font

DPI = 120


def sheet(title: str, height: float) -> Figure:
    """An empty figure of WIDTH by `height` inches; nothing in its title is markup."""
    figure = Figure(figsize=(WIDTH, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontproperties=font(11, bold=True), color=INK, parse_math=False)
    return figure


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, names of the axes, and no more lines than are needed."""
    axes.set_title(title, fontproperties=font(9.5), color=INK, loc="left", parse_math=False)
    axes.set_xlabel(x, fontproperties=font(8.5), color=MUTED)
    axes.set_ylabel(y, fontproperties=font(8.5), color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=MUTED)


def render(figure: Figure, *, format: str) -> bytes:  # noqa: A002 - matplotlib's word
    """The figure as a png, svg or pdf file."""
    file = BytesIO()
    figure.savefig(file, format=format, dpi=DPI)
    return file.getvalue()
