"""TorchServe archives from model_store: the weights as ONNX graphs, the manifest that names them, and the handler.

An archive is a family: it holds every model and version that one handler class serves. Both backends run from the same
built folder, so that they serve the same bytes; `mar=True` also zips it for a model store elsewhere.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging import generate_model_archive

from attendant.manifest import ModelManifest, VersionManifest, describe, read_store, verify, write_manifest
from attendant.models.onnx import export_encoder, export_hfm
from attendant.models.quantisation import quantise_image_scores
from attendant.models.store import load_config, load_encoder, load_hfm

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"


@dataclass(frozen=True)
class ServingConfig:
    """How TorchServe runs an archive: one worker, which has all cores; seconds and milliseconds as TorchServe."""

    batch_size: int = 8
    max_batch_delay_ms: int = 1
    response_timeout_s: int = 30
    startup_timeout_s: int = 120
    queue_size: int = 256

    def to_yaml(self) -> str:
        return yaml.safe_dump(
            {
                "minWorkers": 1,
                "maxWorkers": 1,
                "batchSize": self.batch_size,
                "maxBatchDelay": self.max_batch_delay_ms,
                "responseTimeout": self.response_timeout_s,
                "startupTimeout": self.startup_timeout_s,
                "jobQueueSize": self.queue_size,
            }
        )


def build_archives(
    model_store: Path, output: Path, *, mar: bool = False, serving: ServingConfig | None = None
) -> Iterator[Path]:
    """Build `output/<archive>/` for every archive that a manifest in `model_store` names; yields each as it is done."""
    families: dict[str, list[ModelManifest]] = {}
    for manifest in read_store(model_store).values():
        families.setdefault(manifest.archive, []).append(manifest)
    output.mkdir(parents=True, exist_ok=True)
    for archive, manifests in families.items():
        with tempfile.TemporaryDirectory() as scratch:
            stage = Path(scratch)
            for manifest in manifests:
                _stage_model(model_store / manifest.name, manifest, stage / "models" / manifest.name)
            config = stage / "model-config.yaml"
            config.write_text((serving or ServingConfig()).to_yaml())
            for archive_format in ("no-archive", "default") if mar else ("no-archive",):
                with _temporary_files_in(stage / "archiver"):
                    _package(archive, stage / "models", config, output, archive_format)
        yield output / archive


def _stage_model(source: Path, manifest: ModelManifest, target: Path) -> None:
    target.mkdir(parents=True)
    versions = {name: _stage_version(source, version, target) for name, version in manifest.versions.items()}
    write_manifest(target, replace(manifest, versions=versions))


def _stage_version(source: Path, version: VersionManifest, target: Path) -> VersionManifest:
    """The version's files, checked, and its networks as graphs beside them."""
    for entry in version.files.values():
        copy = target / entry.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(verify(source, entry), copy)
    graphs = target / version.version
    export_hfm(load_hfm(source, version), graphs / "hfm.onnx")
    export_encoder(load_encoder(source, version), graphs / "encoder.onnx")
    config = load_config(source, version)
    quantise_image_scores(graphs / "hfm.onnx", graphs / "encoder.onnx", config.hfm, config.temperature)
    derived = {f"{name}_onnx": describe(target, graphs / f"{name}.onnx") for name in ("hfm", "encoder")}
    return replace(version, files={**version.files, **derived})


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """torch-model-archiver uses one folder of a fixed name in the temporary folder, which two builds would share."""
    folder.mkdir(exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _package(archive: str, models: Path, config: Path, output: Path, archive_format: str) -> None:
    """One call of torch-model-archiver."""
    built = output / (f"{archive}.mar" if archive_format == "default" else archive)
    if built.is_dir():
        shutil.rmtree(built)
    generate_model_archive(
        ModelArchiverConfig(
            model_name=archive,
            version="1.0",
            handler=str(HANDLERS / f"{archive}_handler.py"),
            extra_files=str(models),
            config_file=str(config),
            export_path=str(output),
            archive_format=archive_format,
            force=True,
        )
    )
