"""What every model is asked: the same each time, and nobody's."""

import io
from functools import cache

import numpy as np
from PIL import Image

from attendant.types import MODALITIES, Instance, Modality, ModelDescription, Mosaic, MosaicShape, Tweet

TEXT = "what a great monday , thanks for nothing #examination"
_WORDS = ("sky", "sea")
_SIDE = 64  # pixels of a tweet's image


def sample(model: ModelDescription) -> Instance:
    """A mosaic for models of mosaics, else a tweet with whatever the model reads."""
    if model.mosaic is not None:
        return sample_mosaic(model.mosaic)
    reads = set(model.modalities) & set(MODALITIES)
    return Tweet(
        TEXT if Modality.TEXT in reads else "",
        picture(_SIDE, _SIDE, 0) if Modality.IMAGE in reads else b"",
        _WORDS if Modality.ATTRIBUTE in reads else (),
    )


def sample_mosaic(shape: MosaicShape) -> Mosaic:
    if shape.of_images:
        height, width, _ = shape.segment
        return Mosaic(tuple(picture(width, height, number) for number in range(shape.segments)))
    (count,) = shape.segment
    numbers = range(shape.segments)
    return Mosaic(
        tuple(tuple(0.5 + (number + 3 * place) % 5 for place in range(count)) for number in numbers)
    )


@cache
def picture(width: int, height: int, number: int) -> bytes:
    """A PNG: a slope of light, of another colour for each number."""
    slope = np.linspace(0.2, 1.0, width)[None, :, None] * np.linspace(1.0, 0.5, height)[:, None, None]
    colour = np.array([255, 40 + 23 * (number % 9), 255 - 23 * (number % 9)])
    file = io.BytesIO()
    Image.fromarray((slope * colour).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
