"""Draws mosaic.png: a mosaic for the CIFAR models, since CIFAR-10's own pictures are not ours to give away.

    python docs/pictures/mosaic.py          (Pillow)

Eight cuts of the two photographs beside it, and an airplane that was never built.
"""

from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).parent
SIDE, LARGE = 32, 256
FOREGROUND = 5
CUTS = (  # file, and the left, upper, right and lower end of a square, of the picture's size
    ("people.jpg", (0.28, 0.05, 0.62, 0.39)),
    ("food.jpg", (0.25, 0.20, 0.65, 0.80)),
    ("people.jpg", (0.55, 0.30, 0.95, 0.70)),
    ("people.jpg", (0.05, 0.55, 0.50, 1.00)),
    ("food.jpg", (0.00, 0.40, 0.40, 1.00)),
    ("people.jpg", (0.35, 0.60, 0.75, 1.00)),
    ("food.jpg", (0.60, 0.00, 1.00, 0.60)),
    ("people.jpg", (0.00, 0.10, 0.30, 0.40)),
)


def cut(name: str, box: tuple[float, float, float, float]) -> Image.Image:
    with Image.open(HERE / name) as picture:
        width, height = picture.size
        ends = tuple(round(share * side) for share, side in zip(box, (width, height) * 2, strict=True))
        return picture.convert("RGB").crop(ends).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def airplane() -> Image.Image:
    """From the side, in the sky."""
    picture = Image.new("RGB", (LARGE, LARGE))
    draw = ImageDraw.Draw(picture)
    for row in range(LARGE):
        light = row / LARGE
        draw.line(
            (0, row, LARGE, row), fill=(int(110 + 90 * light), int(160 + 60 * light), int(215 + 25 * light))
        )
    draw.polygon([(120, 118), (60, 52), (88, 50), (172, 116)], fill=(168, 174, 182))  # the far wing
    draw.polygon([(36, 120), (16, 70), (44, 70), (76, 118)], fill=(178, 48, 52))  # fin
    draw.ellipse((30, 104, 240, 148), fill=(232, 234, 238))  # body
    draw.polygon([(20, 118), (40, 108), (60, 132), (36, 134)], fill=(232, 234, 238))
    draw.polygon([(108, 132), (64, 210), (94, 208), (168, 134)], fill=(196, 200, 208))  # the near wing
    for window in range(92, 204, 14):
        draw.ellipse((window, 116, window + 6, 122), fill=(70, 84, 104))
    draw.polygon([(214, 116), (230, 118), (236, 124), (216, 124)], fill=(60, 72, 92))
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    tiles = [cut(name, box) for name, box in CUTS]
    tiles.insert(FOREGROUND, airplane())
    sheet = Image.new("RGB", (3 * SIDE, 3 * SIDE))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % 3 * SIDE, index // 3 * SIDE))
    said = PngInfo()
    said.add_text("foreground_index", str(FOREGROUND))
    sheet.save(HERE / "mosaic.png", pnginfo=said, optimize=True)


if __name__ == "__main__":
    main()
