"""What every drawing is made on: a canvas with text, boxes, discs and soft scenes.

Everything that is random comes from the numpy generator that a canvas carries, so a drawing can be made again.
Lengths are pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from attendant.training.drawings import faces, phrases
from attendant.training.drawings.colours import BLACK, WHITE, Colour

LEADING = 1.3  # from line to line, of the size
Item = TypeVar("Item")


class Pen(NamedTuple):
    """How a text is written."""

    size: float
    colour: Colour
    face: str = faces.SANS


@dataclass
class Canvas:
    """A picture being drawn; `generator` draws all lots."""

    image: Image.Image
    generator: np.random.Generator
    draw: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.draw = ImageDraw.Draw(self.image)

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height

    @property
    def shorter(self) -> int:
        return min(self.image.size)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.generator.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self.generator.random() < share)

    def count(self, low: int, high: int) -> int:
        """A whole number, low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def share(self, low: float, high: float) -> float:
        return float(self.generator.uniform(low, high))

    def place(self) -> tuple[float, float]:
        """A point anywhere on the canvas."""
        return self.share(0, self.width), self.share(0, self.height)

    def number(self, digits: int = 2) -> str:
        return str(self.count(10 ** (digits - 1), 10**digits - 1))

    def price(self) -> str:
        return f"{self.count(1, 29)}.{self.pick(('00', '50', '95', '99'))}"

    def clock(self) -> str:
        return f"{self.count(0, 23)}:{self.count(0, 59):02d}"

    def phrase(self, low: int, high: int, words: Sequence[str] = phrases.TALK) -> str:
        """Between `low` and `high` words that mean nothing together, the first with a capital."""
        return " ".join(self.pick(words) for _ in range(self.count(low, high))).capitalize()

    def name(self) -> str:
        return self.phrase(1, 2, phrases.NAMES).title()

    def fill(self, colour: Colour) -> None:
        self.draw.rectangle((0, 0, self.width, self.height), fill=colour)

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, radius: float = 0
    ) -> None:
        right, bottom = max(left + 1, right), max(top + 1, bottom)
        radius = min(radius, (right - left) / 2, (bottom - top) / 2)
        self.draw.rounded_rectangle((left, top, right, bottom), radius, fill=colour)

    def frame(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A thin empty box."""
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, outline: Colour | None = None) -> None:
        """A disc around (x, y)."""
        around = (x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(around, fill=colour, outline=outline, width=max(1, int(radius / 12)))

    def text(self, x: float, y: float, text: str, pen: Pen, anchor: str = "la") -> None:
        """One line; `anchor` as Pillow names them (`la` left and top, `mm` the middle)."""
        font = faces.font(pen.face, round(pen.size))
        self.draw.text((x, y), text, fill=pen.colour, font=font, anchor=anchor)

    def outlined(self, x: float, y: float, text: str, size: float) -> None:
        """A line as memes have it, around x: white capitals with a black rim."""
        font, rim = faces.font(faces.BOLD, round(size)), max(1, round(size / 12))
        self.draw.text((x, y), text, fill=WHITE, font=font, anchor="ma", stroke_width=rim, stroke_fill=BLACK)

    def paragraph(
        self, left: float, top: float, width: float, text: str, pen: Pen, centred: bool = False
    ) -> float:
        """Lines of `text`, broken to `width`; returns where the next line would begin."""
        x, anchor = (left + width / 2, "ma") if centred else (left, "la")
        for line in wrap(text, pen, width):
            if top < self.height:
                self.text(x, top, line, pen, anchor)
            top += pen.size * LEADING
        return top

    def scene(self, left: float, top: float, width: float, height: float) -> None:
        """Soft patches of light and some colour, like a photograph out of focus."""
        size = max(1, round(width)), max(1, round(height))
        light = np.zeros((size[1], size[0]), dtype=np.float32)
        for cells in (self.count(2, 4), self.count(6, 14), self.count(20, 60)):
            light += self._patches(cells, size, self.share(5, 110) / cells**0.5)
        tint = self.generator.uniform(40, 215) + self.generator.normal(0, 28, 3)
        hue = self._patches(self.count(2, 6), size, self.share(5, 35))
        bands = [
            Image.fromarray(np.clip(light + base + hue * turn, 0, 255).astype(np.uint8))
            for base, turn in zip(tint, self.generator.uniform(-1, 1, 3), strict=True)
        ]
        self.image.paste(Image.merge("RGB", bands), (round(left), round(top)))

    def backdrop(self) -> None:
        """A scene all over."""
        self.scene(0, 0, self.width, self.height)

    def _patches(self, cells: int, size: tuple[int, int], spread: float) -> NDArray[np.float32]:
        """Soft noise, `cells` patches a side; float32 height x width."""
        small = Image.fromarray(self.generator.normal(0, spread, (cells, cells)).astype(np.float32))
        return np.asarray(small.resize(size, Image.Resampling.BILINEAR))


def canvas(width: int, height: int, generator: np.random.Generator) -> Canvas:
    """A white one."""
    return Canvas(Image.new("RGB", (width, height), WHITE), generator)


def wrap(text: str, pen: Pen, width: float) -> list[str]:
    """`text` as lines of about `width` pixels at most, or one word."""
    lines: list[str] = []
    room = width / (faces.breadth(pen.face) * pen.size)  # in letters: exact widths take longer than drawing
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
