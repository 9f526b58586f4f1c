"""What stands or hangs somewhere to be read: signs, notices, menus, scoreboards, clocks, television."""

import math

from attendant.training.drawings import faces
from attendant.training.drawings.canvas import Canvas, Pen
from attendant.training.drawings.colours import (
    BLACK,
    BLUE,
    BRIGHT,
    BROWN,
    CREAM,
    DARK,
    DEEP,
    GRAY,
    GREEN,
    NAVY,
    ORANGE,
    PALE,
    PAPER,
    RED,
    SOFT,
    WALLS,
    WHITE,
    YELLOW,
    ink,
)
from attendant.training.drawings.phrases import COURSES, DISHES, FRONTS, NAMES, PLACES, ROMAN, SHOUTS

SKIES = ((150, 195, 240), (200, 210, 220), (110, 160, 225), (235, 200, 170))
BUSHES = ((50, 90, 45), (70, 100, 60), (95, 95, 100))
ROADS = (GREEN, (0, 100, 60), (20, 80, 170), WHITE, RED, BROWN)
WINDOWS = ((255, 235, 170), (120, 150, 180), (60, 65, 75))


def menu(page: Canvas) -> None:
    """Dishes with prices on paper or on a black board."""
    background = page.pick(PAPER) if page.chance(0.5) else page.pick((DARK, (35, 45, 40), (50, 35, 25)))
    page.fill(background)
    columns = page.count(1, 2 if page.width > 300 else 1)
    step = page.width / columns
    size = step / page.share(15, 22)
    pen = Pen(size, ink(background), page.pick(faces.ALL))
    title = Pen(2 * size, page.pick((pen.colour, RED, ORANGE)), page.pick(faces.TITLES))
    page.text(page.width / 2, size, page.pick(COURSES), title, "ma")
    heading = Pen(1.25 * size, page.pick((ORANGE, pen.colour, RED)), faces.BOLD)
    for column in range(columns):
        left, top = column * step + size, 4.4 * size
        while top < page.height - 2 * size:
            if page.chance(0.12):
                page.text(left, top, page.pick(DISHES).upper(), heading)
            else:
                page.text(left, top, page.phrase(1, 2, DISHES), pen)
                page.text(left + step - 2 * size, top, page.price(), pen, "ra")
            top += size * 1.7


def stop_sign(page: Canvas) -> None:
    _outdoors(page)
    x, y, radius = page.width / 2, page.height * 0.42, page.shorter * page.share(0.28, 0.38)
    page.box(x - radius * 0.07, y, x + radius * 0.07, page.height, GRAY)
    page.draw.regular_polygon((x, y, radius), 8, 22.5, fill=WHITE)
    page.draw.regular_polygon((x, y, radius * 0.93), 8, 22.5, fill=RED)
    page.text(x, y, "STOP", Pen(radius * 0.62, WHITE, faces.BOLD), "mm")


def warning_sign(page: Canvas) -> None:
    """A few capitals on a yellow diamond."""
    _outdoors(page)
    x, y, radius = page.width / 2, page.height * 0.42, page.shorter * page.share(0.32, 0.4)
    page.box(x - radius * 0.07, y, x + radius * 0.07, page.height, GRAY)
    page.draw.regular_polygon((x, y, radius), 4, 45, fill=page.pick((YELLOW, ORANGE)), outline=BLACK, width=4)
    pen = Pen(radius * 0.22, BLACK, faces.BOLD)
    page.paragraph(
        x - radius * 0.6, y - radius * 0.3, radius * 1.2, page.phrase(1, 3).upper(), pen, centred=True
    )


def road_sign(page: Canvas) -> None:
    """Places with arrows or distances on green, blue or white."""
    _outdoors(page)
    wide, high, colour = page.width, page.height, page.pick(ROADS)
    page.box(wide * 0.48, high * 0.3, wide * 0.52, high, GRAY)
    left, top, right, bottom = wide * 0.06, high * 0.1, wide * 0.94, high * page.share(0.5, 0.8)
    page.box(left, top, right, bottom, ink(colour), 12)
    page.box(left + 4, top + 4, right - 4, bottom - 4, colour, 10)
    rows = page.count(1, 4)
    step = (bottom - top) / rows
    pen = Pen(min(step * 0.42, wide / 16), ink(colour), faces.BOLD)
    for row in range(rows):
        y = top + (row + 0.5) * step
        text = page.pick(PLACES).title() if page.chance(0.7) else page.phrase(1, 2).upper()
        page.text(left + 0.7 * pen.size, y, text[:14], pen, "lm")
        page.text(right - 0.7 * pen.size, y, page.pick(("←", "→", "↑", page.number())), pen, "rm")


def _outdoors(page: Canvas) -> None:
    """A sky with bushes over a ground, or something blurred."""
    page.backdrop()
    if page.chance(0.7):
        horizon = page.height * page.share(0.5, 0.9)
        page.box(0, 0, page.width, horizon, page.pick(SKIES))
        for _ in range(page.count(0, 6)):
            radius = page.share(0.05, 0.2) * page.width
            page.disc(page.share(0, page.width), horizon, radius, page.pick(BUSHES))


def shop_sign(page: Canvas) -> None:
    """A name in large letters over a front, by day or at night."""
    page.fill(page.pick(((20, 20, 28), BLACK, *WALLS)))
    top, bottom = page.height * page.share(0.15, 0.3), page.height * page.share(0.5, 0.7)
    colour = page.pick((*BRIGHT, *DEEP, WHITE))
    page.box(page.width * 0.05, top, page.width * 0.95, bottom, colour, page.pick((0, 8)))
    owned = f"{page.pick(NAMES).title()}'s {page.pick(DISHES)}"
    text = owned if page.chance(0.6) else page.pick(FRONTS)
    size = min((bottom - top) * 0.5, page.width * 1.1 / max(5, len(text)))
    pen = Pen(size, ink(colour), page.pick(faces.TITLES))
    y = (top + bottom) / 2
    page.text(page.width / 2, y, text.upper() if page.chance(0.5) else text, pen, "mm")
    for place in range(page.count(0, 4)):
        x = page.width * (0.08 + 0.23 * place)
        page.box(x, bottom + 12, x + page.width * 0.18, page.height, page.pick(WINDOWS))


def notice(page: Canvas) -> None:
    """A sheet on a wall: a heading in capitals and a few lines."""
    page.fill(page.pick(WALLS))
    left, top = page.width * page.share(0.06, 0.2), page.height * page.share(0.04, 0.15)
    page.box(left, top, page.width - left, page.height - top, page.pick((WHITE, WHITE, YELLOW, CREAM)))
    wide, size = page.width - 2 * left, (page.width - 2 * left) / page.share(9, 14)
    heading = Pen(1.2 * size, page.pick((RED, BLACK, NAVY)), faces.BOLD)
    y = page.paragraph(left, top + size * 0.6, wide, page.pick(SHOUTS), heading, centred=True)
    pen, middle = Pen(size * 0.8, BLACK, page.pick(faces.ALL)), page.chance(0.7)
    page.paragraph(left + size / 2, y + size * 0.4, wide - size, page.phrase(4, 14), pen, middle)


def scoreboard(page: Canvas) -> None:
    """Two teams, large digits and a clock, lit on black."""
    page.fill(page.pick((BLACK, DARK, (10, 30, 20), NAVY)))
    light, size = page.pick((YELLOW, ORANGE, (120, 250, 120), WHITE, RED)), page.height / page.share(7, 9)
    team = Pen(min(size * 0.8, page.width / 18), WHITE, faces.BOLD)
    for side in (0.22, 0.78):
        page.text(page.width * side, 0.5 * size, page.pick(PLACES)[:8].upper(), team, "ma")
        digits = page.number(page.count(1, 2))
        page.text(page.width * side, 1.8 * size, digits, Pen(2.4 * size, light, faces.MONO), "ma")
    page.text(page.width / 2, 2.4 * size, page.clock(), Pen(0.7 * size, RED, faces.MONO), "ma")
    row = Pen(min(0.6 * size, page.width / 18), light, faces.MONO)
    for line in range(page.count(0, 3)):
        text = "  ".join(page.number(1) for _ in range(9))
        page.text(page.width / 2, 5 * size + line * size * 0.8, text, row, "ma")


def broadcast(page: Canvas) -> None:
    """A television picture: a scene with a title bar, a running line and a sign in the corner."""
    page.backdrop()
    _shapes(page)
    size, bar = page.height / page.share(15, 19), page.pick((RED, NAVY, BLUE, WHITE, DARK))
    wide, bottom = page.width, page.height
    page.box(page.pick((0, size)), bottom - 4.2 * size, wide, bottom - 1.8 * size, bar)
    headline = Pen(1.2 * size, ink(bar), faces.BOLD)
    page.text(1.5 * size, bottom - 3.7 * size, page.phrase(3, 6).upper(), headline)
    strip = page.pick((BLACK, YELLOW, WHITE))
    page.box(0, bottom - 1.5 * size, wide, bottom, strip)
    page.text(size, bottom - 1.3 * size, page.phrase(12, 20), Pen(0.9 * size, ink(strip)))
    page.box(wide - 4 * size, size, wide - size, 2.4 * size, page.pick((RED, BLUE)))
    sign = Pen(size, WHITE, faces.BOLD)
    page.text(wide - 2.5 * size, 1.1 * size, page.pick(("LIVE", "NEWS", "TV 7", "HD")), sign, "ma")


def _shapes(page: Canvas) -> None:
    """A few flat shapes in the middle of a scene, that are nothing."""
    for _ in range(page.count(0, 3)):
        x, y, radius = page.share(0.2, 0.8) * page.width, page.share(0.3, 0.8) * page.height, page.shorter / 6
        page.box(x - radius, y - radius, x + radius, y + radius, page.pick((*DEEP, GRAY, *SOFT)), radius / 2)


def clock_face(page: Canvas) -> None:
    """A dial with two hands on a wall."""
    page.backdrop()
    if page.chance(0.6):
        page.fill(page.pick((*SOFT, *DEEP, *WALLS)))
    x, y, radius = page.width / 2, page.height / 2, page.shorter * page.share(0.3, 0.47)
    face, roman = page.pick((WHITE, PALE, CREAM, DARK)), page.chance(0.5)
    page.disc(x, y, radius, face, page.pick((BLACK, BROWN, RED, GRAY)))
    pen = Pen(radius * 0.17, ink(face), faces.SERIF)
    for hour in range(12):
        angle = math.pi * (hour / 6 - 0.5)
        text = ROMAN[hour] if roman else str(hour or 12)
        page.text(x + 0.82 * radius * math.cos(angle), y + 0.82 * radius * math.sin(angle), text, pen, "mm")
    for length, thick in ((0.5, 0.06), (0.75, 0.035)):
        angle, reach = page.share(0, 2 * math.pi), length * radius
        end = (x + reach * math.cos(angle), y + reach * math.sin(angle))
        page.draw.line((x, y, *end), ink(face), max(2, round(thick * radius)))
