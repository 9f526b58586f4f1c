"""The image teacher: ImageNet MobileNetV2. Its reader and weights lie in the data folder and are never copied.

B pictures of H x W pixels, C = 1001 ImageNet classes (0 is background), D = 1280 features of each region.
"""

import runpy
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor, nn

from attendant.analysis.rows import DataError
from attendant.models.encoders import scale
from attendant.models.runtime import Session, open_session

MARGIN = 16
"""Pixels around a picture, repeated from its border. With the teacher's padding, its cell k of a picture with this
margin is centred on region k; without it, on that region's lower right corner."""


@dataclass(frozen=True)
class Depth:
    """A place in the teacher to learn from: the output of `block`, `channels` wide, a vector every `stride` pixels.

    `first` is the first vector of the map with margin that belongs to the picture: the encoder's map at
    this depth has the same centres.
    """

    block: int
    channels: int
    stride: int
    first: int

    def size(self, pixels: int) -> int:
        return pixels // self.stride

    def cut(self, grid: Tensor, height: int, width: int) -> Tensor:
        """Map with margin B x C x h x w to that of the picture of height x width pixels."""
        rows = slice(self.first, self.first + self.size(height))
        columns = slice(self.first, self.first + self.size(width))
        return grid[:, :, rows, columns]


DEPTHS = (Depth(5, 32, 8, 2), Depth(12, 96, 16, 1), Depth(15, 160, 32, 0), Depth(16, 320, 32, 0))
"""Narrow linear layers between the teacher's blocks; the last is what its 1280 features are made of."""

Maps = tuple[NDArray[np.float16], ...]


class _Waypoints(nn.Module):
    """Pixels, uint8 B x H x W x 3, to the maps at DEPTHS."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        height, width = pixels.shape[1:3]
        x = F.pad(scale(pixels), (MARGIN,) * 4, mode="replicate")
        # Each from the start: ONNX Runtime merges what they share
        grids = [self.network.features(x, upto=depth.block) for depth in DEPTHS]  # type: ignore[operator]
        return tuple(depth.cut(grid, height, width) for depth, grid in zip(DEPTHS, grids, strict=True))


class Teacher:
    """The teacher's maps, features and classes. On a CPU its maps come from ONNX Runtime, twice as fast as torch."""

    def __init__(self, data: Path, device: torch.device) -> None:
        network, self.class_names = load_teacher(data)
        self._device = device
        self._network = _Waypoints(network).to(device)
        self._sessions: dict[int, Session] = {}  # by the side of the pictures
        self.head = _linear(network, "head").to(device)
        self.classes = _linear(network, "logits").to(device)

    def maps(self, pixels: NDArray[np.uint8]) -> Maps:
        """Pixels B x S x S x 3, S a multiple of 32, to the maps at DEPTHS, each B x C x S/stride x S/stride."""
        if self._device.type == "cpu":
            side = pixels.shape[1]
            if side not in self._sessions:
                self._sessions[side] = _open(self._network, side)
            found = self._sessions[side].run([f"map{depth.block}" for depth in DEPTHS], {"pixels": pixels})
            return tuple(grid.astype(np.float16) for grid in found)
        with torch.inference_mode():
            grids = self._network(torch.from_numpy(pixels).to(self._device))
        return tuple(grid.half().cpu().numpy() for grid in grids)

    @torch.inference_mode()
    def log_classes(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log class probabilities B x C of whole pictures."""
        last = torch.from_numpy(self.maps(pixels)[-1]).float().to(self._device)
        features = self.features(last.flatten(2).transpose(1, 2)).mean(1)
        return F.log_softmax(self.classes(features), dim=-1).cpu().numpy()

    def features(self, regions: Tensor) -> Tensor:
        """The last map as B x R x 320 to the teacher's features B x R x D, in [0, 6]."""
        features: Tensor = self.head(regions).clamp(0, 6)
        return features


def load_teacher(data: Path) -> tuple[nn.Module, tuple[str, ...]]:
    """The teacher's network, with `features(x)` and `logits_w`, `logits_b`, and its class names."""
    source = data / "weights" / "mobilenet_v2.py"
    if not source.is_file():
        raise DataError(f"no teacher at {source}")
    network: nn.Module = runpy.run_path(str(source))[
        "MobileNetV2"
    ]().eval()  # an import would write bytecode there
    names = (data / "weights" / "imagenet_labels_1001.txt").read_text(encoding="utf-8").splitlines()
    return network, tuple(names)


def _open(network: nn.Module, side: int) -> Session:
    pixels = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    names = [f"map{depth.block}" for depth in DEPTHS]
    axes: dict[str, Any] = {name: {0: "batch"} for name in ("pixels", *names)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and the teacher's own code is traced
        path = Path(folder) / "teacher.onnx"
        torch.onnx.export(
            network,
            (pixels,),
            path,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        return open_session(path, torch.get_num_threads(), "cpu")


def _linear(network: nn.Module, name: str) -> nn.Linear:
    weight, bias = getattr(network, f"{name}_w"), getattr(network, f"{name}_b")
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight.flatten(1), "bias": bias})
    return layer.requires_grad_(requires_grad=False)
