"""What JPEG, PNG and WebP files say about their picture, read from bytes without decoding a pixel.

`attendant.images` is the way in. The decoder is given only the parts that make up the picture, so no metadata (EXIF,
ICC profiles, compressed text, further frames) reaches it, however large or malformed. Every function takes time
linear in the bytes and raises only `BadImage`.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# Each scan of a progressive JPEG costs a pass over all its pixels; cameras and editors write about ten.
MAX_SCANS = 64


class ImageFormat(StrEnum):
    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"


class BadImage(Exception):  # noqa: N818 - what it is called in the sentence that the caller reads
    """Why these bytes are no picture of ours: the predicate of a sentence whose subject is the image."""


@dataclass(frozen=True)
class ImageHeader:
    """`width` and `height` are in pixels as stored, before any EXIF orientation."""

    format: ImageFormat
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """What the decoder gets: the file without its metadata, and what the metadata said that matters."""

    data: bytes
    orientation: int = 1  # EXIF: 1 is upright, up to 8
    animated: bool = False
    bit_depth: int = 8  # a channel


# What people send instead; the prefix (at an offset) tells. Text is looked at in lower case.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"gif8", "a GIF"),
    (0, b"bm", "a BMP"),
    (0, b"ii*\0", "a TIFF"),
    (0, b"mm\0*", "a TIFF"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"8bps", "a Photoshop file"),
    (0, b"%pdf", "a PDF"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cjxl ", "a JPEG XL"),
    (0, b"\0\0\0\x0cjp  ", "a JPEG 2000"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (4, b"ftyp", "a video"),
    (0, b"<svg", "an SVG"),
    (0, b"<?xml", "an SVG or other XML"),
    (0, b"<!doctype", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"data:", "a data URL (send the bytes themselves)"),
    (0, b"ivborw0kggo", "a PNG as base64 text (send the bytes themselves)"),
    (0, b"/9j/", "a JPEG as base64 text (send the bytes themselves)"),
    (0, b"uklgr", "a WebP as base64 text (send the bytes themselves)"),
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_format(data: bytes) -> ImageFormat:
    """Which of the accepted formats the bytes start as; BadImage names the other one where it is known."""
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith(_PNG_SIGNATURE):
        return ImageFormat.PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for offset, prefix, name in _OTHERS:
        if start.startswith(prefix, offset):
            raise BadImage(f"is {name}; send a JPEG, PNG or WebP")
    raise BadImage("is not an image; send a JPEG, PNG or WebP")


def read_size(data: bytes, image_format: ImageFormat) -> tuple[int, int]:
    """Width and height, in pixels."""
    try:
        return {
            ImageFormat.JPEG: _jpeg_size,
            ImageFormat.PNG: _png_size,
            ImageFormat.WEBP: _webp_size,
        }[image_format](data)
    except (struct.error, IndexError):
        raise BadImage(f"is a {image_format} that ends inside its header") from None


def read_picture(data: bytes, image_format: ImageFormat) -> Picture:
    """The picture without its metadata. Truncated and visibly damaged files are refused here."""
    try:
        return {
            ImageFormat.JPEG: _jpeg_picture,
            ImageFormat.PNG: _png_picture,
            ImageFormat.WEBP: _webp_picture,
        }[image_format](data)
    except (struct.error, IndexError):
        raise BadImage(f"is a truncated {image_format}") from None


# JPEG: SOI, then segments FF marker length payload, the last of which (SOS) is followed by the entropy-coded data.
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn
_EXIF_SEGMENT = 0xE1
_METADATA = frozenset({_COM, *range(0xE1, 0xF0)}) - {
    0xEE
}  # all APPn but JFIF's and Adobe's, which tell the colours


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, first byte and end of each segment up to SOS; the segment's payload starts four bytes in."""
    position = 2
    while True:
        if data[position] != 0xFF:
            raise BadImage("is a damaged JPEG: a segment does not start where the last one ended")
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
        elif marker in _STANDALONE:
            position += 2
        elif marker == _EOI:
            raise BadImage("is a JPEG without a picture")
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            end = position + 2 + max(length, 2)
            if end > len(data):
                raise BadImage("is a truncated JPEG")
            yield marker, position, end
            if marker == _SOS:
                return
            position = end


def _jpeg_size(data: bytes) -> tuple[int, int]:
    for marker, start, _ in _jpeg_segments(data):
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 5)
            return width, height
    raise BadImage("is a damaged JPEG: its scan comes before its size")


def _jpeg_picture(data: bytes) -> Picture:
    parts, orientation, scan = [data[:2]], 1, len(data)
    for marker, start, end in _jpeg_segments(data):
        if marker == _EXIF_SEGMENT and data.startswith(b"Exif\0\0", start + 4):
            orientation = _exif_orientation(data[start + 10 : end])
        if marker == _SOS:
            scan = start
        elif marker not in _METADATA:
            parts.append(data[start:end])
    end = data.find(
        b"\xff\xd9", scan
    )  # entropy-coded data cannot hold a marker: an FF in it is followed by 00
    if end < 0:
        raise BadImage("is a truncated JPEG")
    scans = data.count(b"\xff\xda", scan, end)
    if scans > MAX_SCANS:
        raise BadImage(f"is a progressive JPEG of {scans} scans; at most {MAX_SCANS} are accepted")
    return Picture(b"".join([*parts, data[scan : end + 2]]), orientation)


# PNG: the signature, then chunks: length, type, payload, CRC of type and payload.
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _png_size(data: bytes) -> tuple[int, int]:
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(_PNG_SIGNATURE))
    if (length, kind) != (13, b"IHDR"):
        raise BadImage("is a damaged PNG: its first chunk is not its header")
    return width, height


def _png_picture(data: bytes) -> Picture:
    parts, orientation, animated = [_PNG_SIGNATURE], 1, False
    position, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise BadImage("is a truncated PNG")
        if kind in _PNG_KEPT:
            (crc,) = struct.unpack_from(">I", data, end - 4)
            if crc != zlib.crc32(memoryview(data)[position + 4 : end - 4]):
                raise BadImage(f"is a damaged PNG: the checksum of a chunk {kind.decode()} is wrong")
            parts.append(data[position:end])
        elif kind == b"eXIf":
            orientation = _exif_orientation(data[position + 8 : end - 4])
        elif kind == b"acTL":
            animated = True
        position = end
    return Picture(b"".join(parts), orientation, animated, bit_depth=data[24])


# WebP: RIFF, size, WEBP, then chunks: type, length (little-endian), payload, a byte to an even length.
def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        low_and_high = struct.unpack_from("<HBHB", data, 24)
        return low_and_high[0] + (low_and_high[1] << 16) + 1, low_and_high[2] + (low_and_high[3] << 16) + 1
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature == 0x2F:
            return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8 ":
        start_code, width, height = struct.unpack_from("<3sHH", data, 23)
        if start_code == b"\x9d\x01\x2a":
            return width & 0x3FFF, height & 0x3FFF
    raise BadImage("is a damaged WebP: it does not start with its picture's header")


def _webp_picture(data: bytes) -> Picture:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise BadImage("is a truncated WebP")
    orientation, animated, position = 1, False, 12
    while position + 8 <= length + 8:
        kind, size = struct.unpack_from("<4sI", data, position)
        payload = data[position + 8 : position + 8 + size] if kind == b"EXIF" else b""
        if kind == b"EXIF":
            orientation = _exif_orientation(payload.removeprefix(b"Exif\0\0"))
        elif kind == b"ANIM":
            animated = True
        position += 8 + size + size % 2
    return Picture(data[: length + 8], orientation, animated)


def _exif_orientation(tiff: bytes) -> int:
    """Orientation 1 to 8 from an EXIF block (a TIFF directory); 1 where there is none or it makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
