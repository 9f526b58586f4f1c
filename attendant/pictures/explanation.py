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
from attendant.pictures.style import MARGIN, WIDTH, Page
from attendant.pictures.views import compared, views
from attendant.pictures.words import Words
from attendant.results import ExplainResult
from attendant.types import IMAGE_SIZE, Attention, Modality

FORMATS = ("png", "svg", "pdf")
_GAP = 0.3
_ORDER = (Modality.IMAGE, Modality.TEXT, Modality.ATTRIBUTE)


class _Section(Protocol):
    """A part of the page, over its whole width; inches."""

    @property
    def height(self) -> float: ...
    def draw(self, page: Page, top: float) -> None: ...


def draw(result: ExplainResult, image: bytes = b"") -> Figure:
    """The explanation as a figure; `image` is the tweet's, drawn under the weights (none: they stand on grey)."""
    sections = _sections(result, image)
    height = 2 * MARGIN + sum(section.height for section in sections) + _GAP * (len(sections) - 1)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    top = MARGIN
    for section in sections:
        section.draw(Page(figure, height), top)
        top += section.height + _GAP
    return figure


def render(result: ExplainResult, image: bytes = b"", *, format: str = "png", dpi: int = 150) -> bytes:  # noqa: A002 - matplotlib's word
    """`draw` as a file; raises ValueError where `format` is none of FORMATS."""
    if format not in FORMATS:
        raise ValueError(f"pictures are {', '.join(FORMATS)}, not {format!r}")
    file = BytesIO()
    draw(result, image).savefig(file, format=format, dpi=dpi)
    return file.getvalue()


def _sections(result: ExplainResult, image: bytes) -> list[_Section]:
    computed, photograph = result.explanations, _photograph(image)
    sections: list[_Section] = [Heading(result), *_attended(result.attention, photograph)]
    beyond = list(_compared(result, photograph))
    if beyond:
        sections += [Glossary(computed), *beyond]
    if computed.permutation is not None and computed.permutation.impacts:
        sections.append(Impacts(computed.permutation))
    if computed.erasure is not None and computed.erasure.curves:
        sections.append(Curves(computed.erasure))
    return [*sections, Notes(result)]


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
        caption = "Each method's shares of what it found in all, beside attention."
        if modality is Modality.IMAGE:
            yield Regions("Image by method", caption, photograph, axis.grid_rows, axis.grid_columns, shown)
        elif modality is Modality.TEXT:
            yield Words("Words by method", caption, axis.labels, shown)
        else:
            yield Attributes("Attributes by method", caption, axis, shown)


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
