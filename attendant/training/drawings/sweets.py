"""Cakes, donuts and ice cream."""

import math

from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour
from attendant.training.drawings.fruit import berry
from attendant.training.drawings.still_life import (
    Shape,
    Skin,
    Still,
    place,
    scatter,
    sprinkle,
    tone,
    wobbly,
)
from attendant.training.drawings.tableware import bowl, fork, plate, room_behind, shaded, table

CREAMS: tuple[Colour, ...] = (
    (250, 244, 230),
    (70, 38, 22),
    (240, 190, 195),
    (225, 190, 140),
    (250, 225, 150),
    (110, 65, 38),
)
SPONGES: tuple[Colour, ...] = ((225, 180, 105), (85, 48, 28), (160, 50, 45), (190, 130, 75), (60, 34, 22))


def cake(page: Canvas) -> None:
    """A slice with its layers to the front, or a whole one."""
    still = table(page, 0.4, 0.65)
    if page.chance(0.5):
        room_behind(still, page.share(0.1, 0.4))
    x, y, radius = place(still, 0.26, 0.46)
    tall = radius * page.share(0.55, 0.9)
    plate(still, x, y + tall * 0.75, radius * page.share(1.3, 1.7))
    cream, sponge = tone(page, page.pick(CREAMS), 10), tone(page, page.pick(SPONGES), 12)
    if page.chance(0.6):
        _wedge(still, x, y, radius, tall, (cream, sponge))
    else:
        _whole(still, x, y, radius, tall * 0.9, cream)
    if page.chance(0.5):
        side = page.pick((-1, 1))
        fork(still, x + side * radius * 1.2, y + tall, radius * 1.3, -math.pi / 2 + page.share(-0.4, 0.4))
    if page.chance(0.4):
        ground = Shape(x, y + tall, radius * 1.1, radius * 1.1, squash=still.squash)
        sprinkle(still, ground, sponge, page.count(5, 25), radius * 0.025)
    still.finish(still.unit / 100)


def _layers(page: Canvas, cream: Colour, sponge: Colour) -> tuple[tuple[float, Colour], ...]:
    count, found = page.count(2, 4), [(0.0, cream), (0.1, cream)]
    filling = page.pick((cream, cream, tone(page, (170, 35, 45))))
    for number in range(count):
        start, step = 0.11 + 0.89 * number / count, 0.89 / count
        found += [(start, shaded(sponge)), (start + 0.1 * step, sponge), (start + 0.76 * step, sponge)]
        if number < count - 1:
            found += [(start + 0.8 * step, filling), (start + 0.97 * step, filling)]
    return (*found, (1.0, shaded(sponge)))


def _wedge(
    still: Still, x: float, y: float, radius: float, tall: float, colours: tuple[Colour, Colour]
) -> None:
    page, (cream, sponge) = still.page, colours
    side = page.pick((-1, 1))
    tip, front = (x - side * radius, y + radius * 0.1), (x + side * radius * 0.85, y + radius * 0.3)
    back = (x + side * radius * page.share(0.5, 0.8), y - radius * still.squash * page.share(0.8, 1.1))
    ground = Shape(x, y + tall * 1.05, radius, radius * 0.7, squash=still.squash)
    still.lay(ground, Skin((60, 45, 35), height=0.2, shadow=0.7, clear=0.3))
    right_side = (front, back, (back[0], back[1] + tall), (front[0], front[1] + tall))
    still.flat(right_side, ((0, cream), (1, shaded(cream))), 0.12)
    face = (tip, front, (front[0], front[1] + tall), (tip[0], tip[1] + tall))
    still.flat(face, _layers(page, cream, sponge), 0.45)
    still.flat((tip, front, back), ((0, cream), (1, cream)), 0.1)
    middle_x, middle_y = (tip[0] + 2 * front[0] + 2 * back[0]) / 5, (tip[1] + 2 * front[1] + 2 * back[1]) / 5
    if page.chance(0.8):
        _crown(still, middle_x, middle_y, radius)


def _crown(still: Still, x: float, y: float, radius: float) -> None:
    """Cream with a berry on it, or shavings."""
    page = still.page
    white = Skin((252, 248, 238), (238, 230, 212), height=0.8, lumps=radius * 0.02, gloss=0.2)
    if page.chance(0.6):
        for part in (0.26, 0.19, 0.12):
            still.lay(
                Shape(
                    x,
                    y - (0.26 - part) * radius,
                    radius * part,
                    radius * part * 0.75,
                    wobble=wobbly(page, 0.1),
                ),
                white,
            )
    if page.chance(0.7):
        page.pick((_strawberry, berry))(still, x, y - radius * 0.2, radius * page.share(0.13, 0.2))
    else:
        sprinkle(still, Shape(x, y, radius * 0.4, radius * 0.2), (75, 42, 25), 30, radius * 0.04)


def _strawberry(still: Still, x: float, y: float, size: float) -> None:
    page = still.page
    red = tone(page, (205, 30, 35), 12)
    turn = page.share(1.0, 2.1)
    still.lay(
        Shape(x, y, size * 1.1, size * 0.9, turn, wobble=((0, 0), (0.1, 0))),
        Skin(red, shaded(red), height=0.95, gloss=0.8),
    )
    sprinkle(still, Shape(x, y, size * 0.8, size * 0.7), (240, 205, 120), 16, size * 0.06)
    for step in range(4):
        leaf = Shape(
            x + (step - 1.5) * size * 0.3, y - size * 0.9, size * 0.35, size * 0.15, page.share(0, 3)
        )
        still.lay(leaf, Skin(tone(page, (80, 140, 50)), height=0.5, shadow=0.3))


def _whole(still: Still, x: float, y: float, radius: float, tall: float, cream: Colour) -> None:
    page = still.page
    ground = Shape(x, y + tall, radius * 1.02, radius * 1.02, squash=still.squash)
    still.lay(ground, Skin(shaded(cream), height=0.3, shadow=0.7))
    still.turned(x, ((y, radius), (y + tall, radius)), ((y, cream), (y + tall, shaded(cream))), 0.06)
    top = Shape(x, y, radius, radius, squash=still.squash)
    still.lay(
        top, Skin(cream, shaded(cream), height=0.04, edge=8, bump=0.08, lumps=0.5, gloss=0.25, shadow=0)
    )
    if page.chance(0.4):
        glaze = tone(page, page.pick(((65, 34, 20), (180, 30, 45), (245, 240, 230))), 8)
        skin = Skin(glaze, height=0.3, gloss=0.5, shadow=0.2)
        for step in range(14):
            angle = math.pi * (step + page.share(0, 0.6)) / 14
            drip = Shape(
                x + radius * 0.98 * math.cos(angle),
                y + radius * 0.98 * math.sin(angle) * still.squash,
                radius * 0.07,
                tall * page.share(0.15, 0.45),
            )
            still.lay(drip, skin)
        still.lay(top, skin._replace(height=0.03, shadow=0))
    count = page.count(6, 12)
    topping = page.pick((_strawberry, berry, _rosette, _rosette))
    for step in range(count):
        angle = 2 * math.pi * step / count - math.pi / 2
        topping(
            still,
            x + 0.8 * radius * math.cos(angle),
            y + 0.8 * radius * math.sin(angle) * still.squash,
            radius * 0.14,
        )
    if page.chance(0.6):
        scatter(
            still,
            Shape(x, y, radius * 0.5, radius * 0.5, squash=still.squash),
            page.count(3, 12),
            radius * 0.13,
            page.pick((_strawberry, berry)),
        )


def _rosette(still: Still, x: float, y: float, size: float) -> None:
    for part in (1.0, 0.7, 0.4):
        shape = Shape(
            x,
            y - (1 - part) * size * 0.8,
            size * part,
            size * part * 0.75,
            wobble=wobbly(still.page, 0.12, 8),
        )
        still.lay(shape, Skin((250, 240, 225), (235, 215, 195), height=0.8, gloss=0.2, shadow=0.3))


GLAZES: tuple[Colour, ...] = (
    (235, 130, 165),
    (70, 36, 22),
    (248, 242, 228),
    (225, 165, 95),
    (245, 205, 90),
    (150, 200, 215),
)
SUGARS: tuple[Colour, ...] = (
    (240, 60, 80),
    (80, 150, 220),
    (250, 220, 80),
    (120, 200, 110),
    (255, 255, 255),
    (240, 150, 60),
)


def donuts(page: Canvas) -> None:
    """One, or many on a plate or in a box."""
    still = table(page, 0.6, 1.0)
    x, y, radius = place(still, 0.3, 0.5)
    count = page.pick((1, 3, 5, 8, 12))
    if page.chance(0.5):
        plate(still, x, y, radius * page.share(1.3, 1.5))
    if count == 1:
        _donut(still, x, y, radius)
    else:
        region = Shape(
            x,
            y,
            radius * (1.0 if count < 8 else 1.5),
            radius * (1.0 if count < 8 else 1.5),
            squash=still.squash,
        )
        scatter(still, region, count, radius * page.share(0.42, 0.5), _donut)
    still.finish(still.unit / 140)


def _donut(still: Still, x: float, y: float, size: float) -> None:
    page, squash = still.page, still.squash
    crust = tone(page, (200, 135, 65), 15)
    hole = page.share(0.22, 0.34)
    dough = Skin(crust, shaded(crust), height=0.32, bump=0.3, lumps=0.8, gloss=0.25, shadow=0.6)
    still.lay(Shape(x, y, size, size, squash=squash, hole=hole, wobble=wobbly(page, 0.04)), dough)
    if page.chance(0.15):
        return
    glaze = tone(page, page.pick(GLAZES), 10)
    icing = Skin(glaze, height=0.22, edge=3, lumps=size * 0.012, gloss=0.55, shadow=0.25)
    up = y - size * 0.1 * still.lift
    still.lay(
        Shape(x, up, size * 0.9, size * 0.9, squash=squash, hole=hole + 0.07, wobble=wobbly(page, 0.06, 8)),
        icing,
    )
    if page.chance(0.6):
        colours = page.pick((SUGARS, SUGARS[4:5], ((60, 30, 18),)))
        for _ in range(page.count(20, 50)):
            angle, far = page.share(0, 2 * math.pi), size * page.share(hole + 0.17, 0.8)
            bit = Shape(
                x + far * math.cos(angle),
                up + far * math.sin(angle) * squash,
                max(1, size * 0.05),
                max(0.7, size * 0.018),
                page.share(0, 3),
                power=3,
            )
            still.lay(bit, Skin(tone(page, page.pick(colours), 10), height=0.8, shadow=0.3))


SCOOPS: tuple[Colour, ...] = (
    (248, 238, 205),
    (105, 62, 38),
    (240, 165, 175),
    (190, 215, 165),
    (235, 205, 150),
    (215, 120, 130),
    (245, 225, 130),
)


def ice_cream(page: Canvas) -> None:
    """Scoops in a bowl or in a cone."""
    if page.chance(0.5):
        _sundae(page)
    else:
        _cone(page)


def _sundae(page: Canvas) -> None:
    still = table(page, 0.45, 0.75)
    if page.chance(0.5):
        room_behind(still, page.share(0.1, 0.4))
    x, y, radius = place(still, 0.28, 0.46)
    surface = bowl(still, x, y, radius)
    colours = [page.pick(SCOOPS) for _ in range(4)]
    for number, (aside, up) in enumerate(
        ((-0.3, 0.35), (0.35, 0.3), (0.0, 0.12), (0.05, 0.75))[: page.count(2, 4)]
    ):
        _scoop(
            still,
            surface.x + aside * radius,
            surface.y - up * radius,
            radius * page.share(0.46, 0.54),
            colours[number],
        )
    if page.chance(0.5):
        top = Shape(x, y - radius * 0.55, radius * 0.35, radius * 0.3, wobble=wobbly(page, 0.3, 7))
        still.lay(
            top,
            Skin(page.pick(((60, 30, 16), (175, 25, 40), (190, 120, 45))), height=0.4, gloss=0.8, shadow=0.2),
        )
    sprinkle(
        still,
        Shape(x, y - radius * 0.5, radius * 0.6, radius * 0.4),
        page.pick(SUGARS),
        page.pick((0, 25)),
        radius * 0.03,
    )
    if page.chance(0.5):
        _strawberry(still, x + page.share(-0.4, 0.4) * radius, y - radius * 0.8, radius * 0.2)
    if page.chance(0.4):
        wafer = Shape(x + radius * 0.5, y - radius * 0.8, radius * 0.6, radius * 0.1, -1.1, power=5)
        still.lay(wafer, Skin((215, 165, 95), (190, 135, 70), height=0.8, bump=0.7))
    still.finish(still.unit / 110)


def _scoop(still: Still, x: float, y: float, size: float, colour: Colour) -> None:
    page = still.page
    colour = tone(page, colour, 10)
    skirt = Shape(x, y + size * 0.6, size * 1.05, size * 0.35, wobble=wobbly(page, 0.2, 9))
    skin = Skin(colour, shaded(colour), height=0.6, bump=0.4, lumps=size * 0.05, gloss=0.2, shadow=0.4)
    still.lay(skirt, skin)
    ball = Shape(x, y, size, size * 0.95, wobble=wobbly(page, 0.05, 8))
    pale = round(colour[0] * 0.9), round(colour[1] * 0.88), round(colour[2] * 0.86)
    still.lay(ball, skin._replace(other=pale, height=0.85, shadow=0.3))


def _cone(page: Canvas) -> None:
    """In front of something blurred."""
    still = Still(page, 0.3)
    page.backdrop()
    room_behind(still, 2)
    x, y, radius = place(still, 0.16, 0.28)
    deep = radius * page.share(2.0, 2.8)
    tan = tone(page, (205, 150, 85), 12)
    outline = ((y, radius * 0.85), (y + deep, radius * 0.1))
    still.turned(x, outline, ((y, tan), (y + deep, shaded(tan))), 0.1)
    for step in range(-4, 14):
        for lean in (-1, 1):
            part = step / 9
            at_y = y + deep * max(0.0, part)
            half = radius * 0.85 * (1 - max(0.0, part) * 0.88)
            if part < 0 or half < 2:
                continue
            line = Shape(x, at_y + half * 0.3, half * 1.02, max(0.7, radius * 0.025), lean * 0.5, power=2)
            still.lay(line, Skin(shaded(tan), height=0.5, shadow=0, clear=0.7))
    flavours = [page.pick(SCOOPS) for _ in range(page.count(1, 3))]
    for number, flavour in enumerate(flavours):
        aside = 0 if len(flavours) == 1 else page.share(-0.2, 0.2) * radius
        _scoop(still, x + aside, y - radius * (0.5 + 1.05 * number), radius * (1 - 0.07 * number), flavour)
    if page.chance(0.4):
        top = Shape(x, y - radius * (0.5 + 1.05 * (len(flavours) - 1)), radius * 0.8, radius * 0.8)
        sprinkle(still, top, page.pick(SUGARS), 30, radius * 0.05)
    still.finish()
