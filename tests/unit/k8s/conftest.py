"""Real builds of the real overlays, each made once; a test gets a copy to break."""

import copy
import functools
from dataclasses import replace
from pathlib import Path

import pytest

from k8s.checks.combinations import K8S, Combination, build_combination
from k8s.checks.documents import Build
from k8s.checks.kubectl import KubectlError, find_kubectl


@pytest.fixture(scope="session")
def kubectl() -> Path:
    try:
        return find_kubectl()
    except KubectlError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def make_build(kubectl, tmp_path_factory):
    """`make_build("dev", "tls")`: what kustomize makes of it. Shared: leave it as it is."""

    @functools.cache
    def make(overlay: str, *components: str) -> Build:
        combination = Combination(
            K8S / "overlays" / overlay, tuple(K8S / "components" / name for name in components)
        )
        return build_combination(kubectl, combination, tmp_path_factory.mktemp("build"))

    return make


@pytest.fixture(scope="session")
def good_prod(make_build) -> Build:
    return make_build("prod")


class Manifests:
    """A build's documents, to be changed."""

    def __init__(self, build: Build) -> None:
        self.build = replace(build, documents=tuple(copy.deepcopy(build.documents)))

    def __call__(self, kind: str, name: str) -> dict:
        document = self.build.get(kind, name)
        assert document is not None, f"there is no {kind}/{name}"
        return document.content

    def findings(self, check) -> list[str]:
        """What the check says of it now: what a build remembers of its documents is forgotten first."""
        return [str(finding) for finding in check(replace(self.build))]

    def spec(self, kind: str, name: str) -> dict:
        return self(kind, name)["spec"]

    def pod(self, name: str) -> dict:
        return self.spec("Deployment", name)["template"]["spec"]

    def container(self, name: str) -> dict:
        return self.pod(name)["containers"][0]

    def settings(self, name: str) -> dict:
        """Of the ConfigMap that the Deployment's environment comes from."""
        return self("ConfigMap", self.container(name)["envFrom"][0]["configMapRef"]["name"])["data"]

    def set(self, name: str, variable: str, value: str) -> None:
        """In the environment, whatever else sets it."""
        env = self.container(name).setdefault("env", [])
        env[:] = [one for one in env if one["name"] != variable] + [{"name": variable, "value": value}]

    def valkey(self) -> dict:
        """Of the ConfigMap that Valkey's configuration is in."""
        (name,) = (one["configMap"]["name"] for one in self.pod("redis")["volumes"] if "configMap" in one)
        return self("ConfigMap", name)["data"]

    def remove(self, kind: str, name: str) -> None:
        kept = tuple(one for one in self.build.documents if (one.kind, one.name) != (kind, name))
        assert len(kept) < len(self.build.documents)
        self.build = replace(self.build, documents=kept)

    def add(self, *documents) -> None:
        self.build = replace(self.build, documents=(*self.build.documents, *documents))


@pytest.fixture
def prod(good_prod) -> Manifests:
    return Manifests(good_prod)


@pytest.fixture
def dev(make_build) -> Manifests:
    return Manifests(make_build("dev"))
