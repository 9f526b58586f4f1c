"""What a page in the terminal is made of: titles, tables, bars, heat maps, and words for elements."""

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from attendant.cli.console import plain
from attendant.types import Attention, Modality, Weights

COLOURS = {
    Modality.TEXT: "#4a90d9",
    Modality.IMAGE: "#e0762f",
    Modality.ATTRIBUTE: "#4caf7d",
    Modality.SEGMENT: "#e0762f",
}
_BAR = 30  # columns
_SHADES = " ·░▒▓█"
_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")


def title(title: str, caption: str = "") -> Text:
    return Text.assemble((title, "bold underline"), (f"  {caption}" if caption else "", "dim"))


def table() -> Table:
    return Table(box=None, show_header=False, padding=(0, 2))


def bar(share: float, colour: str) -> Text:
    full = round(_BAR * min(max(share, 0.0), 1.0))
    return Text.assemble(("█" * full, colour), ("░" * (_BAR - full), "dim"))


def heat_map(shades: NDArray[np.float64], title: str) -> Panel:
    """Two characters a cell: readable without colours too."""
    picture = Text()
    for number, row in enumerate(shades):
        picture.append("\n" if number else "")
        for shade in row:
            mark = _SHADES[min(int(shade * len(_SHADES)), len(_SHADES) - 1)]
            picture.append(2 * mark, Style(color=_heat(float(shade))))
    return Panel.fit(picture, title=title, box=box.SQUARE, padding=0, border_style="dim")


def order(weights: Weights) -> list[int]:
    """The strongest elements, strongest first; ties in their order."""
    return [int(i) for i in np.argsort(-weights, kind="stable")]


def place(index: int, rows: int, columns: int) -> str:
    """Where a cell is, counted from 1 and in words: 'row 3, column 12 (upper right)'."""
    row, column = divmod(index, columns)
    words = f"{_ROWS[3 * row // rows]} {_COLUMNS[3 * column // columns]}".replace("middle centre", "centre")
    return f"row {row + 1}, column {column + 1} ({words})"


def element(attention: Attention, target: Modality, index: int) -> str:
    """What an element of a target is called. Of image and attributes as one, the cells come before the words.

    Segments are called by their index, as requests and documents call them.
    """
    if target is Modality.SEGMENT:
        return f"segment {index}"
    axis = attention.axis(Modality.IMAGE if target is Modality.VISUAL else target)
    if axis is None:
        return f"element {index + 1}"
    cells = axis.grid_rows * axis.grid_columns
    if index < cells:
        return place(index, axis.grid_rows, axis.grid_columns)
    if cells:
        return element(attention, Modality.ATTRIBUTE, index - cells)
    return plain(axis.labels[index])


def _heat(shade: float) -> str:
    """From grey to red."""
    low, high = (120, 110, 100), (235, 60, 20)
    red, green, blue = (round(a + (b - a) * shade) for a, b in zip(low, high, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"
