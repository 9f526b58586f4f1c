"""The frozen statistics that a model's explanations are compared with: one safetensors file beside the weights.

Tensors are called <set>/<statistic>/<target>/<source>: float32, one value an explanation; and <set>/map/image/<source>:
float16, 7 x 7 an explanation. What is known of them is JSON in the file's metadata, under one key.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from safetensors import SafetensorError
from safetensors.numpy import load, save

from attendant.statistics.samples import (
    POOLED,
    Samples,
    Statistic,
    Stream,
    map_sources,
    name_of,
    shares,
    streams,
)
from attendant.types import Modality

FORMAT: Final = 2
_KEY = "attendant.reference"  # one key: safetensors writes several in any order
_HEADER_LIMIT = 1 << 20  # bytes; ours take some 20 kB
# Of an explanation: one element has no entropy ratio, and an impact may not have been measured
_WITH_HOLES = (Statistic.ENTROPY_RATIO, Statistic.IMPACT)
_STRICT = ConfigDict(extra="forbid")

Column = NDArray[np.floating[Any]]  # N numbers, one an explanation


class BadReference(ValueError):  # noqa: N818 - ReferenceError is Python's
    """A reference cannot be used; one line that names the file and what was expected."""


@checked_dataclass(frozen=True, config=_STRICT)
class Origin:
    """Where a reference comes from: the weights, what ran them, what they were asked, and what replay may draw from."""

    model: str
    version: str
    weights_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    pipeline: str  # as "CPUExecutionProvider on cpu"
    inputs: str  # what was asked, in words
    seed: int
    rule: str  # which of it is reference and which replay, in words


@dataclass(frozen=True)
class ReferenceSet:
    """The reference of requests with one set of modalities.

    `source` says in words what the rows are: tweets or mosaics. Of `eligible` rows those of the reference half are in
    `samples`, less `refused`, which the service would not read or read as another set.
    """

    samples: Samples
    source: str
    eligible: int
    refused: int

    @property
    def modalities(self) -> tuple[Modality, ...]:
        return self.samples.modalities

    @property
    def name(self) -> str:
        return name_of(self.modalities)

    @property
    def modality_weights(self) -> dict[str, Column]:
        """Every modality's share of the fusion weights, N each, back from their coordinates; empty for one modality."""
        pivots = [Stream(Statistic.LOG_RATIO, pivot) for pivot in self.modalities[:-1]]
        if not pivots:
            return {}
        weights = shares(np.stack([self.samples.column(pivot) for pivot in pivots], axis=-1))
        return {str(modality): weights[:, i] for i, modality in enumerate(self.modalities)}

    @property
    def impacts(self) -> dict[str, Column]:
        """The permutation impacts by target, N each."""
        found = [stream for stream in streams(self.modalities) if stream.statistic is Statistic.IMPACT]
        return {stream.target: self.samples.column(stream) for stream in found}


@dataclass(frozen=True)
class Reference:
    """What a version's explanations looked like when it was released, by set of modalities."""

    origin: Origin
    sets: tuple[ReferenceSet, ...]

    def find(self, modalities: tuple[Modality, ...]) -> ReferenceSet | None:
        """The set with exactly these modalities, or None: then there is no reference to compare with."""
        return next((found for found in self.sets if found.modalities == modalities), None)


@checked_dataclass(frozen=True, config=_STRICT)
class _SetHeader:
    modalities: tuple[Modality, ...]
    source: str
    eligible: int
    refused: int


@checked_dataclass(frozen=True, config=_STRICT)
class _Header:
    format: Literal[2]
    origin: Origin
    sets: tuple[_SetHeader, ...]


def write_reference(path: Path, reference: Reference) -> None:
    """The same reference gives the same bytes."""
    tensors: dict[str, NDArray[Any]] = {}
    for found in reference.sets:
        samples = found.samples
        for stream, column in zip(streams(found.modalities), samples.values.T, strict=True):
            tensors[f"{found.name}/{stream.key}"] = np.ascontiguousarray(column)
        for number, source in enumerate(map_sources(found.modalities)):
            tensors[_map_key(found.name, source)] = np.ascontiguousarray(samples.maps[:, number])
    sets = tuple(
        _SetHeader(found.modalities, found.source, found.eligible, found.refused) for found in reference.sets
    )
    header = TypeAdapter(_Header).dump_python(_Header(FORMAT, reference.origin, sets), mode="json")
    path.write_bytes(save(tensors, {_KEY: json.dumps(header, sort_keys=True)}))


def read_reference(path: Path, sha256: str) -> Reference:
    """The reference in `path`, whose SHA-256 (hexadecimal) has to be that of the manifest. Raises BadReference."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadReference(f"{path}: {error.strerror}") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise BadReference(f"{path}: its sha256 is {digest}; the manifest says {sha256}")
    header = _read_header(path, content)
    try:
        tensors = load(content)
    except (
        SafetensorError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:  # the last ones for foreign dtypes
        raise BadReference(f"{path}: not a safetensors file: {error}") from None
    sets = tuple(
        ReferenceSet(_samples(path, tensors, one.modalities), one.source, one.eligible, one.refused)
        for one in header.sets
    )
    if tensors:
        raise BadReference(f"{path}: {min(tensors)} belongs to no set")
    return Reference(header.origin, sets)


def _read_header(path: Path, content: bytes) -> _Header:
    """The numpy reader of safetensors hands no metadata out: the first 8 bytes are the length of a JSON object."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_HEADER_LIMIT, len(content) - 8):
        raise BadReference(f"{path}: not a safetensors file")
    try:
        return TypeAdapter(_Header).validate_json(json.loads(content[8 : 8 + length])["__metadata__"][_KEY])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadReference(f"{path}: {_KEY}: {where}: {first['msg']}") from None
    except (ValueError, TypeError, KeyError):
        raise BadReference(f"{path}: it has no {_KEY} in its metadata") from None


def _samples(path: Path, tensors: dict[str, NDArray[Any]], modalities: tuple[Modality, ...]) -> Samples:
    """Takes the set's tensors out of `tensors`."""
    name = name_of(modalities)
    with_holes = tuple(f"{name}/{statistic}/" for statistic in _WITH_HOLES)

    def take(key: str, dtype: type[np.floating[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
        if key not in tensors:
            raise BadReference(f"{path}: {key} is missing")
        tensor = tensors.pop(key)
        if tensor.dtype != dtype or tensor.shape != shape:
            expected = f"{np.dtype(dtype)} {shape}"
            raise BadReference(f"{path}: {key} is {tensor.dtype} {tensor.shape}; it must be {expected}")
        holes = np.isnan(tensor) if key.startswith(with_holes) else False
        if not (np.isfinite(tensor) | holes).all():
            raise BadReference(f"{path}: {key} has values that are not finite")
        return tensor

    answers = f"{name}/{Stream(Statistic.PROBABILITY).key}"
    count = len(tensors[answers]) if answers in tensors and tensors[answers].ndim == 1 else 0
    if not count:
        raise BadReference(f"{path}: {answers} is missing or empty")
    columns = [take(f"{name}/{stream.key}", np.float32, (count,)) for stream in streams(modalities)]
    maps = [
        take(_map_key(name, source), np.float16, (count, POOLED, POOLED))
        for source in map_sources(modalities)
    ]
    stacked = np.stack(maps, axis=1) if maps else np.zeros((count, 0, POOLED, POOLED), np.float16)
    values = np.stack(columns, axis=1)
    values.setflags(write=False)
    stacked.setflags(write=False)
    return Samples(modalities, values, stacked)


def _map_key(name: str, source: str) -> str:
    return f"{name}/map/{Modality.IMAGE}/{source}"
