"""The region encoder and its teacher in ONNX Runtime, for comparison: pixels in, features and classes out.

R = 196 regions, F features of a region.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor, nn

from attendant.analysis.encoder import Classifier, Sight
from attendant.analysis.rows import DataError
from attendant.models.encoders import CompactEncoder, ImageEncoding, scale
from attendant.models.onnx import export_encoder
from attendant.models.runtime import Session, open_session
from attendant.training.teacher import MARGIN, load_teacher
from attendant.types import GRID

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class EncoderFeatures(nn.Module):
    """The encoder up to the features that its classes are made of, as a region encoder whose regions they are."""

    def __init__(self, encoder: CompactEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> ImageEncoding:
        regions = self.encoder.grid(pixels).flatten(2).transpose(1, 2)
        return ImageEncoding(self.encoder.features(regions), None)


class TeacherFeatures(nn.Module):
    """The teacher as a region encoder. With a margin its cells are centred on the regions."""

    def __init__(self, network: nn.Module, margin: int = 0) -> None:
        super().__init__()
        self.network = network
        self.margin = margin

    def forward(self, pixels: Tensor) -> ImageEncoding:
        x = scale(pixels)
        if self.margin:
            x = F.pad(x, (self.margin,) * 4, mode="replicate")
        grid = self.network.features(x)[:, :, :GRID, :GRID]  # type: ignore[operator]
        return ImageEncoding(grid.flatten(2).transpose(1, 2), None)


@dataclass(frozen=True)
class Eye:
    """An encoder in ONNX Runtime, and the classes of its features."""

    session: Session
    classifier: Classifier

    def features(self, pixels: Pixels) -> Floats:
        """448 x 448 x 3 to R x F."""
        (batch,) = self.session.run(["regions"], {"pixels": pixels[None]})
        regions: Floats = batch[0]
        return regions

    def see(self, pixels: Pixels) -> Sight:
        return self.classifier.see(self.features(pixels))

    def pooled(self, pixels: Pixels) -> Floats:
        mean: Floats = self.features(pixels).mean(0)
        return mean


@dataclass(frozen=True)
class Eyes:
    encoder: Eye
    teacher: Eye
    centred: Eye
    served: Session  # the encoder as an archive holds it


def open_eyes(encoder: CompactEncoder, data: Path, folder: Path, threads: int) -> Eyes:
    """Exported to `folder`, which is not needed afterwards. Raises DataError for an encoder of another teacher."""
    network, _ = load_teacher(data)
    of_encoder = _classifier(encoder.classes.weight, encoder.classes.bias)
    assert isinstance(network.logits_w, Tensor)
    assert isinstance(network.logits_b, Tensor)
    of_teacher = _classifier(network.logits_w.flatten(1), network.logits_b)
    if of_encoder.weight.shape != of_teacher.weight.shape:
        raise DataError(
            f"the encoder's classes by features are {of_encoder.weight.shape}, the teacher's {of_teacher.weight.shape}"
        )

    def opened(module: nn.Module, name: str) -> Session:
        path = folder / f"{name}.onnx"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)  # of the margin's slices
            export_encoder(module.eval(), path)
        return open_session(path, threads, "cpu")

    return Eyes(
        encoder=Eye(opened(EncoderFeatures(encoder), "features"), of_encoder),
        teacher=Eye(opened(TeacherFeatures(network), "teacher"), of_teacher),
        centred=Eye(opened(TeacherFeatures(network, MARGIN), "centred"), of_teacher),
        served=opened(encoder, "encoder"),
    )


def _classifier(weight: Tensor, bias: Tensor) -> Classifier:
    return Classifier(weight.detach().numpy(), bias.detach().numpy())
