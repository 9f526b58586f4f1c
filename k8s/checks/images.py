"""Images: pinned, ours of this version, and run as the user that they are made for."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from k8s.checks.documents import Build, Container, Finding, Workload
from k8s.checks.kubectl import ROOT
from k8s.checks.programs import IMAGE, image_name

DOCKERFILE = ROOT / "k8s" / "images" / "Dockerfile"
# Of images that others build: the user and group in their Dockerfile.
USERS = {"docker.io/valkey/valkey": (999, 999)}
GPU = "nvidia.com/gpu"

_TAG = re.compile(r":([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$")
_ROOT = PurePosixPath("/")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def check_images(build: Build) -> Iterator[Finding]:
    """Every image has a tag or digest that names a version; ours has the project's, -cuda where there is a GPU."""
    for workload in build.workloads:
        for container in workload.containers:
            for problem in _image_problems(container):
                yield workload.find(problem, container, f"image {container.image}")


def check_users(build: Build) -> Iterator[Finding]:
    """Every container says which user and group it runs as, and the image is made for these."""
    for workload in build.workloads:
        for container in workload.containers:
            user, group = (_context(workload, container, name) for name in ("runAsUser", "runAsGroup"))
            expected = _image_user(container.image)
            if user is None or group is None or not _context(workload, container, "runAsNonRoot"):
                yield workload.find("runAsUser, runAsGroup and runAsNonRoot have to be said", container)
            elif expected is None:
                yield workload.find(
                    f"k8s.checks.images does not know the user of {container.image}", container
                )
            elif (user, group) != expected:
                yield workload.find(
                    f"it runs as {user}:{group}; its image is made for {expected[0]}:{expected[1]}", container
                )


def _image_problems(container: Container) -> Iterator[str]:
    image = container.image
    tag, digest = _TAG.search(image.partition("@")[0]), _DIGEST.search(image)
    if "@" in image and digest is None:
        yield "its digest is not sha256 and 64 digits"
    if tag is None and digest is None:
        yield "it names no version: give a tag or a digest"
    if tag is not None and tag[1] == "latest":
        yield "latest is no version"
    if image_name(image).startswith(IMAGE):
        if tag is not None and tag[1] != _wanted_tag(container):
            yield f"the tag has to be {_wanted_tag(container)}"
    elif "." not in image.partition("/")[0]:
        yield "it does not say which registry it comes from"


def _wanted_tag(container: Container) -> str:
    limits = (container.content.get("resources") or {}).get("limits") or {}
    return project_version() + ("-cuda" if GPU in limits else "")


@cache
def project_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def _context(workload: Workload, container: Container, name: str) -> object:
    """The container's own word, or the pod's."""
    own = container.content.get("securityContext") or {}
    return own.get(name, (workload.pod.get("securityContext") or {}).get(name))


def _image_user(image: str) -> tuple[int, int] | None:
    stage = find_stage(image)
    return USERS.get(image.partition("@")[0].rpartition(":")[0]) if stage is None else stage.user


@dataclass(frozen=True)
class Stage:
    """Of a Dockerfile. `user` and group are known where they are numbers: a name may be anybody's.

    `contents`: the folders that are copied to where its programs run.
    """

    user: tuple[int, int] | None = None
    folder: PurePosixPath = _ROOT
    contents: tuple[PurePosixPath, ...] = ()


def find_stage(image: str, dockerfile: Path = DOCKERFILE) -> Stage | None:
    """What one of our images is made by; None for somebody else's, an empty one where there is no such stage."""
    name = image_name(image)
    return read_stages(dockerfile).get(name.removeprefix(IMAGE), Stage()) if name.startswith(IMAGE) else None


@cache
def read_stages(dockerfile: Path) -> dict[str, Stage]:
    """By name; each begins as the one that it is made from ends."""
    if not dockerfile.is_file():
        return {}
    text = re.sub(r"\\\n", " ", dockerfile.read_text(encoding="utf-8"))
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    name, stage = "", Stage()
    for line in text.splitlines():
        match line.split():
            case ["ARG" | "ENV", *pairs]:
                arguments |= dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            case ["FROM", source, "AS" | "as", name]:
                stage = stages.get(source, Stage())
            case ["FROM", *_]:
                name, stage = "", Stage()
            case ["USER", user]:
                found = re.fullmatch(r"(\d+):(\d+)", _expand(user, arguments))
                stage = replace(stage, user=(int(found[1]), int(found[2])) if found else None)
            case ["WORKDIR", folder]:
                stage = replace(stage, folder=stage.folder / folder)
            case ["COPY" | "ADD", *_, target] if not target.startswith("/"):
                stage = replace(stage, contents=(*stage.contents, stage.folder / target))
        stages[name] = stage
    return stages


def _expand(text: str, arguments: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], ""), text)
