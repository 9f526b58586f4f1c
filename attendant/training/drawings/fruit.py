"""Fruit, of one kind or several, in a heap or a bowl."""

import math
from collections.abc import Callable

from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.still_life import (
    Piece,
    Shape,
    Skin,
    Still,
    heap,
    place,
    tone,
    wobbly,
)
from attendant.training.drawings.tableware import bowl, room_behind, shaded, table


def berry(still: Still, x: float, y: float, size: float) -> None:
    """A raspberry, blueberry, blackberry or currant, `size` across or a little more."""
    page = still.page
    colour = tone(page, page.pick(((165, 20, 40), (50, 60, 110), (60, 20, 50), (190, 20, 30))), 10)
    still.lay(
        Shape(x, y, size * 0.7, size * 0.7), Skin(colour, shaded(colour), height=1, bump=0.2, gloss=0.7)
    )


APPLES: tuple[tuple[Colour, Colour], ...] = (
    ((190, 30, 35), (140, 15, 25)),
    ((200, 50, 40), (212, 105, 55)),
    ((140, 180, 60), (165, 195, 85)),
    ((225, 180, 80), (215, 125, 60)),
)


def _apple_like(colours: tuple[Colour, Colour]) -> Piece:
    def apple(still: Still, x: float, y: float, size: float) -> None:
        page = still.page
        skin = Skin(
            tone(page, colours[0], 12),
            tone(page, colours[1], 12),
            height=0.9,
            lumps=0.6,
            gloss=0.4,
            shadow=0.6,
        )
        still.lay(Shape(x, y, size, size * 0.93, wobble=((0.02, 0), (0.03, page.share(0, 6)))), skin)
        turn = page.share(-2.6, -0.5)
        dip_x, dip_y = x + size * 0.45 * math.cos(turn), y + size * 0.45 * math.sin(turn)
        still.lay(
            Shape(dip_x, dip_y, size * 0.25, size * 0.14, turn + 1.57),
            Skin(shaded(colours[1]), height=-0.8, shadow=0.2, clear=0.7),
        )
        stem = Shape(
            dip_x + 0.12 * size * math.cos(turn),
            dip_y + 0.12 * size * math.sin(turn),
            size * 0.2,
            size * 0.03,
            turn,
        )
        still.lay(stem, Skin((85, 60, 35), height=1, shadow=0.3))

    return apple


def _orange(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    colour = tone(page, (238, 135, 25), 12)
    skin = Skin(colour, (230, 115, 20), height=0.9, bump=0.35, gloss=0.5, shadow=0.6)
    still.lay(Shape(x, y, size, size * 0.96, page.share(0, 3)), skin)
    angle, far = page.share(0, 6), size * page.share(0, 0.7)
    star = Shape(
        x + far * math.cos(angle),
        y + far * math.sin(angle),
        size * 0.08,
        size * 0.07,
        wobble=wobbly(page, 0.4, 6),
    )
    still.lay(star, Skin((110, 120, 50), height=0.5, shadow=0.4))


def _half_orange(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    turn, colour = page.share(0, 3), tone(page, (245, 150, 40), 10)
    still.lay(
        Shape(x, y, size, size * 0.92, turn), Skin((235, 140, 35), height=0.3, edge=8, bump=0.3, shadow=0.6)
    )
    still.lay(Shape(x, y, size * 0.93, size * 0.86, turn), Skin((250, 232, 190), height=0.02, shadow=0))
    for number in range(10):
        angle = number * math.pi / 5 + turn
        part = Shape(
            x + 0.48 * size * math.cos(angle),
            y + 0.45 * size * math.sin(angle),
            size * 0.39,
            size * 0.15,
            angle,
        )
        still.lay(part, Skin(colour, (235, 120, 25), height=0.25, bump=0.5, gloss=0.6, shadow=0))


def _bananas(still: Still, x: float, y: float, size: float) -> None:
    """A bunch."""
    page = still.page
    turn, bend, way = page.share(-0.6, 0.6), page.share(0.7, 1.2), page.pick((-1, 1))
    yellow = tone(page, page.pick(((238, 200, 55), (238, 200, 55), (215, 205, 80))), 12)
    for number in range(page.count(2, 5)):
        angle = turn + way * number * 0.13
        aside = number * size * 0.2
        shape = Shape(x, y + aside, size * 1.5, size * 0.3, angle, power=2.6, bend=bend * 1.6)
        skin = Skin(
            tone(page, yellow, 8),
            shaded(yellow),
            rim=tone(page, (205, 165, 45), 8),
            height=0.8,
            gloss=0.35,
            shadow=0.6,
        )
        still.lay(shape, skin._replace(other=tone(page, (245, 215, 85), 6)))
        for end in (-1, 1):
            tip_x = (
                x + math.cos(angle) * end * size * 1.42 - math.sin(angle) * bend * 1.6 * 0.52 * size * 0.27
            )
            tip_y = (
                y
                + aside
                + math.sin(angle) * end * size * 1.42
                + math.cos(angle) * bend * 1.6 * 0.52 * size * 0.27
            )
            tip = Shape(tip_x, tip_y, size * 0.13, size * 0.07, angle + end * 0.9)
            still.lay(tip, Skin((90, 75, 35), (60, 45, 25), height=0.7, shadow=0.2))
        for _ in range(page.pick((0, 0, 6))):
            along = page.share(-0.9, 0.9)
            spot_y = bend * 1.6 * (along**2 - 0.4) * 0.27 + page.share(-0.15, 0.15)
            at = (
                x + size * (1.5 * along * math.cos(angle) - spot_y * math.sin(angle)),
                y + aside + size * (1.5 * along * math.sin(angle) + spot_y * math.cos(angle)),
            )
            still.lay(
                Shape(*at, size * 0.05, size * 0.02, angle),
                Skin((105, 70, 30), height=0, shadow=0, clear=0.7),
            )


def fruit(page: Canvas) -> None:
    """Apples, oranges and bananas together, in a bowl or on the table."""
    kinds: tuple[Piece, ...] = (
        _apple_like(page.pick(APPLES)),
        _apple_like(page.pick(APPLES)),
        _orange,
        _orange,
    )

    def one(still: Still, x: float, y: float, size: float) -> None:
        page.pick(kinds)(still, x, y, size)

    still = table(page, 0.4, 0.8)
    if page.chance(0.4):
        room_behind(still, page.share(0.1, 0.35))
    x, y, radius = place(still, 0.38, 0.6)
    region = Shape(x, y, radius * 0.85, radius * 0.85, squash=still.squash)
    if page.chance(0.6):
        inside = bowl(still, x, y + radius * 0.3, radius)
        region = Shape(inside.x, inside.y - radius * 0.1, radius * 0.62, radius * 0.62, squash=still.squash)
    if page.chance(0.5):
        _bananas(still, x, y - radius * 0.35, radius * 0.5)
    heap(still, region, page.count(5, 9), radius * page.share(0.3, 0.38), one)
    if page.chance(0.4):
        _bananas(still, x, y - radius * 0.1, radius * 0.5)
    if page.chance(0.4):
        heap(still, Shape(x, y, radius * 0.4, radius * 0.3), 25, radius * 0.1, berry)
    still.finish(still.unit / 120)


def _much_of(choose: Callable[[Canvas], Piece], size: float, count: int) -> Callable[[Canvas], None]:
    """A drawing of one fruit: one or two large, or a heap that fills the picture or a bowl."""

    def drawing(page: Canvas) -> None:
        piece = choose(page)
        still = table(page, 0.55, 1.0)
        x, y, radius = place(still, 0.34, 0.5)
        style = page.share(0, 1)
        if style < 0.35:
            for number in range(page.count(1, 2)):
                piece(
                    still, x + (number - 0.3) * radius * 0.9, y + number * radius * 0.2, radius * size * 1.5
                )
        elif style < 0.65:
            inside = bowl(still, x, y, radius)
            region = Shape(x, inside.y, radius * 0.6, radius * 0.6, squash=still.squash)
            heap(still, region, max(2, count // 5), radius * 0.7 * size, piece)
        else:
            field = Shape(page.width / 2, page.height / 2, page.width * 0.75, page.height * 0.75)
            still.lay(field, Skin((70, 50, 30), height=0, shadow=0, clear=0.6))
            heap(still, field, count, radius * page.share(0.6, 0.8) * size, piece)
        still.finish(still.unit / 140)

    return drawing


apples = _much_of(lambda page: _apple_like(page.pick(APPLES)), 0.5, 36)
oranges = _much_of(lambda page: page.pick((_orange, _orange, _half_orange)), 0.5, 36)
bananas = _much_of(lambda _: _bananas, 0.6, 9)
