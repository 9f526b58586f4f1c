"""What the elements of a version's training set look like: means and deviations of what its fusion model reads.

Cross-modal probing puts the mean in the place of what it takes away (`attendant.explainers.cross_modal`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attendant.analysis.rows import read_tweets
from attendant.errors import AttendantError
from attendant.images import decode
from attendant.manifest import FileEntry, describe, read_manifest, write_manifest
from attendant.models.pixels import resize
from attendant.models.sarcasm import SarcasmModel
from attendant.models.store import TYPICAL, save_typical
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.progress import Progress
from attendant.types import Modality, Tweet, Typical

FILE = "typical.safetensors"
PHOTOGRAPHS = 1000  # 196,000 regions

Floats = NDArray[np.float32]


class Moments:
    """Of rows that come in blocks, N x d: sums in float64."""

    def __init__(self, width: int) -> None:
        self._count = 0
        self._sum = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, rows: Floats) -> None:
        self._count += len(rows)
        self._sum += rows.sum(axis=0, dtype=np.float64)
        self._squares += np.square(rows, dtype=np.float64).sum(axis=0)

    def typical(self) -> Typical:
        mean = self._sum / self._count
        variance = np.maximum(self._squares / self._count - mean**2, 0)
        return Typical(mean.astype(np.float32), np.sqrt(variance).astype(np.float32))


def measure_typical(
    model: SarcasmModel, data: Path, text_field: str, progress: Progress
) -> dict[Modality, Typical]:
    """Words and attributes as often as the training rows have them; regions of training photographs."""
    rows = read_tweets(sarcasm_file(data, "train"), text_field)
    report = progress.task("training rows")
    moments: dict[Modality, Moments] = {}
    for number, row in enumerate(rows, start=1):
        for modality, elements in _read(model, Tweet(row.text, attributes=row.attributes)).items():
            moments.setdefault(modality, Moments(elements.shape[1])).add(elements)
        report(number, len(rows))
    report = progress.task("photographs")
    for number, regions in enumerate(_regions(model, data), start=1):
        moments.setdefault(Modality.IMAGE, Moments(regions.shape[1])).add(regions)
        report(number, PHOTOGRAPHS)
    return {modality: moments[modality].typical() for modality in moments}


def release_typical(typical: dict[Modality, Typical], folder: Path, version: str) -> FileEntry:
    """Writes the file beside the version's weights in a model's folder and lists it in the manifest."""
    manifest = read_manifest(folder)
    entry = manifest.version_or_default(version)
    path = folder / entry.version / FILE
    save_typical(path, typical)
    described = describe(folder, path)
    listed = replace(entry, files={**entry.files, TYPICAL: described})
    write_manifest(folder, replace(manifest, versions={**manifest.versions, entry.version: listed}))
    return described


def _read(model: SarcasmModel, tweet: Tweet) -> dict[Modality, Floats]:
    """Nothing for a row of which the model reads nothing: links alone."""
    try:
        return model.embed(model.prepare(tweet))
    except AttendantError:
        return {}


def _regions(model: SarcasmModel, data: Path) -> Iterator[Floats]:
    """Of the first photographs that are not held out, one at a time, each 196 x d."""
    taught: Iterable[bytes] = (item.image for item in read_mvsa(data) if not item.held_out)
    for _, image in zip(range(PHOTOGRAPHS), taught, strict=False):
        regions, _ = model.engine.encode(resize(decode(image).pixels)[None])
        yield regions[0]
