"""TorchServe handler of every SDC model: opens them from its archive and answers batches of mosaics."""

import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from attendant.manifest import ModelManifest
from attendant.models.sdc import SdcModel
from attendant.types import Mosaic, Segment
from attendant.wire.requests import read_mosaic
from handlers import batch
from handlers.opening import open_models


class SdcHandler:
    """TorchServe wants exactly one class in a handler's file, with these two methods."""

    def __init__(self) -> None:
        self._models: batch.Models = {}
        self._seconds = 0.0

    def initialize(self, context: Any) -> None:
        """Open every version in the archive; a changed or missing file stops the worker here, before it serves."""
        # OpenMP's threads wait for each other: where other work has the cores, explaining on two of them takes five
        # times as long as on one (4 s and 20 s for 500 steps of adversarial attention)
        torch.set_num_threads(1)
        self._models, self._seconds = open_models(context, SdcModel.open_served, _mosaic)

    def handle(self, data: Sequence[batch.Entries], context: Any) -> list[bytes]:
        return batch.answer_batch(data, self._models, read_mosaic, self._seconds, context)


def _mosaic(manifest: ModelManifest) -> Mosaic:
    """Black images, or vectors of zeros."""
    shape = manifest.mosaic
    assert shape is not None
    segment: Segment = (0.0,) * shape.segment[0]
    if shape.of_images:
        height, width, _ = shape.segment
        picture = io.BytesIO()
        Image.new("RGB", (width, height)).save(picture, "PNG")
        segment = picture.getvalue()
    return Mosaic((segment,) * shape.segments)
