"""A .mar file made into a folder: nothing of it lands elsewhere, nothing grows beyond a limit, and its seal is checked.

All that the file's directory tells is looked at before anything is written, and the folder appears under its name only
when it is whole. Python's `ZipFile.extractall` and TorchServe check less.
"""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attendant.manifest import ManifestError, stays_inside
from attendant.seals import check_seal

_CHUNK = 1 << 20
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class UnpackLimits:
    """What an archive may hold: files, and bytes once they are unpacked."""

    files: int = 10_000
    file_bytes: int = 2 << 30
    total_bytes: int = 8 << 30


LIMITS = UnpackLimits()


def unpack(file: Path, target: Path, limits: UnpackLimits = LIMITS) -> str:
    """Unpack `file` as the new folder `target`; the SHA-256 of its seal.

    Raises ManifestError, one line that names the file and the entry; then there is no `target`.
    """
    if target.exists():
        raise ManifestError(f"{target}: it exists already; an archive is unpacked into a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _opened(file) as zipped, tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        entries = zipped.infolist()
        _check_entries(file, entries, limits)
        folder = Path(scratch) / target.name
        for entry in entries:
            _write(file, zipped, entry, folder)
        digest = check_seal(folder)
        folder.rename(target)
    return digest


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as zipped:
            yield zipped
    except ManifestError:
        raise
    except OSError as error:
        raise ManifestError(f"{error.filename or file}: {error.strerror}") from None
    # For damage: a wrong checksum, a broken stream, a method that it does not know
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ManifestError(f"{file}: not a whole zip file: {error}") from None


def _check_entries(file: Path, entries: list[zipfile.ZipInfo], limits: UnpackLimits) -> None:
    if len(entries) > limits.files:
        raise ManifestError(f"{file}: it holds {len(entries)} files; at most {limits.files} are unpacked")
    taken: set[str] = set()
    for entry in entries:
        problem = _problem(entry, limits)
        # On some file systems two names that differ by case are one
        name = entry.filename.rstrip("/").casefold()
        if problem is None and name in taken:
            problem = "it is there twice"
        if problem is not None:
            raise ManifestError(f"{file}: {entry.orig_filename!r}: {problem}")
        taken.add(name)
    total = sum(entry.file_size for entry in entries)
    if total > limits.total_bytes:
        raise ManifestError(f"{file}: it unpacks to {total} bytes; at most {limits.total_bytes} are unpacked")


def _problem(entry: zipfile.ZipInfo, limits: UnpackLimits) -> str | None:
    """Why the entry is not unpacked, if it is not."""
    # zipfile cuts a name at a NUL and makes the separators of other systems its own: what it read tells
    if entry.filename != entry.orig_filename or not stays_inside(entry.orig_filename):
        return "not a path inside the archive"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        return "a link or a special file; an archive holds files"
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if entry.file_size > limits.file_bytes:
        return f"it unpacks to {entry.file_size} bytes; at most {limits.file_bytes} are unpacked"
    return None


def _write(file: Path, zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """No more bytes than the directory tells, which zipfile sees to, as it does to their checksum."""
    path = folder / entry.filename
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.resolve().is_relative_to(folder.resolve()):  # cannot be: no entry is a link
        raise ManifestError(f"{file}: {entry.orig_filename!r}: not a path inside the archive")
    with zipped.open(entry) as source, path.open("xb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
