"""What a model folder holds: manifest.json, read and checked without torch.

    model_store/<name>/manifest.json
    model_store/<name>/<version>/...        the files that it lists, with their sizes and SHA-256

What is made from the weights (`DERIVED_ROLES`) is listed too and does not change their digest: the reference that drift
is measured against, and, in a folder built by `attendant archive`, the graphs.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass

from attendant import errors
from attendant.types import MAX_SEGMENTS, MIN_SEGMENTS, Modality, MosaicShape

MANIFEST = "manifest.json"
REFERENCE = "reference"  # the role of the frozen statistics (attendant.statistics.references)
# Made from the weights: the graphs when an archive is built, the reference once there is one to run.
DERIVED_ROLES = frozenset({"hfm_onnx", "encoder_onnx", "fcam_onnx", REFERENCE})

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_STRICT = ConfigDict(extra="forbid")


class ManifestError(ValueError):
    """A model folder is not what it should be; one line that names the file and what was expected."""


def stays_inside(path: str) -> bool:
    """Whether a path, written with forward slashes and no detours, leads below the folder that it is relative to."""
    parts = PurePosixPath(path)
    straight = path.rstrip("/") == parts.as_posix() != "." and not parts.is_absolute()
    return straight and ".." not in parts.parts and not any(bad in path for bad in "\\:\0\n\r")


@dataclass(frozen=True, config=_STRICT)
class FileEntry:
    """One file of a version; `path` is relative to the model's folder, with forward slashes."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if not stays_inside(path):
            raise ValueError(f"{path!r} is not a path inside the model's folder")
        return path


@dataclass(frozen=True, config=_STRICT)
class VersionManifest:
    """One version: what it is, and its files by role (config, words, attributes, hfm, encoder, fcam, card ...)."""

    version: Name
    description: str
    files: dict[str, FileEntry]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over role, path and sha256 of every file; derived files do not change it."""
        rows = [
            f"{role}\0{entry.path}\0{entry.sha256}\n"
            for role, entry in sorted(self.files.items())
            if role not in DERIVED_ROLES
        ]
        return hashlib.sha256("".join(rows).encode()).hexdigest()


@dataclass(frozen=True, config=_STRICT)
class ModelManifest:
    """One model: which archive serves it, what it answers, and its versions; `mosaic` for a model of mosaics."""

    name: Name
    archive: Literal["sarcasm", "sdc"]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    modalities: tuple[Modality, ...]
    methods: tuple[str, ...]
    default_version: str
    versions: dict[str, VersionManifest]
    mosaic: MosaicShape | None = None

    @model_validator(mode="after")
    def _versions_agree(self) -> "ModelManifest":
        for key, version in self.versions.items():
            if key != version.version:
                raise ValueError(f"versions.{key}.version is {version.version!r}; it must be {key!r}")
        if self.default_version not in self.versions:
            raise ValueError(
                f"default_version {self.default_version!r} is none of: {', '.join(self.versions)}"
            )
        if self.mosaic is not None:
            _check_shape(self.mosaic)
        if (self.mosaic is None) == (Modality.SEGMENT in self.modalities):
            raise ValueError(f"a mosaic goes with the modality {Modality.SEGMENT!r}, and no other does")
        return self

    def version_or_default(self, version: str = "") -> VersionManifest:
        """That version, or the default one for an empty name; raises `errors.version_not_found`."""
        try:
            return self.versions[version or self.default_version]
        except KeyError:
            raise errors.version_not_found(self.name, version, tuple(self.versions)) from None


def _check_shape(mosaic: MosaicShape) -> None:
    if not MIN_SEGMENTS <= mosaic.segments <= MAX_SEGMENTS:
        raise ValueError(f"mosaic.segments is {mosaic.segments}; it is {MIN_SEGMENTS} to {MAX_SEGMENTS}")
    *_, channels = mosaic.segment or (0,)
    if (
        min(mosaic.segment, default=0) < 1
        or len(mosaic.segment) not in (1, 3)
        or (mosaic.of_images and channels != 3)
    ):
        raise ValueError(f"mosaic.segment is {mosaic.segment}; it is (values,) or (height, width, 3)")


def read_manifest(folder: Path) -> ModelManifest:
    """The manifest of a model's folder; a ManifestError names the file, the key and what is wrong with it."""
    path = folder / MANIFEST
    try:
        return TypeAdapter(ModelManifest).validate_json(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing pydantic found, in one line that begins with the key."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]


def read_store(root: Path) -> dict[str, ModelManifest]:
    """Every model below `root` by name, in alphabetical order: the folders that hold a manifest.json."""
    folders = sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))
    if not folders:
        raise ManifestError(f"{root}: there is no model here (a folder with a {MANIFEST})")
    models = {folder.name: read_manifest(folder) for folder in folders}
    for folder_name, model in models.items():
        if model.name != folder_name:
            path = root / folder_name / MANIFEST
            raise ManifestError(
                f"{path}: name: it is {model.name!r}; it must be {folder_name!r}, as the folder"
            )
    return models


def write_manifest(folder: Path, manifest: ModelManifest) -> Path:
    """Write manifest.json: the same manifest gives the same bytes."""
    path = folder / MANIFEST
    content = asdict(manifest)
    if manifest.mosaic is None:
        del content["mosaic"]
    content["versions"] = {
        name: asdict(version) | {"files": dict(sorted(asdict(version)["files"].items()))}
        for name, version in sorted(manifest.versions.items())
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def describe(folder: Path, path: Path) -> FileEntry:
    """The entry of a file that lies below the model's folder."""
    return FileEntry(path.relative_to(folder).as_posix(), file_digest(path), path.stat().st_size)


def verify(folder: Path, entry: FileEntry) -> Path:
    """Where the file lies, once its size and SHA-256 are what the manifest says; ManifestError otherwise."""
    path = _find(folder, entry)
    _check_digest(path, file_digest(path), entry)
    return path


def read_verified(folder: Path, entry: FileEntry) -> bytes:
    """The file's bytes, read once: what was checked is what is used, whatever becomes of the file. As `verify`."""
    path = _find(folder, entry)
    content = path.read_bytes()
    _check_digest(path, hashlib.sha256(content).hexdigest(), entry)
    return content


def _find(folder: Path, entry: FileEntry) -> Path:
    path = folder / entry.path
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; the manifest lists it with {entry.bytes} bytes")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(f"{path}: it is a link that leaves the model's folder")
    size = path.stat().st_size
    if size != entry.bytes:
        raise ManifestError(f"{path}: it has {size} bytes; the manifest says {entry.bytes}")
    return path


def _check_digest(path: Path, digest: str, entry: FileEntry) -> None:
    if digest != entry.sha256:
        raise ManifestError(f"{path}: its sha256 is {digest}; the manifest says {entry.sha256}")


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
