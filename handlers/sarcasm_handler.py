"""TorchServe handler of every sarcasm model: opens them from its archive and answers batches of tweets."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from attendant.lanes import Lane
from attendant.manifest import read_store
from attendant.models.sarcasm import SarcasmModel
from attendant.types import Tweet
from attendant.wire.requests import read_tweet
from handlers import batch
from handlers.priority import lower_priority

SLOW_NICENESS = 10  # the slow lane has the cores while no prediction wants them


class SarcasmHandler:
    """TorchServe wants exactly one class in a handler's file, with these two methods."""

    def __init__(self) -> None:
        self._models: batch.Models = {}
        self._seconds = 0.0

    def initialize(self, context: Any) -> None:
        """Open every version in the archive; a changed or missing file stops the worker here, before it serves."""
        config = context.model_yaml_config
        lane = Lane(config["lane"])
        if lane is Lane.SLOW:
            lower_priority(SLOW_NICENESS)
        self._seconds = float(config["responseTimeout"])
        root = Path(context.system_properties["model_dir"])
        manifests = read_store(root)
        self._models = {
            (name, version): SarcasmModel.open_served(root / name, version)
            for name, manifest in manifests.items()
            for version in manifest.versions
        }
        for (name, _), model in self._models.items():
            if manifests[name].methods:
                batch.warm_up(model, _tweet(), lane)

    def handle(self, data: Sequence[batch.Entries], _context: Any) -> list[bytes]:
        return batch.answer_batch(data, self._models, read_tweet, self._seconds)


def _tweet() -> Tweet:
    """One with all three modalities."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    return Tweet("so much fun", picture.getvalue(), ("man", "sign"))
