"""The monitor as a program of the stack."""

import os
import sys
from pathlib import Path

from services.stack.children import Program

MONITOR = "monitor"
_GRACE_SECONDS = 10.0


def monitor(log: Path, redis_url: str) -> Program:
    """It reads the same environment as the stack; `redis_url` is empty where that names a Redis."""
    environment = dict(os.environ)
    if redis_url:
        environment["ATTENDANT_MONITOR_REDIS_URL"] = redis_url
    command = (sys.executable, "-m", "services.monitor")
    return Program(MONITOR, command, environment, Path.cwd(), log, _GRACE_SECONDS, vital=False)
