"""Copies of archives and manifests: whole and as they were sealed, or not there at all, whatever happens meanwhile."""

import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from sample_models import manifest

from attendant.delivery import ARCHIVES, MODEL_STORE, deliver, read_pins
from attendant.manifest import (
    REFERENCE,
    ManifestError,
    VersionManifest,
    describe,
    file_digest,
    write_manifest,
)
from attendant.seals import SEAL, check_archives, write_seal

NAMES = ("sarcasm", "sarcasm_slow", "sdc")


@pytest.fixture
def source(tmp_path):
    """Three archives, of which two share a file; and what is none beside them."""
    folder = tmp_path / "source"
    for name in NAMES:
        for file in ("MAR-INF/MANIFEST.json", "handler.py", "model/1/hfm.onnx"):
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name}/{file}\n" * 1000)
    shared = folder / "sarcasm_slow/model/1/hfm.onnx"
    shared.unlink()
    shared.hardlink_to(folder / "sarcasm/model/1/hfm.onnx")
    for name in NAMES:
        write_seal(folder / name)
    (folder / "lost+found").mkdir()
    (folder / "readme.txt").write_text("no archive")
    return folder


@pytest.fixture
def target(tmp_path):
    return tmp_path / "volume" / "archives"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def state(folder: Path) -> dict[Path, tuple[int, ...]]:
    """What would differ if anything had been written."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns) for path, one in found.items()}


def beside(target: Path) -> set[str]:
    """What the volume holds but for the target, and the lock's file, which stays."""
    return {path.name for path in target.parent.glob("*")} - {target.name, f".{target.name}.lock"}


def assert_nothing_there(target):
    assert not target.exists()
    assert beside(target) == set()


def test_a_copy_is_the_source_and_what_was_one_file_is_one(source, target):
    told = []
    done = deliver(ARCHIVES, source, target, {}, lambda *bytes_: told.append(bytes_))
    assert done.copied
    assert {name: content(source / name) for name in NAMES} == {
        name: content(target / name) for name in NAMES
    }
    assert {path.name for path in target.iterdir()} == set(NAMES)
    assert done.seals == check_archives(target) == {name: file_digest(source / name / SEAL) for name in NAMES}
    assert (target / "sarcasm/model/1/hfm.onnx").samefile(target / "sarcasm_slow/model/1/hfm.onnx")
    assert not (target / "sdc/model/1/hfm.onnx").samefile(source / "sdc/model/1/hfm.onnx")
    total = sum(
        path.stat().st_size for name in NAMES for path in (source / name).rglob("*") if path.is_file()
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (total, total)
    assert beside(target) == set()


def test_done_again_it_changes_nothing(source, target):
    first = deliver(ARCHIVES, source, target, {})
    before = state(target.parent)
    again = deliver(ARCHIVES, source, target, dict(first.seals))
    assert (again.seals, again.copied) == (first.seals, False)
    assert state(target.parent) == before


def test_an_empty_folder_is_nothing_yet(source, target):
    target.mkdir(parents=True)
    assert deliver(ARCHIVES, source, target, {}).copied


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose(path):
    path.unlink()


def lengthen(path):
    with path.open("ab") as file:
        file.write(b"\0")


def empty(path):
    path.write_bytes(b"")


def link_elsewhere(path):
    path.unlink()
    path.symlink_to("/etc/hostname")


def pipe(path):
    """Reading it would never end."""
    path.unlink()
    os.mkfifo(path)


def add(path):
    path.with_name("more.py").write_text("")


CHANGES = (damage, lose, lengthen, empty, link_elsewhere, pipe, add)
FILES = ("handler.py", "MAR-INF/MANIFEST.json", "model/1/hfm.onnx", SEAL)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.timeout(20)
def test_whatever_is_wrong_with_the_source_there_is_no_copy(source, target, change, file):
    change(source / "sdc" / file)
    with pytest.raises(ManifestError) as caught:
        deliver(ARCHIVES, source, target, {})
    assert "\n" not in str(caught.value)
    assert str(source / "sdc") in str(caught.value)
    if target.parent.exists():
        assert_nothing_there(target)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.timeout(20)
def test_whatever_is_wrong_with_the_copy_it_is_said_and_left(source, target, change, file):
    deliver(ARCHIVES, source, target, {})
    change(target / "sdc" / file)
    before = state(target)
    with pytest.raises(ManifestError) as caught:
        deliver(ARCHIVES, source, target, {})
    assert str(target / "sdc") in str(caught.value)
    assert state(target) == before


def test_another_release_is_not_written_over(source, target):
    deliver(ARCHIVES, source, target, {})
    (source / "sdc" / "handler.py").write_text("new")
    write_seal(source / "sdc")
    with pytest.raises(
        ManifestError, match=r"archives/sdc: it is not what is to be copied; .* one for each release"
    ):
        deliver(ARCHIVES, source, target, {})
    assert deliver(ARCHIVES, source, target.with_name("0.2.0"), {}).copied
    more = target / "sdc_slow"
    (target / "sdc").rename(more)
    with pytest.raises(ManifestError, match="archives/sdc: it is not"):
        deliver(ARCHIVES, source, target, {})


def test_what_cannot_be_a_source_or_a_target_is_one_line(source, target, tmp_path):
    for wrong, says in (
        (tmp_path / "none", "there is no archive here"),
        (source / "sdc", "there is no archive here"),
    ):
        with pytest.raises(ManifestError, match=says):
            deliver(ARCHIVES, wrong, target, {})
    with pytest.raises(ManifestError, match="/proc: a volume begins here; name a folder in it"):
        deliver(ARCHIVES, source, Path("/proc"), {})
    with pytest.raises(ManifestError, match=r"readme\.txt: there is no archive here"):
        deliver(ARCHIVES, source, source / "readme.txt", {})
    with pytest.raises(ManifestError, match=r"readme\.txt"):
        deliver(ARCHIVES, source, source / "readme.txt" / "archives", {})


def test_a_digest_from_elsewhere_has_to_be_the_seals(source, target):
    right = {name: file_digest(source / name / SEAL) for name in NAMES}
    for pins, says in (
        (right | {"sdc": "0" * 64}, f"sdc/{SEAL}: its sha256 is {right['sdc']}; it must be {'0' * 64}"),
        (right | {"other": "0" * 64}, "other: there is no such archive; a digest is given for it"),
        ({"sdc": right["sdc"]}, "sarcasm: no digest is given for it; give all or none"),
    ):
        with pytest.raises(ManifestError) as caught:
            deliver(ARCHIVES, source, target, pins)
        assert says in str(caught.value)
        assert not target.exists()
    assert deliver(ARCHIVES, source, target, right).copied
    with pytest.raises(ManifestError, match="it must be"):  # of what is there already, too
        deliver(ARCHIVES, source, target, right | {"sdc": "0" * 64})


def test_digests_are_read_as_sha256sum_writes_them(source, tmp_path):
    file = tmp_path / "seals"
    lines = subprocess.run(
        "sha256sum */archive.sha256; sha256sum --binary ./sdc/archive.sha256",
        shell=True, cwd=source, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    file.write_text(f"# of release 1\n\n{lines}{'A' * 64}  sarcasm/manifest.json\n")
    assert read_pins(file, ARCHIVES) == {name: file_digest(source / name / SEAL) for name in NAMES}
    assert read_pins(file, MODEL_STORE) == {"sarcasm": "a" * 64}
    for nothing in ("", "# none yet\n"):
        file.write_text(nothing)
        assert read_pins(file, ARCHIVES) == read_pins(file, MODEL_STORE) == {}


@pytest.mark.parametrize(("goods", "other"), [(ARCHIVES, MODEL_STORE), (MODEL_STORE, ARCHIVES)])
def test_digests_of_other_goods_alone_do_not_mean_that_none_are_given(goods, other, tmp_path):
    file = tmp_path / "seals"
    file.write_text(f"# of release 1\n{'a' * 64}  sarcasm/{other.seal}\n")
    with pytest.raises(ManifestError) as caught:
        read_pins(file, goods)
    assert str(caught.value).startswith(f"{file}: no line is of a NAME/{goods.seal}; ")
    assert read_pins(file, other) == {"sarcasm": "a" * 64}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("sdc", "line 2 is not a sha256"),
        (f"{'a' * 63}  sdc/archive.sha256", "line 2 is not a sha256"),
        (f"{'a' * 64}  archive.sha256", "line 2 is not a sha256"),
        (f"{'a' * 64}  a/b/archive.sha256", "line 2 is not a sha256"),
        (f"{'a' * 64}  sdc/handler.py", "line 2 is not a sha256"),
        (f"{'b' * 64}  x/archive.sha256", "line 2: 'x' has another digest above"),
    ],
)
def test_digests_that_cannot_be_read_are_one_line(tmp_path, line, says):
    file = tmp_path / "seals"
    file.write_text(f"{'a' * 64}  x/archive.sha256\n{line}\n")
    with pytest.raises(ManifestError, match=says):
        read_pins(file, ARCHIVES)


@pytest.fixture
def store(tmp_path):
    """Two models: one with a reference and weights, one without either."""
    root = tmp_path / "model_store"
    for name in ("sarcasm", "irony"):
        (root / name / "1").mkdir(parents=True)
        files = {}
        for role in ("hfm", REFERENCE) if name == "sarcasm" else ():
            path = root / name / "1" / f"{role}.safetensors"
            path.write_bytes(role.encode() * 100)
            files[role] = describe(root / name, path)
        versions = {"1": VersionManifest("1", "One.", files)}
        write_manifest(root / name, manifest(name, versions=versions))
    return root


def test_of_a_model_store_come_manifests_and_references(store, target):
    done = deliver(MODEL_STORE, store, target, {})
    assert content(target).keys() == {
        "sarcasm/manifest.json", "sarcasm/1/reference.safetensors", "irony/manifest.json"
    }  # fmt: skip
    assert all(content(store)[name] == data for name, data in content(target).items())
    assert done.seals["sarcasm"] == file_digest(store / "sarcasm" / "manifest.json")
    assert not deliver(MODEL_STORE, store, target, {}).copied


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("1/reference.safetensors", damage, "its sha256 is"),
        ("1/reference.safetensors", lose, "no such file"),
        ("1/reference.safetensors", lengthen, "901 bytes; the manifest says 900"),
        ("manifest.json", empty, "Invalid JSON"),
    ],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_damaged_model_store_is_one_line(store, target, side, file, change, says):
    if side == "target":
        deliver(MODEL_STORE, store, target, {})
        says = "it is not what is to be copied" if file == "manifest.json" else says
    change((store if side == "source" else target) / "sarcasm" / file)
    with pytest.raises(ManifestError, match=says):
        deliver(MODEL_STORE, store, target, {})
    if side == "source":
        assert_nothing_there(target)


def run(*words, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attendant.delivery", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


KILLED = """
import os, signal, sys
from pathlib import Path
from attendant.delivery import ARCHIVES, deliver
def progress(done, total):
    if done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)
deliver(ARCHIVES, Path(sys.argv[1]), Path(sys.argv[2]), {}, progress)
"""


def test_who_is_killed_in_the_middle_leaves_no_target_and_the_next_one_clears_up(source, target):
    killed = subprocess.run([sys.executable, "-c", KILLED, source, target], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert beside(target) == {".archives.partial"}
    assert list((target.parent / ".archives.partial").rglob("handler.py"))
    done = run(source, target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("copied and checked, seal sha256") == len(NAMES)
    assert check_archives(target).keys() == set(NAMES)
    assert beside(target) == set()
    again = run(source, target)
    assert (again.returncode, again.stdout.count("there already, and checked")) == (0, len(NAMES))


def test_of_several_at_once_one_copies_and_all_are_content(source, target):
    command = [sys.executable, "-m", "attendant.delivery", source, target]
    copies = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [copy.communicate(timeout=60)[0] for copy in copies]
    assert [copy.returncode for copy in copies] == [0] * 4
    assert sum("copied and checked" in text for text in said) == 1
    assert check_archives(target).keys() == set(NAMES)
    assert beside(target) == set()


def test_a_volume_that_takes_no_more_is_one_line_and_stays_as_it_was(source, target):
    """A limit on a file's size stands in for a full disk: the same call fails, with another number."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (5000, 5000))
    done = run(source, target, preexec_fn=limit)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == f"attendant delivery: {target}: File too large"
    assert_nothing_there(target)


def test_the_command_tells_what_is_wrong_in_one_line(source, target, tmp_path):
    seals = tmp_path / "seals"
    seals.write_text(f"{'0' * 64}  sdc/{SEAL}\n")
    damage(source / "sdc" / "handler.py")
    for words, says in (
        ((), "sdc/handler.py: its sha256 is"),
        (("--seals", seals), "no digest is given for it"),
    ):
        done = run(source, target, *words)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("attendant delivery: ")
        assert says in line


def test_copying_needs_neither_the_command_line_nor_the_models_libraries():
    """The image that it runs in has numpy and pydantic."""
    heavy = {"torch", "onnx", "onnxruntime", "grpc", "google.protobuf", "PIL", "typer", "rich"}
    code = f"import sys, attendant.delivery; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
