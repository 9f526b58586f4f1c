"""From a pod of the manifests to an OCI bundle's config.json: what a kubelet and a container runtime make of it.

Every field has to be known here: one that is not raises, so that nothing a manifest asks for is left out in silence.
Not done, since a machine that runs tests may have neither cgroups to give nor a cluster's network: resources, and an
address of the pod's own. It is on the machine's network, and its services' names lead to 127.0.0.1.
"""

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# Debian's golang-github-containers-common has it: what podman and CRI-O take for RuntimeDefault.
SECCOMP = Path("/usr/share/containers/seccomp.json")
# For the scheduler, the API server and the kubelet: the process sees nothing of them.
POD_ELSEWHERE = {
    *("affinity", "nodeSelector", "priorityClassName", "serviceAccountName", "terminationGracePeriodSeconds"),
    *("tolerations", "topologySpreadConstraints"),
}
CONTAINER_ELSEWHERE = {
    *(
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
    ),
    "startupProbe",
}
# What every pod here asks for, word for word; other values are refused.
REQUIRED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class NotDoneError(Exception):
    """The pod asks for something that is not done here."""


@dataclass(frozen=True)
class Image:
    """An image that is mounted at `root`, and its configuration."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    folder: str = "/"


@dataclass(frozen=True)
class Namespace:
    """What pods find around them: `config_maps` and `secrets` by name, and the names of services."""

    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Security:
    """What the pod's and the container's security contexts come to, but for REQUIRED, which all have."""

    user: int
    group: int
    volume_group: int
    read_only: bool


def build_config(pod: Json, image: Image, namespace: Namespace, scratch: Path, spec: Json) -> Json:
    """`pod` is the spec of a Pod, `spec` what `crun spec` says. Files that the pod sees are written into `scratch`."""
    (container,) = pod["containers"]
    known = {"automountServiceAccountToken", "containers", "enableServiceLinks", "securityContext", "volumes"}
    _refuse(pod.keys() - known - POD_ELSEWHERE, "pod")
    if pod.get("automountServiceAccountToken", True) or pod.get("enableServiceLinks", True):
        raise NotDoneError("automountServiceAccountToken and enableServiceLinks: only false is done here")
    known = {"args", "command", "env", "envFrom", "securityContext", "volumeMounts", "workingDir"}
    _refuse(container.keys() - known - CONTAINER_ELSEWHERE, "container")
    security = read_security(pod, container)
    environment = _environment(container, image, namespace)
    command = container.get("command")
    return {
        "ociVersion": spec["ociVersion"],
        "hostname": container["name"],
        "root": {"path": str(image.root), "readonly": security.read_only},
        "process": {
            "args": [*(command or ()), *container.get("args", () if command else image.command)],
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": container.get("workingDir", image.folder),
            "user": {"uid": security.user, "gid": security.group, "additionalGids": [security.volume_group]},
            "capabilities": {kind: [] for kind in spec["process"]["capabilities"]},
            "noNewPrivileges": True,
        },
        "mounts": [
            *(mount for mount in spec["mounts"] if mount["type"] != "cgroup"),
            *_network_files(namespace, scratch),
            *_volumes(pod, container, namespace, security, scratch),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "maskedPaths": spec["linux"]["maskedPaths"],
            "readonlyPaths": spec["linux"]["readonlyPaths"],
            "seccomp": translate_seccomp(json.loads(SECCOMP.read_text(encoding="utf-8"))),
        },
    }


def read_security(pod: Json, container: Json) -> Security:
    """The container's word goes before the pod's."""
    asked = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    known = {"fsGroup", "readOnlyRootFilesystem", "runAsGroup", "runAsUser"}
    _refuse(asked.keys() - known - REQUIRED.keys(), "securityContext")
    for name, value in REQUIRED.items():
        if asked.get(name) != value:
            raise NotDoneError(f"securityContext.{name}: {asked.get(name)!r}; only {value!r} is done here")
    user, group = asked["runAsUser"], asked["runAsGroup"]
    if user == 0:
        raise NotDoneError("securityContext.runAsUser: 0 is root, and runAsNonRoot is true")
    return Security(user, group, asked.get("fsGroup", group), asked.get("readOnlyRootFilesystem", False))


def translate_seccomp(profile: Json, machine: str = "") -> Json:
    """From the form that container tools read to the runtime's, for a process without any capability.

    `machine` as `uname -m` says it; else this one.
    """
    architecture = _MACHINES[machine or platform.machine()]
    names = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}
    (mapped,) = (one for one in profile["archMap"] if one["architecture"] == names[architecture])
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [mapped["architecture"], *mapped["subArchitectures"]],
        "syscalls": [
            {name: rule[name] for name in ("names", "action", "args", "errnoRet") if rule.get(name)}
            for rule in profile["syscalls"]
            if _applies(rule, architecture)
        ],
    }


def _applies(rule: Json, architecture: str) -> bool:
    """A rule that includes capabilities is for whoever has them; one that excludes them, for who has not."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    _refuse((includes.keys() | excludes.keys()) - {"caps", "arches"}, "seccomp rule")
    return (
        not includes.get("caps")
        and architecture in includes.get("arches", [architecture])
        and architecture not in excludes.get("arches", [])
    )


def _environment(container: Json, image: Image, namespace: Namespace) -> dict[str, str]:
    """`env` goes before `envFrom`, and that before the image."""
    environment = {**image.environment, "HOSTNAME": container["name"]}
    for source in container.get("envFrom", ()):
        ((kind, reference),) = source.items()
        objects = {"configMapRef": namespace.config_maps, "secretRef": namespace.secrets}[kind]
        environment |= objects[reference["name"]]
    for variable in container.get("env", ()):
        value = variable.get("value")
        if value is None:
            ((kind, reference),) = variable["valueFrom"].items()
            if kind == "resourceFieldRef":
                value = _read_resource(container, reference)
            else:
                objects = {"configMapKeyRef": namespace.config_maps, "secretKeyRef": namespace.secrets}[kind]
                value = objects[reference["name"]][reference["key"]]
        environment[variable["name"]] = value
    return environment


def _read_resource(container: Json, reference: Json) -> str:
    """A number of cores, rounded up."""
    section, _, resource = reference["resource"].partition(".")
    if resource != "cpu" or reference.get("divisor", "1") not in ("1", 1):
        raise NotDoneError(f"resourceFieldRef: {reference}; only whole cores are done here")
    asked = str(container["resources"][section]["cpu"])
    return str(ceil(float(asked[:-1]) / 1000 if asked.endswith("m") else float(asked)))


def _network_files(namespace: Namespace, scratch: Path) -> Iterator[Json]:
    hosts = "127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in namespace.services)
    for name, text in (("hosts", hosts), ("resolv.conf", "")):
        file = scratch / name
        file.write_text(text, encoding="utf-8")
        yield _bind(file, f"/etc/{name}")


def _volumes(
    pod: Json, container: Json, namespace: Namespace, security: Security, scratch: Path
) -> Iterator[Json]:
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        _refuse(mount.keys() - {"name", "mountPath", "readOnly"}, "volumeMount")
        volume = volumes[mount["name"]]
        ((kind, asked),) = ((name, value) for name, value in volume.items() if name != "name")
        if kind == "emptyDir":
            _refuse(asked.keys() - {"sizeLimit"}, "emptyDir")
            # As a kubelet leaves it: anybody's, and what is made in it belongs to the volumes' group.
            options = ["mode=2777", f"gid={security.volume_group}", f"size={read_size(asked['sizeLimit'])}"]
            yield _mount("tmpfs", "tmpfs", mount["mountPath"], options)
        else:
            name = {"configMap": "name", "secret": "secretName"}[kind]
            _refuse(asked.keys() - {name, "defaultMode"}, kind)
            objects = namespace.config_maps if kind == "configMap" else namespace.secrets
            folder = scratch / mount["name"]
            folder.mkdir()
            for file, text in objects[asked[name]].items():
                (folder / file).write_text(text, encoding="utf-8")
                (folder / file).chmod(asked.get("defaultMode", 0o644))
            yield _bind(folder, mount["mountPath"])


def _bind(source: Path, target: str) -> Json:
    return _mount("bind", str(source), target, ["rbind", "ro"])


def _mount(kind: str, source: str, target: str, options: list[str]) -> Json:
    return {"type": kind, "source": source, "destination": target, "options": options}


def read_size(quantity: str) -> int:
    """Bytes, of a quantity in Ki, Mi or Gi."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def _refuse(unknown: Iterable[str], where: str) -> None:
    names = sorted(unknown)
    if names:
        raise NotDoneError(f"{where}: {', '.join(names)} is not known here")
