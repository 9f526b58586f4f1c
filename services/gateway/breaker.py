"""Leaves somebody alone who does not answer, until he does."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

FIRST_PAUSE = 0.25  # seconds before the first probe; doubles up to LONGEST_PAUSE
LONGEST_PAUSE = 5.0


class Breaker:
    """Open after one failure. No request pays to find out whether that is over: `probe` is tried in the background.

    `probe` raises while `name` does not answer.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[object]],
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._name = name
        self._probe = probe
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing should be asked now."""
        return self._probing is not None

    def trip(self, error: Exception) -> None:
        """It did not answer."""
        if self._probing is None:
            log.warning("it does not answer, and is left alone", what=self._name, error=describe(error))
            self._probing = asyncio.create_task(self._wait())

    async def close(self) -> None:
        """Probe no more."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    async def _wait(self) -> None:
        pause = self._first_pause
        while True:
            await asyncio.sleep(pause)
            try:
                await self._probe()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not an answer
                log.debug("it still does not answer", what=self._name, error=describe(error))
                pause = min(2 * pause, self._longest_pause)
            else:
                break
        self._probing = None
        log.info("it answers again", what=self._name)


def describe(error: Exception) -> str:
    """Some exceptions have no words of their own."""
    return str(error) or type(error).__name__
