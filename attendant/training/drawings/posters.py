"""What is made to be passed on: sentences on colours, memes, covers, advertisements, flags, comics, faces, collages."""

import math

from attendant.training.drawings import faces
from attendant.training.drawings.canvas import LEADING, Canvas, Pen, wrap
from attendant.training.drawings.colours import (
    BLACK,
    BLUE,
    BRIGHT,
    CREAM,
    DEEP,
    GRAY,
    GREEN,
    NAVY,
    ORANGE,
    PALE,
    RED,
    SKIN,
    SOFT,
    WHITE,
    YELLOW,
    Colour,
    ink,
)
from attendant.training.drawings.phrases import NAMES, PLACES


def quote(page: Canvas) -> None:
    """A sentence in the middle of a plain colour or of something blurred."""
    background = page.pick((*BRIGHT, *DEEP, *SOFT, WHITE, BLACK))
    page.fill(background)
    colour = ink(background)
    if page.chance(0.35):
        page.backdrop()
        colour = WHITE
    _middle(page, page.phrase(4, 24), colour, page.pick(faces.ALL))
    if page.chance(0.5):
        pen = Pen(page.height / 22, colour, faces.ITALIC)
        page.text(page.width / 2, page.height * 0.92, f"- {page.pick(NAMES).title()}", pen, "ma")
    if page.chance(0.25):
        page.frame(6, 6, page.width - 7, page.height - 7, colour)


def _middle(page: Canvas, text: str, colour: Colour, face: str) -> None:
    """`text` as large as it fits."""
    wide, pen = page.width * 0.86, Pen(page.share(0.07, 0.16) * page.shorter, colour, face)
    while pen.size > 9 and len(wrap(text, pen, wide)) * LEADING * pen.size > page.height * 0.8:
        pen = pen._replace(size=pen.size * 0.85)
    high = len(wrap(text, pen, wide)) * LEADING * pen.size
    page.paragraph(page.width * 0.07, (page.height - high) / 2, wide, text, pen, centred=True)


def meme(page: Canvas) -> None:
    """A blurred scene with heavy capitals above and below."""
    page.backdrop()
    _shapes(page)
    size = min(page.width / page.share(11, 17), page.height / 7)
    for top in (size * 0.3, page.height - 2.8 * size):
        lines = wrap(page.phrase(2, 7).upper(), Pen(size, WHITE, faces.BOLD), page.width * 0.85)
        for row, line in enumerate(lines[:2]):
            page.outlined(page.width / 2, top + row * 1.2 * size, line, size)


def caption(page: Canvas) -> None:
    """A blurred scene under a white head with a sentence."""
    page.backdrop()
    _shapes(page)
    pen = Pen(page.width / page.share(14, 22), BLACK, page.pick((faces.BOLD, faces.SANS)))
    text, wide = page.phrase(5, 16), page.width - pen.size
    page.box(0, 0, page.width, (len(wrap(text, pen, wide)) * LEADING + 1) * pen.size, WHITE)
    page.paragraph(pen.size / 2, pen.size * 0.4, wide, text, pen)


def _shapes(page: Canvas) -> None:
    """A few flat shapes in the middle of a scene, that are nothing."""
    for _ in range(page.count(0, 3)):
        x, y = page.share(0.2, 0.8) * page.width, page.share(0.3, 0.8) * page.height
        page.disc(x, y, page.share(0.05, 0.25) * page.width, page.pick((*DEEP, GRAY, *SOFT)))


def cover(page: Canvas) -> None:
    """A book's, film's or record's front: a title, a scene or shapes, a name."""
    background = page.pick((*BRIGHT, *DEEP, *SOFT))
    page.fill(background)
    if page.chance(0.5):
        page.scene(0, page.height * 0.25, page.width, page.height * 0.6)
    _shapes(page)
    title = Pen(page.width / page.share(7, 11), ink(background), page.pick(faces.TITLES))
    page.paragraph(0, title.size * 0.6, page.width, page.phrase(1, 4).title(), title, centred=True)
    author, small = f"{page.pick(NAMES)} {page.pick(PLACES)}".title(), title._replace(size=title.size * 0.5)
    page.text(page.width / 2, page.height - title.size, author, small, "ma")


def advertisement(page: Canvas) -> None:
    """A flat poster: a slope of colour, a promise, a number in a burst."""
    background, slope = page.pick((*BRIGHT, *DEEP, WHITE)), page.pick((*BRIGHT, *DEEP, WHITE))
    wide, high = page.width, page.height
    page.fill(background)
    page.draw.polygon([(0, high), (wide, high * page.share(0.2, 0.8)), (wide, high)], fill=slope)
    promise = Pen(wide / page.share(9, 13), ink(background), page.pick(faces.TITLES))
    page.paragraph(promise.size * 0.6, promise.size * 0.6, wide * 0.8, page.phrase(2, 5).upper(), promise)
    x, y, radius = wide * page.share(0.3, 0.8), high * 0.68, page.shorter * 0.2
    reach = [(radius * (0.82 if ray % 2 else 1), math.pi * ray / 12) for ray in range(24)]
    burst = [(x + far * math.cos(angle), y + far * math.sin(angle)) for far, angle in reach]
    page.draw.polygon(burst, fill=page.pick((YELLOW, RED, WHITE)))
    text = page.pick((f"-{page.count(1, 9)}0%", page.price(), "FREE", "NEW"))
    page.text(x, y, text, Pen(radius * 0.5, BLACK, faces.BOLD), "mm")


def flag(page: Canvas) -> None:
    """Three bands, or a cross; nobody's in particular."""
    colours = [page.pick((RED, WHITE, BLUE, GREEN, YELLOW, BLACK, ORANGE, NAVY)) for _ in range(3)]
    wide, high = page.width, page.height
    page.fill(colours[0])
    kind = page.count(0, 2)
    if kind == 0:
        page.box(wide * 0.3, 0, wide * 0.42, high, colours[1])
        page.box(0, high * 0.42, wide, high * 0.58, colours[1])
    for band, colour in enumerate(colours if kind else ()):
        low, top = (band / 3 * wide, 0.0) if kind == 1 else (0.0, band / 3 * high)
        page.box(low, top, wide, high, colour)
    if page.chance(0.4):
        page.disc(wide / 2, high / 2, high * 0.13, page.pick((RED, WHITE, YELLOW, BLUE)))


def comic(page: Canvas) -> None:
    """Panels with stick figures that say something."""
    page.fill(page.pick((WHITE, PALE, CREAM)))
    columns, rows = page.count(1, 3), page.count(1, 3)
    wide, high = page.width / columns, page.height / rows
    size = min(wide / 16, high / 14)
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide, row * high
            page.box(left + 3, top + 3, left + wide - 3, top + high - 3, BLACK)
            page.box(left + 5, top + 5, left + wide - 5, top + high - 5, page.pick((WHITE, *SOFT)))
            pen, text = Pen(size, BLACK, faces.BOLD), page.phrase(3, 9).upper()
            page.paragraph(left + size, top + size, wide - 2 * size, text, pen)
            for place in (0.3, 0.7)[: page.count(1, 2)]:
                _stick(page, left + place * wide, top + high * 0.55, high * 0.4)


def _stick(page: Canvas, x: float, y: float, high: float) -> None:
    """A figure of lines, `high` from the middle of its head to its feet."""
    hip, arms, reach = y + high * 0.6, y + high * 0.3, page.share(-0.2, 0.2) * high
    for line in (
        (x, y, x, hip),
        (x, hip, x - high * 0.15, y + high),
        (x, hip, x + high * 0.15, y + high),
        (x - high * 0.2, arms + reach, x + high * 0.2, arms),
    ):
        page.draw.line(line, BLACK, max(2, round(high / 30)))
    page.disc(x, y, high * 0.16, page.pick((WHITE, SKIN, YELLOW)), BLACK)
    for eye in (-0.06, 0.06):
        page.disc(x + eye * high, y - high * 0.03, max(1.0, high * 0.02), BLACK)


def smiley(page: Canvas) -> None:
    """A drawn round face."""
    page.fill(page.pick((*SOFT, BLUE, WHITE, WHITE)))
    x, y, radius = page.width / 2, page.height / 2, page.shorter * page.share(0.3, 0.45)
    page.disc(x, y, radius, page.pick((YELLOW, YELLOW, ORANGE, SKIN)), BLACK)
    for eye in (-0.35, 0.35):
        page.disc(x + eye * radius, y - 0.25 * radius, radius * page.share(0.08, 0.14), BLACK)
    mouth = (x - 0.5 * radius, y - 0.2 * radius, x + 0.5 * radius, y + 0.6 * radius)
    page.draw.arc(mouth, 20, 160, BLACK, max(3, round(radius / 14)))


def collage(page: Canvas) -> None:
    """Several scenes side by side, some with a line of text."""
    page.fill(page.pick((WHITE, BLACK, PALE)))
    columns, rows, gap = page.count(2, 3), page.count(1, 3), page.count(0, 8)
    wide, high = page.width / columns, page.height / rows
    pen = Pen(high * 0.09, WHITE, faces.BOLD)
    for row in range(rows):
        for column in range(columns):
            page.scene(column * wide + gap / 2, row * high + gap / 2, wide - gap, high - gap)
            if page.chance(0.3):
                page.text((column + 0.5) * wide, (row + 0.8) * high, page.phrase(1, 3), pen, "ma")
