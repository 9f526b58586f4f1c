"""The sarcasm model in eager float32 torch with nothing rounded, as it is trained: what serving is measured against."""

from pathlib import Path

import torch
from torch import nn

from attendant.manifest import read_manifest
from attendant.models.encoders import HALF_WHITE, CompactEncoder
from attendant.models.engines import TorchEngine
from attendant.models.hfm import HierarchicalFusion
from attendant.models.rounded import (
    MIDDLE,
    Layer,
    RoundedEncoder,
    RoundedLayer,
    RoundedResidualUnit,
    layers_of,
)
from attendant.models.sarcasm import SarcasmModel
from attendant.models.store import load_encoder, load_hfm

MODEL_STORE = Path("model_store") / "sarcasm"


def load_eager(version: str) -> tuple[CompactEncoder, HierarchicalFusion]:
    """Its two parts, in eval mode."""
    entry = read_manifest(MODEL_STORE).version_or_default(version)
    encoder = load_encoder(MODEL_STORE, entry)
    assert isinstance(encoder, RoundedEncoder)
    return unround(encoder), load_hfm(MODEL_STORE, entry).eval()


def open_eager(version: str, layout: torch.memory_format = torch.contiguous_format) -> SarcasmModel:
    """The whole model; `layout` of the convolutions' weights."""
    model = SarcasmModel.open_torch(MODEL_STORE, version)
    encoder, fusion = load_eager(version)
    model.engine = TorchEngine(encoder.to(memory_format=layout), fusion)  # type: ignore[call-overload]
    return model


def unround(rounded: RoundedEncoder) -> CompactEncoder:
    """The same weights in the float32 encoder that is trained, in eval mode: nothing is rounded between them."""
    encoder = CompactEncoder(rounded.config).eval()
    for head in ("expand", "attributes", "classes"):
        encoder.get_submodule(head).load_state_dict(rounded.get_submodule(head).state_dict())
    *hidden, last = [layer for stage in encoder.stages for layer in layers_of(stage)]
    last.conv.load_state_dict(rounded.map.state_dict())
    read, offset = torch.tensor(1 / HALF_WHITE), (MIDDLE - HALF_WHITE) / HALF_WHITE
    for layer, stage in zip(hidden, rounded.stages, strict=True):
        assert isinstance(stage, RoundedLayer | RoundedResidualUnit)
        integers = stage.convolution
        weight = integers.weight * integers.steps.view(-1, 1, 1, 1)
        bias = integers.bias * integers.steps * read - offset * weight.sum((1, 2, 3))
        fill(layer, weight, bias)
        read, offset = (stage.step if isinstance(stage, RoundedLayer) else read), 0.0
    return encoder


@torch.no_grad()
def fill(layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Sets what `Layer.folded` gives back; a batch norm, where there is one, adds the bias."""
    layer.conv.weight.copy_(weight)
    if layer.norm is None:
        assert layer.conv.bias is not None
        layer.conv.bias.copy_(bias)
        return
    layer.norm.load_state_dict(nn.BatchNorm2d(len(bias)).state_dict() | {"bias": bias})
    assert layer.norm.running_var is not None
    layer.norm.running_var.fill_(1 - layer.norm.eps)
