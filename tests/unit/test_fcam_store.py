"""SDC models on disk: what was saved is what is loaded, and what is wrong is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_fcam import NETWORKS, small_fcam, small_risk, write_small_sdc

from attendant.manifest import ManifestError, VersionManifest, describe, read_manifest
from attendant.models.fcam import FcamConfig, ImageNetworks, VectorNetworks
from attendant.models.fcam_store import SdcConfig, load_fcam, load_fcam_config, save_fcam_config
from attendant.models.focus_maps import Mechanism
from attendant.models.store import save_weights

widths = st.lists(st.integers(1, 300), max_size=3).map(tuple)
images = st.builds(
    ImageNetworks, st.tuples(*[st.integers(1, 300)] * 3), st.integers(1, 300), widths, st.floats(0, 0.9)
)
vectors = st.builds(VectorNetworks, st.integers(1, 300), widths, widths)


@st.composite
def configs(draw: st.DrawFn) -> FcamConfig:
    networks = draw(images | vectors)
    deep = bool(networks.focus_widths if isinstance(networks, VectorNetworks) else networks.head_widths)
    both = isinstance(networks, VectorNetworks) == deep
    layers = (0, 6) if both else (6,) if deep else (0,)
    return FcamConfig(
        draw(st.sampled_from(Mechanism)),
        draw(st.sampled_from(layers)),  # type: ignore[arg-type]
        draw(st.integers(1, 64)),
        draw(st.integers(2, 20)),
        networks,
    )


def version_of(folder: Path) -> VersionManifest:
    """As the files are now."""
    roles = {"config": "config.json", "fcam": "fcam.safetensors"}
    return VersionManifest("1", "", {role: describe(folder, folder / "1" / roles[role]) for role in roles})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_sdc(tmp_path, "small", Mechanism.HARD, 6)
    return tmp_path / "small"


@given(configs(), st.integers(0, 100))
def test_config_round_trip(tmp_path_factory: pytest.TempPathFactory, config: FcamConfig, seed: int) -> None:
    folder = tmp_path_factory.mktemp("model")
    saved = SdcConfig(config, small_risk(seed))
    save_fcam_config(folder / "config.json", saved)
    version = VersionManifest("1", "", {"config": describe(folder, folder / "config.json")})
    assert load_fcam_config(folder, version) == saved


RISK = ("mean", "deviation", "coefficients", "scores", "risks")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprise": 1}, "surprise: "),
        ({"mechanism": "magic"}, "mechanism: "),
        ({"averaging_layer": 3}, "averaging_layer: "),
        ({"n_segments": 0}, "n_segments must be at least 1, not 0"),
        ({"n_classes": "many"}, "n_classes: "),
        ({"networks": {"width": 2}}, "networks: its kind is one of: image, vector"),
        ({"networks": {"kind": "sound", "width": 2}}, "networks: its kind is one of: image, vector"),
        ({"networks": [2]}, "networks: its kind is one of: image, vector"),
        ({"networks": {"kind": "vector"}}, r"networks\.vector\.width: Field required"),
        ({"networks": {"kind": "vector", "width": 2, "colour": 1}}, r"networks\.vector\.colour: "),
        ({"networks": {"kind": "image", "widths": [4, 6]}}, r"networks\.image: .*widths must be 3"),
        ({"networks": {"kind": "vector", "width": 2}}, "averaging_layer 6 is a hidden layer"),
        ({"focus_risk": {"mean": [0.0]}}, r"focus_risk\.deviation: Field required"),
        ({"focus_risk": dict.fromkeys(RISK, ())}, r"focus_risk: .*mean has 6 numbers, not 0"),
        ({"focus_risk": dict.fromkeys((*RISK, "odds"), ())}, r"focus_risk\.odds: "),
    ],
)
def test_a_mistake_in_the_config_is_named(folder: Path, change: dict[str, Any], named: str) -> None:
    path = folder / "1" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError, match=rf"config\.json: {named}"):
        load_fcam_config(folder, version_of(folder))


def test_a_risk_that_is_not_a_number_is_refused(folder: Path) -> None:
    path = folder / "1" / "config.json"
    content = json.loads(path.read_text())
    content["focus_risk"]["mean"][0] = float("nan")
    path.write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=r"focus_risk: .*finite"):
        load_fcam_config(folder, version_of(folder))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_model_is_loaded_ready_to_answer(kind: str, tmp_path: Path) -> None:
    manifest = write_small_sdc(tmp_path, "small", Mechanism.SPARSEMAX, 6, kind)
    state = torch.get_rng_state()
    model = load_fcam(tmp_path / "small", manifest.version_or_default())
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert model.config == small_fcam(Mechanism.SPARSEMAX, 6, kind).config
    expected = small_fcam(Mechanism.SPARSEMAX, 6, kind).state_dict()
    assert model.state_dict().keys() == expected.keys()
    for name, tensor in model.state_dict().items():
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, expected[name].half().float() if tensor.is_floating_point() else tensor)


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    wider = small_fcam(Mechanism.HARD, 6, networks=replace(NETWORKS["image"], hidden_width=11))
    save_weights(folder / "1" / "fcam.safetensors", wider.state_dict())
    with pytest.raises(ManifestError, match=r"fcam\.safetensors: classifier.* is \(11,.* asks for \(10,"):
        load_fcam(folder, version_of(folder))


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "1" / "fcam.safetensors").write_bytes(b"")
    with pytest.raises(ManifestError, match="it has 0 bytes"):
        load_fcam(folder, read_manifest(folder).version_or_default())
