"""Tables, and what is on them before there is food: plates, bowls, cups, glasses, cutlery."""

import math

import numpy as np

from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.still_life import Grid, Profile, Shape, Skin, Still, planes, tone

WOODS: tuple[tuple[Colour, Colour], ...] = (
    ((150, 100, 60), (95, 58, 32)),
    ((190, 145, 95), (150, 105, 62)),
    ((95, 62, 42), (55, 34, 24)),
    ((205, 175, 135), (170, 135, 95)),
    ((130, 112, 98), (92, 78, 68)),
    ((125, 65, 38), (80, 38, 22)),
)
CLOTHS: tuple[Colour, ...] = (
    (190, 40, 45),
    (60, 90, 150),
    (80, 125, 80),
    (120, 120, 125),
    (205, 170, 90),
    (60, 60, 68),
)
PLAIN: tuple[Colour, ...] = (
    (225, 222, 216),
    (60, 62, 66),
    (40, 40, 42),
    (185, 170, 150),
    (120, 130, 140),
    (165, 60, 50),
    (240, 238, 232),
    (95, 75, 60),
)
STONES: tuple[tuple[Colour, Colour], ...] = (
    ((232, 230, 226), (160, 160, 165)),
    ((70, 70, 74), (120, 120, 122)),
    ((190, 180, 168), (140, 125, 112)),
)
CHINA: tuple[Colour, ...] = (
    (245, 244, 240),
    (245, 244, 240),
    (238, 236, 228),
    (250, 250, 250),
    (225, 222, 212),
    (70, 78, 88),
    (120, 155, 175),
    (200, 180, 150),
    (45, 45, 48),
    (170, 95, 70),
)
STEEL = Skin((165, 165, 170), (115, 115, 120), height=0.35, gloss=0.9, shadow=0.4)
_PLATE: Profile = ((0, 0), (0.6, 0.0), (0.68, 0.05), (0.9, 0.13), (0.97, 0.16), (1.0, 0.1), (1.3, 0))
_BOWL: Profile = ((0, 0), (0.5, 0.12), (0.85, 0.5), (0.94, 0.62), (0.98, 0.62), (1, 0.55), (1.3, 0))


def table(page: Canvas, low: float = 0.5, high: float = 1.0) -> Still:
    """An empty one, seen more or less from above."""
    still = Still(page, page.share(low, high))
    page.pick((_wood, _wood, _wood, _cloth, _stone, _plain, _plain))(still)
    return still


def room_behind(still: Still, horizon: float) -> None:
    """A blurred room above the table's far edge; `horizon` is that edge's part of the height."""
    page = still.page
    page.backdrop()
    for _ in range(page.count(0, 7)):
        x, y = page.place()
        page.disc(x, y, page.share(0.02, 0.08) * still.unit, tone(page, page.pick(_LIGHTS), 20))
    still.soften(still.unit / 200)
    table_pixels = still.pixels
    seen = planes(page.image)
    pale = page.share(0.2, 0.8)  # rooms have weak colours
    still.pixels = pale * seen.mean(axis=0) + (1 - pale) * seen
    still.soften(still.unit / 35)
    rows = np.arange(page.height, dtype=np.float32)
    share = np.clip((rows - horizon * page.height) / (0.03 * page.height + 1) + 0.5, 0, 1)[:, None]
    still.pixels = still.pixels + (table_pixels - still.pixels) * share


_LIGHTS: tuple[Colour, ...] = ((255, 220, 160), (255, 245, 225), (90, 110, 80), (60, 50, 45), (180, 120, 80))


def _wood(still: Still) -> None:
    page, unit = still.page, still.unit
    light, dark = page.pick(WOODS)
    light, dark = tone(page, light, 15), tone(page, dark, 15)
    along = page.chance(0.5)  # the picture's width
    size = (page.height, page.width) if along else (page.width, page.height)
    grain = 0.5 * still.noise(size, unit * 0.5, unit / 90) + 0.35 * still.noise(size, unit * 0.25, 1.5)
    grain += 0.5 * np.sin(9 * still.noise(size, unit * 1.3, unit / 5))
    plank = unit * page.share(0.15, 0.5)
    across = (np.arange(size[0], dtype=np.float32) + page.share(0, plank)) / plank
    tones = page.generator.normal(0, 0.5, 1 + int(size[0] / plank + 2)).astype(np.float32)
    grain += tones[across.astype(np.intp)][:, None]
    seam = np.clip(1.7 - (0.5 - np.abs(across % 1 - 0.5)) * plank, 0, 1)[:, None]
    mix: Grid = np.clip(0.5 + 0.4 * grain, 0, 1.2).astype(np.float32)
    if not along:
        mix, seam = mix.T, seam.T
    _paint(still, mix, light, dark)
    still.pixels *= 1 - 0.6 * seam


def _cloth(still: Still) -> None:
    page, unit = still.page, still.unit
    colour, period = tone(page, page.pick(CLOTHS), 15), unit * page.share(0.05, 0.25)
    rows = np.arange(page.height, dtype=np.float32)[:, None] / still.squash
    columns = np.arange(page.width, dtype=np.float32)[None, :]
    turn = page.share(-0.6, 0.6)
    first = (columns * math.cos(turn) + rows * math.sin(turn)) / period
    second = (rows * math.cos(turn) - columns * math.sin(turn)) / period
    broad = page.share(0.3, 0.6)
    if page.chance(0.7):
        mix = 0.5 * (first % 1 < broad) + 0.5 * (second % 1 < broad)
    else:
        mix = (first % 1 < broad).astype(np.float32)
    size = page.height, page.width
    mix = mix.astype(np.float32) + 0.1 * still.fine[: size[0], : size[1]]
    _paint(still, np.clip(mix, 0, 1), tone(page, (238, 235, 228), 8), colour)
    folds = still.noise(size, unit / 3) * still.page.share(0, 0.12)
    still.pixels *= 1 + folds


def _stone(still: Still) -> None:
    page, size = still.page, (still.page.height, still.page.width)
    light, dark = page.pick(STONES)
    base = still.noise(size, still.unit / 3) + 0.5 * still.noise(size, still.unit / 9)
    veins = np.exp(-((base / 0.12) ** 2)) * np.clip(still.noise(size, still.unit / 4) + 0.3, 0, 1)
    mix = np.clip(0.18 + 0.12 * base + 0.7 * veins + 0.06 * still.fine[: size[0], : size[1]], 0, 1)
    _paint(still, mix, tone(page, light), tone(page, dark))


def _plain(still: Still) -> None:
    page, size = still.page, (still.page.height, still.page.width)
    colour = tone(page, page.pick(PLAIN), 20)
    rough = page.share(0.02, 0.2)
    mix = 0.3 + rough * (still.fine[: size[0], : size[1]] + still.coarse[: size[0], : size[1]])
    _paint(still, np.clip(mix, 0, 1), tone(page, colour, 5), tone(page, shaded(colour), 5))


def shaded(colour: Colour) -> Colour:
    """The same in the shade."""
    red, green, blue = colour
    return round(red * 0.7), round(green * 0.7), round(blue * 0.7)


def _paint(still: Still, mix: Grid, light: Colour, dark: Colour) -> None:
    for plane, bright, deep in zip(still.pixels, light, dark, strict=True):
        plane[:] = bright + mix * (deep - bright)


def plate(still: Still, x: float, y: float, radius: float, colour: Colour | None = None) -> None:
    """A round one with a rim, sometimes with a coloured line."""
    page = still.page
    colour = tone(page, page.pick(CHINA) if colour is None else colour, 5)
    china = Skin(colour, height=1, profile=_PLATE, gloss=page.share(0.1, 0.5), shadow=0, lumps=0.1)
    under = Shape(x, y + 0.05 * radius * still.lift, radius, radius, squash=still.squash)
    still.lay(under, Skin(shaded(colour), height=0.12, edge=8, shadow=0.6))
    still.lay(Shape(x, y, radius, radius, squash=still.squash), china)
    if page.chance(0.25):
        line = Skin(tone(page, page.pick(CLOTHS)), height=0.01, shadow=0, clear=0.8)
        outer = radius * page.share(0.8, 0.97)
        still.lay(Shape(x, y, outer, outer, squash=still.squash, hole=page.share(0.85, 0.97)), line)


def bowl(still: Still, x: float, y: float, radius: float) -> Shape:
    """A round one; returns what it holds, a flat disc a little below the rim."""
    page, squash = still.page, still.squash
    colour = tone(page, page.pick(CHINA), 8)
    deep = radius * page.share(0.5, 0.75) * still.lift
    foot = Shape(x, y + deep, radius * 0.75, radius * 0.75, squash=squash)
    still.lay(foot, Skin(shaded(colour), height=0.5, edge=6, shadow=0.6))
    sides = ((y, radius), (y + deep * 0.6, radius * 0.88), (y + deep, radius * 0.55))
    still.turned(x, sides, ((y, colour), (y + deep, shaded(colour))), gloss=0.3)
    inside = tone(page, page.pick((colour, (240, 238, 232))), 5)
    china = Skin(inside, height=1, profile=_BOWL, gloss=page.share(0.2, 0.6), shadow=0 if deep > 3 else 0.5)
    still.lay(Shape(x, y, radius, radius, squash=squash), china)
    full = radius * page.share(0.8, 0.9)
    return Shape(x, y + radius * 0.05 * still.lift, full, full, squash=squash)


def fork(still: Still, x: float, y: float, length: float, turn: float) -> None:
    handle = length * 0.32
    cos, sin = math.cos(turn), math.sin(turn)
    _bar(still, x - cos * handle, y - sin * handle, handle, length * 0.028, turn)
    _bar(still, x + cos * length * 0.1, y + sin * length * 0.1, length * 0.1, length * 0.07, turn)
    for tine in (-1.5, -0.5, 0.5, 1.5):
        aside = tine * length * 0.037
        tip_x, tip_y = x + cos * length * 0.27 - sin * aside, y + sin * length * 0.27 + cos * aside
        _bar(still, tip_x, tip_y, length * 0.12, length * 0.011, turn)


def knife(still: Still, x: float, y: float, length: float, turn: float) -> None:
    cos, sin = math.cos(turn), math.sin(turn)
    _bar(still, x - cos * length * 0.3, y - sin * length * 0.3, length * 0.25, length * 0.035, turn)
    _bar(still, x + cos * length * 0.2, y + sin * length * 0.2, length * 0.28, length * 0.04, turn)


def spoon(still: Still, x: float, y: float, length: float, turn: float) -> None:
    cos, sin = math.cos(turn), math.sin(turn)
    _bar(still, x - cos * length * 0.3, y - sin * length * 0.3, length * 0.4, length * 0.022, turn)
    head = Shape(x + cos * length * 0.2, y + sin * length * 0.2, length * 0.16, length * 0.1, turn)
    still.lay(head, STEEL)
    still.lay(
        Shape(head.x, head.y, head.long * 0.88, head.wide * 0.85, turn), STEEL._replace(height=-0.5, shadow=0)
    )


def _bar(still: Still, x: float, y: float, long: float, wide: float, turn: float) -> None:
    still.lay(Shape(x, y, long, max(0.8, wide), turn, power=4), STEEL)


def cutlery(still: Still, x: float, y: float, radius: float) -> None:
    """Some beside a plate."""
    page = still.page
    for side in (-1, 1):
        if page.chance(0.5):
            piece = page.pick((fork, knife, spoon, fork, knife))
            turn = -math.pi / 2 + page.share(-0.25, 0.25)
            piece(still, x + side * radius * page.share(1.1, 1.3), y, radius * page.share(1.1, 1.6), turn)
