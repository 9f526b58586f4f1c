"""The compact encoder as it is served: its convolutions by integers.

Rounding is part of the model: weights are integers with a step for each channel that they make, and between two
convolutions a value is one of 256 levels. In an exported graph ONNX Runtime, on a CPU, makes operators on integers of
that. In torch the integers are float32, which holds them and their sums exactly: both give the same levels, so that
all that is trained and measured behind the encoder holds for what is served. The regions themselves are float32. On a
GPU both compute with floats, by algorithms that may do more than add, and now and then give the level beside it.

B pictures; O and I channels of a convolution, made and read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from attendant.models.encoders import HALF_WHITE, CompactConfig, CompactEncoder, ResidualUnit
from attendant.models.integers import TOP, Add, Convolve, Pads, Pixels, Values

EXACT = 0.99 * 2**24  # the integers that float32 holds, with room for what rounding weights adds
MIDDLE = 128  # the level of 0 where values have both signs, and the pixel that is read as 0
_SMALLEST = 2.0**-14  # step: fp16, in which weights are kept, has fewer digits below

Range = tuple[float, float]


class Levels(NamedTuple):
    """Integers 0 to 255 (float32 in torch, uint8 in a graph) that stand for (levels - zero) * step."""

    levels: Tensor
    step: Tensor
    zero: Tensor  # uint8

    def values(self) -> Tensor:
        values: Tensor = Values.apply(*self)  # type: ignore[no-untyped-call]
        return values


class RoundedConvolution(nn.Module):
    """A convolution with its batch norm folded in.

    The bias has the steps of the products, those of what is read times the weights', so that integers can be added.
    """

    weight: Tensor
    steps: Tensor
    bias: Tensor

    def __init__(self, layer: "Layer") -> None:
        super().__init__()
        self.stride, self.pads = layer.conv.stride[0], layer.pads
        self.register_buffer("weight", torch.zeros(layer.conv.weight.shape, dtype=torch.int8))
        self.register_buffer("steps", torch.ones(layer.conv.out_channels))
        self.register_buffer("bias", torch.zeros(layer.conv.out_channels, dtype=torch.int32))

    def fill(self, weight: Tensor, bias: Tensor, read: Tensor) -> None:
        """Rounds weight O x I x K x K and bias O, for values whose step is `read`.

        Steps are as fine as 8 bits allow, and sums that float32 holds exactly: no partial sum of a channel is greater
        than its weights of one sign times the greatest level, and its bias.
        """
        ends = torch.stack([weight.clamp_min(0).sum((1, 2, 3)), -weight.clamp_max(0).sum((1, 2, 3))])
        greatest = TOP * ends.amax(0) + bias.abs() / read  # in units of the weights
        steps = torch.maximum(weight.abs().amax((1, 2, 3)) / 127, greatest / EXACT)
        self.steps.copy_(_kept(steps))
        self.weight.copy_((weight / self.steps.view(-1, 1, 1, 1)).round().clamp(-127, 127))
        self.bias.copy_((bias.double() / (self.steps.double() * read)).round())

    def forward(self, x: Levels, step: Tensor, zero: Tensor) -> Levels:
        """With zero at level 0, negative values become 0, as ReLU has it."""
        bias_steps = x.step * self.steps
        parts = (self.weight, self.steps, self.bias, bias_steps)
        return Levels(Convolve.apply(*x, *parts, step, zero, self.stride, self.pads), step, zero)  # type: ignore[no-untyped-call]


class RoundedLayer(nn.Module):
    """A convolution and what the levels that it makes stand for."""

    step: Tensor
    zero: Tensor

    def __init__(self, layer: "Layer") -> None:
        super().__init__()
        self.convolution = RoundedConvolution(layer)
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("zero", torch.zeros((), dtype=torch.uint8))

    def cover(self, values: Range) -> None:
        """Levels from the least, at most 0, to the greatest, at least 0; what lies beyond becomes one of the ends."""
        low, high = values
        self.step.copy_(_kept(torch.tensor((high - low) / TOP)))
        self.zero.fill_(round(-low / self.step.item()))

    def forward(self, x: Levels) -> Levels:
        levels: Levels = self.convolution(x, self.step, self.zero)
        return levels


class RoundedResidualUnit(nn.Module):
    """`ResidualUnit`: what it reads, its branch and their sum have one step, so that adding rounds nothing.

    Half the levels of the branch are below 0, so that it is cut at half the range: in some 2 of 100,000 places.
    """

    def __init__(self, layer: "Layer") -> None:
        super().__init__()
        self.convolution = RoundedConvolution(layer)

    def forward(self, x: Levels) -> Levels:
        branch = self.convolution(x, x.step, torch.full_like(x.zero, MIDDLE))
        return Levels(Add.apply(*x, branch.levels, branch.zero), x.step, x.zero)  # type: ignore[no-untyped-call]


class RoundedEncoder(CompactEncoder):
    """A compact encoder whose stages compute by integers, but for the last map, which makes the regions."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config)
        layers = [layers_of(stage) for stage in self.stages]
        *hidden, last = [layer for part in layers for layer in part]
        self.stages = nn.ModuleList(map(_rounded, hidden))
        self.map = last.conv

    def grid(self, pixels: Tensor) -> Tensor:
        """uint8 B x H x W x 3 -> B x d x H/32 x W/32; H and W are multiples of 32."""
        step = torch.full((), 1 / HALF_WHITE, device=pixels.device)
        zero = torch.full((), MIDDLE, dtype=torch.uint8, device=pixels.device)
        x = Levels(Pixels.apply(pixels), step, zero)  # type: ignore[no-untyped-call]
        for stage in self.stages:
            x = stage(x)
        grid: Tensor = self.map(x.values())
        return grid


@torch.no_grad()
def round_encoder(encoder: CompactEncoder, pictures: Iterable[Tensor]) -> RoundedEncoder:
    """A trained encoder by integers, on its device, both in eval mode; float weights are those that fp16 holds.

    Ranges are those of the values behind `pictures`, batches uint8 B x H x W x 3. ValueError where there are none.
    """
    encoder.eval()
    rounded = RoundedEncoder(encoder.config).to(encoder.expand.weight.device).eval()
    for head in ("expand", "attributes", "classes"):
        rounded.get_submodule(head).load_state_dict(encoder.get_submodule(head).state_dict())
    *hidden, last = [layer for stage in encoder.stages for layer in layers_of(stage)]
    rounded.map.load_state_dict(last.conv.state_dict())
    ranges = _measure_ranges(encoder, [layer.end for layer in hidden], pictures)
    _share_ranges(hidden, ranges)
    step = torch.tensor(1 / HALF_WHITE)
    # Pixels are read half a level lower than the float encoder reads them; the first bias makes up for that, on borders
    # for padding too, which is no pixel: there it is half a level too much
    offset = (MIDDLE - HALF_WHITE) / HALF_WHITE
    for module, layer in zip(rounded.stages, hidden, strict=True):
        assert isinstance(module, RoundedLayer | RoundedResidualUnit)
        weight, bias = layer.folded()
        module.convolution.fill(weight, bias + offset * weight.sum((1, 2, 3)), step)
        offset = 0.0
        if isinstance(module, RoundedLayer):
            module.cover(ranges[layer.end])
            step = module.step
    halve(rounded)
    return rounded


@torch.no_grad()
def halve(module: nn.Module) -> None:
    """Float weights to the nearest that fp16, in which they are kept, holds."""
    for weight in module.parameters():
        weight.copy_(weight.half())


@dataclass(frozen=True)
class Layer:
    """A convolution of the float encoder; `end` is the module whose output is rounded."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None
    pads: Pads
    end: nn.Module

    @property
    def residual(self) -> bool:
        return isinstance(self.end, ResidualUnit)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias, with the batch norm in them."""
        conv, norm = self.conv, self.norm
        if norm is None:
            assert conv.bias is not None
            return conv.weight, conv.bias
        statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        return fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)  # type: ignore[arg-type]


def layers_of(stage: nn.Module) -> list[Layer]:
    """The convolutions of one stage of the float encoder, in order."""
    layers = []
    pads: Pads | None = None
    modules = _flat(stage)
    for module in modules:
        if isinstance(module, nn.ZeroPad2d):
            pads = module.padding
            continue
        if isinstance(module, ResidualUnit):
            layers.append(Layer(module.conv, module.norm, _pads(module.conv), module))
        elif isinstance(module, nn.Conv2d) and module.bias is None:
            norm, relu = next(modules), next(modules)
            assert isinstance(norm, nn.BatchNorm2d)
            layers.append(Layer(module, norm, pads or _pads(module), relu))
        else:
            assert isinstance(module, nn.Conv2d)
            layers.append(Layer(module, None, _pads(module), module))
        pads = None
    return layers


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _flat(part)
    else:
        yield module


def _pads(conv: nn.Conv2d) -> Pads:
    side = conv.padding[0]
    assert isinstance(side, int)
    return side, side, side, side


def _rounded(layer: Layer) -> nn.Module:
    return RoundedResidualUnit(layer) if layer.residual else RoundedLayer(layer)


def _measure_ranges(
    encoder: CompactEncoder, ends: Sequence[nn.Module], pictures: Iterable[Tensor]
) -> dict[nn.Module, Range]:
    """The least and the greatest value that each module puts out, and 0."""
    ranges: dict[nn.Module, Range] = dict.fromkeys(ends, (0.0, 0.0))

    def watch(module: nn.Module, _: Any, output: Tensor) -> None:
        low, high = ranges[module]
        ranges[module] = min(low, output.min().item()), max(high, output.max().item())

    handles = [module.register_forward_hook(watch) for module in ends]
    try:
        for batch in pictures:
            encoder.grid(batch)
    finally:
        for handle in handles:
            handle.remove()
    if not any(high > low for low, high in ranges.values()):
        raise ValueError("an encoder is rounded by the ranges of its values, but no picture was given")
    return ranges


def _share_ranges(layers: Sequence[Layer], ranges: dict[nn.Module, Range]) -> None:
    """Residual units share the range of the layer before them: the widest of all."""
    owner = layers[0]
    for layer in layers:
        if layer.residual:
            ranges[owner.end] = 0.0, max(ranges[owner.end][1], ranges[layer.end][1])
        else:
            owner = layer


def _kept(steps: Tensor) -> Tensor:
    """Steps that fp16, in which weights are kept, holds exactly, and no smaller."""
    steps = steps.clamp_min(_SMALLEST)
    halves = steps.half()
    above = halves.nextafter(torch.full_like(halves, torch.inf))
    return torch.where(halves.float() < steps, above, halves).float()
