"""References: what a pod names is in the build, in Kubernetes, or made by whoever deploys."""

import importlib.util
from collections.abc import Iterator
from pathlib import PurePosixPath

from k8s.checks.documents import Build, Container, Finding, Json, Workload
from k8s.checks.environments import SECRETS, Source, read_environment, read_source, referred
from k8s.checks.images import Stage, find_stage
from k8s.checks.kubectl import ROOT
from k8s.checks.programs import servers

PRIORITIES = frozenset({"", "system-cluster-critical", "system-node-critical"})


def check_references(build: Build) -> Iterator[Finding]:
    """Every ConfigMap, Secret, ServiceAccount, claim and PriorityClass that is named exists, with its keys."""
    for workload in build.workloads:
        for container in workload.containers:
            for source in referred(container):
                problem = _missing(build, source)
                if problem:
                    yield workload.find(problem, container, "environment")
        for name, volume in workload.volumes.items():
            for source in _volume_sources(volume):
                problem = _missing(build, source)
                if problem:
                    yield workload.find(problem, place=f"volume {name}")
        yield from (workload.find(f"there is no {what}") for what in _missing_others(build, workload))


def check_mounts(build: Build) -> Iterator[Finding]:
    """Every mount has its volume, every volume its mount, and no two are in one place."""
    for workload in build.workloads:
        claimed = {
            one["metadata"]["name"] for one in workload.document.spec.get("volumeClaimTemplates") or []
        }
        known = workload.volumes.keys() | claimed
        used = set()
        for container in workload.containers:
            paths = [mount["mountPath"] for mount in container.mounts]
            used |= {mount["name"] for mount in container.mounts}
            for mount in container.mounts:
                if mount["name"] not in known:
                    yield workload.find(f"there is no volume {mount['name']}", container, mount["mountPath"])
                if paths.count(mount["mountPath"]) > 1:
                    yield workload.find("something else is mounted there, too", container, mount["mountPath"])
        for name in sorted(known - used):
            yield workload.find("no container mounts it", place=f"volume {name}")


def check_files(build: Build) -> Iterator[Finding]:
    """Every file that a setting names is in the image, or comes by a mount that has it; TMPDIR can be written."""
    for workload, container, server in servers(build):
        for variable, path in server.files.items():
            problem = _file_problem(build, workload, container, PurePosixPath(path))
            if problem:
                yield workload.find(f"{path}: {problem}", container, variable)
        temporary = read_environment(build, container).get("TMPDIR")
        if temporary is not None and not _is_writable(workload, container, PurePosixPath(temporary)):
            yield workload.find(f"{temporary}: no emptyDir is mounted there", container, "TMPDIR")


def check_commands(build: Build) -> Iterator[Finding]:
    """Every module that a container runs exists, and every path in its command is in the image or under a mount."""
    for workload in build.workloads:
        for container in workload.containers:
            words = [*(container.content.get("command") or []), *(container.content.get("args") or [])]
            if "-m" in words[:-1] and not _is_module(words[words.index("-m") + 1]):
                yield workload.find(
                    f"there is no module {words[words.index('-m') + 1]}", container, "command"
                )
            for word in words:
                problem = word.startswith("/") and _file_problem(
                    build, workload, container, PurePosixPath(word)
                )
                if problem:
                    yield workload.find(f"{word}: {problem}", container, "command")


def _is_module(name: str) -> bool:
    """Of this project, whose code is in its images."""
    if not (ROOT / name.partition(".")[0]).is_dir():
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _missing(build: Build, source: Source) -> str:
    if source.optional:
        return ""
    content = read_source(build, source)
    if content is None:
        known = f"; those made by whoever deploys are {', '.join(SECRETS)}" if source.kind == "Secret" else ""
        return f"there is no {source.kind} {source.name}{known}"
    return f"there is no {source}" if source.key and source.key not in content else ""


def _volume_sources(volume: Json) -> Iterator[Source]:
    for part in ({**volume, **one} for one in ((volume.get("projected") or {}).get("sources") or [{}])):
        for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            reference = part.get(field)
            if reference is None:
                continue
            name, optional = (
                reference.get("secretName", reference.get("name", "")),
                bool(reference.get("optional")),
            )
            yield Source(kind, name, "", optional)
            yield from (Source(kind, name, item["key"], optional) for item in reference.get("items") or [])


def _missing_others(build: Build, workload: Workload) -> Iterator[str]:
    pod = workload.pod
    account = pod.get("serviceAccountName", "default")
    if account != "default" and build.get("ServiceAccount", account) is None:
        yield f"ServiceAccount {account}"
    priority = pod.get("priorityClassName", "")
    if priority not in PRIORITIES and build.get("PriorityClass", priority) is None:
        yield f"PriorityClass {priority}"
    for volume in workload.volumes.values():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and build.get("PersistentVolumeClaim", claim) is None:
            yield f"PersistentVolumeClaim {claim}"


def _file_problem(build: Build, workload: Workload, container: Container, path: PurePosixPath) -> str:
    made = find_stage(container.image)
    stage = made or Stage()
    path = stage.folder / path
    mount = _mount_of(container, path)
    if mount is None and made is None:
        return ""  # what somebody else's image holds, nobody here knows
    if mount is None:
        inside = any(path.is_relative_to(one) for one in stage.contents)
        return "" if inside else "it is neither in the image nor under a mount"
    volume = workload.volumes.get(mount["name"], {})
    for source in _volume_sources(volume):
        if source.key:
            continue
        has = _paths(build, source, volume)
        inner = str(path.relative_to(mount["mountPath"]))
        return "" if inner in has else f"{source} has no {inner}; it has: {', '.join(sorted(has))}"
    if "emptyDir" in volume and not _is_filled(workload, mount["name"]):
        return "it is under an emptyDir that no initial container fills"
    return ""


def _paths(build: Build, source: Source, volume: Json) -> set[str]:
    """The files that a volume made of it has."""
    items = (volume.get("secret") or volume.get("configMap") or {}).get("items")
    return {item["path"] for item in items} if items else set(read_source(build, source) or {})


def _is_filled(workload: Workload, volume: str) -> bool:
    return any(mount["name"] == volume for one in workload.containers if one.initial for mount in one.mounts)


def _mount_of(container: Container, path: PurePosixPath) -> Json | None:
    """The innermost mount that the path is under."""
    over = [mount for mount in container.mounts if path.is_relative_to(mount["mountPath"])]
    return max(over, key=lambda mount: len(mount["mountPath"]), default=None)


def _is_writable(workload: Workload, container: Container, path: PurePosixPath) -> bool:
    mount = _mount_of(container, path)
    return (
        mount is not None
        and not mount.get("readOnly")
        and "emptyDir" in workload.volumes.get(mount["name"], {})
    )
