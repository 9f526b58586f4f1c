"""An explanation drawn for someone who has never seen the model: what it says, and where it looked."""

from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attendant.errors import AttendantError
from attendant.images import decode
from attendant.pictures.bars import Attributes
from attendant.pictures.erasure import Curves
from attendant.pictures.glossary import Glossary
from attendant.pictures.heading import Heading
from attendant.pictures.impacts import Impacts
from attendant.pictures.notes import Notes
from attendant.pictures.regions import BLANK, Photograph, Regions
from attendant.pictures.segments import Segments, panel_of
from attendant.pictures.style import MARGIN, WIDTH, Page
from attendant.pictures.views import compared, views
from attendant.pictures.words import Words
from attendant.results import ExplainResult
from attendant.types import IMAGE_SIZE, Attention, Axis, Instance, Modality, Mosaic, Tweet

FORMATS = ("png", "svg", "pdf")
_GAP = 0.3
_SHARES = "Each method's shares of what it found in all, beside attention."
_NOTHING = Tweet()
_NO_SEGMENTS = Mosaic(())
_ORDER = (Modality.IMAGE, Modality.TEXT, Modality.ATTRIBUTE)


class _Section(Protocol):
    """A part of the page, over its whole width; inches."""

    @property
    def height(self) -> float: ...
    def draw(self, page: Page, top: float) -> None: ...


def draw(result: ExplainResult, instance: Instance = _NOTHING) -> Figure:
    """The explanation as a figure; `instance` is what it is about, whose pictures are drawn with their weights.

    Where there is no image, or none that can be read, its place is grey; without its segments, a mosaic is bars alone.
    """
    sections = _sections(result, instance)
    height = 2 * MARGIN + sum(section.height for section in sections) + _GAP * (len(sections) - 1)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    top = MARGIN
    for section in sections:
        section.draw(Page(figure, height), top)
        top += section.height + _GAP
    return figure


def render(
    result: ExplainResult,
    instance: Instance = _NOTHING,
    *,
    format: str = "png",  # noqa: A002 - matplotlib's word
    dpi: int = 150,
) -> bytes:
    """`draw` as a file; raises ValueError where `format` is none of FORMATS."""
    if format not in FORMATS:
        raise ValueError(f"pictures are {', '.join(FORMATS)}, not {format!r}")
    file = BytesIO()
    draw(result, instance).savefig(file, format=format, dpi=dpi)
    return file.getvalue()


def _sections(result: ExplainResult, instance: Instance) -> list[_Section]:
    computed = result.explanations
    sections: list[_Section]
    if result.focus is not None:
        mosaic = instance if isinstance(instance, Mosaic) else _NO_SEGMENTS
        sections = [Heading(result, mosaic.foreground_index), *_looked_at(result.attention, mosaic)]
        beyond = list(_looked_at_by_methods(result))
    else:
        photograph = _photograph(instance.image if isinstance(instance, Tweet) else b"")
        sections = [Heading(result), *_attended(result.attention, photograph)]
        beyond = list(_compared(result, photograph))
    if beyond:
        sections += [Glossary(computed), *beyond]
    if computed.permutation is not None and computed.permutation.impacts:
        sections.append(Impacts(computed.permutation))
    if computed.erasure is not None and computed.erasure.curves:
        sections.append(Curves(computed.erasure))
    return [*sections, Notes(result)]


def _looked_at(attention: Attention, mosaic: Mosaic) -> Iterator[_Section]:
    """The segments and their weights."""
    for view in views(attention, Modality.SEGMENT):
        yield Segments(view, panel_of(mosaic, view), mosaic.foreground_index)


def _looked_at_by_methods(result: ExplainResult) -> Iterator[_Section]:
    """What methods beyond attention found, segment by segment."""
    shown = compared(result.explanations, result.attention, Modality.SEGMENT)
    if shown:
        labels = tuple(f"segment {index}" for index in range(shown[0].weights.size))
        yield Attributes("Segments by method", _SHARES, Axis(Modality.SEGMENT, labels), shown)


def _attended(attention: Attention, photograph: Photograph) -> Iterator[_Section]:
    """What got weight, input by input."""
    for modality in _ORDER:
        axis, shown = attention.axis(modality), views(attention, modality)
        if axis is None or not shown:
            continue
        if modality is Modality.IMAGE:
            caption = (
                f"The model sees {axis.grid_rows} by {axis.grid_columns} cells, coloured by weight: by all inputs "
                "together, and as each input guides the model. The strongest cell is framed."
            )
            yield Regions("Image", caption, photograph, axis.grid_rows, axis.grid_columns, shown)
        elif modality is Modality.TEXT:
            caption = (
                "The tweet as the model reads it, shaded by weight: by all inputs together, and as each input "
                "guides it."
            )
            yield Words("Words", caption, axis.labels, shown)
        else:
            origin = "that the service found in the image" if axis.scores else "that came with the tweet"
            caption = f"Words {origin}. Bars show how much weight each word gets."
            yield Attributes("Attributes", caption, axis, shown)


def _compared(result: ExplainResult, photograph: Photograph) -> Iterator[_Section]:
    """What methods beyond attention found, input by input."""
    for modality in _ORDER:
        axis = result.attention.axis(modality)
        shown = compared(result.explanations, result.attention, modality)
        if axis is None or not shown:
            continue
        if modality is Modality.IMAGE:
            yield Regions("Image by method", _SHARES, photograph, axis.grid_rows, axis.grid_columns, shown)
        elif modality is Modality.TEXT:
            yield Words("Words by method", _SHARES, axis.labels, shown)
        else:
            yield Attributes("Attributes by method", _SHARES, axis, shown)


def _photograph(image: bytes) -> Photograph:
    """The photograph as the model saw it; grey where there is none or it cannot be read here."""
    if not image:
        return BLANK
    try:
        pixels = decode(image).pixels
    except AttendantError:
        return BLANK
    squashed = Image.fromarray(pixels).resize((IMAGE_SIZE, IMAGE_SIZE), reducing_gap=2.0)
    return Photograph(np.asarray(squashed), pixels.shape[0] / pixels.shape[1])
