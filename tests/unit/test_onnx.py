"""The exported models agree with torch, for every size and whatever is absent."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from small_fcam import draw_segments, small_fcam

from attendant.models.encoders import CompactConfig, CompactEncoder, PaperConfig, PaperEncoder
from attendant.models.focus_maps import Mechanism
from attendant.models.hfm import HfmConfig, HfmInput, HierarchicalFusion, Variant, build_hfm
from attendant.models.onnx import (
    FCAM_OUTPUTS,
    FCAM_TAIL_OUTPUTS,
    HFM_INPUTS,
    HFM_OUTPUTS,
    export_encoder,
    export_fcam,
    export_hfm,
)
from attendant.models.runtime import Session, open_session
from attendant.models.segments import prepare

PAPER = HfmConfig(vocabulary_size=12_000, attribute_vocabulary_size=1_002, region_width=256)
SMALL = HfmConfig(20, 9, 7, 6, 4, 5, 8, 10, 3)
ALL = (True, True, True)
MIXED = [ALL, (True, False, False), (False, True, False), (False, False, True)]
MIXED += [(True, True, False), (True, False, True), (False, True, True), ALL]

Feeds = dict[str, NDArray[np.generic]]


@cache
def model_of(config: HfmConfig) -> HierarchicalFusion:
    torch.manual_seed(0)
    return build_hfm(config).eval()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The model at the paper's widths, exported with random weights."""
    path = tmp_path_factory.mktemp("onnx") / "hfm.onnx"
    export_hfm(model_of(PAPER), path)
    return open_session(path, threads=1, device="cpu")


def random_feeds(
    config: HfmConfig, presence: list[tuple[bool, bool, bool]], tokens: int, regions: int, words: int = 5
) -> Feeds:
    rng = np.random.default_rng(tokens * 1000 + regions)
    size = len(presence)
    return {
        "tokens": rng.integers(0, config.vocabulary_size, (size, tokens)),
        "token_counts": rng.integers(1, tokens + 1, size),
        "attributes": rng.integers(0, config.attribute_vocabulary_size, (size, words)),
        "attribute_counts": rng.integers(1, words + 1, size),
        "regions": rng.normal(size=(size, regions, config.region_width)).astype(np.float32),
        "present": np.array(presence),
    }


def torch_outputs(model: HierarchicalFusion, feeds: Feeds) -> list[NDArray[np.float32]]:
    with torch.no_grad():
        output = model(HfmInput(*(torch.from_numpy(feeds[name]) for name in HFM_INPUTS)))
    parts = (output.logit, output.modality, *output.representation, *output.representation_mean)
    return [part.numpy() for part in parts]


def agree(session: Session, model: HierarchicalFusion, feeds: Feeds) -> None:
    for name, ours, theirs in zip(
        HFM_OUTPUTS, session.run(HFM_OUTPUTS, feeds), torch_outputs(model, feeds), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("presence", "tokens", "regions", "words"),
    [
        (MIXED, 75, 196, 5),
        (MIXED[:4], 12, 196, 5),
        ([ALL], 20, 196, 5),
        ([(True, False, False)], 20, 1, 1),
        ([(False, True, False)], 1, 196, 1),
        ([(True, False, False)] * 3, 1, 1, 1),
        ([(False, False, False)], 1, 1, 1),
    ],
)
def test_onnx_runtime_agrees_with_torch_at_the_papers_widths(
    paper: Session, presence: list[tuple[bool, bool, bool]], tokens: int, regions: int, words: int
) -> None:
    agree(paper, model_of(PAPER), random_feeds(PAPER, presence, tokens, regions, words))


def test_a_row_alone_is_a_row_among_eight(paper: Session) -> None:
    """Alone it is as short as it can be: no pads, and one region where it has no image."""
    feeds = random_feeds(PAPER, MIXED, tokens=30, regions=196)
    together = dict(zip(HFM_OUTPUTS, paper.run(HFM_OUTPUTS, feeds), strict=True))
    for row, (_, image, _) in enumerate(MIXED):
        alone = {name: value[row : row + 1] for name, value in feeds.items()}
        alone["tokens"] = alone["tokens"][:, : int(alone["token_counts"][0])]
        alone["regions"] = alone["regions"] if image else np.zeros((1, 1, PAPER.region_width), np.float32)
        for name, value in zip(HFM_OUTPUTS, paper.run(HFM_OUTPUTS, alone), strict=True):
            expected = together[name][row : row + 1][..., : value.shape[-1]]
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("variant", Variant)
def test_every_variant_is_exported(variant: Variant, tmp_path: Path) -> None:
    config = HfmConfig(**(vars(SMALL) | {"variant": variant}))
    path = tmp_path / "hfm.onnx"
    export_hfm(model_of(config), path)
    session = open_session(path, threads=1, device="cpu")
    for tokens in (1, 10):
        agree(session, model_of(config), random_feeds(config, MIXED, tokens, regions=6))


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one.onnx", "other.onnx"):
        export_hfm(model_of(SMALL), tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


def test_the_recurrence_is_not_unrolled_and_no_path_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "hfm.onnx"
    export_hfm(model_of(SMALL), path)
    onnx.checker.check_model(path)
    assert [node.op_type for node in onnx.load(path).graph.node].count("LSTM") == 2
    assert b"hfm.py" not in path.read_bytes()


def test_a_model_in_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="eval mode"):
        export_hfm(build_hfm(SMALL), tmp_path / "hfm.onnx")
    with pytest.raises(ValueError, match="eval mode"):
        export_encoder(CompactEncoder(CompactConfig(7)), tmp_path / "encoder.onnx")
    with pytest.raises(ValueError, match="eval mode"):
        export_fcam(small_fcam().train(), tmp_path / "fcam.onnx")


@pytest.mark.parametrize(
    ("config", "outputs"),
    [
        (
            CompactConfig(7, 5, 4, (4, 6, 8, 8), (0, 1, 1, 1), (3, 4, 5, 10), 12),
            ("regions", "attribute_logits"),
        ),
        (PaperConfig((1, 1, 1, 1), (8, 8, 12, 16), stem_width=4), ("regions",)),
    ],
)
def test_encoders_agree_with_torch(
    config: CompactConfig | PaperConfig, outputs: tuple[str, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    encoder = (CompactEncoder(config) if isinstance(config, CompactConfig) else PaperEncoder(config)).eval()
    path = tmp_path / "encoder.onnx"
    export_encoder(encoder, path)
    session = open_session(path, threads=1, device="cpu")
    assert session.outputs == outputs
    rng = np.random.default_rng(0)
    for size in (1, 3):
        pixels = rng.integers(0, 256, (size, 448, 448, 3), dtype=np.uint8)
        with torch.no_grad():
            encoding = encoder(torch.from_numpy(pixels))
        for name, ours in zip(outputs, session.run(outputs, {"pixels": pixels}), strict=True):
            np.testing.assert_allclose(ours, getattr(encoding, name).numpy(), rtol=0, atol=1e-5)


FCAMS = [
    (mechanism, layer, kind)
    for mechanism in Mechanism
    for layer, kind in ((0, "image"), (6, "image"), (0, "vector"), (6, "vector"))
]


@pytest.mark.parametrize(("mechanism", "layer", "kind"), FCAMS)
def test_fcams_agree_with_torch(mechanism: Mechanism, layer: int, kind: str, tmp_path: Path) -> None:
    model = small_fcam(mechanism, layer, kind, segments=9)
    path = tmp_path / "fcam.onnx"
    export_fcam(model, path)
    session = open_session(path, threads=1, device="cpu")
    assert session.outputs == (*FCAM_OUTPUTS, *FCAM_TAIL_OUTPUTS)
    for size in (1, 2, 5):
        segments = prepare(draw_segments(kind, size * 9, seed=size)).unflatten(0, (size, 9)).contiguous()
        with torch.no_grad():
            output = model(segments)
        for name, ours in zip(
            session.outputs, session.run(session.outputs, {"segments": segments.numpy()}), strict=True
        ):
            expected = getattr(output, name).numpy()
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=5e-5, err_msg=name)


@pytest.mark.parametrize("mechanism", Mechanism)
def test_fcams_agree_on_the_first_of_a_tie(mechanism: Mechanism, tmp_path: Path) -> None:
    model = small_fcam(mechanism, kind="vector")
    path = tmp_path / "fcam.onnx"
    export_fcam(model, path)
    segments = torch.from_numpy(np.tile(draw_segments("vector", 1, 0), (1, 3, 1)))
    (weights,) = open_session(path, 1, "cpu").run(("weights",), {"segments": segments.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(weights, model(segments).weights.numpy(), atol=1e-6)
    assert weights[0].argmax() == 0
