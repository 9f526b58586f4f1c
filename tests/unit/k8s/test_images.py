"""Images and their users, held against the Dockerfile."""

import pytest

from k8s.checks.images import DOCKERFILE, check_images, check_users, find_stage, project_version, read_stages


@pytest.mark.parametrize("check", [check_images, check_users])
@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay, check):
    assert list(check(make_build(overlay))) == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("attendant-gateway", "it names no version"),
        ("attendant-gateway:latest", "latest is no version"),
        ("attendant-gateway:0.0.9", "the tag has to be 0.1.0"),
        ("attendant-gateway:0.1.0-cuda", "the tag has to be 0.1.0"),
        ("registry.example:5000/attendant-gateway", "it names no version"),
        ("registry.example:5000/team/attendant-gateway:0.0.9", "the tag has to be 0.1.0"),
        ("redis:8", "it does not say which registry it comes from"),
        ("docker.io/valkey/valkey@sha256:12", "its digest is not sha256"),
    ],
)
def test_an_image_that_is_not_pinned(dev, image, expected):
    assert project_version() == "0.1.0", "the cases have to be written anew"
    dev.container("gateway")["image"] = image
    found = dev.findings(check_images)
    assert any(expected in one for one in found), found
    assert all(f"container gateway image {image}: " in one for one in found)


@pytest.mark.parametrize(
    "image", ["registry.example:5000/attendant-gateway:0.1.0", f"docker.io/x/y@sha256:{'a' * 64}"]
)
def test_an_image_from_a_registry_or_by_its_digest(dev, image):
    dev.container("gateway")["image"] = image
    assert dev.findings(check_images) == []


def test_a_gpu_needs_the_image_that_has_cuda(dev):
    dev.container("torchserve")["resources"]["limits"]["nvidia.com/gpu"] = "1"
    (found,) = dev.findings(check_images)
    assert "container torchserve image attendant-torchserve:0.1.0: the tag has to be 0.1.0-cuda" in found


def test_an_initial_container_is_looked_at_too(dev):
    dev.pod("gateway")["initContainers"] = [{"name": "first", "image": "busybox"}]
    found = dev.findings(check_images)
    assert len(found) == 2
    assert all("container first" in one for one in found)


def test_another_user_than_the_images(dev):
    dev.pod("gateway")["securityContext"]["runAsUser"] = 10002
    (found,) = dev.findings(check_users)
    assert "container gateway: it runs as 10002:10001; its image is made for 10001:10001" in found


def test_a_container_goes_before_its_pod(dev):
    dev.container("redis")["securityContext"]["runAsGroup"] = 0
    (found,) = dev.findings(check_users)
    assert "it runs as 999:0; its image is made for 999:999" in found


@pytest.mark.parametrize("name", ["runAsUser", "runAsGroup", "runAsNonRoot"])
def test_a_user_that_is_not_said(dev, name):
    del dev.pod("monitor")["securityContext"][name]
    (found,) = dev.findings(check_users)
    assert "container monitor: runAsUser, runAsGroup and runAsNonRoot have to be said" in found


def test_an_image_that_nobody_knows(dev):
    dev.container("redis")["image"] = "docker.io/library/redis:8.0.0"
    (found,) = dev.findings(check_users)
    assert "k8s.checks.images does not know the user of docker.io/library/redis:8.0.0" in found


def test_the_four_images_run_as_one_user_and_hold_the_models():
    stages = read_stages(DOCKERFILE)
    assert {stages[name].user for name in ("gateway", "monitor", "torchserve", "models")} == {(10001, 10001)}
    store, archives = "/srv/attendant/model_store", "/srv/attendant/archives"
    held = {name: sorted(map(str, stages[name].contents)) for name in ("gateway", "torchserve", "models")}
    assert held == {"gateway": [store], "torchserve": [archives], "models": [archives, store]}


def test_a_dockerfile_is_read_stage_by_stage(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text(
        "ARG ID=7\n"
        "FROM base AS one\n"
        "USER $ID:${ID}\n"
        "WORKDIR /srv\n"
        "FROM one AS two\n"
        "COPY --from=one \\\n"
        "  /x models/\n"
        "FROM one AS three\n"
        "USER root\n"
        "FROM base AS four\n"
    )
    stages = read_stages(file)
    assert {name: stages[name].user for name in ("one", "two", "three", "four")} == {
        "one": (7, 7),
        "two": (7, 7),
        "three": None,
        "four": None,
    }
    assert list(map(str, stages["two"].contents)) == ["/srv/models"]
    assert find_stage("docker.io/valkey/valkey:8", file) is None
    assert find_stage("attendant-five:1", file).user is None
