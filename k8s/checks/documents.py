"""What a build of manifests holds, as the checks look at it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Json = dict[str, Any]

COMPONENT = "app.kubernetes.io/name"
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
ORIGIN = "config.kubernetes.io/origin"  # kustomize notes there which file a document came from


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where: `file`, where it is known, is relative to the repository. One line for a person."""

    where: str
    what: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file + ': ' if self.file else ''}{self.where}: {self.what}"


@dataclass(frozen=True)
class Document:
    """One object. `content` is read, never changed."""

    content: Json
    file: str = ""

    @property
    def kind(self) -> str:
        return str(self.content.get("kind", ""))

    @property
    def api(self) -> str:
        return str(self.content.get("apiVersion", ""))

    @property
    def name(self) -> str:
        return str(self.content.get("metadata", {}).get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.content.get("metadata", {}).get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.content.get("metadata", {}).get("labels") or {}
        return labels

    @property
    def spec(self) -> Json:
        spec: Json = self.content.get("spec") or {}
        return spec

    def find(self, what: str, place: str = "") -> Finding:
        """A finding in this document, at `place` in it."""
        return Finding(f"{self.kind}/{self.name}{' ' + place if place else ''}", what, self.file)


@dataclass(frozen=True)
class Container:
    """One of a pod's containers; `initial` ones run before the others."""

    content: Json
    initial: bool

    @property
    def name(self) -> str:
        return str(self.content.get("name", ""))

    @property
    def image(self) -> str:
        return str(self.content.get("image", ""))

    @property
    def ports(self) -> dict[str, int]:
        """Numbers by name; a port without a name is called by its number."""
        return {str(port.get("name", port["containerPort"])): port["containerPort"] for port in self._ports}

    @property
    def _ports(self) -> list[Json]:
        return self.content.get("ports") or []

    def protocol(self, name: str) -> str:
        """Of a named port."""
        return str(
            next((port.get("protocol", "TCP") for port in self._ports if port.get("name") == name), "TCP")
        )

    def probes(self) -> Iterator[tuple[str, Json]]:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if self.content.get(kind):
                yield kind, self.content[kind]

    @property
    def mounts(self) -> list[Json]:
        return self.content.get("volumeMounts") or []


@dataclass(frozen=True)
class Workload:
    """Something that makes pods."""

    document: Document

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def template(self) -> Json:
        template: Json = self.document.spec.get("template") or {}
        return template

    @property
    def labels(self) -> Mapping[str, str]:
        """Of its pods."""
        labels: Mapping[str, str] = self.template.get("metadata", {}).get("labels") or {}
        return labels

    @property
    def annotations(self) -> Mapping[str, str]:
        annotations: Mapping[str, str] = self.template.get("metadata", {}).get("annotations") or {}
        return annotations

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, self.name)

    @property
    def pod(self) -> Json:
        pod: Json = self.template.get("spec") or {}
        return pod

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """The initial ones first."""
        initial = [Container(one, True) for one in self.pod.get("initContainers") or []]
        return (*initial, *(Container(one, False) for one in self.pod.get("containers") or []))

    @property
    def ports(self) -> dict[str, int]:
        """Of the containers that stay."""
        return {name: port for one in self.containers if not one.initial for name, port in one.ports.items()}

    @property
    def volumes(self) -> dict[str, Json]:
        return {volume["name"]: volume for volume in self.pod.get("volumes") or []}

    def find(self, what: str, container: Container | None = None, place: str = "") -> Finding:
        inside = "" if container is None else f"container {container.name}"
        return self.document.find(what, " ".join(filter(None, (inside, place))))


@dataclass(frozen=True)
class Build:
    """What kustomize makes of an overlay: `name` says which, and with which components."""

    name: str
    documents: tuple[Document, ...] = field(repr=False)

    def of(self, *kinds: str) -> list[Document]:
        return [document for document in self.documents if document.kind in kinds]

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        return tuple(Workload(document) for document in self.of(*WORKLOADS))

    def get(self, kind: str, name: str) -> Document | None:
        return next((document for document in self.of(kind) if document.name == name), None)

    def workload(self, kind: str, name: str) -> Workload | None:
        document = self.get(kind, name)
        return None if document is None else Workload(document)
