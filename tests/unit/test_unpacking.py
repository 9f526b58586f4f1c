"""Archives made to do harm: each is refused by name, and leaves nothing behind, inside or outside."""

import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.manifest import ManifestError
from attendant.seals import SEAL, check_seal, write_seal
from attendant.unpacking import UnpackLimits, unpack

LIMITS = UnpackLimits(files=20, file_bytes=100_000, total_bytes=150_000)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "built"
    (folder / "MAR-INF").mkdir(parents=True)
    (folder / "MAR-INF/MANIFEST.json").write_text("{}")
    (folder / "handler.py").write_text("print('hello')")
    write_seal(folder)
    return folder


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for found in sorted(folder.rglob("*")):
            file.write(found, found.relative_to(folder))
    return path


@pytest.fixture
def good(folder, tmp_path):
    return zipped(folder, tmp_path / "good.mar")


def entry(name, *, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo("x")
    info.filename = name  # as it is: the constructor would clean it
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def test_what_was_zipped_is_unpacked(good, folder, tmp_path):
    target = tmp_path / "new" / "sarcasm"
    assert unpack(good, target) == check_seal(target) == check_seal(folder)
    assert (target / "handler.py").read_text() == "print('hello')"
    with pytest.raises(ManifestError, match="exists already"):
        unpack(good, target)


def add(*entries):
    def spoil(path):
        with zipfile.ZipFile(path, "a") as file:
            for info, content in entries:
                file.writestr(info, content)

    return spoil


def spoil_byte(path):
    """A byte of the compressed content."""
    content = bytearray(path.read_bytes())
    content[content.index(b"handler.py") + 15] ^= 0xFF
    path.write_bytes(content)


def understate(path):
    """The directory says 10 bytes of what unpacks to 90,000."""
    add((entry("bomb"), bytes(90_000)))(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 90_000), struct.pack("<I", 10)))


def encrypt(path):
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


EVIL = {
    "up": (add((entry("../evil"), b"x")), "'../evil': not a path inside"),
    "up in the middle": (add((entry("a/../../evil"), b"x")), "not a path inside"),
    "absolute": (add((entry("/tmp/evil-attendant"), b"x")), "not a path inside"),
    "backslashes": (add((entry("..\\evil"), b"x")), "not a path inside"),
    "drive": (add((entry("C:evil"), b"x")), "not a path inside"),
    "detour": (add((entry("./handler.py"), b"x")), "not a path inside"),
    "nul": (add((entry("evil\0.txt"), b"x")), "not a path inside"),
    "no name": (add((entry(""), b"x")), "not a path inside"),
    "folder up": (add((entry("../evil/", mode=stat.S_IFDIR | 0o755), b"")), "not a path inside"),
    "link": (
        add((entry("link", mode=stat.S_IFLNK | 0o777), b"/etc"), (entry("link/evil"), b"x")),
        "'link': a link",
    ),
    "device": (add((entry("device", mode=stat.S_IFCHR | 0o666), b"")), "a link or a special file"),
    "the same twice": (add((entry("handler.py"), b"import os")), "'handler.py': it is there twice"),
    "the same in capitals": (add((entry("HANDLER.py"), b"import os")), "it is there twice"),
    "file and folder": (add((entry("handler.py/evil"), b"x")), "exists|Not a directory"),
    "not listed": (add((entry("more.py"), b"import os")), r"more\.py: archive\.sha256 does not list it"),
    "bytecode": (add((entry("__pycache__/handler.cpython-311.pyc"), b"x")), "does not list it"),
    "many": (add(*((entry(f"f{n}"), b"") for n in range(30))), "files; at most 20 are unpacked"),
    "bomb": (add((entry("bomb"), bytes(1_000_000))), "unpacks to 1000000 bytes; at most 100000"),
    "bombs": (add(*((entry(f"b{n}"), bytes(60_000)) for n in range(3))), "at most 150000"),
    "understated": (understate, "not a whole zip file"),
    "changed": (spoil_byte, "not a whole zip file|its sha256"),
    "encrypted": (encrypt, "it is encrypted"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "not a whole zip file"),
    "no zip": (lambda path: path.write_bytes(b"hello"), "not a whole zip file"),
    "empty": (lambda path: path.write_bytes(b""), "not a whole zip file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", EVIL)
def test_harm_is_refused_and_nothing_is_left(good, tmp_path, name):
    spoil, said = EVIL[name]
    spoil(good)
    target = tmp_path / "deep" / "target"
    before = {path for path in tmp_path.rglob("*") if "deep" not in path.parts}
    with pytest.raises(ManifestError, match=said) as caught:
        unpack(good, target, LIMITS)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []
    assert {path for path in tmp_path.rglob("*") if "deep" not in path.parts} == before


def test_what_the_directory_tells_is_looked_at_before_anything_is_written(good, tmp_path, monkeypatch):
    add((entry("../evil"), b"x"))(good)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("an entry was opened"))
    with pytest.raises(ManifestError):
        unpack(good, tmp_path / "target")


def test_without_a_seal_nothing_is_taken(folder, tmp_path):
    (folder / SEAL).unlink()
    with pytest.raises(ManifestError, match="no such file"):
        unpack(zipped(folder, tmp_path / "x.mar"), tmp_path / "target")
    assert not (tmp_path / "target").exists()


@given(data=st.data())
def test_damage_is_a_refusal_or_the_same_archive(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("unpack")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("a.txt", b"hello " * 20)
        whole.writestr(SEAL, "f57c11f1d1d7a3b4bd2fe56a6dcda6d3da8ac2ad92d46a6fd1ad8a5e1e1a8ce0  a.txt\n")
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    (root / "x.mar").write_bytes(content)
    with pytest.raises(ManifestError):  # the seal's own digest is wrong, so that nothing may come through
        unpack(root / "x.mar", root / "deep" / "target", LIMITS)
    assert {path.name for path in root.iterdir()} == {"x.mar", "deep"}
