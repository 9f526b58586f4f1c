"""Every overlay, alone and with every set of the components that it does not have yet."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from k8s.checks.documents import Build
from k8s.checks.kubectl import ROOT, KubectlError, build

K8S = ROOT / "k8s"
NAMESPACE = "attendant"


@dataclass(frozen=True)
class Combination:
    """An overlay's folder, and those of the components to put on top."""

    overlay: Path
    components: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return " + ".join((self.overlay.name, *(one.name for one in self.components)))


def list_combinations(k8s: Path = K8S) -> Iterator[Combination]:
    """2^n for an overlay that lacks n components: each overlay by itself comes first."""
    overlays = sorted(path.parent for path in k8s.glob("overlays/*/kustomization.yaml"))
    components = sorted(path.parent for path in k8s.glob("components/*/kustomization.yaml"))
    if not overlays:
        raise KubectlError(f"there is no overlay in {k8s}/overlays")
    missing = {
        overlay: [one for one in components if one not in included_components(overlay)]
        for overlay in overlays
    }
    for size in range(len(components) + 1):
        for overlay in overlays:
            for chosen in itertools.combinations(missing[overlay], size):
                yield Combination(overlay, chosen)


def included_components(folder: Path) -> set[Path]:
    """Those that a kustomization uses, by itself or through another one."""
    content = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    found: set[Path] = set()
    for field in ("resources", "components"):
        for entry in content.get(field) or []:
            path = (folder / entry).resolve()
            if field == "components":
                found.add(path)
            if (path / "kustomization.yaml").is_file():
                found |= included_components(path)
    return found


def build_combination(kubectl: Path, combination: Combination, scratch: Path) -> Build:
    """Through a kustomization in a folder of its own in `scratch`. Raises KubectlError that names the combination.

    It also makes kustomize note each document's file.
    """
    folder = (scratch / str(combination).replace(" ", "")).resolve()
    folder.mkdir()
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "buildMetadata": ["originAnnotations"],
        # as docs/deploy.md says for a kustomization of one's own: what a component adds has to be put there, too
        "namespace": NAMESPACE,
        "resources": [os.path.relpath(combination.overlay, folder)],
        "components": [os.path.relpath(one, folder) for one in combination.components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        return Build(str(combination), build(kubectl, folder))
    except KubectlError as error:
        raise KubectlError(f"{combination}: {error}") from None
