"""Operators on levels, integers 0 to 255: in torch as float32, in an exported graph as ONNX Runtime fuses them.

B pictures, C channels, H x W places. A level stands for (level - zero) * step. Of weights and sums see
`attendant.models.rounded`. Gradients do not pass.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

TOP = 255  # level

Pads = tuple[int, int, int, int]  # left, right, top, bottom: torch's order


class Values(torch.autograd.Function):
    """(levels - zero) * step."""

    @staticmethod
    def forward(_: Any, levels: Tensor, step: Tensor, zero: Tensor) -> Tensor:
        return (levels - zero.float()) * step

    @staticmethod
    def symbolic(graph: Any, levels: Any, step: Any, zero: Any) -> Any:
        return graph.op("DequantizeLinear", levels, step, zero)


class Pixels(torch.autograd.Function):
    """uint8 B x H x W x 3 as the levels B x 3 x H x W that they are."""

    @staticmethod
    def forward(_: Any, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2).float()

    @staticmethod
    def symbolic(graph: Any, pixels: Any) -> Any:
        return graph.op("Transpose", pixels, perm_i=[0, 3, 1, 2])


class Convolve(torch.autograd.Function):
    """In a graph, a float convolution between roundings, of which ONNX Runtime makes one operator."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - the parts of one operator
        _: Any,
        levels: Tensor,
        read_step: Tensor,
        read_zero: Tensor,
        weight: Tensor,
        steps: Tensor,
        bias: Tensor,
        bias_steps: Tensor,
        step: Tensor,
        zero: Tensor,
        stride: int,
        pads: Pads,
    ) -> Tensor:
        del read_step, steps
        inputs = F.pad(levels - read_zero.float(), pads).contiguous(memory_format=torch.channels_last)
        sums = F.conv2d(inputs, weight.float(), bias.float(), stride)
        made = (sums * (bias_steps / step).view(-1, 1, 1)).round() + zero.float()
        return made.clamp(0, TOP)

    @staticmethod
    def symbolic(  # noqa: PLR0913, PLR0917
        graph: Any,
        levels: Any,
        read_step: Any,
        read_zero: Any,
        weight: Any,
        steps: Any,
        bias: Any,
        bias_steps: Any,
        step: Any,
        zero: Any,
        stride: int,
        pads: Pads,
    ) -> Any:
        left, right, top, bottom = pads
        made = graph.op(
            "Conv",
            graph.op("DequantizeLinear", levels, read_step, read_zero),
            graph.op("DequantizeLinear", weight, steps, axis_i=0),
            graph.op("DequantizeLinear", bias, bias_steps, axis_i=0),
            strides_i=[stride, stride],
            pads_i=[top, left, bottom, right],
        )
        return graph.op("QuantizeLinear", made, step, zero)


class Add(torch.autograd.Function):
    """Levels of one step; below 0 the sum is 0, as ReLU has it."""

    @staticmethod
    def forward(
        _: Any, levels: Tensor, step: Tensor, zero: Tensor, branch: Tensor, branch_zero: Tensor
    ) -> Tensor:
        del step, zero
        return (levels + branch - branch_zero.float()).clamp(0, TOP)

    @staticmethod
    def symbolic(graph: Any, levels: Any, step: Any, zero: Any, branch: Any, branch_zero: Any) -> Any:
        added = graph.op("DequantizeLinear", branch, step, branch_zero)
        total = graph.op("Add", graph.op("DequantizeLinear", levels, step, zero), added)
        return graph.op("QuantizeLinear", total, step, zero)
