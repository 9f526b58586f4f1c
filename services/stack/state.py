"""What is known about a running stack, in its folder: a lock that dies with its holder, and a small file to read."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from services.stack.proc import Process, family, kill

_FILE = "stack.json"
_LOCK = "lock"


@dataclass(frozen=True)
class State:
    """Who runs the stack, what it started, where it answers, and the scratch folder to remove at its end."""

    supervisor: Process
    children: dict[str, Process]
    grpc: str
    http: str
    backend: str
    scratch: str


def lock(folder: Path) -> IO[str] | None:
    """Takes the stack's lock; None where another process holds it. Closing the file, or dying, gives it back."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / _LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def write(folder: Path, state: State) -> None:
    """Replaces the file as a whole, so that a reader never sees half of it."""
    scratch = folder / f"{_FILE}.{os.getpid()}"
    scratch.write_text(json.dumps(asdict(state), indent=2))
    scratch.replace(folder / _FILE)


def read(folder: Path) -> State | None:
    """None where nothing was written, or nothing that makes sense."""
    try:
        fields = json.loads((folder / _FILE).read_text())
        fields["supervisor"] = Process(**fields["supervisor"])
        fields["children"] = {name: Process(**child) for name, child in fields["children"].items()}
        return State(**fields)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def remove(folder: Path) -> None:
    (folder / _FILE).unlink(missing_ok=True)


def clear_leftovers(folder: Path) -> bool:
    """Ends what a stack left running whose supervisor was killed; True if any did. Call it with the lock held."""
    state = read(folder)
    if state is None:
        return False
    left = [child for child in state.children.values() if child.is_alive()]
    kill([*left, *(member for child in left for member in family(child.pid))])
    shutil.rmtree(state.scratch, ignore_errors=True)
    remove(folder)
    return bool(left)
