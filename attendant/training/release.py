"""A trained sarcasm model into its folder of model_store: config, vocabularies, weights, card, manifest."""

from dataclasses import dataclass
from pathlib import Path

from attendant.manifest import (
    MANIFEST,
    ModelManifest,
    VersionManifest,
    describe,
    read_manifest,
    write_manifest,
)
from attendant.models.store import ModelConfig, save_config, save_weights
from attendant.training.card import Measured, card
from attendant.training.sarcasm import SarcasmTraining
from attendant.types import MODALITIES

NAME = "sarcasm"
CLASSES = ("not sarcastic", "sarcastic")
DESCRIPTION = "HFM at the paper's widths with a compact region encoder; text, image and attribute words"
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
    """Where a version goes, and the command that makes it again (for the card)."""

    folder: Path  # model_store/sarcasm
    version: str
    command: str
    seed: int


def release(training: SarcasmTraining, target: Release) -> ModelManifest:
    """Writes the version's files and lists them in the manifest, beside the versions that are there."""
    version_folder = target.folder / target.version
    version_folder.mkdir(parents=True, exist_ok=True)
    paths = {role: version_folder / name for role, name in FILES.items()}
    scores = training.joint_scores
    config = ModelConfig(
        training.hfm_config, training.encoder_config, temperature=round(scores.temperature, 4)
    )
    save_config(paths["config"], config)
    training.vocabularies.words.to_file(paths["words"])
    training.vocabularies.attributes.to_file(paths["attributes"])
    save_weights(paths["hfm"], training.joint_model.state_dict())
    save_weights(paths["encoder"], training.encoder.state_dict())
    measured = Measured(
        scores,
        training.encoder_scores,
        tweets=len(training.tweets),
        words=len(training.vocabularies.words),
        attribute_words=len(training.vocabularies.attributes),
        photographs=len(training.photographs),
    )
    paths["card"].write_text(card(target.version, target.command, target.seed, measured), encoding="utf-8")
    files = {role: describe(target.folder, path) for role, path in paths.items()}
    manifest = _with_version(target.folder, VersionManifest(target.version, DESCRIPTION, files))
    write_manifest(target.folder, manifest)
    return manifest


def _with_version(folder: Path, version: VersionManifest) -> ModelManifest:
    known = read_manifest(folder) if (folder / MANIFEST).exists() else None
    return ModelManifest(
        name=NAME,
        archive="sarcasm",
        classes=CLASSES,
        modalities=MODALITIES,
        methods=known.methods if known else (),
        default_version=known.default_version if known else version.version,
        versions={**(known.versions if known else {}), version.version: version},
    )
