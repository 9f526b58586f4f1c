"""A trained sarcasm model into its folder of model_store: config, vocabularies, weights, card, manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from attendant.manifest import (
    MANIFEST,
    FileEntry,
    ManifestError,
    ModelManifest,
    VersionManifest,
    describe,
    read_manifest,
    verify,
    write_manifest,
)
from attendant.methods import Method
from attendant.models.store import ModelConfig, save_config, save_weights
from attendant.training.card import Measured, card
from attendant.training.sarcasm import Labels, SarcasmTraining
from attendant.types import MODALITIES

NAME = "sarcasm"
CLASSES = ("not sarcastic", "sarcastic")
DESCRIPTIONS = {
    Labels.ORIGINAL: "HFM at the paper's widths with a compact region encoder; text, image and attribute words",
    Labels.MMSD2: "The same model on the texts and labels of MMSD2.0, cleared of hashtags and relabelled",
}
FILES = {
    "config": "config.json",
    "words": "words.txt",
    "attributes": "attributes.txt",
    "hfm": "hfm.safetensors",
    "encoder": "encoder.safetensors",
    "card": "card.md",
}


@dataclass(frozen=True)
class Release:
    """Where a version goes, and the command that makes it again, for the card."""

    folder: Path  # model_store/sarcasm
    version: str
    command: str


def release(training: SarcasmTraining, target: Release, say: Callable[[str], None]) -> ModelManifest:
    """Writes the version's files and lists them in the manifest, beside the versions that are there.

    A version that shared a file with the one before is listed no more, and `say` is told so.
    """
    version_folder = target.folder / target.version
    version_folder.mkdir(parents=True, exist_ok=True)
    paths = {role: version_folder / name for role, name in FILES.items()}
    vision = training.vision
    config = ModelConfig(
        training.hfm_config,
        vision.recipe.compact,
        temperature=round(training.calibration.temperature, 4),
        threshold=round(training.calibration.threshold, 4),
    )
    save_config(paths["config"], config)
    training.vocabularies.words.to_file(paths["words"])
    training.vocabularies.attributes.to_file(paths["attributes"])
    save_weights(paths["hfm"], training.model.state_dict())
    save_weights(paths["encoder"], vision.encoder.state_dict())
    measured = Measured(
        fusion=training.scores,
        candidates=training.candidates,
        encoder=vision.scores,
        named=vision.word_scores,
        skew=training.skew,
        tweets=len(training.labelled),
        words=len(training.vocabularies.words),
        attribute_words=len(training.vocabularies.attributes),
        photographs=len(vision.photographs),
        renderings=vision.recipe.renderings,
        meals=vision.recipe.meals,
        hours=(vision.seconds + sum(training.seconds.values())) / 3600,
        threads=torch.get_num_threads(),
        device=training.device.type,
        training_positives=float(np.mean([tweet.label for tweet in training.tweets])),
        chosen=training.chosen,
    )
    paths["card"].write_text(
        card(target.version, target.command, training.labels, measured), encoding="utf-8"
    )
    known, lost = _other_versions(target.folder, target.version)
    for name in lost:
        say(f"version {name} shared a file that is replaced now; it is no longer listed: train it again")
    files = {role: _shared(role, path, target.folder, known) for role, path in paths.items()}
    version = VersionManifest(target.version, DESCRIPTIONS[training.labels], files)
    manifest = _with_version(target.folder, version, known)
    write_manifest(target.folder, manifest)
    return manifest


def _other_versions(folder: Path, but: str) -> tuple[dict[str, VersionManifest], list[str]]:
    """The other versions, and the names of those that shared a file which the new version has just replaced."""
    if not (folder / MANIFEST).exists():
        return {}, []
    others = {name: version for name, version in read_manifest(folder).versions.items() if name != but}
    known = {name: version for name, version in others.items() if _whole(folder, version)}
    return known, sorted(others.keys() - known.keys())


def _whole(folder: Path, version: VersionManifest) -> bool:
    try:
        for entry in version.files.values():
            verify(folder, entry)
    except ManifestError:
        return False
    return True


def _shared(role: str, path: Path, folder: Path, known: Mapping[str, VersionManifest]) -> FileEntry:
    """The file's entry; another version's where that has the same bytes in that role, so that they lie here once."""
    entry = describe(folder, path)
    for version in known.values():
        twin = version.files.get(role)
        if twin is not None and twin.sha256 == entry.sha256 and twin.path != entry.path:
            path.unlink()
            return twin
    return entry


def _with_version(
    folder: Path, version: VersionManifest, known: Mapping[str, VersionManifest]
) -> ModelManifest:
    before = read_manifest(folder) if (folder / MANIFEST).exists() else None
    default = before.default_version if before else version.version
    return ModelManifest(
        name=NAME,
        archive="sarcasm",
        classes=CLASSES,
        modalities=MODALITIES,
        methods=tuple(Method),
        default_version=default if default in {*known, version.version} else version.version,
        versions={**known, version.version: version},
    )
