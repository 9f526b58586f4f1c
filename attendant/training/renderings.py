"""Pictures that this project draws itself, with the words a person would use for them.

Half of what people post with a tweet is writing: screenshots, memes, signs, notices. ImageNet has few classes for it,
so its teacher cannot name it; these drawings can (`PAGES`). Food, which few of the photographs show, is drawn too
(`MEALS`). Each drawing carries words of the model's attribute vocabulary.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from attendant.training.drawings import (
    boards,
    drinks,
    fruit,
    meals,
    pages,
    phones,
    posters,
    sandwiches,
    sweets,
)
from attendant.training.drawings.canvas import Canvas, canvas
from attendant.training.shades import name_shades

SHORTEST, LONGEST = 256, 600  # of a rendering's longest side, pixels


@dataclass(frozen=True)
class Rendering:
    """`pixels` uint8 H x W x 3, the longest side 256 to 600; `name` is its kind and number; `words` are distinct."""

    name: str
    pixels: NDArray[np.uint8]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """`shape` is the range of height / width; `weight` how often it is drawn, against the others."""

    draw: Callable[[Canvas], None]
    words: str
    shape: tuple[float, float]
    weight: float = 1.0


PHONE, PAGE, WIDE, ANY = (1.3, 2.1), (0.9, 1.6), (0.5, 0.85), (0.55, 1.4)
FOOD = (0.6, 1.4)

PAGES: dict[str, Kind] = {
    "chat": Kind(phones.chat, "phone screen cellphone cell smart showing says picture", PHONE, 3),
    "post": Kind(phones.post, "screen phone showing says reads picture cellphone", (0.4, 1.8), 3),
    "forecast": Kind(phones.forecast, "phone screen showing smart picture cloudy", PHONE),
    "lock_screen": Kind(phones.lock_screen, "phone screen cellphone cell showing smart clock picture", PHONE),
    "home_screen": Kind(phones.home_screen, "phone screen cellphone smart device colorful picture", PHONE),
    "news": Kind(pages.news, "screen showing picture reads computers monitor", (0.6, 1.6), 3),
    "form": Kind(pages.form, "paper writing reads picture sheet showing", PAGE, 1.5),
    "letter": Kind(pages.letter, "paper writing book picture reading sheet", PAGE, 1.5),
    "receipt": Kind(pages.receipt, "paper picture reads showing writing store", (1.2, 2.2)),
    "calendar": Kind(pages.calendar, "paper picture showing sheet day", ANY),
    "chart": Kind(pages.chart, "screen showing picture lines different display", WIDE),
    "table": Kind(pages.table, "screen sheet showing picture display", ANY),
    "map": Kind(pages.city_map, "picture streets directions city showing screen", ANY),
    "dialog": Kind(pages.dialog, "screen computers monitor showing laptop says", WIDE),
    "terminal": Kind(pages.terminal, "screen monitor laptop showing writing", ANY),
    "quote": Kind(posters.quote, "sign says reads picture writing", ANY, 4),
    "meme": Kind(posters.meme, "picture photo says sign", ANY, 3),
    "caption": Kind(posters.caption, "picture photo says reads", (0.7, 1.4), 2),
    "menu": Kind(boards.menu, "sign restaurant food reads board writing picture", PAGE),
    "stop_sign": Kind(boards.stop_sign, "sign stop street red signs pole", ANY, 0.5),
    "road_sign": Kind(boards.road_sign, "sign street road signs directions pole", ANY),
    "warning_sign": Kind(boards.warning_sign, "sign street road yellow signs pole says", ANY, 0.5),
    "shop_sign": Kind(boards.shop_sign, "sign store says building large", WIDE),
    "notice": Kind(boards.notice, "sign says paper wall reads writing", ANY, 1.5),
    "scoreboard": Kind(boards.scoreboard, "screen sign game showing lit", WIDE, 0.5),
    "broadcast": Kind(boards.broadcast, "tv screen television showing picture", (0.55, 0.75), 1.5),
    "clock_face": Kind(boards.clock_face, "clock clocks face round wall large", (0.8, 1.25), 0.5),
    "cover": Kind(posters.cover, "book cover picture says", (1.0, 1.6)),
    "advertisement": Kind(posters.advertisement, "sign commercial picture says colorful bright", ANY),
    "flag": Kind(posters.flag, "flag flags colored bright lines", WIDE, 0.4),
    "comic": Kind(posters.comic, "drawn picture pictures person talking", ANY, 0.8),
    "smiley": Kind(posters.smiley, "drawn face eyes smiling picture", (0.8, 1.25), 0.4),
    "collage": Kind(posters.collage, "pictures photos different multiple photo various", ANY),
}

MEALS: dict[str, Kind] = {
    "coffee": Kind(drinks.coffee, "coffee cup table mug drink", FOOD, 1.6),
    "beer": Kind(drinks.beer, "beer glass drink table", FOOD, 0.7),
    "wine": Kind(drinks.wine, "wine glass drink table", FOOD, 0.7),
    "long_drink": Kind(drinks.long_drink, "glass drink table juice", FOOD, 0.5),
    "dinner": Kind(meals.dinner, "food plate meal dinner vegetables table", FOOD, 2),
    "pizza": Kind(meals.pizza, "pizza food cheese toppings table", FOOD, 1),
    "burger": Kind(sandwiches.burger, "food sandwich bun meat fries", FOOD, 0.8),
    "hot_dog": Kind(sandwiches.hot_dog, "hotdog food hot bun", FOOD, 0.5),
    "sandwich": Kind(sandwiches.sandwich, "sandwich food bread meal", FOOD, 0.6),
    "soup": Kind(meals.soup, "soup food bowl table meal", FOOD, 0.8),
    "pasta": Kind(meals.pasta, "food pasta plate meal noodles", FOOD, 0.8),
    "salad": Kind(meals.salad, "food salad vegetables bowl tomatoes", FOOD, 0.6),
    "breakfast": Kind(meals.breakfast, "food eggs plate breakfast bacon", FOOD, 0.7),
    "cake": Kind(sweets.cake, "cake dessert food plate", FOOD, 1),
    "donuts": Kind(sweets.donuts, "donuts food dessert donut", FOOD, 0.5),
    "ice_cream": Kind(sweets.ice_cream, "ice cream dessert food", FOOD, 0.5),
    "fruit": Kind(fruit.fruit, "fruit food apples oranges ripe", FOOD, 0.4),
    "apples": Kind(fruit.apples, "apples apple fruit food", FOOD, 0.3),
    "oranges": Kind(fruit.oranges, "oranges orange fruit food", FOOD, 0.3),
    "bananas": Kind(fruit.bananas, "bananas banana fruit food", FOOD, 0.3),
}

KINDS = PAGES | MEALS


def rendering(index: int, seed: int, kinds: Mapping[str, Kind]) -> Rendering:
    """The rendering of that number, of one of the kinds, as often as their weights say."""
    generator = np.random.default_rng((seed, index))
    weights = np.array([kind.weight for kind in kinds.values()])
    drawn = draw_kind(list(kinds)[int(generator.choice(len(kinds), p=weights / weights.sum()))], generator)
    return replace(drawn, name=f"{drawn.name}/{index}")


def draw_kind(name: str, generator: np.random.Generator) -> Rendering:
    """One of that kind, named by it."""
    kind = KINDS[name]
    page = canvas(*_size(kind, generator), generator)
    kind.draw(page)
    words = dict.fromkeys([*kind.words.split(), *name_shades(np.asarray(page.image))])
    return Rendering(name, _photographed(page), tuple(words))


def _size(kind: Kind, generator: np.random.Generator) -> tuple[int, int]:
    """Width and height."""
    longest, shape = generator.integers(SHORTEST, LONGEST + 1), generator.uniform(*kind.shape)
    width, height = (longest / shape, longest) if shape > 1 else (longest, longest * shape)
    return round(float(width)), round(float(height))


def _photographed(page: Canvas) -> NDArray[np.uint8]:
    """As it was posted: sometimes photographed askew, unsharp, unevenly lit, and mostly as a poor JPEG."""
    image = page.image
    if page.chance(0.3):
        image = _askew(page, image)
    if page.chance(0.2):
        image = image.filter(ImageFilter.BoxBlur(page.share(0.3, 1.3)))
    if page.chance(0.2):
        image = _lit(page, image)
    if page.chance(0.7):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=page.count(25, 90))
        image = Image.open(buffer)
    return np.asarray(image)


def _askew(page: Canvas, image: Image.Image) -> Image.Image:
    """In perspective, with something around it."""
    width, height = image.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    depth = page.pick((0.05, 0.1, 0.18))
    moved = corners + page.generator.uniform(-depth, depth, (4, 2)) * (width, height) * 0.8
    # The coefficients that Pillow asks for take the picture's points back to the source's.
    rows = [
        row
        for (x, y), (u, v) in zip(moved, corners, strict=True)
        for row in ((x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y))
    ]
    data = np.linalg.solve(np.array(rows), corners.ravel())
    table = page.pick(((60, 45, 35), (30, 30, 34), (200, 200, 205), (120, 120, 125), (160, 130, 100)))
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, list(data), Image.Resampling.BILINEAR, fillcolor=table
    )


def _lit(page: Canvas, image: Image.Image) -> Image.Image:
    """Brighter on one side, or darker to the edges."""
    width, height = image.size
    light = page.generator.uniform(0.55, 1.15, (2, 2)) if page.chance(0.6) else _VIGNETTE
    mask = np.clip(light * 200, 0, 255).astype(np.uint8)
    spread = Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC)
    factor = np.asarray(spread, dtype=np.float32)[:, :, None] / 200
    return Image.fromarray(np.clip(np.asarray(image) * factor, 0, 255).astype(np.uint8))


_VIGNETTE = np.array([[0.5, 0.8, 0.5], [0.8, 1.05, 0.8], [0.5, 0.8, 0.5]])
