"""Weights and config.json of a model folder: verified against the manifest, then read; nothing is unpickled.

Floating-point weights lie on disk as fp16 safetensors and are float32 in memory.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from attendant.manifest import FileEntry, ManifestError, VersionManifest, first_problem, read_verified
from attendant.model_files import check_weights
from attendant.models.encoders import CompactConfig, EncoderConfig, PaperEncoder, read_config
from attendant.models.hfm import HfmConfig, HierarchicalFusion, build_hfm
from attendant.models.rounded import RoundedEncoder
from attendant.types import MODALITIES, Modality, Typical

TYPICAL = "typical"  # the role of the file that tells what the training set's elements look like

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class ModelConfig:
    """config.json of a version. P(positive) is sigmoid(logit / temperature); positive from `threshold` on."""

    hfm: HfmConfig
    encoder: EncoderConfig
    temperature: float = 1.0
    threshold: float = 0.5


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _ConfigFile:
    hfm: HfmConfig
    encoder: dict[str, object]
    temperature: Annotated[float, Field(gt=0)] = 1.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


def load_config(folder: Path, version: VersionManifest) -> ModelConfig:
    """The version's config.json; a ManifestError names the file and the key."""
    entry = file_of(version, "config")
    path, content = folder / entry.path, read_verified(folder, entry)
    try:
        values = TypeAdapter(_ConfigFile).validate_json(content)
        encoder = read_config(values.encoder)
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(error)}") from None
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{path}: encoder: {error}") from None
    return ModelConfig(values.hfm, encoder, values.temperature, values.threshold)


def save_config(path: Path, config: ModelConfig) -> None:
    """Write config.json as `load_config` reads it."""
    kind = "compact" if isinstance(config.encoder, CompactConfig) else "paper"
    content = asdict(config) | {"encoder": {"kind": kind} | asdict(config.encoder)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_hfm(folder: Path, version: VersionManifest) -> HierarchicalFusion:
    """The version's fusion model on the CPU, in eval mode."""
    config = load_config(folder, version)
    # Not on the meta device, where the initial weights of embeddings import torch's compiler: 3 s against 0.06
    with torch.random.fork_rng(devices=[]):
        model = build_hfm(config.hfm)
    return fill(model, folder, file_of(version, "hfm"))


def build_encoder(config: EncoderConfig) -> RoundedEncoder | PaperEncoder:
    """An encoder as it lies in a model folder, without its weights."""
    return RoundedEncoder(config) if isinstance(config, CompactConfig) else PaperEncoder(config)


def load_encoder(folder: Path, version: VersionManifest) -> RoundedEncoder | PaperEncoder:
    """The version's region encoder on the CPU, in eval mode."""
    config = load_config(folder, version)
    with torch.device("meta"):
        encoder = build_encoder(config.encoder)
    return fill(encoder, folder, file_of(version, "encoder"))


def load_typical(folder: Path, version: VersionManifest) -> dict[Modality, Typical]:
    """What the elements of the version's training set look like, by modality; nothing where it does not tell."""
    if TYPICAL not in version.files:
        return {}
    tensors = {name: tensor.numpy() for name, tensor in load_weights(folder, version.files[TYPICAL]).items()}
    expected = {f"{modality}.{part}" for modality in MODALITIES for part in ("mean", "deviation")}
    if tensors.keys() != expected:
        raise ManifestError(
            f"{folder / version.files[TYPICAL].path}: it must hold {', '.join(sorted(expected))}"
        )
    config = load_config(folder, version).hfm
    widths = (config.embedding_width, config.region_width, config.attribute_width)
    for modality, width in zip(MODALITIES, widths, strict=True):
        for part in ("mean", "deviation"):
            shape = tensors[f"{modality}.{part}"].shape
            if shape != (width,):
                raise ManifestError(
                    f"{folder / version.files[TYPICAL].path}: {modality}.{part} is {shape}, not {(width,)}"
                )
    return {m: Typical(tensors[f"{m}.mean"], tensors[f"{m}.deviation"]) for m in MODALITIES}


def save_typical(path: Path, typical: Mapping[Modality, Typical]) -> None:
    """Write them as `load_typical` reads them, in fp16."""
    tensors = {
        f"{modality}.{part}": value for modality, one in typical.items() for part, value in vars(one).items()
    }
    save_weights(path, {name: torch.from_numpy(value) for name, value in tensors.items()})


def load_weights(folder: Path, entry: FileEntry) -> dict[str, Tensor]:
    """The tensors of a verified safetensors file, floats as float32; ManifestError for any other file."""
    path = folder / entry.path
    if path.suffix != ".safetensors":
        raise ManifestError(f"{path}: weights are read from .safetensors files only")
    content = read_verified(folder, entry)
    check_weights(path, content)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ManifestError(f"{path}: not a safetensors file: {error}") from None
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write fp16 safetensors (integers as they are); ValueError for a weight that fp16 cannot hold."""
    halves = {name: _half(name, tensor).cpu().contiguous() for name, tensor in weights.items()}
    save_file(halves, path)
    path.chmod(0o644)  # safetensors makes files that only their owner may read


def fill(model: Model, folder: Path, entry: FileEntry) -> Model:
    """The model in eval mode, with the weights of a verified file; ManifestError where they are not its own."""
    weights = load_weights(folder, entry)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ManifestError(
                f"{folder / entry.path}: {name} is {found.get(name, 'missing')}; "
                f"config.json asks for {expected.get(name, 'no such weight')}"
            )
    floating = {name: tensor.is_floating_point() for name, tensor in model.state_dict().items()}
    for name, tensor in weights.items():
        if tensor.is_floating_point() != floating[name]:
            asked = "floats" if floating[name] else "integers"
            raise ManifestError(
                f"{folder / entry.path}: {name} has {tensor.dtype}, where {asked} are asked for"
            )
    model.load_state_dict(weights, assign=True)
    return model.eval()


def file_of(version: VersionManifest, role: str) -> FileEntry:
    """The version's file in that role; ManifestError where it has none."""
    try:
        return version.files[role]
    except KeyError:
        listed = ", ".join(sorted(version.files))
        raise ManifestError(
            f"version {version.version!r} lists no {role!r} file; it lists: {listed}"
        ) from None


def _half(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.detach().half()
    if not half.isfinite().all():
        raise ValueError(f"{name} has values that are not finite as fp16")
    return half
