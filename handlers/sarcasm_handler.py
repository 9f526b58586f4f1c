"""TorchServe handler of every sarcasm model: opens them from its archive and answers batches of tweets."""

import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from attendant.manifest import ModelManifest
from attendant.models.runtime import available_threads
from attendant.models.sarcasm import SarcasmModel
from attendant.types import Tweet
from attendant.wire.requests import read_tweet
from handlers import batch
from handlers.opening import open_models


class SarcasmHandler:
    """TorchServe wants exactly one class in a handler's file, with these two methods."""

    def __init__(self) -> None:
        self._models: batch.Models = {}
        self._seconds = 0.0

    def initialize(self, context: Any) -> None:
        """Open every version in the archive; a changed or missing file stops the worker here, before it serves."""
        torch.set_num_threads(min(torch.get_num_threads(), available_threads()))
        self._models, self._seconds = open_models(context, SarcasmModel.open_served, _tweet)

    def handle(self, data: Sequence[batch.Entries], context: Any) -> list[bytes]:
        return batch.answer_batch(data, self._models, read_tweet, self._seconds, context)


def _tweet(_manifest: ModelManifest) -> Tweet:
    """One with all three modalities."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    return Tweet("so much fun", picture.getvalue(), ("man", "sign"))
