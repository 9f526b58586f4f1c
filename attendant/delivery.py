"""Models brought from where they lie, an image or a mounted bucket, to the volume that a service reads them from.

What is copied is archives with their seals, or of a model store what gateways and monitors read: manifests and
references. A copy appears under its name when it is whole and checked, and not before; what is there already is checked
again, never changed. Who is killed in the middle leaves a hidden folder, which the next one clears away.

    python -m attendant.delivery SOURCE TARGET      as `attendant archive copy`, with numpy and pydantic alone
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attendant.manifest import (
    MANIFEST,
    REFERENCE,
    ManifestError,
    file_digest,
    read_manifest,
    verify,
)
from attendant.seals import SEAL, TORCHSERVE_MANIFEST, Seen, check_seal

_CHUNK = 1 << 20
_PIN = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?([^/]+)/([^/]+)")

Progress = Callable[[int, int], None]  # bytes that are done, of all


def tell_nobody(_done: int, _total: int) -> None:
    """Where nobody watches."""


@dataclass(frozen=True)
class Goods:
    """One kind of folder: the file that vouches for the others, which files belong to it, and how they are checked."""

    name: str
    seal: str
    files: Callable[[Path], Iterator[Path]]
    check: Callable[[Path, Seen], None]


@dataclass(frozen=True)
class Delivery:
    """What lies in the target now: the SHA-256 of each folder's seal, by name; and whether it was copied just now."""

    seals: Mapping[str, str]
    copied: bool

    def lines(self, target: Path) -> Iterator[str]:
        """For a person."""
        done = "copied and checked" if self.copied else "there already, and checked"
        for name, digest in self.seals.items():
            yield f"{target / name}: {done}, seal sha256 {digest}"


def deliver(
    goods: Goods, source: Path, target: Path, pins: Mapping[str, str], progress: Progress = tell_nobody
) -> Delivery:
    """`source`, a folder of `goods`, as the new folder `target`; `pins`: what each seal's SHA-256 has to be, if any.

    Raises ManifestError, one line that names the file; then the target is as it was. Others may do the same meanwhile.
    """
    if target.is_mount():
        raise ManifestError(f"{target}: a volume begins here; name a folder in it, which can be renamed")
    try:
        wanted = _seals(goods, source)
        _check_pins(goods, source, wanted, pins)
        if not _is_there(target):
            with _alone(target):
                if not _is_there(target):
                    _fill(goods, source, target, wanted, progress)
                    return Delivery(wanted, copied=True)
        _check_same(goods, target, wanted)
    except OSError as error:
        raise ManifestError(f"{error.filename or target}: {error.strerror}") from None
    return Delivery(wanted, copied=False)


def _is_there(target: Path) -> bool:
    """An empty folder is nothing: a whole one can take its name."""
    return target.exists() and (not target.is_dir() or any(target.iterdir()))


def read_pins(file: Path, goods: Goods) -> dict[str, str]:
    """Digests of seals by the folders' names, as `sha256sum */archive.sha256 */manifest.json` writes them.

    Empty lines and those that begin with # say nothing; those of other goods are left out. Raises ManifestError, one
    line, for what cannot be read, and where digests are given, but none for these goods: they would not be checked.
    """
    pins: dict[str, str] = {}
    others = False
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = _PIN.fullmatch(line)
        if match is None or match[3] not in (SEAL, MANIFEST):
            raise ManifestError(
                f"{file}: line {number} is not a sha256, two spaces and NAME/{SEAL} or NAME/{MANIFEST}"
            )
        if match[3] != goods.seal:
            others = True
        elif pins.setdefault(match[2], match[1].lower()) != match[1].lower():
            raise ManifestError(f"{file}: line {number}: {match[2]!r} has another digest above")
    if others and not pins:
        raise ManifestError(
            f"{file}: no line is of a NAME/{goods.seal}; add those, or give no digests at all"
        )
    return pins


def _seals(goods: Goods, folder: Path) -> dict[str, str]:
    """The SHA-256 of each seal in the folder, by name. A folder whose seal was lost is not passed over."""
    parts = sorted(
        path
        for path in folder.glob("[!.]*")
        if (path / goods.seal).exists()
        or (goods is ARCHIVES and (path / TORCHSERVE_MANIFEST.parent).exists())
    )
    if not parts:
        raise ManifestError(f"{folder}: there is no {goods.name} here")
    for path in parts:
        if not (path / goods.seal).is_file():
            raise ManifestError(f"{path / goods.seal}: no such file")
    return {path.name: file_digest(path / goods.seal) for path in parts}


def _check_pins(goods: Goods, source: Path, found: Mapping[str, str], pins: Mapping[str, str]) -> None:
    if not pins:
        return
    for name in sorted(found.keys() | pins.keys()):
        if name not in found:
            raise ManifestError(f"{source / name}: there is no such {goods.name}; a digest is given for it")
        if name not in pins:
            raise ManifestError(f"{source / name}: no digest is given for it; give all or none")
        if found[name] != pins[name]:
            raise ManifestError(
                f"{source / name / goods.seal}: its sha256 is {found[name]}; it must be {pins[name]}"
            )


def _check_same(goods: Goods, target: Path, wanted: Mapping[str, str]) -> None:
    seen: Seen = {}
    found = _seals(goods, target)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ManifestError(
                f"{target / name}: it is not what is to be copied; copy to a new folder, one for each release"
            )
        goods.check(target / name, seen)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Nobody else fills the target meanwhile; the lock goes with the process."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fill(goods: Goods, source: Path, target: Path, wanted: Mapping[str, str], progress: Progress) -> None:
    """Everything into a hidden folder beside the target, checked as it was read and as it was written, then renamed."""
    hidden = target.parent / f".{target.name}.partial"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        _copy(goods, source, hidden, wanted, progress)
        hidden.rename(target)
        _flush(target.parent)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def _copy(goods: Goods, source: Path, hidden: Path, wanted: Mapping[str, str], progress: Progress) -> None:
    files = {name: tuple(goods.files(source / name)) for name in wanted}
    copier = _Copier(progress, sum(path.stat().st_size for paths in files.values() for path in paths))
    for name, paths in files.items():
        for path in paths:
            copier.copy(path, hidden / path.relative_to(source))
        goods.check(source / name, copier.seen)
    written: Seen = {}
    for name, digest in wanted.items():
        goods.check(hidden / name, written)
        if file_digest(hidden / name / goods.seal) != digest:
            raise ManifestError(f"{source / name / goods.seal}: it changed while it was copied")


class _Copier:
    """Copies files and remembers their digests; what is one file under several names stays one."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.seen: Seen = {}
        self._copies: dict[tuple[int, int], Path] = {}
        self._progress = progress
        self._total = total
        self._done = 0

    def copy(self, path: Path, copy: Path) -> None:
        copy.parent.mkdir(parents=True, exist_ok=True)
        status = path.stat()
        key = (status.st_dev, status.st_ino)
        if key in self._copies:
            copy.hardlink_to(self._copies[key])
        else:
            self.seen[key] = self._write(path, copy)
            self._copies[key] = copy
        self._done += status.st_size
        self._progress(self._done, self._total)

    def _write(self, path: Path, copy: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as reading, copy.open("xb") as writing:
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                writing.write(chunk)
            writing.flush()
            os.fsync(writing.fileno())
        return digest.hexdigest()


def _flush(folder: Path) -> None:
    """So that the folder's new name outlives the machine's sudden end."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _archive_files(archive: Path) -> Iterator[Path]:
    """All that are files. The check says what else there is."""
    return (path for path in sorted(archive.rglob("*")) if path.is_file() and not path.is_symlink())


def _check_archive(archive: Path, seen: Seen) -> None:
    check_seal(archive, seen)


def _store_files(model: Path) -> Iterator[Path]:
    """The manifest, and the references that it names, which have to be where it says."""
    yield model / MANIFEST
    for version in read_manifest(model).versions.values():
        if REFERENCE in version.files:
            yield verify(model, version.files[REFERENCE])


def _check_model(model: Path, _seen: Seen) -> None:
    for _ in _store_files(model):
        pass


ARCHIVES = Goods("archive", SEAL, _archive_files, _check_archive)
MODEL_STORE = Goods("model", MANIFEST, _store_files, _check_model)


def main(arguments: Sequence[str] | None = None) -> None:
    """For images that have no more than this takes."""
    parser = argparse.ArgumentParser("python -m attendant.delivery", description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--manifests", action="store_true", help="of a model store: manifests and references")
    parser.add_argument("--seals", type=Path, help="file of digests that the seals must have")
    given = parser.parse_args(arguments)
    goods = MODEL_STORE if given.manifests else ARCHIVES
    try:
        pins = {} if given.seals is None else read_pins(given.seals, goods)
        delivery = deliver(goods, given.source, given.target, pins)
    except ManifestError as error:
        sys.exit(f"attendant delivery: {error}")
    print(*delivery.lines(given.target), sep="\n", flush=True)  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
