"""The seal of a built archive: archive.sha256, which lists every file in it, so that nothing changed is loaded or run.

    <sha256 in hexadecimal>  <path>

One line a file, as `sha256sum` writes and checks it. A seal tells a damaged, half-copied or altered folder. Whoever can
write the folder can write a seal too: where that matters, keep the seal's own SHA-256 elsewhere and compare it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from attendant.manifest import ManifestError, ModelManifest, file_digest, read_manifest, stays_inside

SEAL = "archive.sha256"
TORCHSERVE_MANIFEST = Path("MAR-INF") / "MANIFEST.json"  # what makes a folder an archive
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_LIMIT = 1 << 20  # bytes of a seal; ours take some 10 kB

# Digests by device and inode: the lanes of an archive share their models' files.
Seen = dict[tuple[int, int], str]


def write_seal(archive: Path) -> str:
    """Seal a folder as it is; the seal's own SHA-256."""
    seal = archive / SEAL
    seal.unlink(missing_ok=True)
    rows = [f"{file_digest(path)}  {path.relative_to(archive).as_posix()}\n" for path in _files(archive)]
    seal.write_text("".join(rows), encoding="utf-8", newline="\n")
    return file_digest(seal)


def check_seal(archive: Path, seen: Seen | None = None) -> str:
    """The seal's own SHA-256, once the folder holds the files that it lists, unchanged, and no other.

    Raises ManifestError, one line that names the file. `seen`: digests of files that were read just now.
    """
    listed = _read_seal(archive)
    found = {path.relative_to(archive).as_posix(): path for path in _files(archive)}
    found.pop(SEAL, None)
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise ManifestError(f"{archive / name}: no such file; {SEAL} lists it")
        if name not in listed:
            raise ManifestError(f"{archive / name}: {SEAL} does not list it")
        digest = _digest(found[name], {} if seen is None else seen)
        if digest != listed[name]:
            raise ManifestError(f"{archive / name}: its sha256 is {digest}; {SEAL} says {listed[name]}")
    return file_digest(archive / SEAL)


def check_archives(store: Path) -> dict[str, str]:
    """`check_seal` for the folder itself if it is an archive, else for all that are in it: digests by name."""
    archives = [store] if (store / TORCHSERVE_MANIFEST).exists() else _archives_in(store)
    if not archives:
        raise ManifestError(f"{store}: there is no archive here; `make archive` builds them")
    seen: Seen = {}
    return {archive.name: check_seal(archive, seen) for archive in archives}


def check_weights(archive: Path, model: ModelManifest) -> None:
    """Raises ManifestError where the archive serves other weights than the model's manifest in model_store names."""
    served = read_manifest(archive / model.name).versions
    for name, version in model.versions.items():
        if name not in served or served[name].digest != version.digest:
            raise ManifestError(
                f"{archive / model.name}: its version {name!r} is not model_store's; `make archive` builds it anew"
            )


def _archives_in(store: Path) -> list[Path]:
    return sorted(path.parents[1] for path in store.glob(f"*/{TORCHSERVE_MANIFEST}"))


def _read_seal(archive: Path) -> dict[str, str]:
    seal = archive / SEAL
    try:
        if seal.stat().st_size > _LIMIT:
            raise ManifestError(f"{seal}: it is too large; at most {_LIMIT} bytes are read")
        lines = seal.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ManifestError(f"{seal}: no such file; `make archive` builds archives that have one") from None
    except OSError as error:
        raise ManifestError(f"{seal}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ManifestError(f"{seal}: it is not UTF-8") from None
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or not stays_inside(match[2]) or match[2] in listed:
            raise ManifestError(
                f"{seal}: line {number} is not a sha256, two spaces and a path inside the archive, listed once"
            )
        listed[match[2]] = match[1]
    return listed


def _files(archive: Path) -> Iterator[Path]:
    """In the order of their paths. Raises ManifestError for what is neither a file nor a folder, links among them."""
    for path in sorted(archive.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ManifestError(f"{path}: it is a link or a special file; an archive holds files")
        if path.is_file():
            yield path


def _digest(path: Path, seen: Seen) -> str:
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    if key not in seen:
        seen[key] = file_digest(path)
    return seen[key]
