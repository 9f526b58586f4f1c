"""Images as the world sends them, good and bad, made here byte by byte or by Pillow from drawn pixels.

`EVIL_IMAGES` maps a name to the bytes and what is to come of them; unit tests ask `attendant.images`, contract tests
ask the service, and both expect the same.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

WIDTH, HEIGHT = 60, 40


@dataclass(frozen=True)
class Refused:
    """INVALID_ARGUMENT on the image's field; `words` stand in the description. `by_header`: the gateway can tell."""

    words: str
    by_header: bool


@dataclass(frozen=True)
class Accepted:
    """An answer; each phrase is the start of one of the conversions, in order."""

    conversions: tuple[str, ...] = ()
    size: tuple[int, int] = (WIDTH, HEIGHT)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_of(width: int, height: int, *chunks: bytes, bit_depth: int = 8, colour: int = 2) -> bytes:
    """A PNG with that header and only those chunks."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def drawn() -> Image.Image:
    """Red, green, blue and white quarters, so that every turn and flip of it is another picture."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half_height, half_width = HEIGHT // 2, WIDTH // 2
    pixels[:half_height, :half_width, 0] = 255
    pixels[:half_height, half_width:, 1] = 255
    pixels[half_height:, :half_width, 2] = 255
    pixels[half_height:, half_width:] = 255
    return Image.fromarray(pixels)


def animation(file_format: str) -> bytes:
    frames = [drawn(), Image.new("RGB", (WIDTH, HEIGHT), "black")]
    return encode(frames[0], file_format, save_all=True, lossless=True, append_images=frames[1:])


def sixteen_bit_colour() -> bytes:
    """Pillow writes no 16-bit colour, so here is one by hand: rows of a filter byte and big-endian RGB."""
    row = b"\0" + b"\xff\xff\0\0\0\0" * WIDTH
    return png_of(
        WIDTH,
        HEIGHT,
        png_chunk(b"IDAT", zlib.compress(row * HEIGHT)),
        png_chunk(b"IEND", b""),
        bit_depth=16,
    )


def text_bomb() -> bytes:
    """A valid small PNG with 40 compressed text chunks of a megabyte each, and a colour profile of the same kind."""
    whole = encode(drawn(), "PNG")
    bomb = zlib.compress(bytes(1 << 20))
    chunks = png_chunk(b"iCCP", b"profile\0\0" + bomb) + png_chunk(b"zTXt", b"Comment\0\0" + bomb) * 40
    return whole[:33] + chunks + whole[33:]


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = encode(drawn(), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * count + b"\xff\xd9"


def pixel_bomb() -> bytes:
    """A PNG whose pixels are followed, in the same stream, by 200 MB of zeros."""
    pixels = (b"\0" + bytes(3 * WIDTH)) * HEIGHT
    return png_of(
        WIDTH,
        HEIGHT,
        png_chunk(b"IDAT", zlib.compress(pixels + bytes(200 << 20), 9)),
        png_chunk(b"IEND", b""),
    )


def on_canvas(webp: bytes, width: int, height: int) -> bytes:
    """A WebP in an extended container that speaks of another size."""
    sizes = b"".join(struct.pack("<I", size - 1)[:3] for size in (width, height))
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sizes + webp[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def in_frame_header(jpeg: bytes, offset: int, value: int) -> bytes:
    """A JPEG with another byte in the header of its frame."""
    place = jpeg.index(b"\xff\xc0") + offset
    return jpeg[:place] + bytes([value]) + jpeg[place + 1 :]


def with_flipped_byte(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


def _evil_images() -> dict[str, tuple[bytes, Refused | Accepted]]:
    image = drawn()
    jpeg, png, webp = encode(image, "JPEG"), encode(image, "PNG"), encode(image, "WEBP", lossless=True)
    rgba = image.copy()
    rgba.putalpha(128)
    transparent_palette = image.quantize(4)
    comment = PngImagePlugin.PngInfo()
    comment.add_text("comment", "harmless")
    turned = (HEIGHT, WIDTH)
    grey, palette = ("grey repeated",), ("palette colours expanded",)
    sixteen = "16 bits a channel reduced"
    return {
        # as they should be
        "jpeg": (jpeg, Accepted()),
        "png": (png, Accepted()),
        "webp": (webp, Accepted()),
        "webp lossy": (encode(image, "WEBP"), Accepted()),
        "jpeg progressive": (encode(image, "JPEG", progressive=True), Accepted()),
        "jpeg with rubbish behind it": (jpeg + b"rubbish", Accepted()),
        "png with a comment": (encode(image, "PNG", pnginfo=comment), Accepted()),
        "one pixel": (encode(Image.new("RGB", (1, 1), "red"), "PNG"), Accepted(size=(1, 1))),
        "a line": (encode(Image.new("RGB", (3000, 1), "red"), "PNG"), Accepted(size=(3000, 1))),
        # converted
        "cmyk": (encode(image.convert("CMYK"), "JPEG"), Accepted(("CMYK converted",))),
        "grey jpeg": (encode(image.convert("L"), "JPEG"), Accepted(grey)),
        "black and white": (encode(image.convert("1"), "PNG"), Accepted(grey)),
        "grey with alpha": (
            encode(rgba.convert("LA"), "PNG"),
            Accepted((*grey, "transparency laid over white")),
        ),
        "palette": (encode(image.quantize(4), "PNG"), Accepted(palette)),
        "palette with transparency": (
            encode(transparent_palette, "PNG", transparency=0),
            Accepted((*palette, "transparency laid over white")),
        ),
        "alpha": (encode(rgba, "PNG"), Accepted(("transparency laid over white",))),
        "alpha webp": (
            encode(rgba, "WEBP", lossless=True, exact=True),
            Accepted(("transparency laid over white",)),
        ),
        "opaque alpha": (encode(image.convert("RGBA"), "PNG"), Accepted()),
        "16-bit grey": (
            encode(Image.fromarray(np.full((HEIGHT, WIDTH), 0x80FF, np.uint16)), "PNG"),
            Accepted((sixteen, *grey)),
        ),
        "16-bit colour": (sixteen_bit_colour(), Accepted((sixteen,))),
        "animated webp": (animation("WEBP"), Accepted(("animation: the first frame",))),
        "animated png": (animation("PNG"), Accepted(("animation: the first frame",))),
        "exif jpeg": (encode(image, "JPEG", exif=exif(6)), Accepted(("turned upright",), turned)),
        "exif png": (encode(image, "PNG", exif=exif(6)), Accepted(("turned upright",), turned)),
        "exif webp": (
            encode(image, "WEBP", lossless=True, exif=exif(8)),
            Accepted(("turned upright",), turned),
        ),
        "exif without sense": (encode(image, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), Accepted()),
        # bombs that do not go off
        "text bomb": (text_bomb(), Accepted()),
        "pixel bomb": (pixel_bomb(), Accepted()),
        "huge comment": (encode(image, "JPEG", comment=b"x" * 60_000), Accepted()),
        "icc rubbish": (encode(image, "PNG", icc_profile=b"not a profile" * 1000), Accepted()),
        # refused by the header
        "text": (b"hello, I am a picture", Refused("not an image", by_header=True)),
        "zeros": (bytes(1000), Refused("not an image", by_header=True)),
        "gif": (encode(image, "GIF"), Refused("a GIF", by_header=True)),
        "bmp": (encode(image, "BMP"), Refused("a BMP", by_header=True)),
        "tiff": (encode(image, "TIFF"), Refused("a TIFF", by_header=True)),
        "ico": (encode(image, "ICO"), Refused("an icon (ICO)", by_header=True)),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', Refused("an SVG", by_header=True)),
        "web page": (b"\n<!DOCTYPE html><html></html>", Refused("a web page", by_header=True)),
        "avif": (b"\0\0\0\x1cftypavif" + bytes(40), Refused("an AVIF", by_header=True)),
        "base64": (b"/9j/4AAQSkZJRgABAQ", Refused("a JPEG as base64 text", by_header=True)),
        "data url": (b"data:image/png;base64,iVBORw0KGgo", Refused("a data URL", by_header=True)),
        "decompression bomb png": (png_of(50_000, 50_000), Refused("at most 40,000,000", by_header=True)),
        "decompression bomb webp": (
            encode(Image.new("RGB", (16_000, 2_501)), "WEBP", lossless=True, method=0),
            Refused("at most 40,000,000", by_header=True),
        ),
        "decompression bomb jpeg": (
            jpeg.replace(struct.pack(">HH", HEIGHT, WIDTH), b"\xff\xff\xff\xff", 1),
            Refused("65535 x 65535", by_header=True),
        ),
        "no pixels png": (png_of(0, 10), Refused("has no pixels", by_header=True)),
        "no pixels jpeg": (
            jpeg.replace(struct.pack(">HH", HEIGHT, WIDTH), bytes(4), 1),
            Refused("has no pixels", by_header=True),
        ),
        "too many bytes": (
            jpeg + bytes(10 * 1024 * 1024),
            Refused("at most 10,485,760 are accepted", by_header=True),
        ),
        "jpeg of three bytes": (b"\xff\xd8\xff", Refused("ends inside its header", by_header=True)),
        "png signature alone": (png[:8], Refused("ends inside its header", by_header=True)),
        "webp signature alone": (webp[:12], Refused("damaged WebP", by_header=True)),
        "jpeg without a picture": (b"\xff\xd8\xff\xd9", Refused("without a picture", by_header=True)),
        # refused by the decoder
        "truncated jpeg": (jpeg[: len(jpeg) * 3 // 4], Refused("truncated JPEG", by_header=False)),
        "jpeg without its end": (jpeg[:-2], Refused("truncated JPEG", by_header=False)),
        "truncated png": (png[: len(png) * 3 // 4], Refused("truncated PNG", by_header=False)),
        "png without its end": (png[:-12], Refused("truncated PNG", by_header=False)),
        "truncated webp": (webp[: len(webp) * 3 // 4], Refused("truncated WebP", by_header=False)),
        "png with a wrong checksum": (
            with_flipped_byte(png, png.index(b"IDAT") + 10),
            Refused("the checksum of a chunk IDAT is wrong", by_header=False),
        ),
        "png without pixels": (
            png_of(8, 8, png_chunk(b"IDAT", zlib.compress(b"")), png_chunk(b"IEND", b"")),
            Refused("damaged PNG", by_header=False),
        ),
        "webp of rubbish": (webp[:25] + bytes(len(webp) - 25), Refused("damaged WebP", by_header=False)),
        "webp on a larger canvas": (on_canvas(webp, 6000, 6000), Refused("damaged WebP", by_header=False)),
        "webp on a smaller canvas": (on_canvas(webp, 10, 10), Refused("damaged WebP", by_header=False)),
        "webp that says it is longer": (
            webp[:4] + b"\xff" * 4 + webp[8:],
            Refused("truncated WebP", by_header=False),
        ),
        "jpeg of 12 bits": (in_frame_header(jpeg, 4, 12), Refused("damaged JPEG", by_header=False)),
        "jpeg without colours": (in_frame_header(jpeg, 9, 0), Refused("damaged JPEG", by_header=False)),
        "png without its palette": (
            png_of(8, 8, png_chunk(b"IDAT", zlib.compress(bytes(72))), png_chunk(b"IEND", b""), colour=3),
            Refused("damaged PNG", by_header=False),
        ),
        "png of empty chunks": (
            png_of(WIDTH, HEIGHT, png_chunk(b"IDAT", b"") * 100_000, png_chunk(b"IEND", b"")),
            Refused("damaged PNG", by_header=False),
        ),
        "progressive bomb": (many_scans(1000), Refused("at most 64", by_header=False)),
    }


EVIL_IMAGES = _evil_images()


def photograph(width: int, height: int) -> Image.Image:
    """Smooth shapes under fine grain, as a camera gives them."""
    rng = np.random.default_rng(width)
    shapes = Image.fromarray(rng.integers(0, 256, (height // 50, width // 50, 3), np.uint8))
    pixels = np.asarray(shapes.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = rng.integers(-9, 10, (height, width, 1), np.int16)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))
