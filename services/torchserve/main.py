"""Runs a TorchServe pod: its composition, its signals and its end.

python -m services.torchserve
"""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from attendant.manifest import ManifestError
from attendant.seals import check_archives
from services.logs import configure_logs, log_failure
from services.settings import ConfigError
from services.torchserve.config import TorchServeSettings, read_settings
from services.torchserve.java import NoArchiveError
from services.torchserve.pod import Pod, PodError

# The longest socket in it is `.ts.sock.9000.stdout` or so; a socket's path has 107 characters at most.
MAX_FOLDER = 80


async def serve(settings: TorchServeSettings, scratch: Path) -> None:
    """Serve until SIGTERM or SIGINT, then drain; asked twice, end at once. Raises PodError where it ends by itself."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def ask() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    asyncio.get_running_loop().set_exception_handler(log_failure)
    await Pod(settings, scratch).run(stop, hurry)


def main() -> None:
    try:
        settings = read_settings()
        configure_logs(settings.log_level, as_json=settings.log_format == "json")
        check_archives(settings.archives)
        with tempfile.TemporaryDirectory(prefix="torchserve-", ignore_cleanup_errors=True) as scratch:
            _check_short(scratch)
            asyncio.run(serve(settings, Path(scratch)))
    except (ConfigError, ManifestError, NoArchiveError, PodError) as error:
        sys.exit(f"attendant torchserve: {error}")


def _check_short(scratch: str) -> None:
    if len(scratch) > MAX_FOLDER:
        raise ConfigError(f"TMPDIR={tempfile.gettempdir()}: too long for sockets in it; /tmp would do")
