"""Burgers, hot dogs and sandwiches."""

import math

from attendant.training.drawings import morsels
from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.morsels import GREENS
from attendant.training.drawings.still_life import (
    Shape,
    Skin,
    Still,
    place,
    sprinkle,
    tone,
    wobbly,
)
from attendant.training.drawings.tableware import plate, room_behind, shaded, table

BUN = Skin((196, 128, 62), (214, 152, 84), rim=(222, 178, 118), height=0.9, bump=0.2, lumps=0.6, gloss=0.35)
CHEESES: tuple[Colour, ...] = ((245, 180, 50), (250, 205, 90), (240, 215, 140))


def burger(page: Canvas) -> None:
    """A burger seen from the side, with fries."""
    still = table(page, 0.3, 0.5)
    if page.chance(0.7):
        room_behind(still, page.share(0.15, 0.45))
    x, y, radius = place(still, 0.24, 0.42)
    foot = y + radius * 0.65
    if page.chance(0.7):
        plate(still, x, foot, radius * page.share(1.5, 2.0))
    if page.chance(0.75):
        side = page.pick((-1, 1))
        morsels.fries(still, x + side * radius * 1.15, foot - radius * 0.2, radius * page.share(0.7, 0.95))
    bun = BUN._replace(colour=tone(page, BUN.colour, 20))
    level = _stack(still, x, foot, radius, bun)
    dome = Shape(x, level - radius * 0.3, radius, radius * page.share(0.42, 0.56), power=2.5, bend=0.35)
    still.lay(dome, bun._replace(height=0.8, shadow=0.4))
    if page.chance(0.7):
        top = Shape(x, level - radius * 0.5, radius * 0.75, radius * 0.75, squash=0.3)
        sprinkle(still, top, (242, 222, 175), page.count(20, 50), radius * 0.035)
    if page.chance(0.5):
        morsels.fries(still, x - radius * page.share(-1, 1), foot + radius * 0.45, radius * 0.5)
    still.finish(still.unit / 100)


def _stack(still: Still, x: float, foot: float, radius: float, bun: Skin) -> float:
    """What is below the upper bun; returns the height it reached."""
    page = still.page
    level = foot
    base = Shape(x, level, radius * 0.95, radius * 0.2, power=3)
    still.lay(base, bun._replace(height=1, shadow=0.65))
    layers = [_patty, _slice, _lettuce, _tomatoes]
    if page.chance(0.3):
        layers += [_patty, _slice]
    if page.chance(0.3):
        layers = [_lettuce, _tomatoes, _patty, _slice]
    level -= radius * 0.15
    for layer in layers:
        level -= layer(still, x, level, radius)
    return level


def _patty(still: Still, x: float, y: float, radius: float) -> float:
    page = still.page
    brown = tone(page, (92, 52, 32), 12)
    shape = Shape(x, y, radius * 1.0, radius * 0.17, power=3.2, wobble=wobbly(page, 0.05, 8))
    skin = Skin(brown, shaded(brown), height=0.9, bump=1.4, lumps=radius * 0.02, gloss=0.3, shadow=0.5)
    still.lay(shape, skin)
    return radius * 0.15


def _slice(still: Still, x: float, y: float, radius: float) -> float:
    """Of cheese, its corners hanging down."""
    page = still.page
    colour = tone(page, page.pick(CHEESES), 8)
    skin = Skin(colour, shaded(colour), height=0.5, edge=4, gloss=0.4, shadow=0.35)
    for corner in (page.share(-0.8, -0.3), page.share(0.1, 0.8)):
        drip = Shape(
            x + corner * radius, y + radius * 0.06, radius * 0.2, radius * page.share(0.08, 0.18), power=2.2
        )
        still.lay(drip, skin)
    still.lay(Shape(x, y, radius * 1.02, radius * 0.05, power=3, bend=page.share(0, 0.6)), skin)
    return radius * 0.06


def _lettuce(still: Still, x: float, y: float, radius: float) -> float:
    page = still.page
    for _ in range(page.count(7, 11)):
        green = tone(page, page.pick(GREENS[1:]), 18)
        shape = Shape(
            x + page.share(-0.95, 0.95) * radius,
            y + page.share(-0.03, 0.05) * radius,
            radius * 0.25,
            radius * 0.1,
            page.share(-0.3, 0.3),
            wobble=wobbly(page, 0.4, 8),
        )
        skin = Skin(green, (175, 200, 115), height=0.6, lumps=radius * 0.03, bump=0.3, gloss=0.3, shadow=0.4)
        still.lay(shape, skin)
    return radius * 0.07


def _tomatoes(still: Still, x: float, y: float, radius: float) -> float:
    page = still.page
    red = tone(page, (200, 50, 32), 12)
    for side in (-0.45, 0.45):
        shape = Shape(x + side * radius, y, radius * 0.48, radius * 0.07, page.share(-0.05, 0.05), power=3)
        still.lay(shape, Skin(red, (220, 100, 65), height=0.9, gloss=0.6, shadow=0.3))
    return radius * 0.08


def hot_dog(page: Canvas) -> None:
    """One or two in buns, with mustard or ketchup."""
    still = table(page, 0.6, 1.0)
    x, y, radius = place(still, 0.34, 0.55)
    if page.chance(0.6):
        plate(still, x, y, radius * page.share(1.15, 1.5))
    turn, bun = page.share(-0.6, 0.6), BUN._replace(colour=tone(page, (205, 145, 80), 20))
    count = page.pick((1, 1, 2))
    for number in range(count):
        aside = (number - (count - 1) / 2) * radius * 0.75
        _bun_with_sausage(still, x - math.sin(turn) * aside, y + math.cos(turn) * aside, radius, turn, bun)
    if page.chance(0.4):
        morsels.fries(still, x + radius * 0.2, y + radius * 0.75, radius * 0.5)
    still.finish(still.unit / 140)


def _bun_with_sausage(still: Still, x: float, y: float, radius: float, turn: float, bun: Skin) -> None:
    page = still.page
    cos, sin = math.cos(turn), math.sin(turn)
    halves = [
        Shape(x - sin * far, y + cos * far, radius * 0.92, radius * 0.19, turn, power=3)
        for far in (-0.17 * radius, 0.2 * radius)
    ]
    still.lay(halves[0], bun)
    brown = tone(page, (165, 75, 42), 18)
    sausage = Shape(
        x, y, radius * page.share(0.95, 1.08), radius * 0.14, turn, power=3, bend=page.share(-0.3, 0.3)
    )
    filling = page.pick((None, morsels.leaves))
    if filling:
        for part in (-0.5, 0, 0.5):
            filling(still, x + cos * part * radius, y + sin * part * radius, radius * 0.24)
    still.lay(sausage, Skin(brown, shaded(brown), height=1, lumps=0.8, gloss=0.7))
    still.lay(halves[1], bun._replace(shadow=0.3))
    colours: tuple[Colour, ...] = ((230, 180, 35), (190, 35, 25), (235, 225, 200))
    for colour in colours[: page.count(1, 2)] if page.chance(0.5) else (page.pick(colours),):
        phase, waves = page.share(0, 6), page.share(3, 6)
        for step in range(70):
            part = step / 35 - 1
            aside = 0.09 * math.sin(part * waves * math.pi + phase) - 0.02
            dot_x = x + radius * (0.85 * part * cos - aside * sin)
            dot_y = y + radius * (0.85 * part * sin + aside * cos)
            still.lay(
                Shape(dot_x, dot_y, radius * 0.035, radius * 0.035),
                Skin(colour, height=0.7, gloss=0.4, shadow=0.1),
            )


LOAVES: tuple[Colour, ...] = ((214, 170, 110), (236, 212, 165), (160, 110, 65), (190, 140, 82))


def sandwich(page: Canvas) -> None:
    """A long roll, or triangles of bread, with fries or salad."""
    still = table(page, 0.45, 0.7)
    if page.chance(0.4):
        room_behind(still, page.share(0.1, 0.35))
    x, y, radius = place(still, 0.3, 0.5)
    if page.chance(0.7):
        plate(still, x, y + radius * 0.35, radius * page.share(1.2, 1.6))
    if page.chance(0.7):
        _roll(still, x, y, radius)
    else:
        _triangles(still, x, y, radius)
    if page.chance(0.6):
        part = page.pick((morsels.fries, morsels.leaves, morsels.leaves))
        part(still, x + page.pick((-1, 1)) * radius * 0.9, y + radius * 0.6, radius * 0.45)
    still.finish(still.unit / 110)


def _roll(still: Still, x: float, y: float, radius: float) -> None:
    """A long roll with its filling to the front."""
    page = still.page
    bun = BUN._replace(
        colour=tone(page, page.pick(((205, 145, 75), (185, 120, 60), (222, 175, 110))), 14), bump=0.4
    )
    level = y + radius * 0.25
    still.lay(Shape(x, level, radius * 1.15, radius * 0.18, power=3), bun._replace(height=1, shadow=0.65))
    layers = [_lettuce, _slice, _tomatoes, _ham, page.pick((_patty, _ham)), _lettuce]
    for layer in layers[page.count(0, 2) :]:
        level -= 0.8 * layer(still, x, level - radius * 0.1, radius * 1.08)
    dome = Shape(
        x, level - radius * 0.22, radius * 1.15, radius * page.share(0.2, 0.28), power=2.6, bend=0.15
    )
    still.lay(dome, bun)
    for step in range(-2, 3) if page.chance(0.5) else ():
        cut = Shape(x + step * radius * 0.4, dome.y - radius * 0.05, radius * 0.16, radius * 0.03, -0.6)
        still.lay(cut, Skin((232, 195, 135), height=-0.5, bump=0.3, shadow=0, clear=0.8))


def _ham(still: Still, x: float, y: float, radius: float) -> float:
    page = still.page
    for _ in range(page.count(4, 7)):
        pink = tone(page, page.pick(((228, 150, 140), (215, 120, 110), (180, 75, 65))), 10)
        at = x + page.share(-0.7, 0.7) * radius, y + page.share(-0.02, 0.04) * radius
        fold = Shape(
            *at,
            radius * page.share(0.25, 0.4),
            radius * 0.06,
            page.share(-0.12, 0.12),
            wave=page.share(0, 0.5),
        )
        still.lay(fold, Skin(pink, shaded(pink), height=0.8, bump=0.2, gloss=0.4, shadow=0.4))
    return radius * 0.07


def _triangles(still: Still, x: float, y: float, radius: float) -> None:
    """One or two, with their cut faces to the front."""
    page = still.page
    loaf, tall = tone(page, page.pick(LOAVES), 12), radius * page.share(0.45, 0.75)
    fillings = tuple(tone(page, page.pick(FILLED), 12) for _ in range(page.count(3, 5)))
    for number in reversed(range(page.count(1, 2))):
        aside = number * radius * page.pick((-0.55, 0.55))
        _half(still, x + aside, y - number * radius * 0.35, radius, tall, (loaf, *fillings))


FILLED: tuple[Colour, ...] = (
    (225, 150, 135),
    (245, 195, 80),
    (205, 55, 40),
    (110, 150, 60),
    (240, 225, 195),
    (150, 95, 60),
)


def _half(still: Still, x: float, y: float, radius: float, tall: float, colours: tuple[Colour, ...]) -> None:
    """A triangle of bread, filled; its long side in front."""
    page = still.page
    loaf, fillings = colours[0], colours[1:]
    crumb = tone(page, (240, 222, 185), 8)
    tilt = page.share(-0.12, 0.12) * radius
    left, right = (x - radius, y - tilt), (x + radius, y + tilt)
    apex = (x + page.share(-0.3, 0.3) * radius, y - radius * still.squash)
    bottom = Shape(x, y + tall * 0.75, radius, radius * 0.5, squash=still.squash, power=3)
    still.lay(bottom, Skin(shaded(loaf), height=0.3, shadow=0.7))
    layers: list[tuple[float, Colour]] = [(0, loaf), (0.05, loaf), (0.08, crumb), (0.28, crumb)]
    for number, colour in enumerate(fillings):
        start, step = 0.3 + 0.4 * number / len(fillings), 0.4 / len(fillings)
        layers += [
            (start, shaded(shaded(colour))),
            (start + step * 0.25, colour),
            (start + step * 0.8, colour),
        ]
    layers += [(0.71, shaded(crumb)), (0.74, crumb), (0.92, crumb), (0.96, loaf), (1, loaf)]
    still.flat((left, right, (right[0], right[1] + tall), (left[0], left[1] + tall)), tuple(layers), 0.25)
    for _ in range(page.count(0, 12)):
        green = tone(page, page.pick(GREENS[1:]), 15)
        frill = Shape(
            x + page.share(-0.95, 0.95) * radius,
            y + tall * page.share(0.35, 0.65),
            radius * 0.14,
            radius * 0.05,
            page.share(-0.4, 0.4),
            wobble=wobbly(page, 0.4, 8),
        )
        still.lay(frill, Skin(green, (180, 205, 120), height=0.7, lumps=1.5, gloss=0.3))
    toasted = tone(page, (232, 190, 125), 15)
    still.flat(
        (left, right, apex), ((0, shaded(loaf)), (0.1, loaf), (0.25, toasted), (0.9, toasted), (1, loaf)), 0.3
    )
