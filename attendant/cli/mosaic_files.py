"""Mosaics in files: a sheet of tiles, a folder of images, or vectors as JSON; written and read alike.

    sheet.png       tiles of the model's size, row by row, without gaps; also JPEG and WebP where they are only read
    folder/         image files in the order of their names; a name such as 4-foreground.png marks the foreground
    vectors.json    {"segments": [[1.5, 3.0], ...], "foreground_index": 2}; the index may be left out

A sheet that is written here keeps the foreground's index in a text chunk of the PNG.
"""

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attendant.cli.console import WrongUse
from attendant.errors import AttendantError
from attendant.image_containers import ImageFormat
from attendant.images import Pixels, decode, read_header
from attendant.types import Mosaic, MosaicShape, Segment

SHEETS = (".png", ".jpg", ".jpeg", ".webp")
_INDEX = "foreground_index"
_DIGITS = 4  # of the longest index
_FOREGROUND = "foreground"  # how the name of its file ends in a folder


def describe_shape(shape: MosaicShape) -> str:
    """In words: '9 images of 32 x 32 pixels', '9 vectors of 2 numbers'."""
    if not shape.of_images:
        return f"{shape.segments} vectors of {shape.segment[0]} numbers"
    height, width, _ = shape.segment
    return f"{shape.segments} images of {width} x {height} pixels"


def read_mosaic_file(path: Path, shape: MosaicShape) -> Mosaic:
    """The mosaic in a file or folder, of that shape; WrongUse says which file is wrong, and what is expected.

    Raises OSError where it cannot be read.
    """
    if not shape.of_images:
        return _read_vectors(path, shape)
    return _read_folder(path, shape) if path.is_dir() else _read_sheet(path, shape)


def write_mosaic(path: Path, mosaic: Mosaic) -> None:
    """Images into a sheet (.png) or a folder (no ending), vectors into .json: what `read_mosaic_file` reads.

    A folder keeps the images as they are, a sheet their pixels. Raises WrongUse where the path is not for its kind.
    """
    images = tuple(segment for segment in mosaic.segments if isinstance(segment, bytes))
    if len(images) != len(mosaic.segments):
        _write_vectors(path, mosaic)
    elif path.suffix == ".png":
        _write_sheet(path, images, mosaic.foreground_index)
    elif not path.suffix:
        _write_folder(path, images, mosaic.foreground_index)
    else:
        raise WrongUse(f"images are written into a .png or a folder; the name {path.name!r} is of neither")


def encode_tile(pixels: Pixels) -> bytes:
    """H x W x 3 as PNG: equal pixels are equal bytes."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _read_sheet(path: Path, shape: MosaicShape) -> Mosaic:
    if path.suffix.lower() not in SHEETS:
        raise WrongUse(f"{path}: a mosaic of images is a folder, or one of {', '.join(SHEETS)}")
    height, width, _ = shape.segment
    data = path.read_bytes()
    pixels = _decode(path, data)
    rows, down = divmod(pixels.shape[0], height)
    columns, across = divmod(pixels.shape[1], width)
    if down or across or rows * columns != shape.segments:
        most = _columns(shape.segments)
        raise WrongUse(
            f"{path}: it has {pixels.shape[1]} x {pixels.shape[0]} pixels; the model takes {describe_shape(shape)}, "
            f"for example a sheet of {most * width} x {shape.segments // most * height}"
        )
    tiles = pixels.reshape(rows, height, columns, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    return Mosaic(tuple(map(encode_tile, tiles)), _sheet_foreground(path, data, shape))


def _sheet_foreground(path: Path, data: bytes, shape: MosaicShape) -> int | None:
    """What a PNG that was written here says; nothing in any other picture."""
    if read_header(data).format is not ImageFormat.PNG:
        return None
    with Image.open(BytesIO(data), formats=["PNG"]) as image:
        said = image.info.get(_INDEX)
    if said is None:
        return None
    if not (isinstance(said, str) and said.isdecimal() and len(said) <= _DIGITS):
        raise WrongUse(f"{path}: its {_INDEX} is {said!r}, which is no index")
    return check_foreground(int(said), shape, str(path))


def _write_sheet(path: Path, images: tuple[bytes, ...], foreground: int | None) -> None:
    tiles = np.stack([_decode(path, image) for image in images])
    count, height, width, _ = tiles.shape
    columns = _columns(count)
    rows = count // columns
    sheet = tiles.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    said = PngInfo()
    if foreground is not None:
        said.add_text(_INDEX, str(foreground))
    Image.fromarray(sheet.reshape(rows * height, columns * width, 3)).save(path, "PNG", pnginfo=said)


def _columns(count: int) -> int:
    """Of the sheet nearest to a square that is full; never less than its rows."""
    return next(columns for columns in range(math.isqrt(count - 1) + 1, count + 1) if count % columns == 0)


def _read_folder(path: Path, shape: MosaicShape) -> Mosaic:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SHEETS)
    if len(files) != shape.segments:
        raise WrongUse(
            f"{path}: it has {len(files)} images ({', '.join(SHEETS)}); the model takes {describe_shape(shape)}"
        )
    marked = [index for index, file in enumerate(files) if file.stem.endswith(_FOREGROUND)]
    if len(marked) > 1:
        names = " and ".join(repr(files[index].name) for index in marked)
        raise WrongUse(f"{path}: {names} are both marked as the foreground; there is one")
    return Mosaic(tuple(_read_tile(file, shape) for file in files), marked[0] if marked else None)


def _read_tile(path: Path, shape: MosaicShape) -> bytes:
    height, width, _ = shape.segment
    data = path.read_bytes()
    try:
        header = read_header(data, field=str(path))
    except AttendantError as error:
        raise WrongUse(str(error)) from error
    if (header.width, header.height) != (width, height):
        raise WrongUse(
            f"{path}: it has {header.width} x {header.height} pixels; the model takes {describe_shape(shape)}"
        )
    return data


def _write_folder(path: Path, images: tuple[bytes, ...], foreground: int | None) -> None:
    path.mkdir()
    digits = len(str(len(images) - 1))
    for index, image in enumerate(images):
        mark = f"-{_FOREGROUND}" if index == foreground else ""
        ending = read_header(image).format.lower()
        (path / f"{index:0{digits}}{mark}.{ending}").write_bytes(image)


def _read_vectors(path: Path, shape: MosaicShape) -> Mosaic:
    wanted = f'the model takes {describe_shape(shape)}, as {{"segments": [[...], ...]}} in a .json file'
    if path.suffix.lower() != ".json" or path.is_dir():
        raise WrongUse(f"{path}: {wanted}")
    try:
        document = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{path}: it is not JSON: {error}") from error
    if not isinstance(document, dict) or not {"segments"} <= document.keys() <= {"segments", _INDEX}:
        raise WrongUse(f"{path}: it is an object with segments and, if known, {_INDEX}; {wanted}")
    segments = document["segments"]
    if not isinstance(segments, list) or len(segments) != shape.segments:
        found = f"{len(segments)} segments" if isinstance(segments, list) else "no list of segments"
        raise WrongUse(f"{path}: it has {found}; {wanted}")
    foreground = document.get(_INDEX)
    if foreground is not None and type(foreground) is not int:
        raise WrongUse(f"{path}: {_INDEX} is {foreground!r}, which is no index")
    return Mosaic(
        tuple(_read_vector(path, index, vector, shape) for index, vector in enumerate(segments)),
        None if foreground is None else check_foreground(foreground, shape, str(path)),
    )


def _read_vector(path: Path, index: int, vector: Any, shape: MosaicShape) -> Segment:
    (length,) = shape.segment
    if not isinstance(vector, list) or not all(type(number) in (int, float) for number in vector):
        raise WrongUse(f"{path}: segment {index} is no list of numbers")
    if len(vector) != length:
        raise WrongUse(f"{path}: segment {index} has {len(vector)} numbers; the model takes {length}")
    try:
        numbers = tuple(map(float, vector))
    except OverflowError:  # an integer may have any number of digits
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise WrongUse(f"{path}: segment {index} has a number that is too large")
    return numbers


def _write_vectors(path: Path, mosaic: Mosaic) -> None:
    if path.suffix != ".json":
        raise WrongUse(f"vectors are written into a .json; the name {path.name!r} ends otherwise")
    document: dict[str, Any] = {"segments": mosaic.segments}
    if mosaic.foreground_index is not None:
        document[_INDEX] = mosaic.foreground_index
    path.write_text(json.dumps(document, allow_nan=False) + "\n", "utf-8")


def check_foreground(index: int, shape: MosaicShape, where: str) -> int:
    """The index; WrongUse, which begins with where it stands, if the mosaic has no such segment."""
    if not 0 <= index < shape.segments:
        raise WrongUse(f"{where}: the foreground is segment 0 to {shape.segments - 1}, not {index}")
    return index


def _decode(path: Path, data: bytes) -> Pixels:
    try:
        return decode(data, field=str(path)).pixels
    except AttendantError as error:
        raise WrongUse(str(error)) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
