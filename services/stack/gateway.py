"""The gateway as a program of the stack."""

import os
import sys
from pathlib import Path

from services.stack.children import Program
from services.stack.config import Settings

_MARGIN_SECONDS = 5.0


def gateway(settings: Settings, scratch: Path, log: Path, redis_url: str) -> Program:
    """It reads the same environment as the stack. `scratch` is where it may put a worker's socket."""
    environment = {**os.environ, "TMPDIR": str(scratch), "ORT_DISABLE_TELEMETRY": "1"}
    if redis_url:
        environment["ATTENDANT_REDIS_URL"] = redis_url
        if not settings.stack.monitor:
            environment["ATTENDANT_WATCH"] = "false"  # nobody would read what it writes
    grace = settings.gateway.drain_seconds + _MARGIN_SECONDS
    return Program("gateway", (sys.executable, "-m", "services.gateway"), environment, Path.cwd(), log, grace)
