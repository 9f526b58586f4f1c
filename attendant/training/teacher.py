"""The image teacher: ImageNet MobileNetV2. Its reader and weights lie in the data folder and are never copied.

N photographs, C = 1001 ImageNet classes (0 is background), D = 1280 features of each of 14 x 14 regions.
"""

import runpy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attendant.analysis.rows import DataError
from attendant.models.encoders import scale
from attendant.training.photographs import Photographs, cached_array
from attendant.training.progress import Progress
from attendant.types import GRID

STATISTICS_SAMPLE = 512  # photographs; 100,352 regions


@dataclass(frozen=True)
class TeacherView:
    """What the teacher sees in the photographs: `grids` float16 N x 14 x 14 x D.

    `mean` and `std`, D, are over training regions. `classify` maps features B x D (means over regions) to
    logits B x C; `class_names` are C.
    """

    grids: NDArray[np.float16]
    mean: Tensor
    std: Tensor
    classify: nn.Linear
    class_names: tuple[str, ...]


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


def watch(
    data: Path, photographs: Photographs, cache: Path, device: torch.device, progress: Progress
) -> TeacherView:
    """Runs the teacher over all photographs once, into `cache`."""
    network, names = load_teacher(data)
    network.to(device)

    def features(part: slice) -> NDArray[np.float16]:
        pixels = torch.from_numpy(photographs.pixels[part].copy()).to(device)
        with torch.inference_mode():
            grid: Tensor = network.features(scale(pixels).contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return grid.permute(0, 2, 3, 1).half().cpu().numpy()

    path = cache / f"teacher-{photographs.key}.npy"
    classify = _classifier(network)
    shape = (len(photographs), GRID, GRID, classify.in_features)
    grids = cached_array(path, shape, np.float16, features, progress.task("teacher"))
    mean, std = _statistics(grids[np.flatnonzero(~photographs.held_out)[:STATISTICS_SAMPLE]])
    return TeacherView(grids, mean, std, classify.cpu(), names)


def _statistics(grids: NDArray[np.float16]) -> tuple[Tensor, Tensor]:
    regions = torch.from_numpy(np.asarray(grids, dtype=np.float32)).flatten(0, 2)
    return regions.mean(0), regions.std(0).clamp_min(1e-2)


def _classifier(network: nn.Module) -> nn.Linear:
    weight, bias = network.logits_w, network.logits_b
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    layer.load_state_dict({"weight": weight.flatten(1), "bias": bias})
    return layer.requires_grad_(requires_grad=False)
