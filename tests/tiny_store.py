"""A model store with one tiny sarcasm model of seeded random weights: everything real but the size."""

from pathlib import Path

import numpy as np
import torch

from attendant.manifest import ModelManifest, VersionManifest, describe, write_manifest
from attendant.methods import Method
from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.models.hfm import HfmConfig, build_hfm
from attendant.models.rounded import round_encoder
from attendant.models.store import ModelConfig, save_config, save_typical, save_weights
from attendant.text import Vocabulary
from attendant.types import MODALITIES, Modality, Typical

WORDS = ("i", "love", "mondays", ".", "!", "#", "<user>", "<num>", "<emoji>", "so", "much", "fun")
ATTRIBUTES = ("man", "sign", "dog", "screen", "food", "street", "woman", "sky")
CLASSES = ("not sarcastic", "sarcastic")


def build_tiny_store(root: Path, versions: tuple[str, ...] = ("1",), seed: int = 0) -> Path:
    """Write `root`/sarcasm with those versions (each with weights of its own) and return `root`."""
    folder = root / "sarcasm"
    built = {
        version: _build_version(folder, version, seed + number) for number, version in enumerate(versions)
    }
    write_manifest(
        folder,
        ModelManifest(
            name="sarcasm",
            archive="sarcasm",
            classes=CLASSES,
            modalities=MODALITIES,
            methods=tuple(Method),
            default_version=versions[0],
            versions=built,
        ),
    )
    return root


def _build_version(folder: Path, version: str, seed: int) -> VersionManifest:
    place = folder / version
    place.mkdir(parents=True)
    words = Vocabulary.from_counts(dict.fromkeys(WORDS, 1), len(WORDS) + 2)
    attributes = Vocabulary.from_counts(dict.fromkeys(ATTRIBUTES, 1), len(ATTRIBUTES) + 2)
    words.to_file(place / "words.txt")
    attributes.to_file(place / "attributes.txt")
    compact = CompactConfig(
        len(attributes),
        n_classes=5,
        stem_width=4,
        widths=(4, 4, 8, 8),
        units=(0, 0, 0, 1),
        outputs=(4, 4, 8, 16),
        feature_width=12,
    )
    config = ModelConfig(
        hfm=HfmConfig(
            vocabulary_size=len(words),
            attribute_vocabulary_size=len(attributes),
            region_width=16,
            embedding_width=12,
            attribute_width=10,
            hidden_width=8,
            image_width=14,
            fusion_width=8,
            classifier_width=6,
        ),
        encoder=compact,
        temperature=1.3,
    )
    save_config(place / "config.json", config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_weights(place / "hfm.safetensors", build_hfm(config.hfm).state_dict())
        encoder = CompactEncoder(compact).eval()
        pictures = torch.randint(0, 256, (2, 448, 448, 3), dtype=torch.uint8)
        save_weights(place / "encoder.safetensors", round_encoder(encoder, [pictures]).state_dict())
    roles = {
        "config": "config.json",
        "words": "words.txt",
        "attributes": "attributes.txt",
        "hfm": "hfm.safetensors",
        "encoder": "encoder.safetensors",
        "typical": "typical.safetensors",
    }
    save_typical(place / "typical.safetensors", _typical(config.hfm, seed))
    return VersionManifest(
        version=version,
        description=f"Random weights, seed {seed}.",
        files={role: describe(folder, place / name) for role, name in roles.items()},
    )


def _typical(config: HfmConfig, seed: int) -> dict[Modality, Typical]:
    rng = np.random.default_rng(seed)
    widths = (config.embedding_width, config.region_width, config.attribute_width)
    return {
        modality: Typical(*rng.uniform(0, 1, (2, width)).astype(np.float32))
        for modality, width in zip(MODALITIES, widths, strict=True)
    }
