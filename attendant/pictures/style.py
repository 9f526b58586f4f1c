"""How pictures look: sizes in inches, colours, and text that any script and any character may come in."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from attendant.methods import Method
from attendant.pictures.views import View
from attendant.types import Modality

WIDTH = 11.0
MARGIN = 0.45
POINT = 1 / 72  # of an inch
DASHES = (3.0, 2.0)  # on and off, in widths of the line

INK = "#1f2933"
MUTED = "#5b6670"
FAINT = "#e8ecf0"
COLOURS = {
    Modality.TEXT: "#2563a8",
    Modality.IMAGE: "#c2570c",
    Modality.ATTRIBUTE: "#2f855a",
    Modality.SEGMENT: "#c2570c",
}
RIGHT, WRONG = "#2563a8", "#c2570c"  # blue and orange: told apart by everyone, and never by colour alone
METHOD_COLOURS = {
    Method.GRADIENT: "#7b4fb5",
    Method.LEAVE_ONE_OUT: "#0f8a8a",
    Method.CLASS_ACTIVATION: "#b83280",
    Method.ADVERSARIAL: "#8a7a1f",
}

# The first is part of matplotlib and is always there; the others, where installed, add what it lacks.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
)
_MISSING = "\N{WHITE SQUARE}"
_LINE = 200  # characters
# A little short of its darkest end, where red turns brown.
_HEAT = ListedColormap(colormaps["OrRd"](np.linspace(0, 0.88, 256)), name="heat")


def heat() -> Colormap:
    """From no weight (nearly white) to the strongest (red)."""
    return _HEAT


def ink_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever reads better on an RGBA colour."""
    red, green, blue, _ = colour
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK


def colour_of(view: View) -> str:
    """The colour of what a source guides or a method finds; the mean attention has none of theirs."""
    if view.method is not None:
        return METHOD_COLOURS[view.method]
    return MUTED if view.source is None else COLOURS[view.source]


@cache
def families() -> tuple[str, ...]:
    """The font families to draw with, all of them installed."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(family for family in _FAMILIES if family in installed)


@cache
def _drawable() -> frozenset[int]:
    """Code points that some family has a glyph for."""
    paths = [font_manager.findfont(FontProperties(family=family)) for family in families()]
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())


def printable(text: str) -> str:
    """The text as it can be drawn: a box for what has no glyph, and no more than a line can hold."""
    return "".join(
        letter if letter.isprintable() and ord(letter) in _drawable() else _MISSING for letter in text[:_LINE]
    )


def font(size: float, *, bold: bool = False) -> FontProperties:
    return FontProperties(family=list(families()), size=size, weight="bold" if bold else "normal")


def text_width(text: str, properties: FontProperties) -> float:
    """Inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return float(width) * POINT


def fitted(text: str, properties: FontProperties, room: float) -> str:
    """The text, cut with an ellipsis where it is wider than `room` inches."""
    if text_width(text, properties) <= room:
        return text
    length = next(
        n for n in range(len(text) - 1, -1, -1) if text_width(text[:n] + "…", properties) <= room or n == 0
    )
    return text[:length] + "…"


@dataclass(frozen=True)
class Page:
    """A figure that is drawn on in inches from its upper left corner."""

    figure: Figure
    height: float

    def write(  # noqa: PLR0913 - what a piece of text has
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 9,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
        room: float = WIDTH,
    ) -> None:
        """One line whose middle is at `y`, cut where it needs more than `room`; nothing in it is markup."""
        properties = font(size, bold=bold)
        self.figure.text(
            x / WIDTH,
            1 - y / self.height,
            fitted(printable(text), properties, room),
            fontproperties=properties,
            color=colour,
            ha=align,
            va="center",
            parse_math=False,
        )

    def box(self, x: float, y: float, width: float, height: float, colour: object) -> None:
        """A filled rectangle whose upper left corner is at x, y."""
        left, bottom, across, up = self._share(x, y, width, height)
        self.figure.add_artist(Rectangle((left, bottom), across, up, facecolor=colour, edgecolor="none"))

    def frame(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: object,
        *,
        thickness: float = 2.0,
        dashed: bool = False,
    ) -> None:
        """The outline of a rectangle whose upper left corner is at x, y; `thickness` in points."""
        left, bottom, across, up = self._share(x, y, width, height)
        self.figure.add_artist(
            Rectangle(
                (left, bottom),
                across,
                up,
                fill=False,
                edgecolor=colour,
                linewidth=thickness,
                linestyle=(0, DASHES) if dashed else "-",
            )
        )

    def chart(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose upper left corner is at x, y."""
        return self.figure.add_axes(self._share(x, y, width, height))

    def _share(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Left, bottom, width and height in shares of the page."""
        return x / WIDTH, 1 - (y + height) / self.height, width / WIDTH, height / self.height
