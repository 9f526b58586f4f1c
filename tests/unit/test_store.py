"""Weights on disk: what was saved is what is loaded, and what is wrong is named."""

import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from attendant.manifest import ManifestError, VersionManifest, describe
from attendant.models.encoders import CompactConfig, EncoderConfig, PaperConfig
from attendant.models.hfm import HfmConfig, Variant, build_hfm
from attendant.models.store import (
    ModelConfig,
    build_encoder,
    load_config,
    load_encoder,
    load_hfm,
    load_weights,
    save_config,
    save_weights,
)

HFM = HfmConfig(20, 9, 8, 6, 4, 5, 8, 10, 3, dropout=0.1, variant=Variant.PYTORCH_2020)
COMPACT = CompactConfig(
    n_attributes=7, n_classes=5, stem_width=2, widths=(2, 3, 4, 4), units=(0, 1, 0, 1), outputs=(2, 3, 4, 8)
)
CONFIG = ModelConfig(HFM, COMPACT, temperature=1.5, threshold=0.4)


def describe_all(folder: Path) -> VersionManifest:
    files = {path.stem: describe(folder, path) for path in sorted((folder / "1").iterdir())}
    return VersionManifest("1", "a toy", files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1").mkdir()
    torch.manual_seed(0)
    save_config(tmp_path / "1" / "config.json", CONFIG)
    save_weights(tmp_path / "1" / "hfm.safetensors", build_hfm(HFM).state_dict())
    save_weights(tmp_path / "1" / "encoder.safetensors", build_encoder(COMPACT).state_dict())
    return tmp_path


@pytest.mark.parametrize("encoder", [COMPACT, PaperConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8))])
def test_config_round_trip(folder: Path, encoder: EncoderConfig) -> None:
    config = replace(CONFIG, encoder=encoder)
    save_config(folder / "1" / "config.json", config)
    assert load_config(folder, describe_all(folder)) == config


def test_floats_in_place_of_integers_are_refused(folder: Path) -> None:
    weights = build_encoder(COMPACT).state_dict()
    name = "stages.0.convolution.weight"
    save_weights(folder / "1" / "encoder.safetensors", weights | {name: weights[name].float()})
    with pytest.raises(ManifestError, match=rf"{name} has torch.float32, where integers"):
        load_encoder(folder, describe_all(folder))


def test_weights_are_fp16_on_disk_and_float32_in_memory(folder: Path) -> None:
    weights = {"a": torch.tensor([1.0, 1 / 3, 6e-8]), "n": torch.tensor(70_000)}
    save_weights(folder / "1" / "other.safetensors", weights)
    loaded = load_weights(folder, describe_all(folder).files["other"])
    assert loaded["a"].dtype == torch.float32
    assert torch.equal(loaded["a"], weights["a"].half().float())
    assert loaded["n"] == 70_000


def test_the_same_weights_give_the_same_bytes(folder: Path) -> None:
    torch.manual_seed(0)
    weights = build_hfm(HFM).state_dict()
    save_weights(folder / "again.safetensors", dict(reversed(weights.items())))
    assert (folder / "again.safetensors").read_bytes() == (folder / "1" / "hfm.safetensors").read_bytes()


def test_a_weight_too_large_for_fp16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="big has values"):
        save_weights(tmp_path / "x.safetensors", {"big": torch.tensor([70_000.0])})


def test_models_are_loaded_ready_to_answer(folder: Path) -> None:
    version = describe_all(folder)
    torch.manual_seed(0)
    for model, fresh in (
        (load_hfm(folder, version), build_hfm(HFM)),
        (load_encoder(folder, version), build_encoder(COMPACT)),
    ):
        assert not model.training
        expected = fresh.state_dict()
        assert model.state_dict().keys() == expected.keys()
        for name, tensor in model.state_dict().items():
            assert tensor.device.type == "cpu"
            torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-6)


def test_a_loaded_encoder_runs(folder: Path) -> None:
    encoder = load_encoder(folder, describe_all(folder))
    with torch.no_grad():
        encoding = encoder(torch.zeros(1, 448, 448, 3, dtype=torch.uint8))
    assert encoding.regions.shape == (1, 196, 8)


def test_a_changed_file_is_refused(folder: Path) -> None:
    version = describe_all(folder)
    path = folder / "1" / "hfm.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ManifestError, match="sha256"):
        load_hfm(folder, version)


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (pytest.fail, ("something was unpickled",))


def test_nothing_but_safetensors_is_read(folder: Path) -> None:
    (folder / "1" / "pickle.pt").write_bytes(pickle.dumps(Bomb()))
    (folder / "1" / "disguised.safetensors").write_bytes(b"\x40" + bytes(7) + pickle.dumps(Bomb()))
    (folder / "1" / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    files = describe_all(folder).files
    with pytest.raises(ManifestError, match=r"from \.safetensors files only"):
        load_weights(folder, files["pickle"])
    with pytest.raises(ManifestError, match=r"disguised\.safetensors: not a safetensors file"):
        load_weights(folder, files["disguised"])
    with pytest.raises(ManifestError, match="header has 1099511627776 bytes"):
        load_weights(folder, files["long"])


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (replace(HFM, hidden_width=6), "asks for"),
        (replace(HFM, vocabulary_size=21), r"word_embedding\.weight is \(20, 6\); .* asks for \(21, 6\)"),
    ],
)
def test_weights_of_another_shape_are_named(folder: Path, config: HfmConfig, named: str) -> None:
    save_config(folder / "1" / "config.json", replace(CONFIG, hfm=config))
    with pytest.raises(ManifestError, match=named):
        load_hfm(folder, describe_all(folder))


def test_missing_and_foreign_weights_are_named(folder: Path) -> None:
    state = build_hfm(HFM).state_dict()
    bias = state.pop("image.bias")
    save_weights(folder / "1" / "hfm.safetensors", state)
    with pytest.raises(ManifestError, match=r"image\.bias is missing"):
        load_hfm(folder, describe_all(folder))
    save_weights(folder / "1" / "hfm.safetensors", state | {"image.bias": bias, "zebra": bias})
    with pytest.raises(ManifestError, match=r"zebra is .* asks for no such weight"):
        load_hfm(folder, describe_all(folder))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprise": 1}, "surprise: "),
        ({"temperature": 0}, "temperature: "),
        ({"threshold": 1.5}, "threshold: "),
        ({"hfm": {"vocabulary_size": 20}}, r"hfm\.attribute_vocabulary_size: Field required"),
        ({"hfm": {"hidden_widht": 6}}, r"hfm\."),
        ({"encoder": {"kind": "huge"}}, "encoder: .*'huge'"),
        ({"encoder": {"kind": "compact", "n_attributes": 7, "colour": 3}}, "encoder: .*colour"),
    ],
)
def test_a_mistake_in_the_config_is_named(folder: Path, change: dict[str, Any], named: str) -> None:
    path = folder / "1" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError, match=rf"config\.json: {named}"):
        load_config(folder, describe_all(folder))


def test_unknown_widths_are_refused(folder: Path) -> None:
    path = folder / "1" / "config.json"
    content = json.loads(path.read_text())
    content["hfm"]["colour"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=r"hfm\.colour: "):
        load_config(folder, describe_all(folder))


def test_a_role_without_a_file_is_named(folder: Path) -> None:
    (folder / "1" / "encoder.safetensors").unlink()
    with pytest.raises(ManifestError, match="lists no 'encoder' file; it lists: config, hfm"):
        load_encoder(folder, describe_all(folder))
