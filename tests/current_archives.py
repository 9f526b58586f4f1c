"""The archives that tests run, built anew where they are older than what they are made from."""

import fcntl
from pathlib import Path

from attendant.archive import HANDLERS, build_archives
from attendant.lanes import Lane, archive_name
from attendant.manifest import ManifestError, read_store
from attendant.seals import check_seal

ROOT = Path(__file__).resolve().parents[1]


def current_archives() -> Path:
    """build/archives, built first where model_store or a handler changed since. One process builds, others wait."""
    built = ROOT / "build" / "archives"
    built.mkdir(parents=True, exist_ok=True)
    with (built.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(built):
            for _ in build_archives(ROOT / "model_store", built):
                pass
    return built


def _is_current(built: Path) -> bool:
    for name, manifest in read_store(ROOT / "model_store").items():
        handler = f"{manifest.archive}_handler.py"
        for lane in Lane:
            archive = built / archive_name(manifest.archive, lane)
            try:
                check_seal(archive)
                served = read_store(archive)[name]
                same_handler = (archive / handler).read_bytes() == (HANDLERS / handler).read_bytes()
            except (ManifestError, KeyError, OSError):
                return False
            digests = [
                {v: version.digest for v, version in one.versions.items()} for one in (manifest, served)
            ]
            if digests[0] != digests[1] or not same_handler:
                return False
    return True
