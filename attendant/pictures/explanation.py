"""An explanation drawn for someone who has never seen the model: what it says, and where it looked."""

from io import BytesIO
from typing import Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attendant.errors import AttendantError
from attendant.images import decode
from attendant.pictures.bars import Attributes
from attendant.pictures.heading import Heading
from attendant.pictures.notes import Notes
from attendant.pictures.regions import BLANK, Photograph, Regions
from attendant.pictures.style import MARGIN, WIDTH, Page
from attendant.pictures.views import views
from attendant.pictures.words import Words
from attendant.results import ExplainResult
from attendant.types import IMAGE_SIZE, Modality

FORMATS = ("png", "svg", "pdf")
_GAP = 0.3


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
    attention = result.attention
    sections: list[_Section] = [Heading(result)]
    for modality in (Modality.IMAGE, Modality.TEXT, Modality.ATTRIBUTE):
        axis, shown = attention.axis(modality), views(attention, modality)
        if axis is None or not shown:
            continue
        if modality is Modality.IMAGE:
            sections.append(Regions(_photograph(image), axis.grid_rows, axis.grid_columns, shown))
        elif modality is Modality.TEXT:
            sections.append(Words(axis.labels, shown))
        else:
            sections.append(Attributes(axis, shown))
    return [*sections, Notes(result)]


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
