"""Food as people photograph it before they eat: close, from above or across the table."""

import math

from attendant.training.drawings import morsels
from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.morsels import GREENS, SAUCES, sauce
from attendant.training.drawings.still_life import (
    Piece,
    Shape,
    Skin,
    Still,
    heap,
    place,
    scatter,
    sprinkle,
    tone,
    wobbly,
)
from attendant.training.drawings.tableware import bowl, cutlery, plate, room_behind, shaded, spoon, table


def dinner(page: Canvas) -> None:
    """Meat or fish, potatoes or rice, and vegetables on a plate."""
    still = table(page, 0.55, 1.0)
    x, y, radius = place(still, 0.34, 0.62)
    cutlery(still, x, y, radius)
    plate(still, x, y, radius)
    start, far = page.share(0, 2 * math.pi), radius * page.share(0.3, 0.4)
    if page.chance(0.5):
        sauce(still, x, y, radius * page.share(0.3, 0.55), page.pick(SAUCES))
    parts = [page.pick(morsels.MEATS), page.pick(morsels.FILLINGS), page.pick(morsels.GARDEN)]
    parts.append(page.pick((*morsels.GARDEN, *morsels.FILLINGS)))
    places = []
    for number, part in enumerate(parts[: page.count(3, 4)]):
        angle = start + (2 * math.pi / 3.4) * number
        places.append((y + far * math.sin(angle) * still.squash, x + far * math.cos(angle), part))
    for down, across, part in sorted(places, key=lambda found: found[0]):
        part(still, across, down, radius * page.share(0.33, 0.48))
    if page.chance(0.4):
        well = Shape(x, y, radius * 0.6, radius * 0.6, squash=still.squash)
        sprinkle(still, well, page.pick(GREENS), page.count(10, 40), radius * 0.018)
    still.finish(still.unit / 140)


def pizza(page: Canvas) -> None:
    """A whole one on a plate, a board or the table, from above or across."""
    still = table(page, 0.5, 1.0)
    x, y, radius = place(still, 0.36, 0.75)
    if page.chance(0.5):
        plate(still, x, y + radius * 0.03, radius * page.share(1.08, 1.25))
    elif page.chance(0.5):
        board = Shape(x, y, radius * 1.15, radius * 1.15, squash=still.squash)
        still.lay(board, Skin((165, 115, 70), (130, 85, 48), height=0.05, edge=8, bump=0.3, shadow=0.6))
    squash, wobble = still.squash, wobbly(page, 0.02, 8)
    crust = tone(page, (205, 150, 85), 15)
    dough = Skin(
        crust,
        (232, 190, 125),
        rim=tone(page, (150, 90, 42), 15),
        height=1,
        profile=((0, 0), (0.82, 0.0), (0.88, 0.08), (0.94, 0.1), (1, 0.0)),
        bump=0.4,
        lumps=radius * 0.012,
        gloss=0.1,
    )
    still.lay(Shape(x, y, radius, radius, squash=squash, wobble=wobble), dough)
    for _ in range(page.count(0, 14)):
        _scorch(still, x, y, radius * 0.94, radius)
    inner = radius * page.share(0.84, 0.89)
    red = Skin(tone(page, (180, 55, 25), 12), (205, 85, 35), height=0.02, bump=0.4, gloss=0.4, shadow=0)
    still.lay(Shape(x, y, inner, inner, squash=squash, wobble=wobbly(page, 0.05, 8)), red)
    cheese = Skin(
        tone(page, (240, 205, 120), 10),
        tone(page, (222, 150, 65), 15),
        rim=tone(page, (205, 110, 45), 10),
        height=0.05,
        edge=8,
        bump=0.3,
        lumps=radius * 0.014,
        gloss=0.4,
        shadow=0,
    )
    still.lay(Shape(x, y, inner * 0.97, inner * 0.97, squash=squash, wobble=wobbly(page, 0.06, 8)), cheese)
    for _ in range(page.count(3, 14)):
        _blob(still, x, y, inner * 0.85, radius * page.share(0.05, 0.14), cheese)
    for _ in range(page.count(1, 3)):
        topping = page.pick(morsels.TOPPINGS)
        region = Shape(x, y, inner * 0.85, inner * 0.85, squash=squash)
        scatter(still, region, page.count(7, 22), radius * page.share(0.09, 0.13), topping)
    for _ in range(page.count(0, 10)):
        _scorch(still, x, y, inner * page.share(0.1, 0.9), radius * 0.6)
    if page.chance(0.5):
        sprinkle(still, Shape(x, y, inner, inner, squash=squash), page.pick(GREENS), 40, radius * 0.012)
    if page.chance(0.5):
        _slices(still, x, y, radius)
    still.finish(still.unit / 140)


def _slices(still: Still, x: float, y: float, radius: float) -> None:
    """The cuts of a knife through its middle."""
    page = still.page
    start, count = page.share(0, 1), page.pick((3, 4))
    for number in range(count):
        cut = Shape(x, y, radius, max(0.8, radius * 0.012), 0, 1)
        angle = start + math.pi * number / count
        turn = math.atan2(math.sin(angle) * still.squash, math.cos(angle))
        long = radius * math.hypot(math.cos(angle), math.sin(angle) * still.squash)
        still.lay(
            Shape(cut.x, cut.y, long, cut.wide, turn), Skin((120, 60, 25), height=-1, shadow=0.2, clear=0.8)
        )


def _scorch(still: Still, x: float, y: float, far: float, radius: float) -> None:
    page, angle = still.page, still.page.share(0, 2 * math.pi)
    size = radius * page.share(0.015, 0.05)
    spot = Shape(
        x + far * math.cos(angle),
        y + far * math.sin(angle) * still.squash,
        size * 1.5,
        size,
        angle + 1.57,
        wobble=wobbly(page, 0.4),
    )
    still.lay(spot, Skin((70, 36, 18), (120, 66, 30), height=0.2, shadow=0, clear=page.share(0.3, 0.85)))


def _blob(still: Still, x: float, y: float, far: float, size: float, skin: Skin) -> None:
    page, angle, away = still.page, still.page.share(0, 2 * math.pi), math.sqrt(still.page.share(0, 1)) * far
    shape = Shape(
        x + away * math.cos(angle),
        y + away * math.sin(angle) * still.squash,
        size,
        size * page.share(0.6, 1),
        page.share(0, 3),
        still.squash,
        wobble=wobbly(page, 0.3),
    )
    still.lay(
        shape, skin._replace(colour=tone(page, (248, 228, 170), 8), rim=(238, 190, 105), height=0.25, edge=3)
    )


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


SOUPS: tuple[Colour, ...] = (
    (200, 75, 35),
    (225, 140, 45),
    (190, 150, 80),
    (120, 140, 60),
    (225, 200, 150),
    (150, 85, 40),
    (175, 115, 55),
)


def soup(page: Canvas) -> None:
    """A bowl of it, thick or clear, with noodles, vegetables, herbs or cream."""
    still = table(page, 0.45, 1.0)
    x, y, radius = place(still, 0.3, 0.6)
    if page.chance(0.3):
        plate(still, x, y + radius * 0.4 * still.lift, radius * 1.4)
    if page.chance(0.5):
        spoon(still, x + page.pick((-1, 1)) * radius * 1.25, y, radius * 1.5, page.share(-1.9, -1.2))
    surface = bowl(still, x, y, radius)
    colour = tone(page, page.pick(SOUPS), 15)
    skin = Skin(
        colour,
        shaded(colour),
        rim=shaded(colour),
        height=0.05,
        edge=6,
        lumps=page.share(0.1, 0.7),
        gloss=0.6,
        shadow=0.5,
    )
    still.lay(surface, skin)
    if page.chance(0.4):
        _noodles(
            still, Shape(x, surface.y, radius * 0.7, radius * 0.65, squash=still.squash), (235, 205, 130)
        )
    for _ in range(page.count(0, 3)):
        part = page.pick(
            (morsels.carrots, morsels.peas, morsels.potatoes, morsels.meatballs, _half_egg, morsels.steak)
        )
        angle = page.share(0, 6)
        far = radius * page.share(0.1, 0.45)
        at = x + far * math.cos(angle), surface.y + far * math.sin(angle) * still.squash
        part(still, *at, radius * page.share(0.2, 0.35))
    if page.chance(0.35):
        _swirl(still, surface)
    if page.chance(0.8):
        herbs = page.pick((*GREENS, (120, 60, 30)))
        sprinkle(still, surface, herbs, page.count(10, 60), radius * page.share(0.015, 0.035))
    for _ in range(page.count(0, 14)):
        angle, far = page.share(0, 6.3), radius * page.share(0.1, 0.75)
        size = radius * page.share(0.01, 0.05)
        drop = Shape(
            x + far * math.cos(angle),
            surface.y + far * math.sin(angle) * still.squash,
            size,
            size,
            squash=still.squash,
        )
        still.lay(drop, Skin(tone(page, (235, 175, 70), 15), height=0.3, gloss=0.8, shadow=0, clear=0.5))
    still.finish(still.unit / 130)


def _swirl(still: Still, surface: Shape) -> None:
    """Of cream."""
    start = still.page.share(0, 6)
    for step in range(60):
        angle, far = start + step * 0.16, surface.long * (0.08 + 0.008 * step)
        x, y = surface.x + far * math.cos(angle), surface.y + far * math.sin(angle) * still.squash
        size = surface.long * 0.045
        still.lay(
            Shape(x, y, size, size, squash=still.squash),
            Skin((248, 240, 222), height=0.1, shadow=0, clear=0.8),
        )


def _half_egg(still: Still, x: float, y: float, size: float) -> None:
    page, turn = still.page, still.page.share(0, 3)
    white = Skin((248, 244, 234), (235, 225, 205), height=0.3, edge=5, gloss=0.4)
    still.lay(Shape(x, y, size, size * 0.75, turn, still.squash), white)
    yolk = Skin(tone(page, (240, 165, 40), 12), (250, 195, 80), height=0.3, gloss=0.6, shadow=0)
    still.lay(Shape(x, y, size * 0.55, size * 0.5, turn, still.squash), yolk)


def _noodles(still: Still, region: Shape, colour: Colour) -> None:
    page = still.page
    thick = max(2.0, region.long * page.share(0.045, 0.085))
    count = round(page.share(90, 160) * min(1, 8 / thick) ** 0.5)
    grooves = still.strands(region, count, region.long * page.share(0.9, 1.5), thick, page.share(0.12, 0.3))
    base = tone(page, colour, 12)
    skin = Skin(base, shaded(base), height=0.3, lumps=region.long * 0.04, gloss=0.4, shadow=0.5)
    still.lay(region, skin, grooves)


def pasta(page: Canvas) -> None:
    """Spaghetti with a sauce, in a plate or a bowl."""
    still = table(page, 0.5, 1.0)
    x, y, radius = place(still, 0.32, 0.62)
    cutlery(still, x, y, radius)
    if page.chance(0.5):
        plate(still, x, y, radius)
        size = radius * page.share(0.6, 0.75)
    else:
        y = bowl(still, x, y, radius).y
        size = radius * page.share(0.8, 0.9)
    region = Shape(
        x, y, size, size * page.share(0.85, 1), page.share(0, 3), still.squash, wobble=wobbly(page, 0.08)
    )
    noodles: tuple[Colour, ...] = ((238, 208, 130), (242, 218, 150), (225, 140, 70), (215, 170, 90))
    if page.chance(0.75):
        _noodles(still, region, page.pick(noodles))
    else:
        tubes = Skin((0, 0, 0), height=0.9, edge=3, bump=0.2, gloss=0.4, shadow=0.55)
        for _ in range(2):
            morsels.bars(page.pick(noodles), 45, 0.3, 0.085, tubes)(still, x, y, size)
    up = y - size * 0.12 * still.lift
    if page.chance(0.65):
        red = page.pick(((165, 45, 22), (150, 60, 30), (185, 70, 35), (70, 100, 35)))
        sauce(still, x, up, size * page.share(0.4, 0.65), red)
        if page.chance(0.6):
            _mince(still, Shape(x, up, size * 0.55, size * 0.5, squash=still.squash), red)
    if page.chance(0.3):
        morsels.meatballs(still, x, up, size * 0.45)
    if page.chance(0.4):
        scatter(
            still,
            Shape(x, up, size * 0.7, size * 0.7, squash=still.squash),
            page.count(3, 8),
            size * 0.17,
            morsels.tomato,
        )
    sprinkle(still, region, (245, 235, 200), page.count(0, 60), size * 0.03)
    if page.chance(0.6):
        heap(
            still,
            Shape(x, up, size * 0.3, size * 0.3, squash=still.squash),
            page.count(1, 4),
            size * 0.18,
            morsels.basil,
        )
    still.finish(still.unit / 140)


def _mince(still: Still, region: Shape, colour: Colour) -> None:
    page = still.page

    def crumb(still: Still, x: float, y: float, size: float) -> None:
        brown = tone(page, (125, 65, 35), 18)
        shape = Shape(x, y, size, size * 0.75, page.share(0, 3), wobble=wobbly(page, 0.3, 4))
        still.lay(shape, Skin(brown, colour, height=0.7, bump=0.6, gloss=0.4))

    heap(still, region, 45, region.long * 0.1, crumb)


def salad(page: Canvas) -> None:
    """Leaves with tomatoes, cucumber, onions, cheese, in a bowl or on a plate."""
    still = table(page, 0.5, 1.0)
    x, y, radius = place(still, 0.34, 0.62)
    if page.chance(0.65):
        y, size = bowl(still, x, y, radius).y, radius * 0.72
    else:
        plate(still, x, y, radius)
        size = radius * 0.68
    for _ in range(2):
        morsels.leaves(still, x, y, size)
    region = Shape(x, y, size * 0.8, size * 0.8, squash=still.squash)
    for _ in range(page.count(2, 4)):
        piece = page.pick(
            (morsels.tomato, morsels.cucumber, morsels.olive, _feta, morsels.pepper, _half_egg, _onion)
        )
        scatter(still, region, page.count(3, 8), size * page.share(0.15, 0.24), piece)
    if page.chance(0.3):
        page.pick((morsels.chicken, morsels.steak))(still, x, y, size * 0.5)
    still.finish(still.unit / 140)


def _feta(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    shape = Shape(x, y, size * 0.6, size * 0.5, page.share(0, 3), power=4, wobble=wobbly(page, 0.1))
    still.lay(shape, Skin((248, 246, 238), (228, 222, 205), height=0.8, edge=5, bump=0.5, gloss=0.1))


def _onion(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    for part in (1, 0.7):
        ring = Shape(x, y, size * part, size * 0.8 * part, page.share(0, 3), still.squash, hole=0.85)
        still.lay(ring, Skin(tone(page, (225, 190, 205), 15), rim=(150, 70, 110), height=0.3, gloss=0.5))


def breakfast(page: Canvas) -> None:
    """Fried eggs with bacon, toast and more."""
    still = table(page, 0.6, 1.0)
    x, y, radius = place(still, 0.34, 0.62)
    cutlery(still, x, y, radius)
    plate(still, x, y, radius)
    start, far = page.share(0, 6.3), radius * 0.42
    parts: list[Piece] = [
        _fried_egg,
        _bacon,
        page.pick((_fried_egg, _toast)),
        page.pick(_SIDES),
        page.pick(_SIDES),
    ]
    count = page.count(3, 5)
    places = []
    for number, part in enumerate(parts[:count]):
        angle = start + 2 * math.pi * number / count
        places.append((y + far * math.sin(angle) * still.squash, x + far * math.cos(angle), part))
    for down, across, part in sorted(places, key=lambda found: found[0]):
        part(still, across, down, radius * page.share(0.33, 0.42))
    well = Shape(x, y, radius * 0.6, radius * 0.6, squash=still.squash)
    sprinkle(still, well, (40, 35, 32), page.count(0, 40), radius * 0.008)
    still.finish(still.unit / 140)


def _fried_egg(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    white = Skin(
        (250, 248, 240), (238, 232, 215), height=0.15, edge=4, lumps=size * 0.02, gloss=0.5, shadow=0.4
    )
    if page.chance(0.4):
        white = white._replace(rim=(215, 165, 95))
    still.lay(
        Shape(x, y, size * 1.1, size, page.share(0, 3), still.squash, wobble=wobbly(page, 0.18, 6)), white
    )
    yolk = Skin(tone(page, (245, 170, 30), 14), (250, 195, 60), height=0.65, gloss=0.9, shadow=0.2)
    away = page.share(-0.2, 0.2) * size
    still.lay(Shape(x + away, y + away * 0.5, size * 0.45, size * 0.43, squash=still.squash), yolk)


def _bacon(still: Still, x: float, y: float, size: float) -> None:
    page, turn = still.page, still.page.share(0, 3)
    cos, sin = math.cos(turn), math.sin(turn)
    for strip in range(page.count(2, 3)):
        aside, bend, wave = (strip - 1) * size * 0.45, page.share(-0.2, 0.2), page.share(0.5, 1.4)
        for part in range(5):
            off = aside + (part - 2) * size * 0.08
            colour = tone(
                page,
                ((150, 55, 38), (225, 165, 120), (165, 62, 42), (232, 185, 140), (135, 48, 34))[part],
                12,
            )
            shape = Shape(
                x - sin * off,
                y + cos * off * still.squash,
                size * 1.15,
                size * 0.07,
                turn,
                still.squash,
                3,
                bend * 4,
                wave=wave,
                wobble=wobbly(page, 0.1),
            )
            still.lay(
                shape,
                Skin(colour, shaded(colour), height=0.6, bump=0.5, lumps=size * 0.05, gloss=0.5, shadow=0.2),
            )


def _toast(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    colour = tone(page, (232, 188, 122), 14)
    shape = Shape(
        x, y, size, size * 0.92, page.share(0, 3), still.squash, power=4.5, wobble=wobbly(page, 0.04)
    )
    skin = Skin(
        colour, (196, 132, 66), rim=(150, 92, 46), height=0.25, edge=8, bump=0.5, gloss=0.03, shadow=0.6
    )
    still.lay(shape, skin)
    if page.chance(0.3):
        butter = Skin((250, 225, 120), height=0.5, edge=4, gloss=0.4)
        still.lay(Shape(x, y, size * 0.25, size * 0.2, page.share(0, 3), still.squash, power=4), butter)


_SIDES: tuple[Piece, ...] = (
    _toast,
    _bacon,
    morsels.sausages,
    morsels.tomato,
    morsels.mushroom,
    morsels.roast,
    morsels.balls((190, 85, 40), 45, 0.13, Skin((0, 0, 0), height=0.9, gloss=0.6)),
)
