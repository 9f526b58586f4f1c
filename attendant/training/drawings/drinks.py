"""Coffee, beer, wine and other drinks, as they stand on a table."""

import math
from typing import NamedTuple

import numpy as np

from attendant.training.drawings import tableware
from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.still_life import Shape, Skin, Still, place, sprinkle, tone, wobbly
from attendant.training.drawings.tableware import plate, room_behind, shaded, spoon, table


def coffee(page: Canvas) -> None:
    """A cup of coffee with crema, foam or milk, on a saucer or the bare table."""
    still = table(page, 0.4, 1.0)
    x, y, radius = place(still, 0.16, 0.34)
    colour = tone(page, page.pick(tableware.CHINA), 6)
    tall = radius * page.share(0.9, 1.6) * still.lift
    foot, turn = y + tall * 0.7, page.share(-0.5, 0.5) + page.pick((0, math.pi))
    if page.chance(0.75):
        plate(still, x, foot, radius * page.share(1.5, 1.9), colour)
        if page.chance(0.5):
            side = page.pick((-1, 1))
            spoon(still, x + side * radius * 1.1, foot + radius * 0.3, radius * 1.7, page.share(-1.8, -1.2))
    base = Shape(x, foot, radius * 0.85, radius * 0.85, squash=still.squash)
    still.lay(base, Skin(shaded(colour), height=0.6, edge=6, shadow=0.65))
    _handle(still, x + radius * 1.05 * math.cos(turn), y + tall * 0.4, radius * 0.42, colour, turn)
    sides = (
        (y, radius),
        (y + tall * 0.5, radius * 0.93),
        (y + tall * 0.85, radius * 0.75),
        (foot, radius * 0.6),
    )
    still.turned(x, sides, ((y, colour), (foot, shaded(colour))), page.share(0.1, 0.5))
    rim = Shape(x, y, radius, radius, squash=still.squash)
    inside = ((0, 0), (0.7, 0.05), (0.9, 0.4), (0.94, 0.5), (0.97, 0.5), (1, 0.45))
    wall = tone(page, page.pick((colour, (240, 238, 232))), 4)
    still.lay(rim, Skin(wall, height=0.7, profile=inside, gloss=0.4, shadow=0))
    depth, full = page.share(0.02, 0.12) * radius, radius * page.share(0.84, 0.9)
    _brew(still, Shape(x, y + depth * still.lift, full, full, squash=still.squash))
    still.finish(still.unit / 120 * (1.1 - still.squash))


def _handle(still: Still, x: float, y: float, size: float, colour: Colour, turn: float) -> None:
    ring = Shape(x, y, size * 1.1, size * (0.4 + 0.5 * still.lift), turn, hole=0.6, power=2.4)
    still.lay(ring, Skin(colour, height=0.3, gloss=0.4, shadow=0.4))


COFFEES: tuple[tuple[Colour, Colour, Colour], ...] = (  # the liquid, mottled with, at its edge
    ((48, 26, 14), (62, 36, 20), (120, 76, 38)),
    ((165, 108, 58), (130, 78, 38), (100, 56, 26)),
    ((150, 95, 52), (178, 125, 78), (95, 55, 28)),
    ((196, 152, 108), (180, 132, 88), (140, 92, 52)),
    ((30, 16, 10), (40, 22, 14), (80, 46, 22)),
)


def _brew(still: Still, surface: Shape) -> None:
    """Coffee; on it sometimes foam, a pattern of milk, or bubbles."""
    page = still.page
    liquid, mottled, edge = (tone(page, colour, 10) for colour in page.pick(COFFEES))
    still.lay(surface, Skin(shaded(liquid), rim=shaded(edge), height=0, shadow=0))
    skin = Skin(liquid, mottled, edge, height=0.02, bump=0.02, gloss=0.25, shadow=0)
    x, y, radius = surface.x, surface.y, surface.long
    still.lay(Shape(x, y, radius * 0.97, radius * 0.97, squash=still.squash), skin)
    milk = Skin(tone(page, (240, 224, 200), 8), (222, 194, 158), height=0.03, bump=0.04, gloss=0.1, shadow=0)
    style = page.share(0, 1)
    if style < 0.35:
        _milk(still, surface, milk)
    elif style < 0.55:
        foam = Shape(x, y, radius * 0.85, radius * 0.85, squash=still.squash, wobble=wobbly(page, 0.08))
        still.lay(foam, milk._replace(bump=0.2, rim=mottled))
        if page.chance(0.5):
            sprinkle(still, foam, (90, 50, 25), page.count(20, 60), radius * 0.015)
    elif style < 0.9:
        for _ in range(page.count(4, 24)):
            angle, far = page.share(0, 2 * math.pi), page.share(0.7, 0.93) * radius
            _bubble(
                still,
                x + far * math.cos(angle),
                y + far * math.sin(angle) * still.squash,
                radius * 0.03,
                edge,
            )
    glint = Shape(
        x + page.share(-0.4, 0.4) * radius, y - 0.4 * radius * still.squash, radius * 0.3, radius * 0.07
    )
    still.lay(glint, Skin((255, 255, 250), height=0, shadow=0, clear=page.share(0, 0.4)))


def _milk(still: Still, surface: Shape, milk: Skin) -> None:
    """Hearts within hearts, or a leaf."""
    page, squash, radius = still.page, still.squash, surface.long
    turn = page.share(0, 2 * math.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    count = page.count(2, 6)
    for number in range(count):
        far = radius * (0.45 - 0.95 * number / count)
        size = radius * (0.5 - 0.07 * number)
        x, y = surface.x + far * cos, surface.y + far * sin * squash
        leaf = Shape(
            x, y, size * 0.35, size, turn, squash, bend=0, hole=page.pick((0, 0.55)), wobble=((0.1, 0),)
        )
        still.lay(leaf, milk)
    stem = Shape(surface.x, surface.y, radius * 0.7, radius * 0.04, turn, squash)
    still.lay(stem, milk)


def _bubble(still: Still, x: float, y: float, radius: float, colour: Colour) -> None:
    skin = Skin(tone(still.page, colour, 15), height=1, gloss=0.7, shadow=0.3, clear=0.8)
    size = max(0.8, radius * still.page.share(0.4, 1.3))
    still.lay(Shape(x, y, size, size, squash=still.squash), skin)


Outline = tuple[tuple[float, float], ...]  # heights from the top on, and half widths there


def _bar(page: Canvas) -> Still:
    """A table seen from the side, with a blurred room behind."""
    still = table(page, 0.15, 0.45)
    room_behind(still, page.share(0.2, 0.75))
    return still


def _stand(still: Still, low: float, high: float) -> tuple[float, float, float]:
    """The middle of a glass's foot, and its height."""
    page = still.page
    tall = page.share(low, high) * still.unit
    middle = page.height * page.share(0.45, 0.55)
    return page.width * page.share(0.35, 0.65), middle + tall * 0.5, tall


def _ground(still: Still, x: float, foot: float, width: float, tint: Colour) -> None:
    """The shadow of a glass, with some of its drink's colour."""
    spot = Shape(x, foot, width * 1.15, width * 1.15, squash=still.squash)
    still.lay(spot, Skin(shaded(tint), height=0.3, shadow=0.7, clear=0.5))


def _part(outline: Outline, top: float, bottom: float, inset: float) -> Outline:
    """Of an outline, between two heights, a little narrower."""
    heights, widths = zip(*outline, strict=True)
    steps = [top + (bottom - top) * step / 8 for step in range(9)]
    return tuple((step, float(np.interp(step, heights, widths)) - inset) for step in steps)


def _glass(still: Still, x: float, outline: Outline, clear: float = 0.12) -> None:
    """Nothing but its glints and sides."""
    top, width = outline[0]
    still.turned(x, outline, ((top, (215, 222, 226)), (outline[-1][0], (190, 198, 202))), 0.85, clear)
    rim = Shape(x, top, width, width, squash=still.squash, hole=0.94)
    still.lay(rim, Skin((228, 232, 235), height=0.1, shadow=0, gloss=0.6, clear=0.7))


def _fill(still: Still, x: float, outline: Outline, colours: tuple[Colour, Colour]) -> None:
    """A drink inside a glass: its body, darker below, and its surface."""
    top, width = outline[0]
    still.turned(x, outline, ((top, colours[0]), (outline[-1][0], colours[1])), 0.25, 0.93)
    surface = Shape(x, top, width, width, squash=still.squash)
    still.lay(surface, Skin(colours[0], rim=colours[1], height=0.02, gloss=0.4, shadow=0))


BEERS: tuple[tuple[Colour, Colour], ...] = (
    ((242, 185, 60), (215, 140, 25)),
    ((235, 165, 45), (190, 105, 20)),
    ((190, 100, 35), (130, 58, 18)),
    ((55, 28, 16), (30, 14, 8)),
    ((240, 200, 100), (225, 170, 60)),
)


class _Pint(NamedTuple):
    """A glass: half its width by its height, how it narrows, what is in it, and whether it has a handle."""

    slim: float
    tapers: tuple[float, float]
    colours: tuple[Colour, Colour]
    handle: bool


def beer(page: Canvas) -> None:
    """One or two glasses of it with foam."""
    still = _bar(page)
    x, foot, tall = _stand(still, 0.5, 0.95)
    tapers = page.share(0.75, 1.0), page.share(0.6, 1.0)
    style = _Pint(page.share(0.2, 0.32), tapers, page.pick(BEERS), page.chance(0.35))
    for number in reversed(range(page.pick((1, 1, 2)))):
        aside = x + number * tall * page.pick((-0.7, 0.7))
        _pint(still, aside, foot - number * tall * 0.06, tall, style)
    if page.chance(0.3):
        side = page.pick((-1, 1)) * tall * page.share(0.5, 0.7)
        _bottle(still, x + side, foot - tall * 0.05, tall * 1.25, tone(page, page.pick(BOTTLES), 10))
    still.finish()


def _pint(
    still: Still,
    x: float,
    foot: float,
    tall: float,
    style: _Pint,
) -> None:
    page, wide = still.page, tall * style.slim
    light, dark = tone(page, style.colours[0], 10), tone(page, style.colours[1], 10)
    top = foot - tall
    outline = (
        (top, wide),
        (top + tall * 0.4, wide * (1 + style.tapers[0]) / 2),
        (foot, wide * min(style.tapers)),
    )
    _ground(still, x, foot, wide, light)
    if style.handle:
        ring = Shape(x + wide * 1.15, foot - tall * 0.5, wide * 0.5, tall * 0.3, power=2.8, hole=0.68)
        still.lay(
            ring, Skin((205, 212, 215), rim=(150, 158, 160), height=0.3, gloss=0.9, shadow=0, clear=0.6)
        )
    _glass(still, x, outline, 0.3)
    foam = top + tall * page.share(0.12, 0.3)
    brim = top + tall * page.share(-0.03, 0.06)
    inset = wide * 0.06
    still.turned(
        x, _part(outline, foam, foot - tall * 0.05, inset), ((foam, light), (foot, dark)), 0.35, 0.95
    )
    for _ in range(page.count(0, 50)):
        spot = x + page.share(-0.85, 0.85) * wide * 0.9, page.share(foam, foot - tall * 0.1)
        size = max(0.6, wide * page.share(0.008, 0.025))
        still.lay(Shape(*spot, size, size), Skin((255, 240, 200), height=0.5, gloss=0.5, shadow=0, clear=0.6))
    white = tone(page, (250, 244, 228), 5)
    still.turned(x, _part(outline, brim, foam, inset), ((brim, white), (foam, shaded(white))), 0.1)
    head = Shape(x, brim, wide * 0.98, wide * 0.98, squash=still.squash, wobble=wobbly(page, 0.05))
    froth = Skin(white, (236, 226, 200), height=0.12, bump=0.35, lumps=wide * 0.03, gloss=0.1, shadow=0)
    still.lay(head, froth)
    _glass(still, x, outline, 0.04)


BOTTLES: tuple[Colour, ...] = ((85, 42, 16), (30, 75, 35), (60, 28, 12), (25, 45, 25))
LABELS: tuple[Colour, ...] = ((240, 232, 210), (180, 35, 35), (225, 180, 60), (30, 60, 110), (245, 245, 245))


def _bottle(still: Still, x: float, foot: float, tall: float, colour: Colour) -> None:
    page, top = still.page, foot - tall
    wide = tall * page.share(0.125, 0.15)
    neck = wide * 0.38
    outline = ((top, neck), (top + tall * 0.28, neck * 1.1), (top + tall * 0.42, wide), (foot, wide * 0.97))
    _ground(still, x, foot, wide, colour)
    still.turned(x, outline, ((top, colour), (foot, shaded(colour))), 0.8)
    label = tone(page, page.pick(LABELS), 8)
    upper, lower = top + tall * 0.5, top + tall * page.share(0.7, 0.85)
    still.turned(x, ((upper, wide), (lower, wide)), ((upper, label), (lower, shaded(label))), 0.1)
    for line in range(page.count(1, 4)):
        y = upper + (lower - upper) * (0.25 + 0.2 * line) + still.squash * wide * 0.9
        ink = tone(page, page.pick(((40, 35, 30), (150, 30, 30), (200, 160, 60))), 10)
        mark = Shape(x, y, wide * page.share(0.3, 0.7), max(0.7, tall * 0.012), power=4)
        still.lay(mark, Skin(ink, height=0, shadow=0, clear=0.8))
    if page.chance(0.6):
        cap = tone(page, page.pick(LABELS), 10)
        still.turned(
            x, ((top - 1, neck * 1.15), (top + tall * 0.05, neck * 1.15)), ((top, cap), (foot, cap)), 0.6
        )


WINES: tuple[tuple[Colour, Colour], ...] = (
    ((110, 14, 30), (48, 4, 14)),
    ((90, 10, 25), (40, 4, 12)),
    ((240, 220, 140), (215, 185, 85)),
    ((240, 160, 140), (215, 110, 100)),
)


def wine(page: Canvas) -> None:
    """One or two glasses on stems, sometimes with a bottle."""
    still = _bar(page)
    x, foot, tall = _stand(still, 0.6, 1.0)
    if page.chance(0.5):
        side = page.pick((-1, 1)) * tall * page.share(0.35, 0.5)
        _bottle(still, x + side, foot - tall * 0.08, tall * 1.2, page.pick(BOTTLES))
    colours, round_ = page.pick(WINES), page.share(0.2, 0.3)
    for number in reversed(range(page.pick((1, 1, 2)))):
        aside = x + number * tall * page.pick((-0.6, 0.6))
        _goblet(still, aside, foot - number * tall * 0.06, tall, tall * round_, colours)
    still.finish()


def _goblet(
    still: Still, x: float, foot: float, tall: float, wide: float, colours: tuple[Colour, Colour]
) -> None:
    page, top = still.page, foot - tall
    deep = tall * page.share(0.5, 0.6)  # the bowl
    steps = [step / 12 for step in range(13)]
    bulge = [0.72 + 0.28 * math.sin(math.pi * min(1, step * 1.15)) if step < 0.62 else 0 for step in steps]
    widths = [
        found or math.sqrt(max(0.003, 1 - ((step - 0.6) / 0.41) ** 2)) * 0.99
        for step, found in zip(steps, bulge, strict=True)
    ]
    outline = tuple((top + deep * step, wide * width) for step, width in zip(steps, widths, strict=True))
    _ground(still, x, foot, wide * 0.8, colours[0])
    base = Shape(x, foot, wide * 0.75, wide * 0.75, squash=still.squash)
    still.lay(base, Skin((205, 210, 214), height=0.15, gloss=0.8, shadow=0.2, clear=0.55))
    stem = ((top + deep, wide * 0.07), (foot - tall * 0.1, wide * 0.06), (foot, wide * 0.14))
    still.turned(x, stem, ((top, (205, 210, 215)), (foot, (180, 186, 190))), 0.8, 0.6)
    _glass(still, x, outline, 0.1)
    level = top + deep * page.share(0.35, 0.62)
    _fill(still, x, _part(outline, level, top + deep * 0.98, wide * 0.03), colours)
    _glass(still, x, outline, 0.03)


JUICES: tuple[tuple[Colour, Colour], ...] = (
    ((250, 165, 35), (240, 135, 20)),
    ((215, 50, 45), (165, 25, 30)),
    ((165, 195, 70), (120, 160, 45)),
    ((250, 215, 90), (240, 120, 40)),
    ((70, 30, 15), (35, 14, 8)),
    ((225, 225, 215), (195, 205, 195)),
    ((240, 120, 140), (225, 80, 110)),
    ((100, 190, 215), (40, 120, 190)),
    ((190, 110, 40), (150, 75, 25)),
)


def long_drink(page: Canvas) -> None:
    """Juice, lemonade or a cocktail with ice, a straw and a slice of something."""
    still = _bar(page)
    x, foot, tall = _stand(still, 0.45, 0.85)
    wide, top, colours = tall * page.share(0.24, 0.42), foot - tall, page.pick(JUICES)
    outline = ((top, wide), (foot, wide * page.share(0.65, 1.0)))
    _ground(still, x, foot, wide, colours[0])
    _glass(still, x, outline, 0.2)
    if page.chance(0.6):
        straw = Shape(
            x + wide * 0.4, top + tall * 0.05, tall * 0.45, wide * 0.07, page.share(-1.5, -1.1), power=4
        )
        still.lay(straw, Skin(tone(page, page.pick(LABELS)), height=0.8, gloss=0.5, shadow=0))
    level = top + tall * page.share(0.08, 0.3)
    _fill(still, x, _part(outline, level, foot - tall * 0.05, wide * 0.06), colours)
    for _ in range(page.pick((0, 3, 6))):
        size = wide * page.share(0.22, 0.32)
        cube = Shape(
            x + page.share(-0.6, 0.6) * wide,
            level + page.share(-0.1, 0.35) * tall,
            size,
            size,
            page.share(0, 3),
            power=4,
        )
        still.lay(
            cube, Skin((240, 245, 248), colours[0], height=0.6, edge=5, gloss=0.8, shadow=0.1, clear=0.45)
        )
    if page.chance(0.5):
        _slice(still, x + page.pick((-1, 1)) * wide, top, wide * 0.55)
    _glass(still, x, outline, 0.04)
    for _ in range(page.pick((0, 0, 60))):  # it is cold
        spot = x + page.share(-0.9, 0.9) * wide, page.share(top + tall * 0.1, foot)
        size = max(0.6, wide * page.share(0.01, 0.035))
        still.lay(
            Shape(*spot, size * 0.9, size),
            Skin((235, 240, 240), height=0.8, gloss=0.9, shadow=0.3, clear=0.4),
        )
    still.finish()


def _slice(still: Still, x: float, y: float, size: float) -> None:
    """Of a lemon, lime or orange, on a rim."""
    page = still.page
    colour = tone(page, page.pick(((245, 205, 60), (245, 150, 40), (150, 190, 60))), 10)
    still.lay(Shape(x, y, size, size), Skin(colour, height=0.15, edge=8, bump=0.2, shadow=0.3))
    still.lay(Shape(x, y, size * 0.9, size * 0.9), Skin((250, 245, 220), height=0.02, shadow=0))
    for number in range(8):
        angle = number * math.pi / 4
        part = Shape(
            x + 0.45 * size * math.cos(angle),
            y + 0.45 * size * math.sin(angle),
            size * 0.38,
            size * 0.14,
            angle,
        )
        still.lay(part, Skin(colour, shaded(colour), height=0.2, bump=0.3, gloss=0.5, shadow=0))
