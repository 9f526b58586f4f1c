"""Region encoders: a picture in, 14 x 14 feature vectors out.

B pictures, R = 196 regions (row-major: region = row * 14 + column), d = region_width, A attribute words.
Every encoder takes uint8 B x 448 x 448 x 3 (RGB) and does its own scaling, so that all callers prepare pixels alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from attendant.types import GRID

CELL = 32  # pixels of a region's side
HALF_WHITE = 127.5  # the pixel that is read as 0


@dataclass(frozen=True)
class ImageEncoding:
    """`regions` B x R x d; `attribute_logits` B x A, or None where the encoder names no attributes."""

    regions: Tensor
    attribute_logits: Tensor | None


class RegionEncoder(Protocol):
    """What the sarcasm model asks of an encoder."""

    region_width: int

    def __call__(self, pixels: Tensor) -> ImageEncoding: ...


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of `CompactEncoder`.

    Its stages end at strides 8, 16, 32 and 32, each in a narrow linear map of `outputs` channels, after `units`
    residual convolutions of `widths` channels.
    """

    n_attributes: int
    n_classes: int = 1001
    stem_width: int = 32
    widths: tuple[int, int, int, int] = (96, 160, 256, 320)
    units: tuple[int, int, int, int] = (1, 2, 2, 1)
    outputs: tuple[int, int, int, int] = (32, 96, 160, 320)
    feature_width: int = 1280


@dataclass(frozen=True)
class PaperConfig:
    """Sizes of `PaperEncoder`: ResNet-50 V2 unless a test makes it smaller; `chunk` crops run at a time."""

    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    stem_width: int = 64
    chunk: int = 196


EncoderConfig = CompactConfig | PaperConfig


def scale(pixels: Tensor) -> Tensor:
    """uint8 B x H x W x 3 -> float B x 3 x H x W in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / HALF_WHITE - 1.0


class ConvNorm(nn.Sequential):
    """3 x 3 convolution, batch norm (which folds into it for inference), ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )


class ResidualUnit(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


class Halving(nn.Sequential):
    """3 x 3 convolution with stride 2, batch norm, ReLU. `pads`: zeros before and after, of rows and of columns.

    (0, 1) centres output i on input 2i + 1, (1, 0) on input 2i.
    """

    def __init__(self, inputs: int, outputs: int, pads: tuple[int, int]) -> None:
        super().__init__(
            nn.ZeroPad2d(pads * 2),
            nn.Conv2d(inputs, outputs, 3, 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class CompactEncoder(nn.Module):
    """The encoder that is trained: dense 3 x 3 convolutions (fast on CPUs), and heads on their mean features.

    The ends of its stages are centred on pixels 8i + 7, 16i + 15, 32i + 15 and 32i + 15 of either side: regions on
    the middle of their cells.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.region_width = config.outputs[-1]
        stem, widths, outputs = config.stem_width, config.widths, config.outputs
        starts: tuple[tuple[nn.Module, ...], ...] = (
            (
                # 8 x 8 patches every 4 pixels: full-resolution maps would cost more memory traffic than arithmetic
                nn.ZeroPad2d((0, 4, 0, 4)),
                nn.Conv2d(3, stem, 8, 4, bias=False),
                nn.BatchNorm2d(stem),
                nn.ReLU(),
                Halving(stem, widths[0], (0, 1)),
            ),
            (Halving(outputs[0], widths[1], (0, 1)),),
            (Halving(outputs[1], widths[2], (1, 0)),),
            (ConvNorm(outputs[2], widths[3]),),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*start, *(ResidualUnit(width) for _ in range(units)), nn.Conv2d(width, output, 1))
            for start, width, units, output in zip(starts, widths, config.units, outputs, strict=True)
        )
        self.expand = nn.Linear(self.region_width, config.feature_width)
        self.attributes = nn.Linear(config.feature_width, config.n_attributes)
        self.classes = nn.Linear(config.feature_width, config.n_classes)

    def grid(self, pixels: Tensor) -> Tensor:
        """uint8 B x H x W x 3 -> B x d x H/32 x W/32; H and W are multiples of 32."""
        x = scale(pixels).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        return x

    def features(self, regions: Tensor) -> Tensor:
        """B x R x d -> B x R x F, in [0, 6]."""
        features: Tensor = self.expand(regions).clamp(0.0, 6.0)
        return features

    def forward(self, pixels: Tensor) -> ImageEncoding:
        regions = self.grid(pixels).flatten(2).transpose(1, 2)  # B x R x d
        return ImageEncoding(regions, self.attributes(self.features(regions).mean(1)))


class PreActivation(nn.BatchNorm2d):
    """Batch norm followed by ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(super().forward(x))


class Downsample(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.conv(x)
        return projected


class Bottleneck(nn.Module):
    """Pre-activation bottleneck (He et al. 2016, "Identity mappings in deep residual networks")."""

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool) -> None:
        super().__init__()
        middle = outputs // 4
        self.norm1 = PreActivation(inputs)
        self.conv1 = nn.Conv2d(inputs, middle, 1, bias=False)
        self.norm2 = PreActivation(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.norm3 = PreActivation(middle)
        self.conv3 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.downsample = Downsample(inputs, outputs, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        activated = self.norm1(x)
        shortcut = x if self.downsample is None else self.downsample(activated)
        residual: Tensor = self.conv3(self.norm3(self.conv2(self.norm2(self.conv1(activated)))))
        return shortcut + residual


class Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, stride: int) -> None:
        super().__init__()
        first = Bottleneck(inputs, outputs, stride, project=True)
        rest = (Bottleneck(outputs, outputs, 1, project=False) for _ in range(depth - 1))
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(x)
        return features


class PaperEncoder(nn.Module):
    """The paper's encoder: ResNet-50 V2 without its classifier on each of 196 crops of 32 x 32, 2048 features a crop.

    No weights are shipped. The user brings a safetensors file whose keys are those of timm's `resnetv2_50`
    (docs: `read_paper_weights`); it names no attribute words.
    """

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.region_width = config.widths[-1]
        self.stem = nn.ModuleDict({"conv": nn.Conv2d(3, config.stem_width, 7, 2, 3, bias=False)})
        self.pool = nn.MaxPool2d(3, 2, 1)
        stages = []
        inputs = config.stem_width
        for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            stages.append(Stage(inputs, width, depth, stride=1 if stage == 0 else 2))
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.norm = PreActivation(self.region_width)

    def crop_features(self, crops: Tensor) -> Tensor:
        """uint8 N x 32 x 32 x 3 -> N x d."""
        x = self.stages(self.pool(self.stem["conv"](scale(crops))))
        features: Tensor = self.norm(x).mean((2, 3))
        return features

    def forward(self, pixels: Tensor) -> ImageEncoding:
        crops = split(pixels)
        # in chunks: a whole batch of crops at once would hold B x 196 maps of 16 x 16 x 64
        # (a trace would fix their number, so an exported graph takes all crops at once)
        chunks = (crops,) if torch.onnx.is_in_onnx_export() else torch.split(crops, self.config.chunk)
        features = torch.cat([self.crop_features(chunk) for chunk in chunks])
        return ImageEncoding(features.reshape(pixels.shape[0], GRID * GRID, self.region_width), None)


def split(pixels: Tensor) -> Tensor:
    """B x 448 x 448 x C -> (B * 196) x 32 x 32 x C: the regions, row-major."""
    batch, _, _, channels = pixels.shape
    cells = pixels.reshape(batch, GRID, CELL, GRID, CELL, channels).transpose(2, 3)
    return cells.reshape(batch * GRID * GRID, CELL, CELL, channels)


def read_paper_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `PaperEncoder` from the tensors that a user brings.

    Keys, with NORM for {weight,bias,running_mean,running_var}: `stem.conv.weight`;
    `stages.S.blocks.B.{conv1,conv2,conv3}.weight`; `stages.S.blocks.B.norm{1,2,3}.NORM`;
    `stages.S.blocks.0.downsample.conv.weight`; `norm.NORM`. A classifier (`head.*`) is left out. Missing or
    foreign keys are found when the state is loaded.
    """
    return {key: tensor.float() for key, tensor in weights.items() if not key.startswith("head.")}


def read_config(values: Mapping[str, object]) -> EncoderConfig:
    """The `encoder` part of a model's config.json: `kind` (compact or paper) and the fields of that kind's dataclass.

    Raises ValueError for an unknown kind and TypeError for an unknown field.
    """
    kind = values.get("kind")
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name != "kind"
    }
    if kind == "compact":
        return CompactConfig(**fields)  # type: ignore[arg-type]
    if kind == "paper":
        return PaperConfig(**fields)  # type: ignore[arg-type]
    raise ValueError(f"encoder.kind is {kind!r}; it is one of: compact, paper")
