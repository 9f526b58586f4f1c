"""TorchServe handler of every sarcasm model: opens them from its archive and answers batches of tweets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attendant.manifest import read_store
from attendant.models.sarcasm import SarcasmModel
from attendant.wire.requests import decode_tweet
from handlers import batch


class SarcasmHandler:
    """TorchServe wants exactly one class in a handler's file, with these two methods."""

    def __init__(self) -> None:
        self._models: batch.Models = {}

    def initialize(self, context: Any) -> None:
        """Open every version in the archive; a changed or missing file stops the worker here, before it serves."""
        root = Path(context.system_properties["model_dir"])
        self._models = {
            (name, version): SarcasmModel.open_served(root / name, version)
            for name, manifest in read_store(root).items()
            for version in manifest.versions
        }

    def handle(self, data: Sequence[batch.Entries], _context: Any) -> list[bytes]:
        return batch.answer_batch(data, self._models, decode_tweet)
