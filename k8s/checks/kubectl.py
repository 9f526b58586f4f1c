"""The kubectl that builds the manifests: the one that `make .venv/.kubectl` installs, or one on the PATH."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

from k8s.checks.documents import ORIGIN, Document

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".venv" / "kubectl" / "kubectl"
LEAST_KUSTOMIZE = 5  # the first that knows components as they are used here
SECONDS = 60

# libyaml, where PyYAML was built with it, is ten times as fast
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KubectlError(Exception):
    """There is no kubectl, or it builds nothing; the message is for a person."""


def find_kubectl() -> Path:
    """Raises KubectlError where there is none that can be used."""
    if INSTALLED.is_file():
        return INSTALLED
    found = shutil.which("kubectl")
    if found is None:
        raise KubectlError("there is no kubectl: `make .venv/.kubectl` installs one, or put one on the PATH")
    version = kustomize_version(Path(found))
    if version < LEAST_KUSTOMIZE:
        raise KubectlError(
            f"{found} has kustomize {version}, and {LEAST_KUSTOMIZE} is needed: `make .venv/.kubectl`"
        )
    return Path(found)


def kustomize_version(kubectl: Path) -> int:
    """Its first number; 0 where kubectl does not say."""
    done = _run(kubectl, "version", "--client", "--output=json")
    try:
        return int(json.loads(done.stdout)["kustomizeVersion"].removeprefix("v").partition(".")[0])
    except (ValueError, KeyError):
        return 0


def build(kubectl: Path, folder: Path) -> tuple[Document, ...]:
    """What kustomize makes of the folder; raises KubectlError with what it says."""
    done = _run(kubectl, "kustomize", str(folder))
    if done.returncode:
        raise KubectlError(done.stderr.strip() or f"kubectl ended with status {done.returncode}")
    return tuple(
        _document(content, folder) for content in yaml.load_all(done.stdout, Loader=_LOADER) if content
    )


def _document(content: dict[str, object], folder: Path) -> Document:
    """Takes kustomize's note of its origin out again."""
    metadata = content.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict) or ORIGIN not in annotations:
        return Document(content)
    origin = yaml.safe_load(annotations.pop(ORIGIN))
    if not annotations:
        del metadata["annotations"]
    # of something that a generator made, it says by which kustomization
    path = origin.get("path") or origin.get("configuredIn", "")
    return Document(content, os.path.relpath(folder / path, ROOT) if path else "")


def _run(kubectl: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # An environment of its own: the checks change ours for a moment, to read settings from it.
    # It runs for 0.1 s: to collect less garbage saves a fifth of that.
    environment = {"PATH": os.defpath, "HOME": os.devnull, "GOGC": "400", "GOMAXPROCS": "1"}
    try:
        return subprocess.run(
            (str(kubectl), *arguments),
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KubectlError(f"{kubectl} does not run: {error}") from None
