"""Explanations as they lie in a log: JSON lines, as `attendant explain --json` prints them and as the HTTP API answers.

Only what is watched is read, and checked: a log is bytes from outside.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from attendant.analysis.rows import DataError
from attendant.methods import Permutation, PermutationImpact
from attendant.statistics.samples import Samples, modalities_of, sample
from attendant.types import (
    MAX_ATTRIBUTES,
    MAX_SEGMENTS,
    MAX_TOKENS,
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    AttentionVector,
    Focus,
    Modality,
    Outcome,
    Prediction,
)

LINE_LIMIT = 16 << 20  # bytes; an answer with every method has some 100 kB
_SUM_ERROR = 1e-3  # of weights, after rounding in any format
_LONGEST = {
    Modality.TEXT: MAX_TOKENS,
    Modality.IMAGE: REGIONS,
    Modality.ATTRIBUTE: MAX_ATTRIBUTES,
    Modality.SEGMENT: MAX_SEGMENTS,
    None: len(MODALITIES),
}
_CONFIG = ConfigDict(extra="ignore", allow_inf_nan=False)
_PREFIX = re.compile(r"^(ATTENTION_KIND|MODALITY)_")


def _name(value: Any) -> Any:
    """Enumerations as the command prints them, whichever way they are spelled; unspecified is null."""
    if not isinstance(value, str):
        return value
    name = _PREFIX.sub("", value).lower()
    return None if name == "unspecified" else name


_Kind = Annotated[AttentionKind, BeforeValidator(_name)]
_Target = Annotated[Modality | None, BeforeValidator(_name)]
_Share = Annotated[float, Field(ge=0, le=1)]


@checked_dataclass(frozen=True, config=_CONFIG)
class _Vector:
    kind: _Kind
    weights: Annotated[list[_Share], Field(min_length=1, max_length=REGIONS)]
    target: _Target = None
    source: _Target = None

    @model_validator(mode="after")
    def _check(self) -> "_Vector":
        if (self.kind is AttentionKind.MODALITY) != (self.target is None):
            raise ValueError(f"a vector of kind {self.kind} over {self.target}")
        length, longest = len(self.weights), _LONGEST.get(self.target, 0)
        whole = self.target in (Modality.IMAGE, None)  # always of the same length
        if length > longest or (whole and length != longest):
            raise ValueError(f"{length} weights over {self.target or 'the modalities'}")
        if abs(sum(self.weights) - 1) > _SUM_ERROR:
            raise ValueError(f"weights sum to {sum(self.weights):.6g}, not 1")
        return self


@checked_dataclass(frozen=True, config=_CONFIG)
class _Attention:
    vectors: Annotated[list[_Vector], Field(max_length=32)]


@checked_dataclass(frozen=True, config=_CONFIG)
class _Prediction:
    probability: _Share


@checked_dataclass(frozen=True, config=_CONFIG)
class _Model:
    name: str
    version: str
    weights_digest: str


@checked_dataclass(frozen=True, config=_CONFIG)
class _Focus:
    risk: _Share


@checked_dataclass(frozen=True, config=_CONFIG)
class _Impact:
    impact: _Share
    target: _Target = None


@checked_dataclass(frozen=True, config=_CONFIG)
class _Permutation:
    impacts: list[_Impact]


@checked_dataclass(frozen=True, config=_CONFIG)
class _Explanations:
    permutation: _Permutation | None = None


@checked_dataclass(frozen=True, config=_CONFIG)
class _Answer:
    """The command has the methods under `explanations`, the HTTP API beside the attention."""

    prediction: _Prediction
    attention: _Attention
    model: _Model
    focus: _Focus | None = None
    explanations: _Explanations | None = None
    permutation: _Permutation | None = None


@checked_dataclass(frozen=True, config=_CONFIG)
class _Envelope:
    """An item of a stream: an answer, or why there is none."""

    response: _Answer | None = None
    error: Any = None


_ANSWER, _ENVELOPE, _OBJECT = TypeAdapter(_Answer), TypeAdapter(_Envelope), TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class Logged:
    """One explanation of a log: which weights made it, and its statistics (N = 1)."""

    model: str
    version: str
    weights_digest: str
    samples: Samples


def read_log(path: Path) -> Iterator[Logged]:
    """The explanations of a .jsonl or .jsonl.gz file, in order, without blank lines and items of streams that failed.

    Raises DataError that names the line, and the field that is missing or wrong.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in _lines(lines, path):
                logged = _read(line, f"{path}: line {number}")
                if logged is not None:
                    yield logged
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _lines(lines: IO[bytes] | gzip.GzipFile, path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := lines.readline(LINE_LIMIT):
        number += 1
        if len(line) == LINE_LIMIT:
            raise DataError(f"{path}: line {number} has more than {LINE_LIMIT:,} bytes")
        if line.strip():
            yield number, line


def _read(line: bytes, where: str) -> Logged | None:
    """None for an item that failed."""
    try:
        keys = _OBJECT.validate_json(line)
        if "response" in keys or ("error" in keys and "attention" not in keys):
            answer = _ENVELOPE.validate_json(line).response
        else:
            answer = _ANSWER.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{where}: {field}: {first['msg']}" if field else f"{where}: {first['msg']}"
        ) from None
    if answer is None:
        return None
    outcome = _outcome(answer)
    if not modalities_of(outcome.attention):
        raise DataError(f"{where}: attention.vectors: none is over the elements of a modality")
    try:
        samples = sample([outcome], [_permutation(answer)])
    except KeyError as error:
        raise DataError(f"{where}: permutation.impacts: there is no vector over {error.args[0]}") from None
    except (ValueError, IndexError) as error:
        raise DataError(f"{where}: attention.vectors: {error}") from None
    return Logged(answer.model.name, answer.model.version, answer.model.weights_digest, samples)


def _outcome(answer: _Answer) -> Outcome:
    vectors = tuple(
        AttentionVector(one.kind, np.array(one.weights, np.float32), one.target, one.source)
        for one in answer.attention.vectors
    )
    focus = None if answer.focus is None else Focus(0, answer.focus.risk, 0, 0.0, 0.0)
    return Outcome(Prediction("", answer.prediction.probability, ()), Attention(vectors, ()), focus=focus)


def _permutation(answer: _Answer) -> Permutation | None:
    found = answer.explanations.permutation if answer.explanations else answer.permutation
    if found is None:
        return None
    impacts = (
        PermutationImpact(one.target, one.impact, 0.0, (0.0, 1.0), 0.0, 0.0, 0.0, 0, exhaustive=False)
        for one in found.impacts
    )
    return Permutation(tuple(impacts), 0)
