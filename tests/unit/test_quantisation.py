"""8 bits where they pay: what they move, and when they are left out."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from structlog.testing import capture_logs

from attendant.models import quantisation
from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.models.hfm import HfmConfig, HfmInput, PerModality, build_hfm
from attendant.models.onnx import HFM_OUTPUTS, export_encoder, export_hfm
from attendant.models.quantisation import (
    IMAGE_SCORES,
    TOLERATED,
    Movement,
    generated_pictures,
    quantise_image_scores,
)
from attendant.models.runtime import open_session

SMALL = HfmConfig(20, 9, 8, 6, 4, 5, 8, 10, 3)
WIDE = HfmConfig(20, 9, 8, 6, 4, 5, image_width=256, fusion_width=10, classifier_width=3)
ENCODER = CompactConfig(
    7,
    n_classes=3,
    stem_width=4,
    widths=(4, 4, 4, 8),
    units=(0, 0, 0, 0),
    outputs=(4, 4, 4, 8),
    feature_width=8,
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    export_encoder(CompactEncoder(ENCODER).eval(), path)
    return path


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "_PICTURES", 3)


def exported(config: HfmConfig, path: Path) -> Path:
    torch.manual_seed(0)
    export_hfm(build_hfm(config).eval(), path)
    return path


def feeds(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "tokens": rng.integers(0, 20, (rows, 6)),
        "token_counts": np.full(rows, 6),
        "attributes": rng.integers(0, 9, (rows, 5)),
        "attribute_counts": np.full(rows, 5),
        "regions": rng.normal(size=(rows, 196, 8)).astype(np.float32),
        "present": np.ones((rows, 3), np.bool_),
    }


def inner(path: Path, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Tensors inside a graph."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    onnx.save(model, path.with_suffix(".inner.onnx"))
    session = open_session(path.with_suffix(".inner.onnx"), threads=1, device="cpu")
    return list(session.run(names, inputs))


def test_the_scores_of_regions_run_in_8_bits_and_hardly_move(encoder: Path, tmp_path: Path) -> None:
    path = exported(WIDE, tmp_path / "hfm.onnx")
    before = open_session(path, threads=1, device="cpu").run(HFM_OUTPUTS, feeds(4))
    movement = quantise_image_scores(path, encoder, WIDE, temperature=1.3)
    assert movement is not None
    assert 0 < movement.attention <= TOLERATED.attention / 2
    assert movement.probability <= TOLERATED.probability / 2
    onnx.checker.check_model(path)
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node].count("QuantizeLinear") == 1
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.initializer}
    after = open_session(path, threads=1, device="cpu").run(HFM_OUTPUTS, feeds(4))
    moved = quantisation.measure_movement(before, after, 1.3)
    assert moved.is_within(TOLERATED)
    assert moved.attention > 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_row_alone_is_a_row_among_four(encoder: Path, tmp_path: Path) -> None:
    path = exported(WIDE, tmp_path / "hfm.onnx")
    quantise_image_scores(path, encoder, WIDE, temperature=1.0)
    session = open_session(path, threads=1, device="cpu")
    together = session.run(HFM_OUTPUTS, feeds(4))
    for row in range(4):
        alone = session.run(HFM_OUTPUTS, {name: value[row : row + 1] for name, value in feeds(4).items()})
        for mine, theirs in zip(alone, together, strict=True):
            np.testing.assert_allclose(mine, theirs[row : row + 1], rtol=0, atol=1e-5)


def test_a_faint_region_keeps_its_digits_beside_a_bright_one_and_a_black_one(
    encoder: Path, tmp_path: Path
) -> None:
    path = exported(WIDE, tmp_path / "hfm.onnx")
    inputs = feeds(1)
    inputs["regions"][:, :100] *= 1e-3
    inputs["regions"][:, 150] *= 1e3
    scores = [IMAGE_SCORES + "_output_0"]
    torch.manual_seed(0)
    model = build_hfm(WIDE).eval()
    with torch.no_grad():
        model.image.bias.zero_()
    export_hfm(model, path)
    (wanted,) = inner(path, scores, inputs)
    assert quantise_image_scores(path, encoder, WIDE, temperature=1.0) is not None
    (found,) = inner(path, scores, inputs)
    error = np.abs(found - wanted).max(axis=2)[0] / np.abs(wanted).max(axis=2)[0]
    assert error.max() < 0.03  # of each region's own scores, however faint
    inputs["regions"][:, 7] = 0.0
    (found,) = inner(path, scores, inputs)
    assert (found[0, 7] == 0).all()
    assert np.isfinite(found).all()


def test_the_weights_returned_are_still_the_weights_used(encoder: Path, tmp_path: Path) -> None:
    """Pushed through the float32 tail of the torch model, they give the returned logit."""
    path = exported(WIDE, tmp_path / "hfm.onnx")
    quantise_image_scores(path, encoder, WIDE, temperature=1.0)
    inputs = feeds(2)
    logit, *rest = open_session(path, threads=1, device="cpu").run(HFM_OUTPUTS, inputs)
    torch.manual_seed(0)
    model = build_hfm(WIDE).eval()
    with torch.no_grad():
        raw = model(HfmInput(**{name: torch.from_numpy(value) for name, value in inputs.items()})).raw
        means = PerModality(*map(torch.from_numpy, rest[-3:]))
        tail = model.tail(raw, means, torch.from_numpy(inputs["present"]))
    np.testing.assert_allclose(tail.logit, logit, rtol=0, atol=1e-5)


def test_what_is_small_stays_as_it_is(encoder: Path, tmp_path: Path) -> None:
    path = exported(SMALL, tmp_path / "hfm.onnx")
    before = path.read_bytes()
    assert quantise_image_scores(path, encoder, SMALL, temperature=1.0) is None
    assert path.read_bytes() == before


def test_what_would_move_too_much_stays_as_it_is_and_is_said(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "_TOLERATED_HERE", Movement(1e-9, 1e-9))
    path = exported(WIDE, tmp_path / "hfm.onnx")
    before = path.read_bytes()
    with capture_logs() as lines:
        assert quantise_image_scores(path, encoder, WIDE, temperature=1.0) is None
    assert [line["event"] for line in lines] == ["left_in_float32"]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_generated_pictures_are_varied_and_the_same_each_time() -> None:
    pictures = generated_pictures(3)
    assert pictures.shape == (3, 448, 448, 3)
    assert np.array_equal(pictures, generated_pictures(3))
    assert all(picture.std() > 10 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 3
