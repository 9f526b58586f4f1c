"""What a computer or a sheet of paper shows: news, forms, receipts, calendars, charts, maps, error messages."""

import numpy as np

from attendant.training.drawings import faces
from attendant.training.drawings.canvas import LEADING, Canvas, Pen
from attendant.training.drawings.colours import (
    BLACK,
    BLUE,
    BRIGHT,
    DARK,
    DEEP,
    GRAY,
    GREEN,
    NAVY,
    PALE,
    PAPER,
    RED,
    SOFT,
    WALLS,
    WHITE,
    YELLOW,
    ink,
)
from attendant.training.drawings.phrases import MONTHS, NAMES, PLACES

RULE = (180, 190, 205)


def news(page: Canvas) -> None:
    """A web page: a bar with an address, a title, a picture, columns of text."""
    background = page.pick((WHITE, WHITE, PALE, DARK))
    page.fill(background)
    size, wide = page.width / page.share(26, 44), page.width
    page.box(0, 0, wide, 2 * size, (222, 225, 230))
    page.box(3 * size, 0.4 * size, wide - 3 * size, 1.6 * size, WHITE, size * 0.6)
    address = f"www.{page.pick(PLACES)}-{page.pick(NAMES)}.com"
    page.text(3.6 * size, 0.5 * size, address, Pen(0.8 * size, GRAY))
    bar = page.pick((*BRIGHT, *DEEP))
    page.box(0, 2 * size, wide, 4.6 * size, bar)
    masthead = Pen(1.5 * size, ink(bar), page.pick(faces.TITLES))
    page.text(size, 2.5 * size, page.phrase(1, 2, PLACES).upper(), masthead)
    title = Pen(size * page.share(1.6, 2.4), ink(background), page.pick(faces.TITLES))
    top = page.paragraph(size, 5.6 * size, wide - 2 * size, page.phrase(5, 14), title) + size * 0.6
    if page.chance(0.7):
        high = wide * page.share(0.25, 0.45)
        page.scene(size, top, wide - 2 * size, high)
        top += high + size
    columns, pen = page.count(1, 3), Pen(size, ink(background), page.pick(faces.PROSE))
    step = (wide - size) / columns
    for column in range(columns):
        page.paragraph(size + column * step, top, step - size, page.phrase(60, 120), pen)


def form(page: Canvas) -> None:
    """A printed sheet: a heading, then labels with lines or boxes, and paragraphs."""
    page.fill(page.pick(PAPER))
    size, left = page.width / page.share(28, 46), page.width * page.share(0.05, 0.12)
    wide, pen = page.width - 2 * left, Pen(size, DARK, page.pick(faces.PROSE))
    heading = Pen(1.6 * size, DARK, page.pick(faces.TITLES))
    top = page.paragraph(left, 1.5 * size, wide, page.phrase(2, 5).upper(), heading, page.chance(0.6))
    while top < page.height - 3 * size:
        top += size * page.share(0.6, 1.6)
        kind = page.count(0, 3)
        if kind == 0:
            top = page.paragraph(left, top, wide, page.phrase(12, 40), pen)
        elif kind == 1:
            page.text(left, top, page.phrase(1, 3) + ":", pen)
            page.box(left + wide * 0.4, top + size, left + wide, top + size + 1, DARK)
            page.text(left + wide * 0.42, top, page.phrase(1, 4), Pen(size, NAVY, page.pick(faces.ALL)))
            top += size
        elif kind == 2:
            page.frame(left, top, left + size, top + size, DARK)
            page.text(left + 1.8 * size, top, page.phrase(2, 7), pen)
            top += size
        else:
            page.frame(left, top, left + wide, top + 2.4 * size, GRAY)
            page.text(left + size * 0.4, top + size * 0.2, page.phrase(1, 3), Pen(0.7 * size, GRAY))
            top += 2.4 * size


def letter(page: Canvas) -> None:
    """A page of prose, printed or as by hand, ruled or not."""
    page.fill(page.pick((*PAPER, (238, 232, 215))))
    size = page.width / page.share(18, 34)
    step = LEADING * size
    if page.chance(0.4):
        for line in range(2, int(page.height / step)):
            page.box(0, line * step, page.width, line * step + 1, RULE)
    pen = Pen(size, page.pick((DARK, NAVY, BLACK)), page.pick((*faces.PROSE, faces.ITALIC, faces.SLANTED)))
    left, top = page.width * page.share(0.05, 0.15), 1.6 * size
    for _ in range(page.count(1, 5)):
        top = page.paragraph(left, top, page.width - 2 * left, page.phrase(8, 60), pen) + step


def receipt(page: Canvas) -> None:
    """A narrow strip: a shop's name, things with prices, a sum."""
    margin = page.width * page.pick((0.0, 0.1, 0.18))
    page.fill(page.pick(WALLS))
    left, right = margin, page.width - margin
    page.box(left, 0, right, page.height, (248, 247, 243))
    size = (right - left) / page.share(20, 27)
    left, right, pen = left + size, right - size, Pen(size, DARK, page.pick((faces.MONO, faces.SANS)))
    heading = Pen(1.6 * size, DARK, faces.BOLD)
    page.text((left + right) / 2, size, page.phrase(1, 2, PLACES).upper(), heading, "ma")
    top = 4 * size
    while top < page.height - 4 * size:
        page.text(left, top, page.phrase(1, 2).upper()[:14], pen)
        page.text(right, top, page.price(), pen, "ra")
        top += 1.5 * size
    total = Pen(1.3 * size, BLACK, faces.BOLD)
    page.text(left, top, "TOTAL", total)
    page.text(right, top, page.price(), total, "ra")


def calendar(page: Canvas) -> None:
    """A month: a name and a grid of days."""
    page.fill(page.pick(SOFT))
    accent, size = page.pick((*BRIGHT, *DEEP)), page.shorter / 16
    page.box(0, 0, page.width, 3 * size, accent)
    heading = Pen(1.8 * size, ink(accent), page.pick(faces.TITLES))
    page.text(page.width / 2, 0.6 * size, page.pick(MONTHS), heading, "ma")
    wide, high, first = page.width / 7, (page.height - 3.4 * size) / 6, page.count(0, 6)
    for day in range(31):
        x, y = (day + first) % 7 * wide, 3.4 * size + (day + first) // 7 * high
        page.frame(x, y, x + wide, y + high, RULE)
        if page.chance(0.08):
            page.disc(x + wide * 0.5, y + high * 0.5, min(wide, high) * 0.35, accent)
        page.text(x + wide * 0.15, y + high * 0.12, str(day + 1), Pen(size * 0.9, DARK))


def chart(page: Canvas) -> None:
    """Bars, lines or a pie, with a title and labels."""
    background = page.pick((WHITE, WHITE, PALE, DARK, NAVY))
    page.fill(background)
    size = page.shorter / page.share(16, 24)
    title = Pen(1.3 * size, ink(background), faces.BOLD)
    page.paragraph(0, 0.6 * size, page.width, page.phrase(3, 7), title, centred=True)
    left, top, right, bottom = 3 * size, 4 * size, page.width - size, page.height - 2.4 * size
    if page.chance(0.3):
        _pie(page, (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) * 0.48)
        return
    for line in range(5):
        y = top + line * (bottom - top) / 4
        page.box(left, y, right, y + 1, GRAY)
        label = Pen(0.8 * size, ink(background))
        page.text(left - 4, y - size / 2, str((4 - line) * 25), label, "ra")
    steps = page.count(3, 12)
    x = np.linspace(left, right, steps, endpoint=False) + (right - left) / steps / 2
    walks = np.cumsum(page.generator.normal(0, 0.2, (page.count(1, 3), steps)), 1) + 0.5
    heights = bottom - np.clip(walks, 0.03, 1) * (bottom - top)
    if page.chance(0.5):
        half, colour = (right - left) / steps * 0.35, page.pick(BRIGHT)
        for middle, y in zip(x.tolist(), heights[0].tolist(), strict=True):
            page.box(middle - half, y, middle + half, bottom, colour)
        return
    for values in heights.tolist():
        points = list(zip(x.tolist(), values, strict=True))
        page.draw.line(points, page.pick(BRIGHT), max(2, round(size / 5)))


def _pie(page: Canvas, x: float, y: float, radius: float) -> None:
    around, start = (x - radius, y - radius, x + radius, y + radius), 0.0
    shares = page.generator.dirichlet(np.ones(page.count(2, 6)))
    for share, colour in zip(shares.tolist(), BRIGHT, strict=False):
        page.draw.pieslice(around, start, start + 360 * share, fill=colour, outline=WHITE)
        start += 360 * share


def table(page: Canvas) -> None:
    """Rows and columns of numbers under a coloured head."""
    page.fill(WHITE)
    rows, columns = page.count(6, 20), page.count(3, 7)
    high, wide, head = page.height / rows, page.width / columns, page.pick((*BRIGHT, *DEEP, PALE))
    size, stripe = min(high * 0.55, wide * 0.22), page.pick((WHITE, PALE, (225, 235, 245)))
    for row in range(rows):
        colour = head if row == 0 else stripe if row % 2 else WHITE
        page.box(0, row * high, page.width, (row + 1) * high, colour)
        pen = Pen(size, ink(colour), faces.SANS if row else faces.BOLD)
        for column in range(columns):
            named = row == 0 or column == 0
            text = page.pick(PLACES).title()[:9] if named else page.number(page.count(1, 4))
            page.text(column * wide + 4, row * high + high * 0.2, text, pen)
    for column in range(1, columns) if page.chance(0.5) else ():
        page.box(column * wide, 0, column * wide + 1, page.height, RULE)


def city_map(page: Canvas) -> None:
    """Streets with names, water and parks, a point and maybe a route."""
    land = page.pick(((242, 239, 233), (230, 230, 225), (40, 44, 52)))
    page.fill(land)
    for colour in ((170, 210, 235), (200, 225, 180), (200, 225, 180)):
        page.draw.polygon([page.place() for _ in range(page.count(3, 6))], fill=colour)
    streets = (WHITE, WHITE, YELLOW, (250, 190, 120))
    for _ in range(page.count(8, 24)):
        (x, y), (other_x, other_y) = page.place(), page.place()
        ends = (2 * x - other_x, 2 * y - other_y, 2 * other_x - x, 2 * other_y - y)
        page.draw.line(ends, page.pick(streets), page.count(2, 9))
    if page.chance(0.5):
        page.draw.line([page.place() for _ in range(4)], BLUE, 6, joint="curve")
    for _ in range(page.count(4, 14)):
        page.text(*page.place(), page.pick(PLACES).title(), Pen(page.share(9, 15), ink(land)), "mm")
    page.disc(*page.place(), page.share(6, 14), page.pick((RED, BLUE, GREEN)), WHITE)


def dialog(page: Canvas) -> None:
    """A window with a message and buttons, over a desktop or alone."""
    page.fill(page.pick((NAVY, (0, 120, 215), (200, 203, 208), PALE, DARK)))
    if page.chance(0.5):
        page.backdrop()
    size, bar = page.shorter / page.share(14, 20), page.pick((BLUE, NAVY, PALE, GRAY))
    left, top = page.width * page.share(0.03, 0.18), page.height * page.share(0.08, 0.3)
    right, bottom = page.width - left, page.height - top
    page.box(left, top, right, bottom, (240, 240, 242))
    page.box(left, top, right, top + 1.6 * size, bar)
    page.text(left + 0.5 * size, top + 0.25 * size, page.phrase(1, 3), Pen(size, ink(bar)))
    page.text(right - 0.4 * size, top + 0.2 * size, "x", Pen(size, ink(bar), faces.BOLD), "ra")
    sign = page.pick((RED, YELLOW, BLUE))
    page.disc(left + 2 * size, top + 3.6 * size, 1.1 * size, sign)
    mark = Pen(1.4 * size, ink(sign), faces.BOLD)
    page.text(left + 2 * size, top + 3.6 * size, page.pick("!?xi"), mark, "mm")
    said = Pen(size, DARK)
    page.paragraph(left + 4 * size, top + 2.6 * size, right - left - 5 * size, page.phrase(4, 14), said)
    for place in range(page.count(1, 3)):
        x = right - (place + 1) * 5 * size
        page.box(x, bottom - 2.2 * size, x + 4.4 * size, bottom - 0.7 * size, (215, 217, 222), 3)
        word = page.pick(("OK", "Cancel", "Retry", "Yes", "No", "Later"))
        page.text(x + 2.2 * size, bottom - 1.9 * size, word, Pen(0.9 * size, DARK), "ma")


def terminal(page: Canvas) -> None:
    """Lines of code or of a log, mostly on black."""
    background = page.pick((BLACK, DARK, (12, 12, 40), (0, 0, 170), WHITE))
    page.fill(background)
    plain = ink(background)
    colours = (plain, plain, GREEN, GRAY, BLUE if plain == BLACK else YELLOW)
    size = page.width / page.share(28, 50)
    for row in range(int(page.height / (1.35 * size))):
        indent = page.count(0, 3) * 2 * size
        start = page.pick(("$ ", "> ", "  ", f"{page.clock()} "))
        text = start + page.phrase(0, 8).lower().replace(" the ", "_")
        page.text(size + indent, row * 1.35 * size, text, Pen(size, page.pick(colours), faces.MONO))
