"""What a meal is made of, each a piece that can be put at a place."""

import math

from attendant.training.drawings.colours import Colour
from attendant.training.drawings.still_life import Piece, Shape, Skin, Still, heap, tone, wobbly
from attendant.training.drawings.tableware import shaded

GREENS: tuple[Colour, ...] = ((70, 120, 40), (95, 145, 55), (45, 95, 35), (125, 165, 75))
SAUCES: tuple[Colour, ...] = (
    (95, 48, 22),
    (150, 40, 22),
    (190, 120, 50),
    (225, 205, 165),
    (70, 35, 18),
    (120, 130, 50),
)


def sauce(still: Still, x: float, y: float, size: float, colour: Colour) -> None:
    page = still.page
    colour = tone(page, colour, 12)
    shape = Shape(
        x, y, size, size * page.share(0.6, 1), page.share(0, 3), still.squash, wobble=wobbly(page, 0.2)
    )
    skin = Skin(
        colour, shaded(colour), height=0.06, edge=8, lumps=size * 0.02, gloss=0.7, shadow=0.2, clear=0.95
    )
    still.lay(shape, skin)


def steak(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    colour = tone(page, page.pick(((115, 62, 36), (90, 50, 32), (150, 90, 48), (175, 115, 62))), 12)
    long, wide, turn = size * page.share(1.0, 1.5), size * page.share(0.6, 0.85), page.share(0, 3)
    shape = Shape(x, y, long, wide, turn, still.squash, wobble=wobbly(page, 0.15))
    skin = Skin(
        colour,
        shaded(colour),
        rim=shaded(shaded(colour)),
        height=0.4,
        edge=5,
        bump=1.0,
        lumps=size * 0.03,
        gloss=0.35,
    )
    still.lay(shape, skin)
    if page.chance(0.4):
        for step in range(-2, 3):
            aside = step * long * 0.3
            mark = Shape(
                x + math.cos(turn) * aside,
                y + math.sin(turn) * aside * still.squash,
                wide * 0.75,
                long * 0.04,
                turn + math.pi / 2.6,
                still.squash,
            )
            still.lay(mark, Skin((45, 24, 16), height=-0.4, shadow=0, clear=0.75))


def sausages(still: Still, x: float, y: float, size: float) -> None:
    page, turn, colour = still.page, still.page.share(0, 3), tone(still.page, (160, 80, 40), 20)
    for step in range(page.count(1, 3)):
        shape = Shape(
            x,
            y + (step - 0.5) * size * 0.5,
            size * 1.2,
            size * 0.24,
            turn,
            still.squash,
            2.6,
            bend=page.share(-0.8, 0.8),
        )
        skin = Skin(colour, shaded(colour), height=0.9, bump=0.3, lumps=1, gloss=0.6)
        still.lay(shape, skin)


def chicken(still: Still, x: float, y: float, size: float) -> None:
    """Fried pieces with a rough golden crust."""
    page = still.page
    colour = tone(page, page.pick(((196, 130, 60), (175, 105, 45), (205, 150, 85))), 15)
    for _ in range(page.count(2, 5)):
        shape = Shape(
            x + page.share(-0.6, 0.6) * size,
            y + page.share(-0.5, 0.5) * size * still.squash,
            size * page.share(0.5, 0.8),
            size * page.share(0.35, 0.5),
            page.share(0, 3),
            still.squash,
            wobble=wobbly(page, 0.25),
        )
        skin = Skin(
            colour, shaded(colour), rim=shaded(colour), height=0.7, bump=1.4, lumps=size * 0.05, gloss=0.4
        )
        still.lay(shape, skin)


def balls(colour: Colour, count: int, part: float, skin: Skin) -> Piece:
    """A heap of round things of that colour, each `part` of the heap's size."""

    def pile(still: Still, x: float, y: float, size: float) -> None:
        page = still.page
        base = tone(page, colour, 15)

        def one(still: Still, x: float, y: float, size: float) -> None:
            shape = Shape(
                x,
                y,
                size,
                size * page.share(0.75, 1),
                page.share(0, 3),
                1 - (1 - still.squash) * 0.3,
                wobble=wobbly(page, 0.06, 3) if size > 8 else (),
            )
            found = tone(page, base, 12)
            still.lay(shape, skin._replace(colour=found, other=shaded(found)))

        heap(still, Shape(x, y, size, size, squash=still.squash), count, size * part, one)

    return pile


def bars(colour: Colour, count: int, long: float, wide: float, skin: Skin) -> Piece:
    """A heap of long things: fries, beans."""

    def pile(still: Still, x: float, y: float, size: float) -> None:
        page = still.page
        base = tone(page, colour, 12)

        def one(still: Still, x: float, y: float, size: float) -> None:
            shape = Shape(
                x,
                y,
                size * long,
                size * wide,
                page.share(0, math.pi),
                1 - (1 - still.squash) * 0.4,
                power=3.5,
                bend=page.share(-0.5, 0.5),
            )
            found = tone(page, base, 14)
            still.lay(shape, skin._replace(colour=found))

        heap(still, Shape(x, y, size * 0.8, size * 0.8, squash=still.squash), count, size, one)

    return pile


FRIES = Skin(
    (228, 180, 92), (240, 205, 125), rim=(190, 125, 50), height=0.8, edge=5, bump=0.3, gloss=0.25, shadow=0.55
)
fries = bars((228, 178, 90), 28, 0.62, 0.09, FRIES)
beans = bars((70, 120, 45), 18, 0.6, 0.07, Skin((0, 0, 0), height=0.9, gloss=0.5, shadow=0.55))
potatoes = balls((222, 188, 110), 7, 0.36, Skin((0, 0, 0), height=0.8, bump=0.5, lumps=1.5, gloss=0.3))
roast = balls(
    (200, 140, 65), 8, 0.33, Skin((0, 0, 0), rim=(130, 75, 30), height=0.8, bump=0.9, lumps=2, gloss=0.4)
)
peas = balls((105, 155, 50), 60, 0.1, Skin((0, 0, 0), height=1, gloss=0.5, shadow=0.6))
carrots = balls((230, 120, 35), 14, 0.2, Skin((0, 0, 0), height=0.5, edge=6, bump=0.3, gloss=0.35))
corn = balls((240, 195, 60), 55, 0.1, Skin((0, 0, 0), height=0.9, gloss=0.5, shadow=0.5))
meatballs = balls((105, 60, 35), 6, 0.36, Skin((0, 0, 0), height=0.9, bump=1.2, lumps=2, gloss=0.35))
florets = balls(
    (70, 115, 40), 45, 0.13, Skin((0, 0, 0), height=0.9, bump=1.5, lumps=1, gloss=0.05, shadow=0.6)
)


def broccoli(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    for _ in range(page.count(2, 3)):
        across, down = x + page.share(-0.6, 0.6) * size, y + page.share(-0.5, 0.5) * size * still.squash
        stem = Shape(
            across,
            down + size * 0.3,
            size * 0.16,
            size * 0.4,
            page.share(-0.4, 0.4),
        )
        still.lay(stem, Skin((150, 180, 95), height=0.6))
        florets(still, across, down, size * page.share(0.4, 0.55))


def mash(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    skin = Skin(
        tone(page, (240, 220, 160), 8), (228, 200, 130), height=0.5, bump=0.8, lumps=size * 0.1, gloss=0.2
    )
    still.lay(Shape(x, y, size, size * 0.85, page.share(0, 3), still.squash, wobble=wobbly(page, 0.2)), skin)
    if page.chance(0.4):
        sauce(still, x, y - size * 0.1, size * 0.45, page.pick(SAUCES))


def rice(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    shape = Shape(x, y, size * 1.05, size * 0.9, page.share(0, 3), still.squash, wobble=wobbly(page, 0.15))
    grains = still.strands(shape, 420, size * 0.09, max(1.5, size * 0.04), 0)
    white = page.pick(((244, 240, 228), (244, 240, 228), (235, 205, 110), (200, 150, 95)))
    still.lay(shape, Skin(tone(page, white, 6), height=0.35, lumps=size * 0.03, gloss=0.1), grains)


def leaves(still: Still, x: float, y: float, size: float) -> None:
    """Salad."""
    page = still.page

    def leaf(still: Still, x: float, y: float, size: float) -> None:
        green = tone(page, page.pick(GREENS), 18)
        shape = Shape(
            x,
            y,
            size,
            size * page.share(0.5, 0.9),
            page.share(0, 6),
            still.squash,
            wobble=wobbly(page, 0.35, 8),
        )
        skin = Skin(green, tone(page, (165, 190, 105)), rim=shaded(green), height=0.35, lumps=size * 0.12)
        still.lay(shape, skin._replace(bump=0.4, gloss=0.35, shadow=0.6))

    region = Shape(x, y, size * 0.9, size * 0.9, squash=still.squash)
    heap(still, region, 14, size * 0.4, leaf)
    if page.chance(0.6):
        heap(still, region, page.count(2, 5), size * 0.28, page.pick((tomato, cucumber)))


def tomato(still: Still, x: float, y: float, size: float) -> None:
    """A slice, or a small whole one."""
    page = still.page
    red = tone(page, (205, 48, 30), 15)
    if page.chance(0.4):
        still.lay(Shape(x, y, size * 0.8, size * 0.75), Skin(red, shaded(red), height=0.95, gloss=0.9))
        return
    still.lay(Shape(x, y, size, size, squash=still.squash), Skin(red, height=0.15, edge=6, gloss=0.5))
    inside = Skin(tone(page, (225, 95, 60), 10), (235, 150, 95), height=0.05, lumps=0.8, gloss=0.6, shadow=0)
    still.lay(Shape(x, y, size * 0.85, size * 0.85, squash=still.squash), inside)
    for number in range(4):
        angle = number * math.pi / 2 + 0.4
        seed_x, seed_y = x + 0.45 * size * math.cos(angle), y + 0.45 * size * math.sin(angle) * still.squash
        pulp = Skin((200, 60, 25), (215, 150, 60), height=0.2, bump=0.5, gloss=0.8, shadow=0.2)
        still.lay(Shape(seed_x, seed_y, size * 0.26, size * 0.2, angle, still.squash), pulp)


def cucumber(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    disc = Shape(x, y, size, size, page.share(0, 3), still.squash)
    still.lay(disc, Skin((50, 95, 40), height=0.15, edge=6, gloss=0.3))
    flesh = Skin(tone(page, (205, 220, 150), 8), (185, 205, 125), height=0.05, bump=0.3, gloss=0.4, shadow=0)
    still.lay(Shape(x, y, size * 0.9, size * 0.9, squash=still.squash), flesh)


MEATS: tuple[Piece, ...] = (steak, steak, chicken, sausages, meatballs)
FILLINGS: tuple[Piece, ...] = (potatoes, roast, mash, rice, fries)
GARDEN: tuple[Piece, ...] = (peas, carrots, broccoli, beans, leaves, corn, leaves)


def pepperoni(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    red = tone(page, (178, 52, 32), 14)
    skin = Skin(
        red,
        (200, 88, 52),
        rim=shaded(red),
        height=0.2,
        profile=((0, 0.2), (0.7, 0.2), (0.92, 0.6), (1, 0)),
        bump=0.6,
        lumps=1,
        gloss=0.45,
        shadow=0.4,
    )
    still.lay(Shape(x, y, size, size, squash=still.squash, wobble=wobbly(page, 0.06)), skin)


def ham(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    shape = Shape(
        x, y, size, size * 0.7, page.share(0, 3), still.squash, power=3.5, wobble=wobbly(page, 0.15)
    )
    still.lay(
        shape, Skin(tone(page, (212, 135, 112), 14), (190, 105, 85), height=0.2, edge=5, bump=0.5, gloss=0.3)
    )


def olive(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    skin = Skin(tone(page, page.pick(((35, 32, 35), (105, 110, 45))), 8), height=0.5, gloss=0.7)
    still.lay(Shape(x, y, size * 0.5, size * 0.5, squash=still.squash, hole=0.4), skin)


def mushroom(still: Still, x: float, y: float, size: float) -> None:
    page, turn = still.page, still.page.share(0, 6)
    skin = Skin(
        tone(page, (205, 175, 135), 12), (170, 130, 90), rim=(125, 85, 55), height=0.2, edge=6, bump=0.4
    )
    cap = Shape(x, y, size * 0.85, size * 0.5, turn, still.squash, bend=0.6)
    stem = Shape(
        x - math.sin(turn) * size * -0.4, y + math.cos(turn) * size * 0.4, size * 0.2, size * 0.45, turn
    )
    still.lay(stem, skin)
    still.lay(cap, skin)


def pepper(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    colour = tone(page, page.pick(((80, 140, 50), (200, 50, 35), (235, 180, 50))), 12)
    shape = Shape(x, y, size * 1.1, size * 0.2, page.share(0, 3), still.squash, bend=page.share(0.8, 2))
    still.lay(shape, Skin(colour, rim=shaded(colour), height=0.6, gloss=0.6))


def basil(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    green = tone(page, (60, 115, 45), 14)
    shape = Shape(x, y, size, size * 0.6, page.share(0, 6), still.squash, wobble=wobbly(page, 0.12))
    still.lay(shape, Skin(green, shaded(green), height=0.4, lumps=size * 0.08, gloss=0.4))


TOPPINGS: tuple[Piece, ...] = (pepperoni, pepperoni, olive, mushroom, pepper, basil, tomato, ham)
