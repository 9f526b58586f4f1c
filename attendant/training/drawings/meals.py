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
from attendant.training.drawings.tableware import bowl, cutlery, plate, shaded, spoon, table


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
