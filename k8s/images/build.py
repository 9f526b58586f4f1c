"""Builds the container images with docker, podman or buildah, whichever is here. `python -m k8s.images --help`"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
BASE = "docker.io/library/python:3.11.14-slim-bookworm"
TARGETS = ("gateway", "monitor", "torchserve", "models")
BUILDERS = ("docker", "podman", "buildah")


class BuildError(Exception):
    """Why there is no image, in one line."""


@dataclass(frozen=True)
class Build:
    """One image. `device`: cpu or gpu, of which only torchserve knows the second."""

    target: str
    builder: str
    device: str = "cpu"
    base: str = BASE
    repository: str = ""  # what goes before the image's name, with its slash

    @property
    def image(self) -> str:
        """With its tag, the project's version."""
        cuda = "-cuda" if self.device == "gpu" else ""
        return f"{self.repository}attendant-{self.target}:{read_version()}{cuda}"

    def command(self, pip: "PipSettings", secret: Path) -> tuple[str, ...]:
        """To be run in the repository's root."""
        arguments = {"BASE": self.base, "DEVICE": self.device, "VERSION": read_version()}
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--build-arg=REVISION={read_revision()}", f"--secret=id=pip,src={secret}"]
        options += [f"--secret=id=cert,src={pip.cert}"] if pip.cert else []
        options += ["--file=k8s/images/Dockerfile", f"--target={self.target}", f"--tag={self.image}"]
        if self.builder != "docker":
            # The base that is here is taken as it is, without asking a registry for a newer one.
            options += ["--layers", "--force-rm", "--pull=false"]
            options += [f"--volume={path}:{path}:ro" for path in pip.folders]
        if self.builder == "buildah":
            options.append("--isolation=chroot")
        return (self.builder, "build", *options, ".")


@dataclass(frozen=True)
class PipSettings:
    """Pip's own on this machine, as a file for a build; folders, and a file of authorities, that it names."""

    text: str
    folders: tuple[Path, ...]
    cert: str


def read_version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def read_revision() -> str:
    """The commit, with -dirty where files are not as it has them; empty outside of git."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def find_builder(pip: "PipSettings", wanted: str = "") -> str:
    """`wanted`, or the first that is installed and can do what pip's settings ask for. Raises BuildError."""
    found = [name for name in ([wanted] if wanted else BUILDERS) if shutil.which(name)]
    if not found:
        raise BuildError(f"no {wanted or ', '.join(BUILDERS)} is on the PATH, and something has to build")
    if pip.folders and found == ["docker"]:
        raise BuildError(
            f"pip looks into {pip.folders[0]}, which docker shows no build: use podman or buildah"
        )
    return next(name for name in found if name != "docker" or not pip.folders)


def read_pip_settings() -> PipSettings:
    """What `pip config list` says; a variable of the environment goes before a file."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings: dict[str, list[str]] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in {"global", "install", ":env:"} and key != "config-file":
            settings[key] = str(ast.literal_eval(value)).split()
    cert = " ".join(settings.pop("cert", []))
    if cert:
        settings["cert"] = ["/run/secrets/cert"]  # where a build finds the secret of that name
    text = "".join(f"{key} = {' '.join(words)}\n" for key, words in settings.items())
    folders = sorted({path for words in settings.values() for word in words for path in _folders(word)})
    return PipSettings(f"[global]\n{text}", tuple(folders), cert)


def _folders(word: str) -> Iterator[Path]:
    """The folder that a setting names: an index, a folder of wheels. An index may point to what lies beside it."""
    path = Path(unquote(urlsplit(word).path)).parent if word.startswith("file:") else Path(word)
    if path.is_absolute() and path.is_dir():
        yield path


def build(work: Build, pip: PipSettings) -> None:
    """Raises BuildError where the builder fails; it has said why."""
    with tempfile.TemporaryDirectory(prefix="attendant-images-") as folder:
        secret = Path(folder) / "pip.conf"
        secret.touch(mode=0o600)
        secret.write_text(pip.text, encoding="utf-8")
        done = subprocess.run(
            work.command(pip, secret), cwd=ROOT, env=os.environ | {"DOCKER_BUILDKIT": "1"}, check=False
        )
    if done.returncode:
        raise BuildError(f"{work.builder} could not build {work.image}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.images", description="Builds Attendant's container images."
    )
    parser.add_argument(
        "target", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; without one, all"
    )
    parser.add_argument("--builder", default=os.environ.get("BUILDER", ""), help="docker, podman or buildah")
    parser.add_argument(
        "--device", choices=("cpu", "gpu"), default="cpu", help="gpu: torchserve for CUDA, alone"
    )
    parser.add_argument("--base", default=BASE, help=f"image with Python 3.11; else {BASE}")
    parser.add_argument(
        "--repository", default="", help="goes before the images' names: registry.example/team/"
    )
    wanted = parser.parse_args()
    targets = wanted.target or (TARGETS if wanted.device == "cpu" else ("torchserve",))
    for target in targets:
        if target not in TARGETS or (wanted.device == "gpu" and target != "torchserve"):
            parser.error(f"there is no image {target!r} for --device {wanted.device}")
    try:
        pip = read_pip_settings()
        builder = find_builder(pip, wanted.builder)
        for target in targets:
            began = time.monotonic()
            work = Build(target, builder, wanted.device, wanted.base, wanted.repository)
            build(work, pip)
            sys.stdout.write(f"{work.image} is built, in {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
    except BuildError as error:
        sys.exit(f"attendant images: {error}")
