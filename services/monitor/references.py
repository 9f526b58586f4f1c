"""The references in a model store, by version; each is used only for the weights that it was made by."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from attendant.manifest import REFERENCE, read_store
from attendant.statistics.references import BadReference, Reference, read_reference

log = structlog.get_logger()


@dataclass(frozen=True)
class Name:
    """Which version of which model; "model/version" in Redis."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


@dataclass(frozen=True)
class Known:
    """A reference, and the SHA-256 (hexadecimal) of its file."""

    reference: Reference
    sha256: str

    @property
    def digest(self) -> str:
        """Of the weights that it was made by, hexadecimal."""
        return self.reference.origin.weights_digest


class References:
    """`names`: every version in the store, with a reference or without."""

    def __init__(self, names: tuple[Name, ...], known: dict[Name, Known]) -> None:
        self.names = names
        self._known = known

    def digest(self, name: Name) -> str:
        """Of the weights that the version's reference was made by; empty where it has none."""
        return self._known[name].digest if name in self._known else ""

    def find(self, name: Name, digest: str) -> Known | None:
        """The version's reference, if weights with this digest made it."""
        known = self._known.get(name)
        return known if known is not None and known.digest == digest else None


def read_references(store: Path) -> References:
    """All of a model store. Raises ManifestError; a reference that cannot be used is logged and counts as none."""
    names, known = [], {}
    for model in read_store(store).values():
        for version in model.versions.values():
            name = Name(model.name, version.version)
            names.append(name)
            entry = version.files.get(REFERENCE)
            if entry is None:
                continue
            try:
                reference = read_reference(store / model.name / entry.path, entry.sha256)
            except BadReference as error:
                log.warning("a reference cannot be used", **vars(name), error=str(error))
                continue
            known[name] = Known(reference, entry.sha256)
    return References(tuple(names), known)
