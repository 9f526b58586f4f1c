"""Which builds there are, and that kustomize makes of them what it makes of the overlays themselves."""

import itertools

import pytest

from k8s.checks.combinations import (
    K8S,
    Combination,
    build_combination,
    included_components,
    list_combinations,
)
from k8s.checks.kubectl import ROOT, KubectlError, build


def test_every_overlay_has_every_set_of_what_it_lacks():
    components = {path.parent for path in K8S.glob("components/*/kustomization.yaml")}
    found = list(list_combinations())
    assert len(found) == len(set(found))
    for overlay in K8S.glob("overlays/*"):
        lacks = components - included_components(overlay)
        sets = {frozenset(one.components) for one in found if one.overlay == overlay}
        subsets = (itertools.combinations(sorted(lacks), size) for size in range(len(lacks) + 1))
        assert sets == {frozenset(one) for group in subsets for one in group}
        assert len(sets) == 2 ** len(lacks)


def test_development_has_no_component_and_production_with_gpus_all_of_productions():
    assert included_components(K8S / "overlays" / "dev") == set()
    assert included_components(K8S / "overlays" / "prod") < included_components(K8S / "overlays" / "prod-gpu")


@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_it_is_what_the_overlay_makes(kubectl, make_build, overlay):
    by_itself = build(kubectl, K8S / "overlays" / overlay)
    assert [one.content for one in by_itself] == [one.content for one in make_build(overlay).documents]
    assert not any(one.file for one in by_itself)


def test_documents_know_their_file(good_prod):
    files = {(one.kind, one.name): one.file for one in good_prod.documents}
    assert files["Deployment", "gateway"] == "k8s/base/gateway/deployment.yaml"
    assert files["NetworkPolicy", "deny"] == "k8s/components/network-policies/deny.yaml"
    assert all((ROOT / file).is_file() for file in files.values())


def test_a_component_is_put_on_top(make_build):
    assert make_build("dev").of("NetworkPolicy") == []
    build = make_build("dev", "network-policies", "tls")
    assert build.name == "dev + network-policies + tls"
    assert {one.namespace for one in build.of("NetworkPolicy")} == {"attendant"}


def test_what_cannot_be_built_is_said_by_its_name(kubectl, tmp_path, tmp_path_factory):
    overlay = tmp_path / "broken"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    with pytest.raises(KubectlError, match=r"^broken: .*nothing.yaml"):
        build_combination(kubectl, Combination(overlay), tmp_path_factory.mktemp("scratch"))


def test_there_has_to_be_an_overlay(tmp_path):
    with pytest.raises(KubectlError, match="there is no overlay in"):
        list(list_combinations(tmp_path))
