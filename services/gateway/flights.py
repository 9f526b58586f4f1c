"""The same work, wanted by several at once, done once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from attendant.errors import AttendantError, Reason

T = TypeVar("T")


class Flights(Generic[T]):
    """Within this process: the first who asks for a key leads, the others wait for what that brings."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Future[T | AttendantError | None]] = {}

    def __contains__(self, key: str) -> bool:
        """Whether somebody leads now."""
        return key in self._flights

    async def join(
        self, key: str, lead: Callable[[], Awaitable[T]], is_shareable: Callable[[T], bool]
    ) -> tuple[T, bool]:
        """What `lead` brings, and whether somebody else's did. Raises what it raises.

        A leader that was cancelled, ran out of its own time or brought what is not shareable has nothing to hand out:
        the next one leads.
        """
        while (flight := self._flights.get(key)) is not None:
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, AttendantError):
                raise replace(outcome, metadata=dict(outcome.metadata))
            if outcome is not None:
                return outcome, True
        return await self._lead(key, lead, is_shareable), False

    async def _lead(self, key: str, lead: Callable[[], Awaitable[T]], is_shareable: Callable[[T], bool]) -> T:
        flight: asyncio.Future[T | AttendantError | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        outcome: T | AttendantError | None = None
        try:
            found = await lead()
            if is_shareable(found):
                outcome = found
        except AttendantError as error:
            if error.reason is not Reason.DEADLINE_EXCEEDED:
                outcome = replace(error, metadata=dict(error.metadata))
            raise
        else:
            return found
        finally:
            del self._flights[key]
            flight.set_result(outcome)
