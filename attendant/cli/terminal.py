"""An explanation for the terminal: what was predicted, what weighed, and where the model looked."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from attendant.cli import explained
from attendant.cli.console import plain
from attendant.cli.marks import COLOURS, bar, heat_map, order, place, table, title
from attendant.pictures.verdicts import look, risk, spread, truth
from attendant.pictures.views import NAMES, View, modality_weights, score, views
from attendant.results import ExplainResult, PredictResult
from attendant.types import MODALITIES, Axis, Focus, Modality, Prediction, Warning_

_STRONGEST = 4


def answer(result: PredictResult) -> Group:
    """A prediction and what should be known about it."""
    return Group(*_prediction(result.prediction), *_foot(result, ""))


def explanation(result: ExplainResult, foreground: int | None = None) -> Group:
    """A prediction with its reasons; `foreground` is the index of a mosaic's, where it is known."""
    parts: list[RenderableType] = [*_prediction(result.prediction), *_inputs(result)]
    for view in views(result.attention, Modality.SEGMENT):
        parts += [*_look(result.focus, view, foreground), "", *_segments(view, foreground)]
    for modality in (Modality.TEXT, Modality.IMAGE, Modality.ATTRIBUTE):
        axis, shown = result.attention.axis(modality), views(result.attention, modality)
        if axis is not None and shown:
            parts += ["", *_SECTIONS[modality](axis, shown)]
    parts += explained.sections(result)
    return Group(*parts, *_foot(result, f", cache: {result.cache}" if result.cache else ""))


def _prediction(prediction: Prediction) -> Iterator[RenderableType]:
    yield Text(f"{plain(prediction.label)}, {score(prediction):.1%}", style="bold")
    rows = table()
    for label, share in prediction.scores:
        rows.add_row(plain(label), bar(share, ""), f"{share:.1%}")
    yield rows


def _inputs(result: ExplainResult) -> Iterator[RenderableType]:
    weights = modality_weights(result.attention)
    if not weights:
        return
    yield ""
    yield title("How much weight each input got")
    rows = table()
    for modality in MODALITIES:
        name = NAMES[modality]
        weight = weights.get(modality)
        if weight is None:
            rows.add_row(name, Text("not given", style="dim"), "")
        else:
            rows.add_row(name, bar(weight, COLOURS[modality]), f"{weight:.0%}")
    yield rows


def _look(focus: Focus | None, view: View, foreground: int | None) -> Iterator[RenderableType]:
    if focus is None:
        return
    yield ""
    yield title("Where the model looked", "a number tells a segment, from 0 as in the request")
    rows = table()
    rows.add_row("focus", Text(look(focus, float(view.weights[focus.index])), style="bold"))
    said = truth(focus, foreground)
    if said:
        rows.add_row("", Text(said, style="bold cyan" if focus.is_true else "bold yellow"))
    rows.add_row("risk", risk(focus))
    rows.add_row("spread", spread(focus, view.weights.size))
    yield rows


def _segments(view: View, foreground: int | None) -> Iterator[RenderableType]:
    yield title("Segments", "how much weight each got")
    focus = order(view.weights)[0]
    rows = table()
    for index, weight in enumerate(view.weights):
        marks = (index == focus, "focus"), (index == foreground, "foreground")
        names = ", ".join(name for marked, name in marks if marked)
        rows.add_row(
            str(index), bar(float(weight), COLOURS[Modality.SEGMENT]), f"{weight:.1%}", Text(names, "bold")
        )
    yield rows


def _words(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    yield title("Words", "the tweet as the model reads it, shaded by weight where there are colours")
    line = Text("  ")
    for label, shade in zip(axis.labels, shown[0].shades, strict=True):
        line.append(plain(label), _highlight(float(shade))).append(" ")
    yield line
    rows = table()
    for view in shown:
        strongest = (
            f"{plain(axis.labels[i])} {view.weights[i]:.0%}" for i in order(view.weights)[:_STRONGEST]
        )
        rows.add_row(_name(view), Text("  ".join(strongest)))
    yield rows


def _regions(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    even = 1 / (axis.grid_rows * axis.grid_columns)
    yield title(
        "Image",
        f"{axis.grid_rows} by {axis.grid_columns} cells; the strongest of each (evenly spread: {even:.1%})",
    )
    rows = table()
    for view in shown:
        cells = (
            f"{place(i, axis.grid_rows, axis.grid_columns)} {view.weights[i]:.1%}"
            for i in order(view.weights)[:2]
        )
        rows.add_row(_name(view), Text("\n".join(cells)))
    yield rows
    yield heat_map(shown[0].shades.reshape(axis.grid_rows, axis.grid_columns), "all together")


def _attributes(axis: Axis, shown: tuple[View, ...]) -> Iterator[RenderableType]:
    found = "that the service found in the image" if axis.scores else "that came with the tweet"
    yield title("Attributes", f"words {found}")
    rows = Table(box=None, padding=(0, 2), header_style="dim")
    rows.add_column("")
    if axis.scores:
        rows.add_column("sure", justify="right")
    for view in shown:
        rows.add_column(
            view.name, justify="right", style="bold" if view.source is None else COLOURS[view.source]
        )
    for i, label in enumerate(axis.labels):
        sure = [f"{axis.scores[i]:.0%}"] if axis.scores else []
        rows.add_row(plain(label), *sure, *(f"{view.weights[i]:.0%}" for view in shown))
    yield rows


_SECTIONS = {Modality.TEXT: _words, Modality.IMAGE: _regions, Modality.ATTRIBUTE: _attributes}


def _highlight(shade: float) -> Style:
    if shade < 0.25:
        return Style()
    return Style(
        color="black" if shade < 0.7 else "white",
        bgcolor=("#f6d5a8", "#f2a25c", "#d7301f")[min(2, int(shade * 3))],
    )


def _name(view: View) -> Text:
    return Text(view.name, style="bold" if view.source is None else COLOURS[view.source])


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
