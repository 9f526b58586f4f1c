"""The encoder by integers: torch and ONNX Runtime make the same levels, and the float encoder is not far."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attendant.manifest import describe
from attendant.models import runtime
from attendant.models.encoders import CompactConfig, CompactEncoder, scale
from attendant.models.onnx import export_encoder
from attendant.models.quantisation import generated_pictures
from attendant.models.rounded import Levels, RoundedConvolution, RoundedEncoder, round_encoder
from attendant.models.runtime import open_session
from attendant.models.store import load_weights, save_weights

CONFIG = CompactConfig(
    7,
    n_classes=3,
    stem_width=8,
    widths=(8, 12, 16, 16),
    units=(1, 2, 0, 1),
    outputs=(6, 8, 12, 16),
    feature_width=20,
)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.from_numpy(generated_pictures(4))


@pytest.fixture(scope="module")
def floating(pictures: torch.Tensor) -> CompactEncoder:
    """With batch norms that differ from channel to channel, as trained ones do."""
    torch.manual_seed(0)
    encoder = CompactEncoder(CONFIG)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            module.momentum = None
    with torch.no_grad():
        encoder(pictures)
    return encoder.eval()


@pytest.fixture(scope="module")
def rounded(floating: CompactEncoder, pictures: torch.Tensor) -> RoundedEncoder:
    return round_encoder(floating, pictures[:2].split(1))


@torch.no_grad()
def test_it_is_close_to_the_float_encoder(
    floating: CompactEncoder, rounded: RoundedEncoder, pictures: torch.Tensor
) -> None:
    wanted, found = floating(pictures[:2]), rounded(pictures[:2])
    error = (found.regions - wanted.regions).square().mean().sqrt()
    assert error < 0.15 * wanted.regions.std()


@torch.no_grad()
def test_the_first_layer_reads_pixels_as_the_float_encoder_does(
    floating: CompactEncoder, rounded: RoundedEncoder, pictures: torch.Tensor
) -> None:
    """Half a level of all pixels would move the values of a channel together, unlike rounding."""
    pads, conv, norm, relu, *_ = floating.stages[0]
    wanted = relu(norm(conv(pads(scale(pictures[:2])))))
    levels = Levels(pictures[:2].permute(0, 3, 1, 2).float(), torch.tensor(1 / 127.5), torch.tensor(128))
    layer = rounded.stages[0]
    found = layer(levels).values()
    half_a_level = (layer.convolution.weight.sum((1, 2, 3)) * layer.convolution.steps).abs() * 0.5 / 127.5
    checked = 0
    for channel, shift in enumerate(half_a_level):
        ours, theirs = found[:, channel, :-1, :-1], wanted[:, channel, :-1, :-1]  # what follows is padded
        inside = (theirs > layer.step) & (theirs < 250 * layer.step)
        if inside.sum() > 1000 and shift > 0.3 * layer.step:
            assert (ours - theirs)[inside].mean().abs() < 0.6 * shift
            checked += 1
    assert checked


@torch.no_grad()
def test_onnx_runtime_computes_the_same_by_integers(rounded: RoundedEncoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    export_encoder(rounded, path)
    session = open_session(path, device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (1, 448, 448, 3), dtype=np.uint8)  # beyond all ranges
    for pixels in (*generated_pictures(3, seed=1)[:, None], noise):
        wanted = rounded(torch.from_numpy(pixels))
        regions, logits = session.run(("regions", "attribute_logits"), {"pixels": pixels})
        np.testing.assert_allclose(regions, wanted.regions.numpy(), rtol=0, atol=1e-5)
        assert wanted.attribute_logits is not None
        np.testing.assert_allclose(logits, wanted.attribute_logits.numpy(), rtol=0, atol=1e-5)


def test_onnx_runtime_has_operators_on_integers_for_it(rounded: RoundedEncoder, tmp_path: Path) -> None:
    export_encoder(rounded, tmp_path / "encoder.onnx")
    options = runtime.onnxruntime.SessionOptions()
    options.graph_optimization_level = runtime.onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    runtime.onnxruntime.InferenceSession(
        tmp_path / "encoder.onnx", options, providers=["CPUExecutionProvider"]
    )
    found = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert found["QLinearConv"] == len(rounded.stages)
    assert found["QLinearAdd"] == sum(CONFIG.units)
    assert found["Conv"] == 1  # the last map


@torch.no_grad()
def test_no_sum_is_greater_than_float32_holds(rounded: RoundedEncoder) -> None:
    """With so many weights of one sign that 8 bits for each would allow it."""
    encoder = CompactEncoder(CompactConfig(3, 3, 4, (4, 4, 4, 800), (0, 0, 0, 1), (4, 4, 8, 8), 8))
    convolution = RoundedEncoder(encoder.config).stages[-1].convolution
    weight, bias = torch.rand(800, 800, 3, 3) - 0.1, torch.randn(800) * 1000
    convolution.fill(weight, bias, torch.tensor(0.01))
    assert (weight.abs() / convolution.steps.view(-1, 1, 1, 1)).max() < 100  # 8 bits would be 127
    for one in [convolution, *(m for m in rounded.modules() if isinstance(m, RoundedConvolution))]:
        integers = one.weight.float()
        ends = integers.clamp_min(0).sum((1, 2, 3)), -integers.clamp_max(0).sum((1, 2, 3))
        assert (255 * torch.maximum(*ends) + one.bias.abs()).max() < 2**24
    steps = convolution.steps.view(-1, 1, 1, 1)
    assert ((convolution.weight * steps - weight).abs() <= 0.501 * steps).all()


@torch.no_grad()
def test_what_is_saved_is_what_was_trained_with(rounded: RoundedEncoder, tmp_path: Path) -> None:
    save_weights(tmp_path / "encoder.safetensors", rounded.state_dict())
    loaded = load_weights(tmp_path, describe(tmp_path, tmp_path / "encoder.safetensors"))
    for name, tensor in rounded.state_dict().items():
        assert torch.equal(loaded[name], tensor), name


@torch.no_grad()
def test_rows_are_independent_to_the_bit(rounded: RoundedEncoder, pictures: torch.Tensor) -> None:
    assert torch.equal(rounded.grid(pictures)[1:2], rounded.grid(pictures[1:2]))


@torch.no_grad()
@given(level=st.integers(0, 255))
def test_an_even_picture_has_even_regions_away_from_the_border(rounded: RoundedEncoder, level: int) -> None:
    grid = rounded.grid(torch.full((1, 448, 448, 3), level, dtype=torch.uint8))
    inner = grid[..., 5:9, 5:9]
    assert torch.equal(inner, inner[..., :1, :1].expand_as(inner))


def test_one_without_units_is_rounded_too(pictures: torch.Tensor) -> None:
    bare = CompactEncoder(replace(CONFIG, units=(0, 0, 0, 0))).eval()
    assert torch.isfinite(round_encoder(bare, [pictures[:1]]).grid(pictures[:1])).all()


def test_without_a_picture_there_are_no_ranges() -> None:
    with pytest.raises(ValueError, match="no picture"):
        round_encoder(CompactEncoder(CONFIG), [])
