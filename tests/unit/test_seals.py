"""The seal of an archive: whatever was changed, added, taken away or put in its place is named in one line."""

import hashlib
import os
import subprocess
import sys

import pytest
from sample_models import manifest, version

from attendant.manifest import ManifestError, write_manifest
from attendant.seals import SEAL, check_archives, check_seal, check_weights, write_seal


@pytest.fixture
def archive(tmp_path):
    archive = tmp_path / "store" / "sarcasm"
    for name in ("MAR-INF/MANIFEST.json", "handler.py", "sarcasm/1/hfm.onnx"):
        path = archive / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the content of {name}")
    write_seal(archive)
    return archive


def test_the_seal_is_what_sha256sum_writes(archive):
    content = (archive / SEAL).read_bytes()
    assert len(content.splitlines()) == 3
    assert check_seal(archive) == hashlib.sha256(content).hexdigest()
    done = subprocess.run(
        ["sha256sum", "--strict", "--check", SEAL], cwd=archive, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_same_files_have_the_same_seal(archive):
    before = check_seal(archive)
    assert write_seal(archive) == before


def change(archive):
    path = archive / "sarcasm/1/hfm.onnx"
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


def put_beside(archive):
    """Bytecode that Python would run in place of handler.py."""
    (archive / "__pycache__").mkdir()
    (archive / "__pycache__/handler.cpython-311.pyc").write_bytes(b"")


def link(archive):
    path = archive / "handler.py"
    path.rename(archive.parent / "elsewhere.py")
    path.symlink_to(archive.parent / "elsewhere.py")


def list_outside(archive):
    outside = archive.parent / "secret"
    outside.write_text("secret")
    with (archive / SEAL).open("a") as seal:
        seal.write(f"{hashlib.sha256(b'secret').hexdigest()}  ../secret\n")


def list_twice(archive):
    seal = archive / SEAL
    seal.write_text(seal.read_text() + seal.read_text().splitlines()[0] + "\n")


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (change, r"hfm\.onnx: its sha256 is \w+; archive\.sha256 says"),
        (lambda archive: (archive / "handler.py").unlink(), r"handler\.py: no such file"),
        (put_beside, r"handler\.cpython-311\.pyc: archive\.sha256 does not list it"),
        (link, r"handler\.py: it is a link"),
        (lambda archive: (archive / "linked").symlink_to(archive.parent), "linked: it is a link"),
        (lambda archive: os.mkfifo(archive / "pipe"), "pipe: it is a link or a special file"),
        (list_outside, "line 4 is not a sha256, two spaces and a path inside"),
        (list_twice, "line 4 .* listed once"),
        (lambda archive: (archive / SEAL).unlink(), f"{SEAL}: no such file; `make archive`"),
        (lambda archive: (archive / SEAL).write_bytes(b"\xff\n"), "not UTF-8"),
        (lambda archive: (archive / SEAL).write_bytes(bytes(1 << 21)), "too large"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(archive, do, said):
    do(archive)
    with pytest.raises(ManifestError, match=said) as caught:
        check_seal(archive)
    assert "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)


def test_a_folder_of_archives_or_one(archive):
    assert check_archives(archive.parent) == check_archives(archive) == {"sarcasm": check_seal(archive)}
    with pytest.raises(ManifestError, match="no archive here"):
        check_archives(archive / "sarcasm")


def test_lanes_that_share_files_are_both_checked(archive):
    slow = archive.with_name("sarcasm_slow")
    (slow / "MAR-INF").mkdir(parents=True)
    (slow / "MAR-INF/MANIFEST.json").hardlink_to(archive / "MAR-INF/MANIFEST.json")
    write_seal(slow)
    assert set(check_archives(archive.parent)) == {"sarcasm", "sarcasm_slow"}
    (slow / "more").write_text("")
    with pytest.raises(ManifestError, match=r"sarcasm_slow/more: archive\.sha256 does not list it"):
        check_archives(archive.parent)


def test_an_archive_of_other_weights_is_refused(archive):
    write_manifest(archive / "sarcasm", manifest(versions={"1": version("1")}))
    check_weights(archive, manifest(versions={"1": version("1")}))
    for wanted in (manifest(versions={"1": version("1", weights="c")}), manifest()):
        with pytest.raises(ManifestError, match="is not model_store's; `make archive`"):
            check_weights(archive, wanted)


def test_checking_needs_neither_torch_nor_onnxruntime():
    code = (
        "import sys, attendant.unpacking, attendant.model_files;"
        "sys.exit(bool({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
