"""The costliest product of the fusion model in 8 bits, for ONNX Runtime on CPUs: the scores of an image's regions.

Each region is rounded by its own greatest value: they differ a lot, and an answer does not depend on its batch.
Everything behind the attention stays float32: the weights in an answer are the ones it was computed from. The encoder
has integers of its own (`attendant.models.rounded`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import structlog
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from attendant.models.hfm import HfmConfig
from attendant.models.onnx import HFM_INPUTS, HFM_OUTPUTS
from attendant.models.runtime import open_session
from attendant.types import IMAGE_SIZE, MAX_ATTRIBUTES

IMAGE_SCORES = "/model/attention.1/element/MatMul"  # as the exporter names RepresentationAttention.element
SMALLEST = 1 << 16  # weights for which 8 bits are worth their trouble
_PICTURES = 12  # to measure on
_SMALLEST_RANGE = 1e-12  # what is all 0 needs one too

Floats = NDArray[np.float32]
Feeds = dict[str, NDArray[np.generic]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Movement:
    """How far answers lie apart at most: in any attention weight, and in the probability."""

    attention: float
    probability: float

    def is_within(self, limit: "Movement") -> bool:
        return self.attention <= limit.attention and self.probability <= limit.probability


TOLERATED = Movement(attention=0.01, probability=0.005)
_TOLERATED_HERE = Movement(TOLERATED.attention / 2, TOLERATED.probability / 2)  # photographs may move more


def quantise_image_scores(
    fusion: Path, encoder: Path, config: HfmConfig, temperature: float
) -> Movement | None:
    """Rewrite an exported fusion graph so that the scores of regions run in 8 bits; what that moved, measured.

    `encoder` is the graph that makes the regions. None: the fusion graph is as it was, because it is too small to gain
    or (said in the log) because too much would have moved.
    """
    model = onnx.load(fusion)
    node = next(node for node in model.graph.node if node.name == IMAGE_SCORES)
    weights = next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == node.input[1])
    if weights.size < SMALLEST:
        return None
    feeds = _feeds(_regions(encoder, _PICTURES), config)
    before = _answer(model, feeds, fusion)
    _round_product(model, node, weights)
    after = _answer(model, feeds, fusion)
    movement = measure_movement(before, after, temperature)
    if not movement.is_within(_TOLERATED_HERE):
        log.warning("left_in_float32", product=IMAGE_SCORES, **vars(movement))
        return None
    onnx.save(model, fusion)
    return movement


def measure_movement(before: tuple[Floats, ...], after: tuple[Floats, ...], temperature: float) -> Movement:
    """Between two runs of a fusion graph: arrays in the order of HFM_OUTPUTS, logits first."""
    moved = np.abs(_probability(before[0], temperature) - _probability(after[0], temperature))
    attention = [
        float(np.abs(ours - theirs).max()) for ours, theirs in zip(before[1:], after[1:], strict=True)
    ]
    return Movement(max(attention), float(moved.max()))


def generated_pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """RGB, count x 448 x 448 x 3: noise with spectra like nature's under rectangles and stripes, in all lights."""
    rng = np.random.default_rng(seed)
    pictures = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    frequency = np.fft.fftfreq(IMAGE_SIZE)
    power = frequency[:, None] ** 2 + frequency[: IMAGE_SIZE // 2 + 1] ** 2
    power[0, 0] = 1
    for picture in pictures:
        spectrum = np.fft.rfft2(rng.normal(size=(3, IMAGE_SIZE, IMAGE_SIZE))) * power ** -rng.uniform(0.2, 1)
        noise = np.fft.irfft2(spectrum).transpose(1, 2, 0)
        colour = rng.uniform()
        noise = colour * noise + (1 - colour) * noise.mean(axis=2, keepdims=True)
        canvas = noise / noise.std() * rng.uniform(20, 70) + rng.uniform(60, 200, 3)
        for _ in range(rng.integers(0, 16)):
            top, left, height, width = rng.integers(0, IMAGE_SIZE, 4)
            stride = rng.integers(1, 12)  # beyond 1: lines as fine as lettering
            canvas[top : top + height : stride, left : left + width] = rng.uniform(0, 255, 3)
        picture[:] = canvas.clip(0, 255)
    return pictures


def _probability(logits: Floats, temperature: float) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))


def _regions(encoder: Path, count: int) -> Floats:
    """Of generated pictures, one at a time: a batch would hold all of its largest maps at once."""
    session = open_session(encoder, device="cpu")
    pictures = generated_pictures(count)
    return np.concatenate([session.run(["regions"], {"pixels": picture[None]})[0] for picture in pictures])


def _feeds(regions: Floats, config: HfmConfig) -> Feeds:
    """Tweets of arbitrary words about pictures of these regions."""
    rng = np.random.default_rng(0)
    count, longest = len(regions), 24
    inputs = (
        rng.integers(2, config.vocabulary_size, (count, longest)),
        rng.integers(1, longest + 1, count),
        rng.integers(2, config.attribute_vocabulary_size, (count, MAX_ATTRIBUTES)),
        np.full(count, MAX_ATTRIBUTES),
        regions,
        np.ones((count, 3), np.bool_),
    )
    return dict(zip(HFM_INPUTS, inputs, strict=True))


def _answer(model: ModelProto, feeds: Feeds, beside: Path) -> tuple[Floats, ...]:
    """Of a graph as it is now."""
    path = beside.with_suffix(".measured.onnx")
    onnx.save(model, path)
    try:
        return open_session(path, device="cpu").run(HFM_OUTPUTS, feeds)
    finally:
        path.unlink()


def _round_product(model: ModelProto, node: NodeProto, weights: Floats) -> None:
    """Round both factors: each row of the left, which is at least 0, to 256 steps, each column of the weights to 255.

    ONNX Runtime makes one operator on integers of the roundings and the product; elsewhere they are what they say.
    """
    graph, values, name = model.graph, node.input[0], node.name
    steps = np.maximum(np.abs(weights).max(axis=0), _SMALLEST_RANGE) / 127
    constants = {
        f"{name}/smallest": np.array(_SMALLEST_RANGE, np.float32),
        f"{name}/step": np.array(1 / 255, np.float32),
        f"{name}/zero": np.array(0, np.uint8),
        f"{name}/weights": np.rint(weights / steps).astype(np.int8),
        f"{name}/steps": steps.astype(np.float32),
        f"{name}/zeros": np.zeros(steps.shape, np.int8),
    }
    smallest, step, zero, *columns = constants
    (product,) = node.output
    greatest, shares = f"{name}/greatest", f"{name}/shares"
    before = [
        helper.make_node("ReduceMax", [values], [f"{greatest}/any"], axes=[-1]),
        helper.make_node("Max", [f"{greatest}/any", smallest], [greatest]),
        helper.make_node("Div", [values, greatest], [shares]),
        helper.make_node("QuantizeLinear", [shares, step, zero], [f"{shares}/8bit"]),
        helper.make_node("DequantizeLinear", [f"{shares}/8bit", step, zero], [f"{shares}/rounded"]),
        helper.make_node("DequantizeLinear", columns, [f"{name}/rounded"], axis=1),
    ]
    after = helper.make_node("Mul", [f"{name}/product", greatest], [product])
    position = list(graph.node).index(node)
    graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == node.input[1]))
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    node.input[:] = [f"{shares}/rounded", f"{name}/rounded"]
    node.output[:] = [f"{name}/product"]
    graph.node.insert(position + 1, after)
    for new in reversed(before):
        graph.node.insert(position, new)
