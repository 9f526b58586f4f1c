"""TorchServe archives from model_store: the weights as ONNX graphs, the manifest that names them, and the handler.

An archive is a family: it holds every model and version that one handler class serves. Each lane has a worker and a
folder of its own, with the same models in it. Both backends run from the same built folders, so that they serve the
same bytes; `mar=True` also zips them for a model store elsewhere. Each folder is sealed: see attendant.seals.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging import generate_model_archive

from attendant.lanes import Lane, archive_name
from attendant.manifest import ModelManifest, VersionManifest, describe, read_store, verify, write_manifest
from attendant.models.fcam_store import load_fcam
from attendant.models.onnx import export_encoder, export_fcam, export_hfm
from attendant.models.quantisation import quantise_image_scores
from attendant.models.store import load_config, load_encoder, load_hfm
from attendant.seals import TORCHSERVE_MANIFEST, write_seal

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"


@dataclass(frozen=True)
class ServingConfig:
    """How a worker runs an archive: seconds and milliseconds as TorchServe."""

    batch_size: int = 8
    max_batch_delay_ms: int = 1
    response_timeout_s: int = 30
    startup_timeout_s: int = 120
    queue_size: int = 256

    def to_yaml(self, lane: Lane) -> str:
        """With the lane, which TorchServe passes on: the handler goes by it."""
        return yaml.safe_dump(
            {
                "minWorkers": 1,
                "maxWorkers": 1,
                "batchSize": self.batch_size,
                "maxBatchDelay": self.max_batch_delay_ms,
                "responseTimeout": self.response_timeout_s,
                "startupTimeout": self.startup_timeout_s,
                "jobQueueSize": self.queue_size,
                "lane": str(lane),
            }
        )


SERVING: Mapping[Lane, ServingConfig] = {
    Lane.FAST: ServingConfig(),
    # One at a time: an explanation keeps all cores busy by itself.
    Lane.SLOW: ServingConfig(batch_size=1, response_timeout_s=120, queue_size=64),
}


def build_archives(model_store: Path, output: Path, *, mar: bool = False) -> Iterator[Path]:
    """Build every archive that a manifest in `model_store` names, a folder for each lane; yields each fast one."""
    families: dict[str, list[ModelManifest]] = {}
    for manifest in read_store(model_store).values():
        families.setdefault(manifest.archive, []).append(manifest)
    output.mkdir(parents=True, exist_ok=True)
    for archive, manifests in families.items():
        with tempfile.TemporaryDirectory() as scratch:
            stage = Path(scratch)
            for manifest in manifests:
                _stage_model(model_store / manifest.name, manifest, stage / "models" / manifest.name)
            with _temporary_files_in(stage / "archiver"):
                for lane in Lane:
                    _build_lane(archive, lane, stage, output, mar=mar)
        yield output / archive


def _export_sarcasm(source: Path, version: VersionManifest, graphs: Path) -> tuple[str, ...]:
    export_hfm(load_hfm(source, version), graphs / "hfm.onnx")
    export_encoder(load_encoder(source, version), graphs / "encoder.onnx")
    config = load_config(source, version)
    quantise_image_scores(graphs / "hfm.onnx", graphs / "encoder.onnx", config.hfm, config.temperature)
    return "hfm", "encoder"


def _export_sdc(source: Path, version: VersionManifest, graphs: Path) -> tuple[str, ...]:
    export_fcam(load_fcam(source, version), graphs / "fcam.onnx")
    return ("fcam",)


# Of each archive: from a version in a model's folder to graphs in another folder, and their names.
EXPORTS: Mapping[str, Callable[[Path, VersionManifest, Path], tuple[str, ...]]] = {
    "sarcasm": _export_sarcasm,
    "sdc": _export_sdc,
}


def _stage_model(source: Path, manifest: ModelManifest, target: Path) -> None:
    target.mkdir(parents=True)
    versions = {
        name: _stage_version(source, version, target, manifest.archive)
        for name, version in manifest.versions.items()
    }
    write_manifest(target, replace(manifest, versions=versions))


def _stage_version(source: Path, version: VersionManifest, target: Path, archive: str) -> VersionManifest:
    """The version's files, checked, and its networks as graphs beside them."""
    for entry in version.files.values():
        copy = target / entry.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(verify(source, entry), copy)
    graphs = target / version.version
    names = EXPORTS[archive](source, version, graphs)
    derived = {f"{name}_onnx": describe(target, graphs / f"{name}.onnx") for name in names}
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


def _build_lane(archive: str, lane: Lane, stage: Path, output: Path, *, mar: bool) -> None:
    """The fast lane's folder holds the models; the other one's shares them, so that they lie on the disk once."""
    models = stage / "models"
    config = stage / "model-config.yaml"
    config.write_text(SERVING[lane].to_yaml(lane))
    fast, built = output / archive, output / archive_name(archive, lane)
    if built.is_dir():
        shutil.rmtree(built)
    parts = ModelArchiverConfig(
        model_name=built.name,
        version="1.0",
        handler=str(HANDLERS / f"{archive}_handler.py"),
        extra_files=str(models) if lane is Lane.FAST else None,
        config_file=str(config),
        export_path=str(output),
        archive_format="no-archive",
        force=True,
    )
    generate_model_archive(parts)
    if lane is not Lane.FAST:
        for model in models.iterdir():
            shutil.copytree(fast / model.name, built / model.name, copy_function=_link)
    _forget_the_time(built / TORCHSERVE_MANIFEST)
    # TorchServe imports the handler from here. Where this is a file, Python leaves no bytecode, which is not sealed.
    (built / "__pycache__").touch()
    write_seal(built)
    if mar:
        _zip(built)


def _forget_the_time(manifest: Path) -> None:
    """The same models give the same archive, and so the same seal, whenever it is built."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(content | {"createdOn": ""}, indent=2) + "\n", encoding="utf-8")


def _zip(built: Path) -> None:
    """The folder as it is, seal and all."""
    with zipfile.ZipFile(f"{built}.mar", "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(built.rglob("*")):
            if path.is_file():
                zipped.write(path, path.relative_to(built))


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
