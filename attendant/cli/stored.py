"""Models as commands open them: manifests and references of the model store, and what serves them."""

from pathlib import Path
from typing import TYPE_CHECKING

from attendant.errors import AttendantError
from attendant.manifest import (
    REFERENCE,
    ManifestError,
    ModelManifest,
    VersionManifest,
    read_manifest,
    read_store,
)

if TYPE_CHECKING:
    from attendant.analysis.references import ServedModel
    from attendant.statistics.references import Reference


def open_store(model_store: Path) -> dict[str, ModelManifest]:
    """Every model by name. AttendantError where one cannot be read."""
    try:
        return read_store(model_store)
    except ManifestError as error:
        raise AttendantError(f"the models cannot be read: {error}") from error


def open_model(folder: Path) -> ModelManifest:
    """The model in a folder of a store. AttendantError where it cannot be read."""
    try:
        return read_manifest(folder)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error


def find_version(store: dict[str, ModelManifest], model: str, version: str) -> VersionManifest:
    """The default version for an empty one. AttendantError where there is none."""
    if model not in store:
        raise AttendantError(f"there is no model {model!r}; there are: {', '.join(store)}")
    return store[model].version_or_default(version)


def open_reference(folder: Path, model: str, version: VersionManifest) -> "Reference":
    """That was shipped with a version of the model in `folder`. AttendantError where there is none to be trusted."""
    from attendant.statistics.references import BadReference, read_reference  # noqa: PLC0415 - `--help` stays fast

    if REFERENCE not in version.files:
        raise AttendantError(
            f"{model} {version.version} has no reference; `attendant reference build --model {model} "
            f"--version {version.version}` makes one"
        )
    file = version.files[REFERENCE]
    try:
        opened = read_reference(folder / file.path, file.sha256)
    except BadReference as error:
        raise AttendantError(f"the reference cannot be read: {error}") from error
    if opened.origin.weights_digest != version.digest:
        raise AttendantError(
            f"the reference of {model} {version.version} was made by other weights "
            f"({opened.origin.weights_digest[:12]}, not {version.digest[:12]}): build it anew"
        )
    return opened


def serve(
    manifest: ModelManifest, version: str, archives: Path, model_store: Path | None = None
) -> "ServedModel":
    """A version as its built archive serves it, or in eager torch from a model store, where one is named.

    AttendantError where it is not there.
    """
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415 - `--help` stays fast
    from attendant.models.sdc import SdcModel  # noqa: PLC0415

    kind = SarcasmModel if manifest.archive == "sarcasm" else SdcModel
    try:
        if model_store is not None:
            return kind.open_torch(model_store / manifest.name, version)
        return kind.open_served(archives / manifest.archive / manifest.name, version)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be run: {error}. `make archive` builds it") from error
