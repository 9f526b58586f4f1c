"""Explanations of replay rows, computed once and kept in files: what simulations of drift draw their windows from."""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attendant.analysis.references import BATCH, ServedModel, answer
from attendant.analysis.rows import DataError
from attendant.statistics.samples import (
    Samples,
    Statistic,
    concatenate,
    modalities_of,
    name_of,
    sample,
    streams,
)
from attendant.training.progress import Progress
from attendant.types import Instance, Modality, ModelRef, Segment, Tweet
from attendant.wire.samples import decode_samples, encode_samples

FORMAT = 1  # raised whenever the same requests and weights would give other numbers
IMPACT_SHARE = 0.01  # of explanations, whose impacts are measured; a gateway's share depends on its load


class Pools:
    """Of explanations, in a folder: a file is named by the weights, what they were asked, and what is kept of it."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress

    def explain(
        self, model: ServedModel, modalities: tuple[Modality, ...], instances: Sequence[Instance], name: str
    ) -> Samples:
        """The explanations that have these modalities; `name` says in the bar what they are of.

        Requests that the service refuses or reads as another set are left out. DataError where none is left.
        """
        path = self._folder / f"{_digest(model.ref, modalities, instances)}.samples"
        kept = _read(path)
        if kept is None:
            kept = self._compute(model, modalities, instances, name)
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_samples(kept))
        return kept

    def _compute(
        self, model: ServedModel, modalities: tuple[Modality, ...], instances: Sequence[Instance], name: str
    ) -> Samples:
        report = self._progress.task(
            f"explaining {name}: {model.ref.name} {model.ref.version}, {name_of(modalities)}"
        )
        parts = []
        for start in range(0, len(instances), BATCH):
            answers = [
                (outcome, impact)
                for outcome, impact in answer(model, instances[start : start + BATCH])
                if modalities_of(outcome.attention) == modalities
            ]
            if answers:
                parts.append(sample(*zip(*answers, strict=True)))
            report(min(start + BATCH, len(instances)), len(instances))
        if not parts:
            raise DataError(
                f"of {len(instances)} requests ({name}) the service reads none as {name_of(modalities)}"
            )
        return concatenate(parts)


def draw(pool: Samples, count: int, rng: np.random.Generator) -> Samples:
    """`count` explanations of a pool, with replacement; IMPACT_SHARE of them keep their impacts."""
    chosen = rng.integers(len(pool), size=count)
    values = pool.values[chosen]
    unmeasured = rng.random(count) >= IMPACT_SHARE
    values[np.ix_(unmeasured, _impacts(pool.modalities))] = np.nan
    return Samples(pool.modalities, values, pool.maps[chosen])


@cache
def _impacts(modalities: tuple[Modality, ...]) -> NDArray[np.bool_]:
    """Which columns are impacts."""
    return np.array([stream.statistic is Statistic.IMPACT for stream in streams(modalities)])


def _read(path: Path) -> Samples | None:
    """None where it has to be computed: there is none, or a computation was cut off."""
    try:
        return decode_samples(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _digest(model: ModelRef, modalities: tuple[Modality, ...], instances: Sequence[Instance]) -> str:
    digest = hashlib.sha256()
    keys = [stream.key for stream in streams(modalities)]
    for part in (
        str(FORMAT).encode(),
        model.weights_digest.encode(),
        "\n".join(keys).encode(),
        *_parts(instances),
    ):
        digest.update(struct.pack("<q", len(part)) + part)
    return digest.hexdigest()


def _parts(instances: Sequence[Instance]) -> Iterable[bytes]:
    for instance in instances:
        if isinstance(instance, Tweet):
            yield instance.text.encode()
            yield instance.image
            yield "\0".join(instance.attributes).encode()
        else:
            yield from map(_segment, instance.segments)


def _segment(segment: Segment) -> bytes:
    return segment if isinstance(segment, bytes) else struct.pack(f"<{len(segment)}d", *segment)
