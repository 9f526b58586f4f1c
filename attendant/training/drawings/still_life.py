"""A still life: things that lie on a table in one light, with shadows, gloss and a rough or mottled skin.

Lengths are pixels of the picture. Colours are 0 to 255, arrays of them 3 x H x W: numpy is quicker so. The level
of a thing is 0 in its middle and 1 at its outline; its height follows from that, and its light from the height's slope.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from attendant.training.drawings.canvas import Canvas
from attendant.training.drawings.colours import Colour

Grid = NDArray[np.float32]
Profile = tuple[tuple[float, float], ...]  # level and height

AMBIENT = 0.45
SHINE = 5  # squarings: the more, the smaller are highlights


@dataclass(frozen=True)
class Shape:
    """An outline around (x, y): half its length and width, turned by an angle, then foreshortened by `squash`.

    `power` 2 is an ellipse, more is a box with round corners; `bend` curves it like a banana; `hole` is the inner
    radius of a ring; `wave` makes it wavy along its length; `wobble` are the strength and phase of the outline's
    2nd, 3rd, ... wave.
    """

    x: float
    y: float
    long: float
    wide: float
    turn: float = 0
    squash: float = 1
    power: float = 2
    bend: float = 0
    hole: float = 0
    wave: float = 0
    wobble: tuple[tuple[float, float], ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """No point of it is farther from the middle, across and down."""
        spread = 1 + sum(strength for strength, _ in self.wobble)
        cos, sin = abs(math.cos(self.turn)), abs(math.sin(self.turn))
        long, wide = self.long, self.wide * (1 + abs(self.bend) + abs(self.wave))
        if self.power == 2 and wide == self.wide:
            across, down = math.hypot(cos * long, sin * wide), math.hypot(sin * long, cos * wide)
        else:
            across, down = cos * long + sin * wide, sin * long + cos * wide
        return across * spread, down * spread * self.squash

    def level(self, x: Grid, y: Grid) -> Grid:
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        dx, dy = x - self.x, (y - self.y) / self.squash
        u = (dx * cos + dy * sin) / self.long
        v = (dy * cos - dx * sin) / self.wide
        if self.bend:
            v = v - self.bend * (u * u - 0.4)
        if self.wave:
            v = v - self.wave * np.sin(9 * u)
        if self.power == 2:
            level = np.sqrt(u * u + v * v)
        else:
            level = (np.abs(u) ** self.power + np.abs(v) ** self.power) ** (1 / self.power)
        if self.wobble:
            level /= 1 + self._waves(u, v)
        if self.hole:
            level = np.abs(level - (1 + self.hole) / 2) * (2 / (1 - self.hole))
        return level

    def _waves(self, u: NDArray[np.floating], v: NDArray[np.floating]) -> Grid:
        """The wobble in each direction: the real part of a polynomial of the direction as a complex number."""
        direction = (u + 1j * v).astype(np.complex64)
        direction /= np.maximum(np.abs(direction), np.float32(1e-6))
        waves = np.zeros_like(direction)
        for strength, phase in reversed(self.wobble):
            waves += cmath.rect(strength, phase)
            waves *= direction
        return (waves * direction).real

    def slope(self) -> float:
        """Pixels that its level takes from 0 to 1, across."""
        return min(self.long, self.wide) * math.sqrt(self.squash) * (1 - self.hole) / (1 + bool(self.hole))


class Skin(NamedTuple):
    """What light meets: `colour` mottled with `other`, turning to `rim` at the outline.

    `height` is a part of half the width, `edge` says how the height falls (2 a dome, 8 a slab) unless there is a
    `profile`; `bump` and `lumps` are the fine and the coarse relief, in pixels.
    """

    colour: Colour
    other: Colour | None = None
    rim: Colour | None = None
    height: float = 0.5
    edge: float = 2
    profile: Profile | None = None
    bump: float = 0
    lumps: float = 0
    gloss: float = 0.2
    clear: float = 1  # 0 cannot be seen
    shadow: float = 0.5


class Window(NamedTuple):
    """A part of the picture, with its pixels' coordinates."""

    rows: slice
    columns: slice
    x: Grid
    y: Grid


@dataclass
class Still:
    """A still life on a canvas; `finish` brings it there."""

    page: Canvas
    squash: float  # 1 seen from above, less obliquely
    pixels: Grid = field(init=False)
    light: tuple[float, float, float] = field(init=False)  # towards it
    fine: Grid = field(init=False)
    coarse: Grid = field(init=False)

    def __post_init__(self) -> None:
        page = self.page
        self.pixels = np.zeros((3, page.height, page.width), dtype=np.float32)
        angle, flat = page.share(-2.9, -0.2), page.share(0.35, 0.75)
        self.light = (math.cos(angle) * flat, math.sin(angle) * flat, math.sqrt(1 - flat * flat))
        size = page.height + 48, page.width + 48
        self.fine = page.generator.standard_normal(size, dtype=np.float32)
        self.fine = 0.6 * self.fine + self.noise(size, 2.5) + self.noise(size, 5)
        self.coarse = self.noise(size, self.unit / 9) + 0.6 * self.noise(size, self.unit / 22)
        self.coarse += 0.25 * self.noise(size, self.unit / 50)

    @property
    def unit(self) -> float:
        """The side of a square as large as the picture."""
        return math.sqrt(self.page.width * self.page.height)

    @property
    def lift(self) -> float:
        """How far up the picture a thing of height 1 goes."""
        return math.sqrt(1 - self.squash**2)

    def noise(self, size: tuple[int, int], across: float, down: float | None = None) -> Grid:
        """Soft noise of height x width, its patches so large."""
        cells = max(2, round(size[0] / max(1, down or across))), max(2, round(size[1] / max(1, across)))
        small = Image.fromarray(self.page.generator.standard_normal(cells, dtype=np.float32))
        return np.asarray(small.resize((size[1], size[0]), Image.Resampling.BICUBIC))

    def window(self, left: float, top: float, right: float, bottom: float) -> Window | None:
        """None outside the picture."""
        high, wide = self.pixels.shape[1:]
        columns = slice(max(0, math.floor(left)), min(wide, math.ceil(right)))
        rows = slice(max(0, math.floor(top)), min(high, math.ceil(bottom)))
        if columns.stop - columns.start < 2 or rows.stop - rows.start < 2:
            return None
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :]
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        return Window(rows, columns, x, y)

    def crop(self, noise: Grid, window: Window) -> Grid:
        """A piece of `noise` as large as the window, from somewhere near."""
        top, left = self.page.count(0, 48), self.page.count(0, 48)
        rows = slice(window.rows.start + top, window.rows.stop + top)
        return noise[rows, window.columns.start + left : window.columns.stop + left]

    def lay(self, shape: Shape, skin: Skin, relief: Grid | None = None) -> None:
        """Puts a thing there. `relief`, as large as the picture, is added to its height."""
        tall = skin.height * shape.wide
        room = abs(tall) + 4
        across, down = shape.reach[0] + room, shape.reach[1] + room
        window = self.window(shape.x - across, shape.y - down, shape.x + across, shape.y + down)
        if window is None:
            return
        if skin.shadow:
            self._cast(shape, window, tall, skin.shadow)
        level = shape.level(window.x, window.y)
        height = tall * _height(level, skin)
        if skin.bump:
            height += skin.bump * self.crop(self.fine, window)
        if skin.lumps:
            height += skin.lumps * self.crop(self.coarse, window)
        colour = self._coloured(skin, level, window)
        if relief is not None:
            grooves = relief[window.rows, window.columns]
            height += grooves
            colour *= np.clip(0.65 + 0.45 * grooves / max(1e-3, float(grooves.max())), 0, 1)
        cover = np.clip((1 - level) * shape.slope() + 0.5, 0, 1) * skin.clear
        self.blend(window, self.lit(colour, height, skin.gloss), cover)

    def lit(self, colour: Grid, height: Grid, gloss: float) -> Grid:
        """Colours in the light that falls on such a height."""
        down, across = _slopes(height)
        steep = 1 / np.sqrt(1 + across * across + down * down)
        x, y, z = self.light
        shade = np.maximum((z - x * across - y * down) * steep, 0) / z
        bright = AMBIENT + (1 - AMBIENT) * np.minimum(shade, 1.5)
        found: Grid = np.multiply(colour, bright, dtype=np.float32)
        if gloss:
            size = math.sqrt(x * x + y * y + (z + 1) ** 2)
            facing = np.maximum(((z + 1) - x * across - y * down) * steep / size, 0)
            for _ in range(SHINE):
                facing *= facing
            found += 255 * gloss * facing
        return found

    def blend(self, window: Window, colour: Grid, cover: Grid) -> None:
        under = self.pixels[:, window.rows, window.columns]
        under += (colour - under) * cover

    def darken(self, window: Window, shadow: Grid) -> None:
        self.pixels[:, window.rows, window.columns] *= 1 - shadow

    def _cast(self, shape: Shape, window: Window, tall: float, depth: float) -> None:
        """Its soft shadow, away from the light and close around it."""
        x, y, _ = self.light
        plain = replace(shape, wobble=())  # so soft that nobody sees it
        level = plain.level(window.x + x * tall * 0.7, window.y + y * tall * 0.7)
        end = 1 + min(0.3, (abs(tall) + 4) / max(shape.long, shape.wide))  # within the window
        self.darken(window, depth * np.clip((end - level) / (end - 0.8), 0, 1))

    def _coloured(self, skin: Skin, level: Grid, window: Window) -> Grid:
        colour = np.empty((3, *level.shape), dtype=np.float32)
        colour[:] = _column(skin.colour)
        if skin.other is not None:
            share = np.clip(0.5 + 0.55 * self.crop(self.coarse, window), 0, 1)
            colour += share * (_column(skin.other) - _column(skin.colour))
        if skin.rim is not None:
            share = np.clip((level - 0.55) / 0.4 + 0.2 * self.crop(self.coarse, window), 0, 1)
            colour += share * (_column(skin.rim) - colour)
        return colour

    def turned(
        self,
        x: float,
        outline: tuple[tuple[float, float], ...],
        colour: tuple[tuple[float, Colour], ...],
        gloss: float = 0.5,
        clear: float = 1,
    ) -> None:
        """A body turned on a lathe, standing: `outline` has heights from the top on and half widths there.

        `colour` is by height as well; what is not `clear` 1 is seen through, except at its sides.
        """
        heights, widths = zip(*outline, strict=True)
        top, bottom, most, foot = heights[0], heights[-1], max(widths), widths[-1]
        sink = self.squash * foot
        window = self.window(x - most - 2, top, x + most + 2, bottom + sink + 2)
        if window is None:
            return
        half = np.maximum(np.interp(window.y, heights, widths), 0.5).astype(np.float32)
        across = (window.x - x) / half
        inside = np.clip(1 - np.abs(across), 0, 1)
        depth = np.sqrt(np.maximum(1 - across * across, 0))
        cover = np.clip((1 - np.abs(across)) * half + 0.5, 0, 1)
        cover *= np.clip(bottom + sink * depth - window.y + 0.5, 0, 1)
        cover *= clear + (1 - clear) * np.clip(1 - 2.6 * inside, 0, 1)
        levels, shades = [step for step, _ in colour], np.array([shade for _, shade in colour])
        bands = [np.interp(window.y, levels, shades[:, band]).astype(np.float32) for band in range(3)]
        side, _, front = self.light
        shade = AMBIENT + 0.75 * np.maximum(side * across + front * depth, 0)
        lit: Grid = np.stack([band * shade for band in bands], dtype=np.float32)
        for place, breadth, strength in ((0.55, 0.07, 1.0), (-0.75, 0.05, 0.5)):
            spot = np.exp(-(((across - math.copysign(place, place * side)) / breadth) ** 2))
            lit += 255 * gloss * strength * spot
        self.blend(window, lit, cover.astype(np.float32))

    def flat(
        self, points: tuple[tuple[float, float], ...], layers: tuple[tuple[float, Colour], ...], bump: float
    ) -> None:
        """A cut face with straight sides; `layers` are colours by the part of its height, from the top on."""
        xs, ys = zip(*points, strict=True)
        window = self.window(min(xs) - 2, min(ys) - 2, max(xs) + 2, max(ys) + 2)
        if window is None:
            return
        size = window.x.shape[1], window.y.shape[0]
        moved = [(2 * (x - window.columns.start), 2 * (y - window.rows.start)) for x, y in points]
        mask = Image.new("L", (2 * size[0], 2 * size[1]))
        ImageDraw.Draw(mask).polygon(moved, fill=255)
        cover = np.asarray(mask.resize(size, Image.Resampling.BOX), dtype=np.float32) / 255
        # A layer keeps its part of the height along slanted edges: the upper and the lower outline at each x.
        wavy = 0.02 * self.crop(self.coarse, window)
        upper, lower = _outlines(points, window.x[0])
        part = (window.y - upper) / np.maximum(lower - upper, 1) + wavy
        steps, shades = [step for step, _ in layers], np.array([shade for _, shade in layers])
        bands = [np.interp(part, steps, shades[:, band]).astype(np.float32) for band in range(3)]
        colour = np.stack(bands) * (1 + 0.03 * self.crop(self.fine, window))
        self.blend(window, self.lit(colour, bump * self.crop(self.fine, window), 0), cover.astype(np.float32))

    def strands(self, shape: Shape, count: int, length: float, thick: float, curl: float = 0.5) -> Grid:
        """Relief, as large as the picture, of many strands over a shape: noodles when long, rice when short."""
        page = self.page
        mask = Image.new("L", (page.width, page.height))
        draw = ImageDraw.Draw(mask)
        for _ in range(count):
            far, around = math.sqrt(page.share(0, 1)) * shape.long, page.share(0, 2 * math.pi)
            start = shape.x + far * math.cos(around), shape.y + far * math.sin(around) * shape.squash
            _strand(draw, _curve(page, start, length, curl, shape.squash), thick, page.count(150, 255))
        soft = mask.filter(ImageFilter.BoxBlur(max(0.4, thick / 8)))
        return np.asarray(soft, dtype=np.float32) * np.float32(thick * 0.75 / 255)

    def finish(self, blur: float = 0) -> None:
        """Light, depth, tint and grain of a camera, and on to the canvas. `blur` is of what is far behind."""
        page = self.page
        if blur:
            self._defocus(blur)
        size = page.height, page.width
        light = page.generator.uniform(0.8, 1.3, (3, 3)).astype(np.float32)
        spread = Image.fromarray(light).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        tint = page.share(0.85, 1.15) * np.array([page.share(0.97, 1.1), 1, page.share(0.8, 1.03)])
        self.pixels *= np.asarray(spread) * tint.astype(np.float32)[:, None, None]
        self.pixels += page.share(0, 4) * page.generator.standard_normal(size, dtype=np.float32)
        page.image.paste(self.image())

    def image(self) -> Image.Image:
        return Image.fromarray(np.clip(self.pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy())

    def soften(self, radius: float) -> None:
        """Puts all that was drawn so far out of focus."""
        self.pixels = planes(self.image().filter(ImageFilter.GaussianBlur(radius)))

    def _defocus(self, radius: float) -> None:
        soft = planes(self.image().filter(ImageFilter.GaussianBlur(radius)))
        focus, depth = self.page.share(0.5, 0.75), self.page.share(0.25, 0.5)
        rows = np.linspace(0, 1, self.page.height, dtype=np.float32)
        share = np.clip((np.abs(rows - focus) - 0.18) / depth, 0, 1)[:, None]
        self.pixels += (soft - self.pixels) * share


Piece = Callable[[Still, float, float, float], None]  # at x and y, so large


def planes(image: Image.Image) -> Grid:
    """Its colours, 3 x H x W."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), dtype=np.float32)


def _column(colour: Colour) -> Grid:
    return np.array(colour, dtype=np.float32)[:, None, None]


def place(still: Still, low: float, high: float) -> tuple[float, float, float]:
    """The middle of the main thing and its radius, `low` to `high` of the picture's side; it may be cut off."""
    page = still.page
    radius = page.share(low, high) * still.unit
    x, y = page.width * page.share(0.36, 0.64), page.height * page.share(0.4, 0.62)
    return x, y, radius


def heap(still: Still, region: Shape, count: int, size: float, piece: Piece) -> None:
    """Pieces in a region, the nearer in front of the farther, higher in its middle."""
    page, places = still.page, []
    for _ in range(count):
        angle, far = page.share(0, 2 * math.pi), math.sqrt(page.share(0, 1))
        raised = (1 - far) * region.long * 0.3 * still.lift
        x = region.x + far * region.long * math.cos(angle)
        places.append((region.y + far * region.wide * math.sin(angle) * region.squash, raised, x))
    for y, raised, x in sorted(places):
        piece(still, x, y - raised, size * page.share(0.8, 1.2))


def scatter(still: Still, region: Shape, count: int, size: float, piece: Piece) -> None:
    """Pieces that keep some distance from one another, from the middle outwards like the seeds of a sunflower."""
    page, start = still.page, still.page.share(0, 6)
    for number in range(count):
        far = math.sqrt((number + page.share(0.2, 0.8)) / count)
        angle = start + 2.4 * number + page.share(-0.3, 0.3)
        x = region.x + far * region.long * math.cos(angle)
        y = region.y + far * region.wide * math.sin(angle) * region.squash
        piece(still, x, y, size * page.share(0.85, 1.1))


def sprinkle(still: Still, region: Shape, colour: Colour, count: int, size: float) -> None:
    """Herbs, cocoa, seeds, crumbs."""
    page = still.page

    def crumb(still: Still, x: float, y: float, size: float) -> None:
        shape = Shape(x, y, max(0.7, size), max(0.6, size * page.share(0.4, 0.9)), page.share(0, 3))
        still.lay(shape, Skin(tone(page, colour, 20), height=0.5, shadow=0.2))

    heap(
        still,
        Shape(region.x, region.y, region.long * 0.9, region.wide * 0.9, squash=region.squash),
        count,
        size,
        crumb,
    )


def wobbly(page: Canvas, strength: float, waves: int = 5) -> tuple[tuple[float, float], ...]:
    """An uneven outline."""
    return tuple(
        (page.share(0, strength) / wave**0.5, page.share(0, 2 * math.pi)) for wave in range(1, waves + 1)
    )


def tone(page: Canvas, colour: Colour, spread: float = 12) -> Colour:
    """Nearly that colour."""
    light = page.share(-spread, spread)
    red, green, blue = (
        round(min(255, max(0, band + light + page.share(-spread, spread) / 2))) for band in colour
    )
    return red, green, blue


def _height(level: Grid, skin: Skin) -> Grid:
    if skin.profile is not None:
        levels, heights = zip(*skin.profile, strict=True)
        found: Grid = np.interp(level, levels, heights).astype(np.float32)
        return found
    held: Grid = np.minimum(level, np.float32(1))
    fallen: Grid = held * held if skin.edge == 2 else np.power(held, skin.edge, dtype=np.float32)
    height: Grid = np.subtract(1, fallen, dtype=np.float32)
    return height


def _slopes(height: Grid) -> tuple[Grid, Grid]:
    """How much it rises with each pixel downwards, and to the right."""
    down: Grid = np.gradient(height, axis=0)
    across: Grid = np.gradient(height, axis=1)
    return down, across


def _outlines(points: tuple[tuple[float, float], ...], x: Grid) -> tuple[Grid, Grid]:
    """The polygon's lowest and highest y at each x."""
    upper, lower = np.full(x.shape, np.inf), np.full(x.shape, -np.inf)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        if x0 != x1:
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            there = (x >= min(x0, x1) - 1) & (x <= max(x0, x1) + 1)
            upper, lower = (
                np.where(there, np.minimum(upper, y), upper),
                np.where(there, np.maximum(lower, y), lower),
            )
    bare = lower < upper
    return np.where(bare, 0, upper).astype(np.float32), np.where(bare, 1, lower).astype(np.float32)


def _curve(
    page: Canvas, start: tuple[float, float], length: float, curl: float, squash: float
) -> list[tuple[float, float]]:
    """A walk that turns slowly."""
    points, angle, turn = [start], page.share(0, 2 * math.pi), page.share(-curl, curl)
    steps = 2 if curl == 0 else 9
    for _ in range(steps):
        x, y = points[-1]
        points.append((x + length / steps * math.cos(angle), y + length / steps * math.sin(angle) * squash))
        turn += page.share(-curl, curl) / 3
        angle += turn
    return points


def _strand(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], thick: float, top: int) -> None:
    """Round: dark at its sides, light along its middle."""
    for part, light in ((1.25, 0.25), (0.95, 0.7), (0.55, 0.95), (0.25, 1.0)):
        draw.line(points, fill=round(top * light), width=max(1, round(thick * part)), joint="curve")
