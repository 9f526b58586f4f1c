"""Manifests of models that need no weights, for tests that stop at the gateway."""

from attendant.manifest import FileEntry, ModelManifest, VersionManifest
from attendant.types import MODALITIES, Modality, MosaicShape


def version(name: str, *, weights: str = "a") -> VersionManifest:
    return VersionManifest(name, f"Version {name}.", {"hfm": FileEntry("hfm", weights * 64, 1)})


def manifest(name="sarcasm", **changes) -> ModelManifest:
    values = {
        "archive": "sarcasm",
        "classes": ("not sarcastic", "sarcastic"),
        "modalities": MODALITIES,
        "methods": (),
        "default_version": "1",
        "versions": {"1": version("1"), "2": version("2", weights="b")},
    }
    return ModelManifest(name=name, **(values | changes))


MODELS = {
    "sarcasm": manifest(),
    "irony": manifest("irony", methods=("permutation",), versions={"1": version("1")}),
    "mosaics": manifest(
        "mosaics", archive="sdc", modalities=(Modality.SEGMENT,), mosaic=MosaicShape(2, (2,))
    ),
}
