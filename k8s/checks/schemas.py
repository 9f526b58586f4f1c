"""Validation against the schemas of several Kubernetes versions; a field that a version does not know is refused."""

import json
from collections.abc import Sequence

import kubernetes_validate
from kubernetes_validate.utils import all_versions, major_minor

from k8s.checks.custom import is_custom, validate_custom
from k8s.checks.documents import Document, Finding, Json

# The oldest that has all that is used (a preStop that sleeps is on since 1.30), the newest that there is a schema of,
# and between them some that providers still run.
VERSIONS = ("1.30", "1.32", "1.34", "1.36", "1.37")


def known_versions() -> tuple[str, ...]:
    """Those that there are schemas of, as 1.30, oldest first."""
    return tuple(major_minor(one) for one in all_versions())


class Validator:
    """Remembers what it has seen: most documents are the same in many builds."""

    def __init__(self, versions: Sequence[str] = VERSIONS) -> None:
        self.versions = tuple(versions)
        self._seen: dict[str, tuple[str, ...]] = {}

    @property
    def documents(self) -> int:
        """How many different ones were validated."""
        return len(self._seen)

    def validate(self, document: Document) -> list[Finding]:
        """Against every version."""
        text = json.dumps(document.content, sort_keys=True)
        if text not in self._seen:
            self._seen[text] = tuple(self._problems(document.content))
        return [document.find(problem) for problem in self._seen[text]]

    def _problems(self, content: Json) -> list[str]:
        if is_custom(content):
            return validate_custom(content)
        found: dict[str, list[str]] = {}
        for version in self.versions:
            for problem in _validate(content, version):
                found.setdefault(problem, []).append(version)
        return [f"Kubernetes {', '.join(versions)}: {problem}" for problem, versions in found.items()]


def _validate(content: Json, version: str) -> list[str]:
    try:
        kubernetes_validate.validate(content, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(map(str, error.path))
        return [f"{place + ': ' if place else ''}{error.message}"[:300]]
    except kubernetes_validate.SchemaNotFoundError:
        return [
            f"there is no {content.get('kind')} in {content.get('apiVersion')}; k8s.checks.custom knows those of others"
        ]
    return []
