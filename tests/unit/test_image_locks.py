"""requirements/images: of what is locked, each image gets what its programs import: all of it, and no more."""

import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements" / "images"
OURS = ("attendant", "handlers", "services")
# What runs in an image: modules, and packages with all that is in them.
PROGRAMS = {
    "gateway": ("services.gateway",),
    "monitor": ("services.monitor",),
    "models": ("attendant.delivery",),
    "torchserve-cpu": ("services.torchserve", "handlers"),
    "torchserve-gpu": ("services.torchserve", "handlers"),
}
# Named, and imported by none of these: the command line's in a gateway, and a server that is started, not imported.
BESIDE = {
    "gateway": {"rich", "typer"},
    "torchserve-cpu": {"torchserve"},
    "torchserve-gpu": {"torchserve"},
}
BY_PIN = "torch"
# Runs in a process that finds nothing else: the first line on its input names what there is not.
ALONE = """
import importlib, json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

missing = set(json.loads(sys.stdin.readline()))
sys.meta_path.insert(0, Missing())
for name in json.loads(sys.stdin.readline()):
    importlib.import_module(name)
"""


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*OURS, include_external_packages=True)


providers = cache(packages_distributions)  # it reads a file of each


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def modules(program: str) -> set[str]:
    """The program's own, but for those that run when they are imported."""
    found = {name for name in graph().modules if f"{name}.".startswith(f"{program}.")}
    assert found, program
    return {name for name in found if not name.endswith(".__main__")}


def imported(programs: tuple[str, ...]) -> set[str]:
    """Distributions that are imported by any module that the programs reach, wherever in it the import stands."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [name for program in programs for name in modules(program)]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in graph().find_modules_directly_imported_by(module):
            if name.partition(".")[0] in OURS:
                waiting.append(name)
            else:
                found |= distributions(module, name)
    return found


def distributions(module: str, package: str) -> set[str]:
    """Which of them a module gets by importing the package; none for Python's own."""
    if package == "google":  # several have a part of it
        lines = [
            one["line_contents"] for one in graph().get_import_details(importer=module, imported=package)
        ]
        return {"protobuf" if "google.protobuf" in line else "googleapis-common-protos" for line in lines}
    return {normal(name) for name in providers().get(package, ())}


def named(image: str) -> set[str]:
    """In the image's list."""
    names: set[str] = set()
    for line in (FOLDER / f"{image}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            names |= named(line.removeprefix("-r ").removesuffix(".txt"))
        elif line and not line.startswith("#"):
            names.add(normal(line.partition("[")[0]))
    return names


def locked(file: Path) -> dict[str, str]:
    """Each entry, with its version and hashes, by name."""
    text = re.sub(r"\\\n\s*", "", file.read_text(encoding="utf-8"))
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {normal(re.split(r"[\[=]", entry)[0]): re.sub(r"^[^=]*==", "", entry) for entry in entries}


@pytest.mark.parametrize("image", PROGRAMS)
def test_what_is_named_is_what_is_imported(image):
    expected = imported(PROGRAMS[image]) | BESIDE.get(image, set())
    runtime = {"onnxruntime", "onnxruntime-gpu"}  # this environment may have either
    if runtime & expected:
        expected = expected - runtime | {"onnxruntime-gpu" if image.endswith("gpu") else "onnxruntime"}
    assert named(image) == expected


@pytest.mark.parametrize("image", PROGRAMS)
def test_a_lock_is_a_part_of_the_one_that_is_tested(image):
    whole = locked(ROOT / "requirements" / ("gpu.lock" if image.endswith("gpu") else "cpu.lock"))
    part = locked(FOLDER / f"{image}.lock")
    assert part.items() <= whole.items()
    assert named(image) - {BY_PIN} <= part.keys()


@pytest.mark.parametrize(
    ("image", "other"), [("torchserve-cpu", "onnxruntime-gpu"), ("torchserve-gpu", "onnxruntime")]
)
def test_there_is_one_onnx_runtime(image, other):
    assert other not in locked(FOLDER / f"{image}.lock")


@pytest.mark.parametrize(
    ("image", "programs"),
    [
        *((image, programs) for image, programs in PROGRAMS.items() if not image.endswith("gpu")),
        ("gateway", ("attendant.cli.main", "attendant.doctor")),
    ],
)
def test_the_programs_start_with_what_is_locked_alone(image, programs):
    present = locked(FOLDER / f"{image}.lock").keys() | {"attendant"}
    if BY_PIN in named(image):
        present |= {BY_PIN, "functorch", "torchgen"}
    missing = [
        package
        for package, names in providers().items()
        if package not in OURS and not present & {normal(name) for name in names}
    ]
    assert {"matplotlib", "pytest"} <= {*missing}
    if BY_PIN not in named(image):
        assert {"torch", "onnxruntime"} <= {*missing}
    names = sorted(name for program in programs for name in modules(program))
    done = subprocess.run(
        (sys.executable, "-W", "error", "-c", ALONE),
        input=f"{json.dumps(missing)}\n{json.dumps(names)}\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_that_builds_is_in_an_image():
    build = locked(FOLDER / "build.lock").keys()
    assert "cyclonedx-bom" in build
    for image in PROGRAMS:
        assert "cyclonedx-bom" not in locked(FOLDER / f"{image}.lock")


def test_the_dockerfile_passes_hadolint():
    dockerfile = ROOT / "k8s" / "images" / "Dockerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run((hadolint, dockerfile), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
