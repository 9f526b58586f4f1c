"""The connection to Redis, which may be away at any time: every command takes bounded time and fails in one way."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import structlog
from redis.exceptions import ResponseError

from services.redis_connection import Client, disconnect

log = structlog.get_logger()

SECONDS = 2.0  # longest for one command; shorter than a lease
COMMANDS = 64  # at a time; the client has connections for twice as many


class LinkError(Exception):
    """Redis did not answer, or refused. Whether it did what was asked is not known."""


class Link:
    """`up`: whether the last command was answered. `answered`: whether any ever was."""

    def __init__(self, client: Client) -> None:
        self.client: Any = client
        self.up = False
        self.answered = False
        self._trouble = ""
        self._turns = asyncio.Semaphore(COMMANDS)

    async def ask(self, command: Awaitable[Any]) -> Any:
        """What the command returns. Raises LinkError; what is wrong is logged when it begins and when it ends."""
        try:
            async with self._turns, asyncio.timeout(SECONDS):
                answer = await command
        except Exception as error:  # some of redis-py's errors have no base of its own
            refused = isinstance(error, ResponseError)
            self.up = refused
            self._tell("Redis refuses" if refused else "Redis does not answer", error)
            raise LinkError(str(error)) from error
        self.up = self.answered = True
        self._tell("")
        return answer

    async def close(self) -> None:
        await disconnect(self.client)

    def _tell(self, trouble: str, error: Exception | None = None) -> None:
        if trouble and trouble != self._trouble:
            log.warning(trouble, error=str(error) or type(error).__name__)
        elif self._trouble and not trouble:
            log.info("Redis answers again")
        self._trouble = trouble
