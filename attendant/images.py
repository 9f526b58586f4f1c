"""Bytes to a safe RGB array: JPEG, PNG and WebP as people post them, and nothing else.

`read_header` is for the gateway: it reads the header alone. `decode` is for the handler: it refuses what is truncated
or damaged, converts the rest to 8-bit RGB, and says in words what it converted. Both raise only `AttendantError`,
naming the field and the limit. Nothing here changes Pillow's or Python's global state, so any thread may call it.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attendant.errors import invalid
from attendant.image_containers import (
    BadImage,
    ImageFormat,
    ImageHeader,
    Picture,
    read_format,
    read_picture,
    read_size,
)
from attendant.types import IMAGE_SIZE

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
_PIXEL_CEILING = 89_000_000  # whatever the caller allows: beyond it Pillow warns
FIELD = "instance.tweet.image"

# Big pictures are reduced to no less than this while they are decoded. At the model's own size the reduction would
# stand in for the antialiasing of `resize`; at twice that it hardly shows (docs/profile.md).
REDUCED_SIZE = 2 * IMAGE_SIZE

Pixels = NDArray[np.uint8]

# EXIF orientation -> what turns the stored picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedImage:
    """`pixels` H x W x 3, RGB, 0 to 255, contiguous; `conversions` are short phrases, one for each change made.

    A picture much larger than the model's 448 x 448 comes back reduced by a whole factor, neither side below
    `REDUCED_SIZE`: decoding a photograph is many times quicker for it, and resizing then makes nearly the same of it.
    """

    pixels: Pixels
    conversions: tuple[str, ...]


def read_header(
    data: bytes, *, max_bytes: int = MAX_IMAGE_BYTES, max_pixels: int = MAX_PIXELS, field: str = FIELD
) -> ImageHeader:
    """Format and size, from the header alone. Raises INVALID_INPUT where that already says no."""
    try:
        return _read_header(data, max_bytes, max_pixels)
    except BadImage as bad:
        raise invalid(field, f"the image {bad}") from bad


def decode(
    data: bytes, *, max_bytes: int = MAX_IMAGE_BYTES, max_pixels: int = MAX_PIXELS, field: str = FIELD
) -> DecodedImage:
    """The first frame, upright, in 8-bit RGB. Raises INVALID_INPUT for whatever is not wholly a picture."""
    try:
        header = _read_header(data, max_bytes, max_pixels)
        picture = read_picture(data, header.format)
        image, conversions = _decode(picture, header)
    except BadImage as bad:
        raise invalid(field, f"the image {bad}") from bad
    return DecodedImage(np.array(image), tuple(conversions))


def _read_header(data: bytes, max_bytes: int, max_pixels: int) -> ImageHeader:
    if not data:
        raise BadImage("is empty")
    if len(data) > max_bytes:
        raise BadImage(f"has {len(data):,} bytes; at most {max_bytes:,} are accepted")
    image_format = read_format(data)
    width, height = read_size(data, image_format)
    if width * height == 0:
        raise BadImage(f"has no pixels: it is {width} x {height}")
    limit = min(max_pixels, _PIXEL_CEILING)
    if width * height > limit:
        raise BadImage(f"has {width} x {height} = {width * height:,} pixels; at most {limit:,} are accepted")
    return ImageHeader(image_format, width, height)


def _decode(picture: Picture, header: ImageHeader) -> tuple[Image.Image, list[str]]:
    """RGB and upright, and the conversions."""
    try:
        image, conversions = _to_rgb(_load(picture, header), picture.bit_depth)
    except BadImage:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the bytes lead them to
        raise BadImage(f"is a damaged {header.format}: it cannot be decoded") from error
    if picture.animated:
        conversions.append("animation: the first frame taken")
    if picture.orientation != 1:
        image = image.transpose(_UPRIGHT[picture.orientation])
        conversions.append(f"turned upright as its EXIF orientation {picture.orientation} says")
    return image, conversions


def _load(picture: Picture, header: ImageHeader) -> Image.Image:
    """The decoded picture in whatever mode it is stored."""
    image = Image.open(io.BytesIO(picture.data), formats=[header.format])
    if image.size != (header.width, header.height):
        raise BadImage(f"is a damaged {header.format}: it gives two different sizes")
    if header.format is ImageFormat.JPEG:
        image.draft(None, (REDUCED_SIZE, REDUCED_SIZE))  # to 1/2, 1/4 or 1/8: a far quicker decoder
    image.load()
    return image


def _to_rgb(image: Image.Image, bit_depth: int) -> tuple[Image.Image, list[str]]:
    """8-bit RGB, and what that took."""
    conversions = []
    if bit_depth == 16:
        conversions.append("16 bits a channel reduced to 8")
        image = _to_eight_bits(image)
    if image.mode == "CMYK":
        conversions.append("CMYK converted to RGB")
    elif image.mode == "P":
        conversions.append("palette colours expanded to RGB")
    elif image.mode in ("1", "L", "LA"):
        conversions.append("grey repeated over the three channels")
    if not image.has_transparency_data:
        return _reduce(image if image.mode == "RGB" else image.convert("RGB")), conversions
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() != (255, 255):
        conversions.append("transparency laid over white")
    image = _reduce(image)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"), conversions


def _reduce(image: Image.Image) -> Image.Image:
    """A whole factor smaller, so that later steps touch few pixels."""
    factor = min(image.size) // REDUCED_SIZE
    return image.reduce(factor) if factor > 1 else image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow keeps 16-bit grey as it is, and the transparent colour of a 16-bit PNG in 16 bits."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if isinstance(transparent, int):
        image.info["transparency"] = transparent >> 8
    elif isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    return image
