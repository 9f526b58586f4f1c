"""A trained FCAM into its folder of model_store: config with the focus risk, weights, card, manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from attendant.manifest import ModelManifest, VersionManifest, describe, write_manifest
from attendant.methods import Method
from attendant.models.fcam import Fcam
from attendant.models.fcam_store import SdcConfig, save_fcam_config
from attendant.models.store import save_weights
from attendant.statistics.focus_risk import FocusRisk
from attendant.types import Modality

VERSION = "1"
METHODS = (
    Method.PERMUTATION,
    Method.GRADIENT,
    Method.LEAVE_ONE_OUT,
    Method.ADVERSARIAL,
    Method.ERASURE,
)


@dataclass(frozen=True)
class Released:
    """What lies in a version's folder. `extras` are tensors kept as they are, by role: nothing serves them."""

    name: str
    description: str
    classes: tuple[str, ...]
    model: Fcam
    risk: FocusRisk
    card: str
    extras: Mapping[str, Mapping[str, Tensor]]


def as_released(model: Fcam) -> Fcam:
    """The same model with its weights as they will be read: rounded to fp16. What a card says is measured of it."""
    rounded = {
        name: tensor.half().float() if tensor.is_floating_point() else tensor
        for name, tensor in model.cpu().state_dict().items()
    }
    model.load_state_dict(rounded)
    return model.eval()


def release_sdc(released: Released, store: Path) -> ModelManifest:
    """Writes the model's folder below `store`; what was there of the same name is replaced."""
    folder = store / released.name
    place = folder / VERSION
    place.mkdir(parents=True, exist_ok=True)
    save_fcam_config(place / "config.json", SdcConfig(released.model.config, released.risk))
    save_weights(place / "fcam.safetensors", released.model.state_dict())
    (place / "card.md").write_text(released.card, encoding="utf-8")
    roles = {"config": "config.json", "fcam": "fcam.safetensors", "card": "card.md"}
    for role, tensors in released.extras.items():
        roles[role] = f"{role}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, place / roles[role])
        (place / roles[role]).chmod(0o644)  # as `save_weights`
    files = {role: describe(folder, place / file) for role, file in roles.items()}
    manifest = ModelManifest(
        name=released.name,
        archive="sdc",
        classes=released.classes,
        modalities=(Modality.SEGMENT,),
        methods=METHODS,
        default_version=VERSION,
        versions={VERSION: VersionManifest(VERSION, released.description, files)},
        mosaic=released.model.config.mosaic,
    )
    write_manifest(folder, manifest)
    return manifest
