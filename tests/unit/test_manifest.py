"""The model store's manifests: round trips, digests, and the line that a mistake gives."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attendant.errors import AttendantError, Reason
from attendant.manifest import (
    FileEntry,
    ManifestError,
    ModelManifest,
    VersionManifest,
    describe,
    read_manifest,
    read_store,
    verify,
    write_manifest,
)
from attendant.types import MODALITIES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model store with one model of two files."""
    folder = tmp_path / "toy"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "words.txt").write_bytes(b"<pad>\n<unk>\n")
    (folder / "1" / "hfm.safetensors").write_bytes(bytes(range(100)))
    files = {
        role: describe(folder, folder / "1" / name)
        for role, name in (("words", "words.txt"), ("hfm", "hfm.safetensors"))
    }
    version = VersionManifest("1", "a toy, für Tests", files)
    write_manifest(
        folder,
        ModelManifest("toy", "sarcasm", ("no", "yes"), MODALITIES, (), "1", {"1": version}),
    )
    return folder


def test_read_gives_back_what_was_written(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.name == "toy"
    assert manifest.modalities == MODALITIES
    digest = hashlib.sha256(b"<pad>\n<unk>\n").hexdigest()
    assert manifest.versions["1"].files["words"] == FileEntry("1/words.txt", digest, 12)
    before = (folder / "manifest.json").read_bytes()
    write_manifest(folder, manifest)
    assert (folder / "manifest.json").read_bytes() == before


def test_the_order_of_files_does_not_change_the_bytes(folder: Path) -> None:
    manifest = read_manifest(folder)
    before = (folder / "manifest.json").read_bytes()
    version = manifest.versions["1"]
    shuffled = replace(version, files=dict(reversed(version.files.items())))
    write_manifest(folder, replace(manifest, versions={"1": shuffled}))
    assert (folder / "manifest.json").read_bytes() == before
    assert shuffled.digest == version.digest


def test_the_digest_names_the_weights(folder: Path) -> None:
    version = read_manifest(folder).versions["1"]
    rows = "".join(
        f"{role}\0{version.files[role].path}\0{version.files[role].sha256}\n" for role in ("hfm", "words")
    )
    assert version.digest == hashlib.sha256(rows.encode()).hexdigest()
    changed = replace(version.files["hfm"], sha256="0" * 64)
    assert replace(version, files=version.files | {"hfm": changed}).digest != version.digest
    for role in ("hfm_onnx", "encoder_onnx", "reference"):
        derived = replace(version, files=version.files | {role: changed})
        assert derived.digest == version.digest


def test_version_or_default(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.version_or_default("") is manifest.version_or_default("1")
    with pytest.raises(AttendantError) as caught:
        manifest.version_or_default("7")
    assert caught.value.reason is Reason.VERSION_NOT_FOUND
    assert "'7'" in str(caught.value)


def edit(folder: Path, *keys: str, value: Any) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    (folder / "manifest.json").write_text(json.dumps(content))


FILE = ("versions", "1", "files", "hfm")


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("name",), None, "name: Field required"),
        (("name",), "../x", "name: "),
        (("archive",), "other", "archive: "),
        (("classes",), ["one"], "classes: "),
        (("modalities",), ["smell"], "modalities.0: "),
        (("surprise",), 1, "surprise: "),
        (("default_version",), "9", "default_version '9' is none of: 1"),
        (("versions", "1", "version"), "2", "versions.1.version is '2'"),
        ((*FILE, "sha256"), "abc", "versions.1.files.hfm.sha256: "),
        ((*FILE, "bytes"), -1, "versions.1.files.hfm.bytes: "),
        ((*FILE, "path"), "/etc/passwd", "versions.1.files.hfm.path: "),
        ((*FILE, "path"), "1/../../x", "versions.1.files.hfm.path: "),
        ((*FILE, "path"), "", "versions.1.files.hfm.path: "),
    ],
)
def test_a_mistake_is_named_in_one_line(folder: Path, keys: tuple[str, ...], value: Any, named: str) -> None:
    edit(folder, *keys, value=value)
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert str(folder / "manifest.json") in message
    assert named in message
    assert "\n" not in message


def test_what_is_not_json_or_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json: No such file"):
        read_manifest(tmp_path)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match="Invalid JSON"):
        read_manifest(folder)


def test_read_store_finds_the_models(folder: Path) -> None:
    (folder.parent / "notes").mkdir()
    assert list(read_store(folder.parent)) == ["toy"]
    folder.rename(folder.parent / "renamed")
    with pytest.raises(ManifestError, match="it must be 'renamed'"):
        read_store(folder.parent)


def test_an_empty_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no model"):
        read_store(tmp_path / "nowhere")


def test_verify_finds_the_file(folder: Path) -> None:
    entry = read_manifest(folder).versions["1"].files["hfm"]
    assert verify(folder, entry) == folder / "1" / "hfm.safetensors"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x", "it has 1 bytes; the manifest says 100"), (bytes(100), "its sha256 is"), (None, "no such file")],
)
def test_verify_names_what_differs(folder: Path, content: bytes | None, said: str) -> None:
    entry = read_manifest(folder).versions["1"].files["hfm"]
    path = folder / entry.path
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=said) as caught:
        verify(folder, entry)
    assert str(path) in str(caught.value)


def test_reading_manifests_does_not_import_torch() -> None:
    code = "import sys, attendant.manifest; sys.exit({'torch', 'onnxruntime'} & set(sys.modules) != set())"
    subprocess.run([sys.executable, "-c", code], check=True)
