"""Weights and config.json of an SDC model's version, as `store` reads and writes those of a sarcasm model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, ConfigDict, Discriminator, Tag, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from attendant.manifest import ManifestError, VersionManifest, first_problem, read_verified
from attendant.models.fcam import Fcam, FcamConfig, ImageNetworks, VectorNetworks, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.models.store import file_of, fill
from attendant.statistics.focus_risk import FocusRisk


@dataclass(frozen=True)
class SdcConfig:
    """config.json of a version: what the model is, and how likely its focus is to be wrong."""

    fcam: FcamConfig
    focus_risk: FocusRisk


def _read_kind(networks: Any) -> Any:
    return networks.get("kind") if isinstance(networks, dict) else None


def _without_kind(networks: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in networks.items() if name != "kind"}


_Networks = Annotated[
    Annotated[ImageNetworks, BeforeValidator(_without_kind), Tag("image")]
    | Annotated[VectorNetworks, BeforeValidator(_without_kind), Tag("vector")],
    Discriminator(
        _read_kind, custom_error_type="kind", custom_error_message="its kind is one of: image, vector"
    ),
]


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _ConfigFile:
    mechanism: Mechanism
    averaging_layer: Literal[0, 6]
    n_segments: int
    n_classes: int
    networks: _Networks
    focus_risk: FocusRisk


def load_fcam_config(folder: Path, version: VersionManifest) -> SdcConfig:
    """The version's config.json; a ManifestError names the file and the key."""
    entry = file_of(version, "config")
    path, content = folder / entry.path, read_verified(folder, entry)
    try:
        values = TypeAdapter(_ConfigFile).validate_json(content)
        fields = {name: value for name, value in vars(values).items() if name in FcamConfig.__annotations__}
        return SdcConfig(FcamConfig(**fields), values.focus_risk)
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(error)}") from None
    except ValueError as error:  # what FcamConfig says of values that do not go together begins with the key
        raise ManifestError(f"{path}: {error}") from None


def save_fcam_config(path: Path, config: SdcConfig) -> None:
    """Write config.json as `load_fcam_config` reads it."""
    networks = config.fcam.networks
    kind = "image" if isinstance(networks, ImageNetworks) else "vector"
    content = asdict(config.fcam) | {
        "networks": {"kind": kind} | asdict(networks),
        "focus_risk": asdict(config.focus_risk),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_fcam(folder: Path, version: VersionManifest) -> Fcam:
    """The version's model on the CPU, in eval mode."""
    config = load_fcam_config(folder, version)
    with torch.device("meta"):
        model = build_fcam(config.fcam)
    return fill(model, folder, file_of(version, "fcam"))
