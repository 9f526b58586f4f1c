"""An explanation for the terminal: what was predicted, what weighed, and where the model looked."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from attendant.cli.console import plain
from attendant.pictures.views import NAMES, View, modality_weights, score, views
from attendant.results import ExplainResult, PredictResult
from attendant.types import Axis, Modality, Prediction, Warning_

_COLOURS = {Modality.TEXT: "#4a90d9", Modality.IMAGE: "#e0762f", Modality.ATTRIBUTE: "#4caf7d"}
_BAR = 30  # columns
_STRONGEST = 4
_SHADES = " ·░▒▓█"
_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")


def answer(result: PredictResult) -> Group:
    """A prediction and what should be known about it."""
    return Group(*_prediction(result.prediction), *_foot(result, ""))


def explanation(result: ExplainResult) -> Group:
    """A prediction with its reasons."""
    parts: list[RenderableType] = [*_prediction(result.prediction), *_inputs(result)]
    for modality in (Modality.TEXT, Modality.IMAGE, Modality.ATTRIBUTE):
        axis, shown = result.attention.axis(modality), views(result.attention, modality)
        if axis is not None and shown:
            parts += ["", *_SECTIONS[modality](axis, shown)]
    return Group(*parts, *_foot(result, f", cache: {result.cache}" if result.cache else ""))


def _prediction(prediction: Prediction) -> Iterator[RenderableType]:
    yield Text(f"{plain(prediction.label)}, {score(prediction):.1%}", style="bold")
    table = _table()
    for label, share in prediction.scores:
        table.add_row(plain(label), _bar(share, ""), f"{share:.1%}")
    yield table


def _inputs(result: ExplainResult) -> Iterator[RenderableType]:
    weights = modality_weights(result.attention)
    if not weights:
        return
    yield ""
    yield _title("How much weight each input got")
    table = _table()
    for modality, name in NAMES.items():
        weight = weights.get(modality)
        if weight is None:
            table.add_row(name, Text("not given", style="dim"), "")
        else:
            table.add_row(name, _bar(weight, _COLOURS[modality]), f"{weight:.0%}")
    yield table


def _words(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    yield _title("Words", "the tweet as the model reads it, shaded by weight where there are colours")
    line = Text("  ")
    for label, shade in zip(axis.labels, shown[0].shades, strict=True):
        line.append(plain(label), _highlight(float(shade))).append(" ")
    yield line
    table = _table()
    for view in shown:
        strongest = (f"{plain(axis.labels[i])} {view.weights[i]:.0%}" for i in _order(view)[:_STRONGEST])
        table.add_row(_name(view), Text("  ".join(strongest)))
    yield table


def _regions(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    even = 1 / (axis.grid_rows * axis.grid_columns)
    yield _title(
        "Image",
        f"{axis.grid_rows} by {axis.grid_columns} cells; the strongest of each (evenly spread: {even:.1%})",
    )
    table = _table()
    for view in shown:
        cells = (
            f"{place(i, axis.grid_rows, axis.grid_columns)} {view.weights[i]:.1%}" for i in _order(view)[:2]
        )
        table.add_row(_name(view), Text("\n".join(cells)))
    yield table
    yield _map(shown[0].shades.reshape(axis.grid_rows, axis.grid_columns))


def _attributes(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    found = "that the service found in the image" if axis.scores else "that came with the tweet"
    yield _title("Attributes", f"words {found}")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("")
    if axis.scores:
        table.add_column("sure", justify="right")
    for view in shown:
        table.add_column(
            view.name, justify="right", style="bold" if view.source is None else _COLOURS[view.source]
        )
    for i, label in enumerate(axis.labels):
        sure = [f"{axis.scores[i]:.0%}"] if axis.scores else []
        table.add_row(plain(label), *sure, *(f"{view.weights[i]:.0%}" for view in shown))
    yield table


_SECTIONS = {Modality.TEXT: _words, Modality.IMAGE: _regions, Modality.ATTRIBUTE: _attributes}


def place(index: int, rows: int, columns: int) -> str:
    """Where a cell is, counted from 1 and in words: 'row 3, column 12 (upper right)'."""
    row, column = divmod(index, columns)
    words = f"{_ROWS[3 * row // rows]} {_COLUMNS[3 * column // columns]}".replace("middle centre", "centre")
    return f"row {row + 1}, column {column + 1} ({words})"


def _map(shades: NDArray[np.float64]) -> Panel:
    """A heat map, two characters a cell: readable without colours too."""
    picture = Text()
    for number, row in enumerate(shades):
        picture.append("\n" if number else "")
        for shade in row:
            mark = _SHADES[min(int(shade * len(_SHADES)), len(_SHADES) - 1)]
            picture.append(2 * mark, Style(color=_heat(float(shade))))
    return Panel.fit(picture, title="all together", box=box.SQUARE, padding=0, border_style="dim")


def _heat(shade: float) -> str:
    """From grey to red."""
    low, high = (120, 110, 100), (235, 60, 20)
    red, green, blue = (round(a + (b - a) * shade) for a, b in zip(low, high, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _highlight(shade: float) -> Style:
    if shade < 0.25:
        return Style()
    return Style(
        color="black" if shade < 0.7 else "white",
        bgcolor=("#f6d5a8", "#f2a25c", "#d7301f")[min(2, int(shade * 3))],
    )


def _order(view: View) -> list[int]:
    """The strongest elements, strongest first; ties in their order."""
    return [int(i) for i in np.argsort(-view.weights, kind="stable")]


def _bar(share: float, colour: str) -> Text:
    full = round(_BAR * min(max(share, 0.0), 1.0))
    return Text.assemble(("█" * full, colour), ("░" * (_BAR - full), "dim"))


def _name(view: View) -> Text:
    return Text(view.name, style="bold" if view.source is None else _COLOURS[view.source])


def _title(title: str, caption: str = "") -> Text:
    return Text.assemble((title, "bold underline"), (f"  {caption}" if caption else "", "dim"))


def _table() -> Table:
    return Table(box=None, show_header=False, padding=(0, 2))


def _foot(result: PredictResult | ExplainResult, more: str) -> Iterator[RenderableType]:
    yield ""
    yield from _warnings(result.warnings)
    model, timing = result.model, result.timing
    yield Text(
        f"model {plain(model.name)} {plain(model.version)} ({plain(model.weights_digest[:12])}), "
        f"{1000 * timing.total:.0f} ms in the service{more}",
        style="dim",
    )


def _warnings(warnings: Iterable[Warning_]) -> Iterator[Text]:
    for warning in warnings:
        yield Text.assemble(("note: ", "yellow"), plain(warning.message))
