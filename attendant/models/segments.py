"""Segments of mosaics as SDC models read them: float32, 3 x H x W for an image and d for a vector.

m segments of a mosaic, N elements on their own.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.errors import AttendantError, Violation, refusal
from attendant.images import DecodedImage, decode, read_header
from attendant.models.encoders import scale
from attendant.types import MAX_VALUE, Mosaic, MosaicShape, Segment, Warning_, WarningCode

FIELD = "instance.mosaic"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PreparedMosaic:
    """`segments` m x ...; `foreground_index`, from 0 to m - 1, where the caller told it."""

    segments: Floats
    foreground_index: int | None
    warnings: tuple[Warning_, ...]


def prepare(elements: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """Elements as a net reads them: images, uint8 N x H x W x 3, as float32 N x 3 x H x W from -1 to 1.

    Vectors, N x d, stay as they are.
    """
    moved = torch.from_numpy(elements).to(device)
    return scale(moved) if moved.dtype == torch.uint8 else moved


def decode_mosaic(mosaic: Mosaic, shape: MosaicShape) -> PreparedMosaic:
    """Raises INVALID_INPUT, with every violation, for a mosaic that is not of the shape or cannot be read."""
    found: list[DecodedImage | Floats] = []
    violations = _check(mosaic, shape)
    for index, segment in enumerate(mosaic.segments[: shape.segments]):
        try:
            found.append(_decode(segment, shape, f"{FIELD}.segments[{index}]"))
        except AttendantError as error:
            violations += error.violations
    if violations:
        raise refusal(violations)
    arrays = [one.pixels if isinstance(one, DecodedImage) else one for one in found]
    segments: Floats = prepare(np.stack(arrays)).contiguous().numpy()
    return PreparedMosaic(segments, mosaic.foreground_index, _conversions(found))


def _check(mosaic: Mosaic, shape: MosaicShape) -> list[Violation]:
    """What can be told without a look at the segments."""
    violations = []
    count, index = len(mosaic.segments), mosaic.foreground_index
    if count != shape.segments:
        told = f"this model takes {shape.segments} segments, not {count}"
        violations.append(Violation(f"{FIELD}.segments", told))
    if index is not None and not 0 <= index < shape.segments:
        told = f"it is {index}; this model takes 0 to {shape.segments - 1}"
        violations.append(Violation(f"{FIELD}.foreground_index", told))
    return violations


def _decode(segment: Segment, shape: MosaicShape, field: str) -> DecodedImage | Floats:
    if isinstance(segment, bytes) != shape.of_images:
        kind = "images" if shape.of_images else "vectors"
        raise refusal([Violation(field, f"this model takes segments that are {kind}")])
    if isinstance(segment, bytes):
        return _decode_image(segment, shape, f"{field}.image")
    return _read_vector(segment, shape, f"{field}.vector")


def _decode_image(image: bytes, shape: MosaicShape, field: str) -> DecodedImage:
    """The header says whether decoding is worth its while."""
    height, width, _ = shape.segment
    header = read_header(image, field=field)
    if (header.height, header.width) != (height, width):
        told = f"the image has {header.width} x {header.height} pixels; this model takes {width} x {height}"
        raise refusal([Violation(field, told)])
    return decode(image, field=field)


def _read_vector(values: tuple[float, ...], shape: MosaicShape, field: str) -> Floats:
    if len(values) != shape.segment[0]:
        told = f"it has {len(values)} values; this model takes {shape.segment[0]}"
        raise refusal([Violation(f"{field}.values", told)])
    vector = np.array(values, np.float64)
    if not (np.abs(vector) <= MAX_VALUE).all():  # NaN is not
        told = f"values are finite numbers from {-MAX_VALUE:,.0f} to {MAX_VALUE:,.0f}"
        raise refusal([Violation(f"{field}.values", told)])
    return vector.astype(np.float32)


def _conversions(found: list[DecodedImage | Floats]) -> tuple[Warning_, ...]:
    """One for each kind of change, with the segments that it was made to."""
    changed: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(found):
        for conversion in one.conversions if isinstance(one, DecodedImage) else ():
            changed[conversion].append(index)
    return tuple(
        Warning_(WarningCode.IMAGE_CONVERTED, f"{conversion} (segments: {', '.join(map(str, indices))})")
        for conversion, indices in changed.items()
    )
