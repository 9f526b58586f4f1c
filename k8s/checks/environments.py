"""What a container finds in its environment."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from k8s.checks.documents import Build, Container, Json

# Secrets that whoever deploys makes; a value of each key such as it would have.
SECRETS: Mapping[str, Mapping[str, str]] = {
    "gateway-tls": {"tls.crt": "", "tls.key": "", "ca.crt": ""},
    "gateway-tokens": {"tokens": "[]"},
    "redis-auth": {"password": "secret", "url": "redis://:secret@redis:6379/0"},
}

_REFERENCE = re.compile(r"\$(\$|\([A-Za-z_][A-Za-z0-9_.-]*\))")


@dataclass(frozen=True)
class Source:
    """A ConfigMap or a Secret that something refers to; an empty `key` means all of it."""

    kind: str
    name: str
    key: str = ""
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" + (f" key {self.key}" if self.key else "")


def read_environment(build: Build, container: Container) -> dict[str, str]:
    """Values by name: later ones win, $(NAME) becomes what stands before. What cannot be found is left out."""
    found: dict[str, str] = {}
    for entry in container.content.get("envFrom") or []:
        for source in _sources(entry):
            prefix = entry.get("prefix", "")
            found |= {prefix + key: value for key, value in (read_source(build, source) or {}).items()}
    for entry in container.content.get("env") or []:
        value = _value(build, entry)
        if value is not None:
            found[entry["name"]] = _expand(value, found)
    return found


def referred(container: Container) -> Iterator[Source]:
    """What its environment comes from."""
    for entry in container.content.get("envFrom") or []:
        yield from _sources(entry)
    for entry in container.content.get("env") or []:
        yield from _sources(entry.get("valueFrom") or {})


def read_source(build: Build, source: Source) -> Mapping[str, str] | None:
    """Everything in it; None where there is no such thing."""
    document = build.get(source.kind, source.name)
    if document is not None:
        data: dict[str, str] = document.content.get("data") or {}
        return data
    return SECRETS.get(source.name) if source.kind == "Secret" else None


def _sources(entry: Json) -> Iterator[Source]:
    for field, kind in (
        ("configMapRef", "ConfigMap"),
        ("configMapKeyRef", "ConfigMap"),
        ("secretRef", "Secret"),
        ("secretKeyRef", "Secret"),
    ):
        if field in entry:
            reference = entry[field]
            yield Source(kind, reference["name"], reference.get("key", ""), bool(reference.get("optional")))


def _value(build: Build, entry: Json) -> str | None:
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    for source in _sources(entry["valueFrom"]):
        return (read_source(build, source) or {}).get(source.key)
    field = entry["valueFrom"].get("fieldRef", {}).get("fieldPath", "")
    return "10.0.0.1" if field.endswith("IP") else "1"  # only the cluster knows: what it may look like


def _expand(value: str, known: Mapping[str, str]) -> str:
    """What is not known stays as it stands; $$ is one $."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else known.get(match[1][1:-1], match[0])

    return _REFERENCE.sub(replace, value)
