"""Requests and limits: they are there, can be read, and are enough for what the settings allow."""

from collections.abc import Iterator
from decimal import Decimal

from k8s.checks.documents import Build, Container, Document, Finding, Json, Workload
from k8s.checks.programs import servers
from k8s.checks.quantities import parse_quantity

NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
MEMORY = "memory"


def check_quantities(build: Build) -> Iterator[Finding]:
    """Every quantity can be read and is positive; nothing asks for more than its limit."""
    for workload in build.workloads:
        for container in workload.containers:
            for problem in _resource_problems(container):
                yield workload.find(problem, container, "resources")
        for problem in _volume_problems(workload):
            yield workload.find(problem, place="volumes")
    for claim in build.of("PersistentVolumeClaim"):
        yield from (claim.find(problem) for problem in _storage_problems(claim.spec))
    for scaler in build.of("HorizontalPodAutoscaler"):
        for name, value in _targets(scaler):
            if _read(value) is None:
                yield scaler.find(f"{name} {value!r} is no positive quantity", "metrics")


def _volume_problems(workload: Workload) -> Iterator[str]:
    for name, volume in workload.volumes.items():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None and _read(limit) is None:
            yield f"{name}: sizeLimit {limit!r} is no positive quantity"
    for claim in workload.document.spec.get("volumeClaimTemplates") or []:
        yield from _storage_problems(claim["spec"])


def _targets(scaler: Document) -> Iterator[tuple[str, object]]:
    """What its metrics are to reach, where that is a quantity."""
    for metric in scaler.spec.get("metrics") or []:
        for source in metric.values():
            target = source.get("target", {}) if isinstance(source, dict) else {}
            yield from ((name, target[name]) for name in ("value", "averageValue") if name in target)


def check_resources(build: Build) -> Iterator[Finding]:
    """Each container asks for processor and memory and has a memory limit; empty folders are bounded."""
    for workload in build.workloads:
        for container in workload.containers:
            resources = container.content.get("resources") or {}
            for group, name in NEEDED:
                if name not in (resources.get(group) or {}):
                    yield workload.find(f"{group}.{name} is missing", container, "resources")
        for name, volume in workload.volumes.items():
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield workload.find("emptyDir has no sizeLimit: it may fill its node", place=f"volume {name}")


def check_memory(build: Build) -> Iterator[Finding]:
    """What settings let a program take, and folders in memory beside it, fit into its memory limit."""
    heaps = {id(container.content): server.heap for _, container, server in servers(build)}
    for workload in build.workloads:
        for container in workload.containers:
            limit = _read(((container.content.get("resources") or {}).get("limits") or {}).get(MEMORY))
            if limit is None:
                continue
            heap = heaps.get(id(container.content), 0)
            folders = sum(_in_memory(workload, container))
            if heap + folders > limit:
                yield workload.find(
                    f"limits.memory is {_mib(limit)}, its settings allow {_mib(Decimal(heap))} and its"
                    f" folders in memory {_mib(Decimal(folders))}",
                    container,
                    "resources",
                )


def _in_memory(workload: Workload, container: Container) -> Iterator[Decimal]:
    for mount in container.mounts:
        folder = (workload.volumes.get(mount["name"]) or {}).get("emptyDir") or {}
        if folder.get("medium") == "Memory":
            yield _read(folder.get("sizeLimit")) or Decimal(0)


def _resource_problems(container: Container) -> Iterator[str]:
    resources = container.content.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for group, values in (("requests", requests), ("limits", limits)):
        for name, value in values.items():
            if _read(value) is None:
                yield f"{group}.{name} {value!r} is no positive quantity"
    for name in requests.keys() & limits.keys():
        asked, most = _read(requests[name]), _read(limits[name])
        if asked is not None and most is not None and asked > most:
            yield f"requests.{name} {requests[name]} is more than limits.{name} {limits[name]}"
    for name in {name for name in requests.keys() | limits.keys() if "/" in name}:
        if requests.get(name, limits.get(name)) != limits.get(name):
            yield f"{name}: a request has to be the limit, too"


def _storage_problems(spec: Json) -> Iterator[str]:
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if _read(size) is None:
        yield f"requests.storage {size!r} is no positive quantity"


def _read(value: object) -> Decimal | None:
    """None for what is no positive quantity."""
    try:
        number = parse_quantity(value)
    except ValueError:
        return None
    return number if number > 0 else None


def _mib(size: Decimal) -> str:
    return f"{size / 2**20:.0f}Mi"
