"""The images are built for real, and run as the manifests say: user, read-only root, capabilities, environment, probes.

Where no registry can be reached, they stand on a Debian that is made here, which buildah's storage keeps.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from canned_service import photograph
from container import Pod, inspect, mounted, run, running, why_not
from pod_bundle import Image, Namespace, read_size

from attendant.client import Client
from attendant.types import AttentionKind, Tweet
from k8s.checks.combinations import Combination, build_combination
from k8s.checks.kubectl import find_kubectl
from k8s.images.build import BASE, TARGETS, Build, read_pip_settings, read_version
from k8s.images.build import build as build_image
from services.stack.valkey import find_valkey

ROOT = Path(__file__).resolve().parents[2]
OURS = ("gateway", "monitor", "torchserve")
# Not the real names: what `make images` built here on the real base stays as it is.
REPOSITORY = "localhost/attendant-test/"
DEBIAN = f"{REPOSITORY}base:bookworm"
# python3-distutils provides what python3.11-venv depends on, and debootstrap does not look that up.
PACKAGES = "ca-certificates,python3.11,python3.11-venv,python3-distutils"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as the real base says it
LISTED = (
    "from importlib.metadata import distributions as d; print(*(f'{one.name}=={one.version}' for one in d()))"
)
# What only the build has, in an image's root.
LEFT = ("etc/pip.conf", "run/secrets", "opt/build", "opt/code", "src", "root/.cache", "opt/venv/bin/pip*")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("images"),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(1200),  # the first build on a machine; a later one takes seconds
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    """The real one, where it is here or a registry has it."""
    for reference in (BASE, DEBIAN):
        if is_stored(reference):
            return reference
    pull = ("timeout", "60", "buildah", "pull", "--quiet", BASE)
    if subprocess.run(pull, capture_output=True, check=False).returncode == 0:
        return BASE
    began = time.monotonic()
    root = tmp_path_factory.mktemp("debian")
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root))
    # debootstrap takes these over from the machine, or leaves them behind.
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
    for name in ("debootstrap", "var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / name, ignore_errors=True)
    working = run("buildah", "from", "scratch")
    run("buildah", "add", "--quiet", working, str(root), "/")
    run("buildah", "config", f"--env=PATH={PATH}", working)
    run("buildah", "commit", "--quiet", "--rm", working, DEBIAN)
    shutil.rmtree(root)
    say(f"no registry has {BASE}: made {DEBIAN} instead", time.monotonic() - began)
    return DEBIAN


def is_stored(reference: str) -> bool:
    command = ("buildah", "inspect", "--type", "image", reference)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def say(what: str, seconds: float) -> None:
    """Shown with a failure, or by `pytest -s`."""
    sys.stdout.write(f"{what} after {seconds:.1f} s\n")
    sys.stdout.flush()


@pytest.fixture(scope="module")
def references(base, archives) -> dict[str, str]:
    """Of the built images, by target."""
    built, pip = {}, read_pip_settings()
    for target in TARGETS:
        began = time.monotonic()
        work = Build(target, "buildah", base=base, repository=REPOSITORY)
        build_image(work, pip)
        say(f"{work.image} is built", time.monotonic() - began)
        built[target] = work.image
    return built


@pytest.fixture(scope="module")
def images(references) -> dict[str, Image]:
    """Mounted, by target."""
    with ExitStack() as stack:
        yield {target: stack.enter_context(mounted(name)) for target, name in references.items()}


Manifests = dict[tuple[str, str], dict[str, Any]]


def read_manifests(folder: Path, *components: str) -> Manifests:
    """What `kubectl apply -k` would send for the overlay `dev`: objects by kind and name."""
    k8s = ROOT / "k8s"
    wanted = Combination(k8s / "overlays" / "dev", tuple(k8s / "components" / name for name in components))
    documents = build_combination(find_kubectl(), wanted, folder).documents
    return {(one.kind, one.name): one.content for one in documents}


def read_namespace(manifests: Manifests) -> Namespace:
    return Namespace(
        config_maps={name: one["data"] for (kind, name), one in manifests.items() if kind == "ConfigMap"},
        services=tuple(name for kind, name in manifests if kind == "Service"),
    )


@pytest.fixture(scope="module")
def pods(base, images, tmp_path_factory) -> dict[str, Pod]:
    """All of the overlay's, ready. Redis's own image is in a registry: here it runs the Valkey from a wheel."""
    manifests = read_manifests(tmp_path_factory.mktemp("manifests"))
    namespace = read_namespace(manifests)
    workloads = {
        name: one for (kind, name), one in manifests.items() if kind in {"Deployment", "StatefulSet"}
    }
    assert set(workloads) == {"redis", *OURS}
    valkey = {
        "type": "bind",
        "source": str(find_valkey()),
        "destination": "/usr/local/bin/valkey-server",
        "options": ["rbind", "ro"],
    }
    started: list[Pod] = []
    with mounted(base) as debian, running(started):
        for name in ("redis", *OURS):
            image, mounts = (debian, (valkey,)) if name == "redis" else (images[name], ())
            pod = Pod(workloads[name], image, namespace, tmp_path_factory.mktemp(name), mounts=mounts)
            started.append(pod)
        for pod in started:
            say(f"{pod.name} has started", pod.wait_until_started())
        for pod in started:
            say(f"{pod.name} is ready", pod.wait_until_ready())
        yield {pod.name: pod for pod in started}


def in_image(image: Image, *command: str) -> str:
    """What a command says in an image, without any pod."""
    variables = [f"{name}={value}" for name, value in image.environment.items()]
    return run(
        "chroot", "--userspec=10001:10001", str(image.root), "/usr/bin/env", "-i", *variables, *command
    )


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is(references, target):
    found = inspect(references[target])["config"]
    assert found["User"] == "10001:10001"
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in found["Labels"].items()
    }
    assert labels["title"] == f"attendant-{target}"
    assert labels["version"] == read_version()
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["description"].startswith("Attendant's ")


@pytest.mark.parametrize("target", TARGETS)
def test_the_bill_of_materials_is_what_is_installed(images, target):
    image = images[target]
    installed = in_image(image, "python", "-c", LISTED).split()
    (file,) = (image.root / "usr/share/sbom").iterdir()
    assert file.name == f"attendant-{target}.cdx.json"
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert sorted(f"{one['name']}=={one['version']}" for one in bill["components"]) == sorted(installed)


@pytest.mark.parametrize("target", TARGETS)
def test_installed_is_what_is_locked(images, target):
    found = {normal(one) for one in in_image(images[target], "python", "-c", LISTED).split()}
    lock = "torchserve-cpu" if target == "torchserve" else target
    text = (ROOT / "requirements" / "images" / f"{lock}.lock").read_text(encoding="utf-8")
    locked = {normal(entry) for entry in re.findall(r"^([^\s\[]+(?:\[\w+\])?==\S+)", text, re.MULTILINE)}
    assert locked <= found
    beside = {entry.partition("==")[0] for entry in found - locked}
    # which build of torch it is, and so what that brings, is this machine's configuration to say
    assert {one for one in beside if not re.match("nvidia-|cuda-|triton", one)} == (
        {"attendant", "torch"} if target == "torchserve" else {"attendant"}
    )


def normal(entry: str) -> str:
    name, _, version = entry.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name.partition('[')[0]).lower()}=={version}"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_the_build_is_left_in_an_image(references, images, target):
    root = images[target].root
    assert not [name for name in LEFT if any(root.glob(name))]
    # Where packages came from: no file of ours and no line of the image's history has it.
    places = [
        word for word in read_pip_settings().text.split() if "/" in word and word != "/run/secrets/cert"
    ]
    assert not [word for word in places if word in json.dumps(inspect(references[target]))]
    if places:
        patterns = [f"--regexp={word}" for word in places]
        folders = [str(root / name) for name in ("etc", "opt", "srv", "usr/share/sbom")]
        found = subprocess.run(
            ("grep", "-rIlF", *patterns, *folders), capture_output=True, text=True, check=False
        )
        assert found.stdout == ""


def test_the_torchserve_image_has_one_onnx_runtime(images):
    packages = images["torchserve"].root / "opt/venv/lib/python3.11/site-packages"
    assert [path.name.partition("-")[0] for path in packages.glob("onnxruntime*.dist-info")] == [
        "onnxruntime"
    ]


@pytest.mark.parametrize("name", OURS)
def test_the_models_image_fills_a_volume(images, tmp_path, name):
    """As the component models-volume has it: copied, checked, and the pod's own container may start."""
    manifests = read_manifests(tmp_path, "models-volume")
    workload = manifests["Deployment", name]
    pod = Pod(workload, images["models"], read_namespace(manifests), tmp_path / "pod", initial=True)
    with running([pod]):
        assert pod.wait(60) == 0, pod.read_log()
    delivered = {Path(line.partition(":")[0]).name for line in pod.read_log().splitlines()}
    models = {path.name for path in (ROOT / "model_store").iterdir()}
    assert delivered == ({"sarcasm", "sarcasm_slow", "sdc", "sdc_slow"} if name == "torchserve" else models)


def test_all_pods_answer_an_explanation(pods):
    tweet = Tweet("what a great monday, I just love to wait in the rain", photograph())
    with Client("127.0.0.1:50051", timeout=30) as client:
        explanation = client.explain(tweet)
    kinds = [vector.kind for vector in explanation.attention.vectors]
    assert kinds.count(AttentionKind.REPRESENTATION) + kinds.count(AttentionKind.REPRESENTATION_MEAN) == 12
    assert all(sum(vector.weights) == pytest.approx(1, abs=1e-4) for vector in explanation.attention.vectors)
    end = time.monotonic() + 20  # and the monitor learns of it, by Redis
    while not re.search(
        r"^attendant_attention_drift_samples_total\{.*\} [1-9]", read_metrics(8083), re.MULTILINE
    ):
        assert time.monotonic() < end, read_metrics(8083)
        time.sleep(0.25)


def read_metrics(port: int) -> str:
    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        return page.read().decode()


@pytest.mark.parametrize("name", OURS)
def test_a_pod_may_do_nothing_but_its_work(pods, name):
    pod = pods[name]
    status = pod.status()
    assert set(status["Uid"].split()) | set(status["Gid"].split()) == {"10001"}
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")  # 2: a filter
    assert pod.execute("id", "-u").stdout == "10001\n"
    for place in ("/written", "/srv/attendant/written", "/opt/venv/written", "/etc/passwd"):
        done = pod.execute("python", "-c", f"open({place!r}, 'a')")
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr, place
    assert "Read-only file system" in pod.execute("python", "-c", "open('/tmp/../written', 'w')").stderr
    assert pod.execute("python", "-c", "open('/tmp/written', 'w')").returncode == 0


@pytest.mark.parametrize("name", ["redis", *OURS])
def test_a_pod_needs_less_memory_than_its_limit(pods, name):
    assert pods[name].memory() < read_size(pods[name].memory_limit)


def test_the_doctor_is_content_inside_of_a_gateway(pods):
    done = pods["gateway"].execute("attendant", "doctor", "--monitor", "http://monitor:8083", "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_pod_ends_in_time_when_it_is_asked_to(pods):
    for names in (("gateway", "monitor"), ("torchserve", "redis")):
        with ThreadPoolExecutor() as threads:
            for name, ended in zip(names, threads.map(lambda name: pods[name].end(), names), strict=True):
                say(f"{name} ended with status {ended.status}", ended.seconds)
                assert ended.status == 0, pods[name].read_log()
