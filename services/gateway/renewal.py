"""Files that may change while the gateway runs: tokens and certificates."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from services.settings import ConfigError

log = structlog.get_logger()

INTERVAL = 1.0  # seconds


class Renewable(Protocol):
    """Something read from files."""

    def renew(self) -> None:
        """Read again what has changed; raises ConfigError and stays as it is where that cannot be used."""


async def keep_renewing(parts: Sequence[Renewable]) -> None:
    """Until cancelled. What cannot be used is told to the log once."""
    told: dict[Renewable, str] = {}
    while True:
        await asyncio.sleep(INTERVAL)
        for part in parts:
            try:
                await asyncio.to_thread(part.renew)  # the files may lie on a network
                told.pop(part, None)
            except ConfigError as error:
                if told.get(part) != str(error):
                    told[part] = str(error)
                    log.error("cannot be renewed, the old one stays", reason=str(error))  # noqa: TRY400
            except Exception:  # what nobody foresaw must not be the end of all renewal
                log.exception("cannot be renewed, the old one stays")
