"""The served SDC model: what it answers, and that its weights are really the ones it used."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_fcam import CLASSES, SEGMENTS, small_fcam, small_mosaic, small_risk, write_small_sdc

from attendant.archive import build_archives
from attendant.errors import AttendantError
from attendant.manifest import ManifestError, describe, read_manifest, write_manifest
from attendant.models.fcam_store import SdcConfig, load_fcam, save_fcam_config
from attendant.models.focus_maps import Mechanism
from attendant.models.sdc import SdcModel
from attendant.types import (
    Attention,
    AttentionKind,
    Modality,
    Mosaic,
    MosaicShape,
    Outcome,
    WarningCode,
)

MODELS = [(mechanism, layer, "image") for mechanism in Mechanism for layer in (0, 6)]
MODELS += [(mechanism, 0, "vector") for mechanism in Mechanism]


def name_of(mechanism: Mechanism, layer: int, kind: str) -> str:
    return f"sdc-{kind}-{mechanism}-{layer}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    for mechanism, layer, kind in MODELS:
        write_small_sdc(root, name_of(mechanism, layer, kind), mechanism, layer, kind)
    return root


@pytest.fixture(scope="module")
def served(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, SdcModel]:
    (archive,) = build_archives(store, tmp_path_factory.mktemp("archives"))
    names = [name_of(*model) for model in MODELS]
    return {name: SdcModel.open_served(archive / name) for name in names}


@pytest.fixture(scope="module")
def in_torch(store: Path) -> dict[str, SdcModel]:
    return {name_of(*model): SdcModel.open_torch(store / name_of(*model)) for model in MODELS}


def ask(model: SdcModel, *mosaics: Mosaic) -> list[Outcome]:
    return model.infer([model.prepare(mosaic) for mosaic in mosaics])


def weights_of(attention: Attention) -> np.ndarray:
    vector = attention.find(AttentionKind.FOCUS, Modality.SEGMENT)
    assert vector is not None
    return vector.weights


def literal(mosaic: Mosaic) -> torch.Tensor:
    """1 x m x ..., without the code under test."""
    rows = [
        (np.asarray(Image.open(io.BytesIO(one))) / 255 - 0.5).transpose(2, 0, 1) / 0.5
        if isinstance(one, bytes)
        else np.array(one)
        for one in mosaic.segments
    ]
    return torch.from_numpy(np.stack(rows)[None]).float()


def rewrite(folder: Path, config: SdcConfig) -> None:
    """Give the model folder another config."""
    manifest = read_manifest(folder)
    save_fcam_config(folder / "1" / "config.json", config)
    version = manifest.versions["1"]
    files = version.files | {"config": describe(folder, folder / "1" / "config.json")}
    write_manifest(folder, replace(manifest, versions={"1": replace(version, files=files)}))


@pytest.mark.parametrize("model", MODELS)
def test_the_answer_is_the_models_own(model, store: Path, served: dict[str, SdcModel]) -> None:
    mosaic = small_mosaic(model[2], seed=1)
    (outcome,) = ask(served[name_of(*model)], mosaic)
    folder = store / name_of(*model)
    with torch.no_grad():
        expected = load_fcam(folder, read_manifest(folder).version_or_default())(literal(mosaic))
    np.testing.assert_allclose(weights_of(outcome.attention), expected.weights[0], atol=2e-5)
    labels, scores = zip(*outcome.prediction.scores, strict=True)
    assert labels == CLASSES
    np.testing.assert_allclose(scores, expected.probabilities[0], atol=2e-5)
    assert outcome.prediction.probability == max(scores)
    assert outcome.prediction.label == CLASSES[int(expected.probabilities[0].argmax())]


def test_one_vector_over_the_segments(served: dict[str, SdcModel]) -> None:
    (outcome,) = ask(served["sdc-image-softmax-0"], small_mosaic())
    (vector,) = outcome.attention.vectors
    assert (vector.kind, vector.target, vector.source) == (AttentionKind.FOCUS, Modality.SEGMENT, None)
    assert vector.weights.sum() == pytest.approx(1, abs=1e-5)
    (axis,) = outcome.attention.axes
    assert (axis.modality, axis.labels) == (Modality.SEGMENT, ("0", "1", "2"))


@pytest.mark.parametrize("model", MODELS)
def test_the_weights_returned_are_the_weights_used(model, store: Path, served: dict[str, SdcModel]) -> None:
    """Pushed through the tail of the torch model, they give the returned probabilities."""
    mosaic = small_mosaic(model[2], seed=2)
    (outcome,) = ask(served[name_of(*model)], mosaic)
    folder = store / name_of(*model)
    fcam = load_fcam(folder, read_manifest(folder).version_or_default())
    with torch.no_grad():
        _, phi = fcam.examine(literal(mosaic)[0])
        found = fcam.tail(phi[None], torch.from_numpy(weights_of(outcome.attention))[None]).probabilities
    np.testing.assert_allclose([score for _, score in outcome.prediction.scores], found[0], atol=2e-5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("foreground", [None, 0, 1, 2])
def test_the_focus_is_what_the_weights_say(model, foreground, served: dict[str, SdcModel]) -> None:
    (outcome,) = ask(served[name_of(*model)], small_mosaic(model[2], 3, foreground_index=foreground))
    weights, focus = weights_of(outcome.attention).astype(float), outcome.focus
    assert focus is not None
    assert weights[focus.index] == weights.max()
    assert focus.nnz == sum(weight > 0.01 for weight in weights)
    corners = [np.linalg.norm(weights - corner) for corner in np.eye(SEGMENTS)]
    assert focus.dist == pytest.approx(min(corners), abs=1e-6)
    assert focus.entropy == pytest.approx(-sum(w * np.log(w) for w in weights if w > 0), abs=1e-6)
    assert focus.entropy >= 0
    assert focus.is_true is (None if foreground is None else focus.index == foreground)
    assert 0 <= focus.risk <= 1


@pytest.mark.parametrize("mechanism", Mechanism)
def test_the_risk_is_told_from_the_weights_of_training(
    mechanism, store: Path, served: dict[str, SdcModel]
) -> None:
    name = name_of(mechanism, 0, "image")
    mosaic = small_mosaic(seed=5)
    (outcome,) = ask(served[name], mosaic)
    with torch.no_grad():
        fcam = load_fcam(store / name, read_manifest(store / name).version_or_default())
        output = fcam(literal(mosaic))
        weights = output.scores.softmax(1) if mechanism is Mechanism.HARD else output.weights
    expected = small_risk()(weights.numpy(), output.probabilities.numpy())[0]
    assert outcome.focus is not None
    assert outcome.focus.risk == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("told", "warned"), [(0.499, False), (0.5, True), (0.9, True)])
def test_a_focus_at_risk_is_warned_of(told: float, warned: bool, tmp_path: Path) -> None:
    write_small_sdc(tmp_path)
    risk = replace(small_risk(), scores=(0.0,), risks=(told,))
    rewrite(tmp_path / "sdc-small", SdcConfig(small_fcam().config, risk))
    (outcome,) = ask(SdcModel.open_torch(tmp_path / "sdc-small"), small_mosaic())
    codes = [warning.code for warning in outcome.warnings]
    assert codes == ([WarningCode.FOCUS_AT_RISK] if warned else [])


def test_conversions_are_warned_of(served: dict[str, SdcModel]) -> None:
    grey = io.BytesIO()
    Image.new("L", (32, 32)).save(grey, "PNG")
    mosaic = Mosaic((grey.getvalue(), *small_mosaic().segments[1:]))
    changed, plain = ask(served["sdc-image-softmax-0"], mosaic, small_mosaic())
    assert WarningCode.IMAGE_CONVERTED in {warning.code for warning in changed.warnings}
    assert WarningCode.IMAGE_CONVERTED not in {warning.code for warning in plain.warnings}


@settings(max_examples=25)
@given(st.sampled_from(MODELS), st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_rows_do_not_depend_on_their_batch_nor_on_the_engine(served, in_torch, model, seeds) -> None:
    name = name_of(*model)
    mosaics = [small_mosaic(model[2], seed, foreground_index=seed % SEGMENTS) for seed in seeds]
    together, other = ask(served[name], *mosaics), ask(in_torch[name], *mosaics)
    for mosaic, outcome, third in zip(mosaics, together, other, strict=True):
        (alone,) = ask(served[name], mosaic)
        for found, tolerance in ((alone, 1e-5), (third, 1e-4)):
            assert found.prediction.label == outcome.prediction.label
            assert found.focus.index == outcome.focus.index
            assert found.focus.is_true == outcome.focus.is_true
            scores = [[score for _, score in one.prediction.scores] for one in (found, outcome)]
            np.testing.assert_allclose(*scores, atol=tolerance)
            np.testing.assert_allclose(
                weights_of(found.attention), weights_of(outcome.attention), atol=tolerance
            )


@pytest.mark.parametrize("model", MODELS)
def test_inspecting_is_inferring(model, served: dict[str, SdcModel]) -> None:
    one = served[name_of(*model)]
    prepared = [one.prepare(small_mosaic(model[2], seed)) for seed in range(3)]
    for (outcome, subject), expected in zip(one.inspect(prepared), one.infer(prepared), strict=True):
        assert outcome.prediction == expected.prediction
        assert outcome.focus == expected.focus
        np.testing.assert_array_equal(weights_of(outcome.attention), weights_of(expected.attention))
        np.testing.assert_array_equal(subject.attention(Modality.SEGMENT), weights_of(outcome.attention))
        scores = [score for _, score in outcome.prediction.scores]
        np.testing.assert_allclose(subject.probabilities, scores, atol=1e-5)
        assert subject.classes[subject.tracked] == outcome.prediction.label


def test_a_mosaic_of_another_shape_is_refused(served: dict[str, SdcModel]) -> None:
    with pytest.raises(AttendantError, match="takes 3 segments, not 4"):
        served["sdc-image-softmax-0"].prepare(small_mosaic(segments=4))
    with pytest.raises(AttendantError, match="segments that are images"):
        served["sdc-image-softmax-0"].prepare(small_mosaic("vector"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"mosaic": MosaicShape(4, (32, 32, 3))},
            "mosaic: it is .*segments=4.*config.json says .*segments=3",
        ),
        ({"mosaic": MosaicShape(3, (2,))}, r"mosaic: it is .*\(2,\).*config.json says .*\(32, 32, 3\)"),
        ({"classes": ("a", "b")}, "classes: there are 2; config.json says 3"),
    ],
)
def test_a_manifest_that_says_otherwise_than_the_config_is_named(change, named: str, tmp_path: Path) -> None:
    manifest = write_small_sdc(tmp_path)
    write_manifest(tmp_path / "sdc-small", replace(manifest, **change))
    with pytest.raises(ManifestError, match=rf"manifest\.json: {named}"):
        SdcModel.open_torch(tmp_path / "sdc-small")


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    write_small_sdc(tmp_path / "store")
    (archive,) = build_archives(tmp_path / "store", tmp_path / "archives")
    path = archive / "sdc-small" / "1" / "fcam.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"fcam\.safetensors: it has"):
        SdcModel.open_served(archive / "sdc-small")


def test_the_archive_serves_the_stores_digest(served, in_torch) -> None:
    assert served["sdc-image-hard-6"].ref == in_torch["sdc-image-hard-6"].ref
    assert served["sdc-image-hard-6"].runtime.device == "cpu"
    assert in_torch["sdc-image-hard-6"].runtime.provider == "torch"
