"""Whoever runs the models, as the gateway sees it."""

from typing import Protocol

from attendant.wire.envelope import Reply, Row


class Backend(Protocol):
    """Answers rows. An archive is one lane of a family of models that share a handler; it has a worker of its own."""

    async def start(self) -> None:
        """Begin; does not wait until the models answer."""
        ...

    async def close(self) -> None:
        """End, leaving no process behind. What is in flight should have been waited for."""
        ...

    async def ready(self, archive: str) -> bool:
        """Whether a worker of the archive answers now; never raises."""
        ...

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        """The worker's reply, which may be the row's own failure.

        Raises AttendantError where there is none: BACKEND_UNAVAILABLE, OVERLOADED, DEADLINE_EXCEEDED (after `timeout`
        seconds), INVALID_INPUT (larger than the backend takes) or INTERNAL.
        """
        ...
