"""Which version answers a request that names none: by a number of what it asks, and the weights that are set.

The same question goes to the same version, as often as it is asked, for a prediction as for its explanation, and of
every gateway with the same weights. Where one of two versions gets more weight, questions move to it, and none away.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from attendant.errors import version_not_found
from attendant.manifest import ModelManifest, VersionManifest
from services.settings import ConfigError

VARIABLE = "ATTENDANT_VERSION_WEIGHTS"
MOST = 1_000_000
_WEIGHT = re.compile(r"[0-9]{1,7}")
_PIECE = re.compile(r"[0-9]+|[^0-9]+")
_BITS = 64  # of a question's number


@dataclass(frozen=True)
class Split:
    """How a model's questions are shared out: its versions with their weights, in the order of the versions.

    In that order each has a piece of the numbers as long as its weight, so that of two versions each one's piece grows
    and shrinks at one end. Which one is the default does not count: that may differ between an old and a new gateway.
    """

    model: str
    weights: tuple[tuple[VersionManifest, int], ...]

    def choose(self, instance_digest: bytes) -> VersionManifest:
        """Who answers what is asked about the instance with this SHA-256. Whole numbers: gateways with the same
        weights agree.
        """
        number = hashlib.sha256(b"version\0" + self.model.encode() + b"\0" + instance_digest).digest()
        ends = tuple(accumulate(weight for _, weight in self.weights))
        place = (int.from_bytes(number[: _BITS // 8], "big") * ends[-1]) >> _BITS
        return next(version for (version, _), end in zip(self.weights, ends, strict=True) if place < end)

    @property
    def versions(self) -> tuple[str, ...]:
        """Those that get questions."""
        return tuple(version.version for version, weight in self.weights if weight)

    def shares(self) -> dict[str, float]:
        """By version, of 1."""
        total = sum(weight for _, weight in self.weights)
        return {version.version: weight / total for version, weight in self.weights}


def read_splits(setting: str | None, models: Mapping[str, ModelManifest]) -> dict[str, Split]:
    """`sarcasm=1:95,2:5; other=1:1,3:1`, by model; raises ConfigError, one line, for what makes no sense.

    Every split names the model's default version: `2:5` alone would be all of the questions, not 5 in 100.
    """
    splits: dict[str, Split] = {}
    for part in filter(None, map(str.strip, (setting or "").split(";"))):
        name, equals, listed = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ConfigError(f"{VARIABLE}: {part[:64]!r} is not MODEL=VERSION:WEIGHT,VERSION:WEIGHT")
        if name not in models:
            raise ConfigError(f"{VARIABLE}: no model is named {name[:64]!r}; there are: {', '.join(models)}")
        if name in splits:
            raise ConfigError(f"{VARIABLE}: model {name!r} stands there twice")
        splits[name] = _read_split(models[name], listed)
    return splits


def _read_split(model: ModelManifest, listed: str) -> Split:
    weights: dict[str, int] = {}
    for version, weight in _pairs(model, listed):
        if version in weights:
            raise ConfigError(f"{VARIABLE}: version {version!r} of {model.name!r} stands there twice")
        weights[version] = weight
    default = model.default_version
    if default not in weights:
        raise ConfigError(
            f"{VARIABLE}: {model.name!r} lacks its default version {default!r}; name it too, with 0 if it gets nothing"
        )
    if not any(weights.values()):
        raise ConfigError(f"{VARIABLE}: every weight of {model.name!r} is 0; one has to answer")
    order = sorted(weights, key=_order)
    return Split(model.name, tuple((model.versions[version], weights[version]) for version in order))


def _order(version: str) -> list[tuple[bool, int, str]]:
    """Numbers count as numbers: 9 comes before 10."""
    pieces = _PIECE.findall(version)
    return [(False, int(piece), piece) if piece.isdecimal() else (True, 0, piece) for piece in pieces]


def _pairs(model: ModelManifest, listed: str) -> Iterator[tuple[str, int]]:
    for pair in listed.split(","):
        version, _, weight = (piece.strip() for piece in pair.partition(":"))
        if version not in model.versions:
            raise ConfigError(f"{VARIABLE}: {version_not_found(model.name, version, tuple(model.versions))}")
        if not _WEIGHT.fullmatch(weight) or int(weight) > MOST:
            raise ConfigError(
                f"{VARIABLE}: the weight of version {version!r} of {model.name!r} is {weight[:16]!r};"
                f" it is a whole number from 0 to {MOST}"
            )
        yield version, int(weight)
