"""Log lines, of this program and of its libraries, in one format on standard error."""

import asyncio
import logging
import sys
from typing import Any

import structlog

from attendant.traces import describe_failure


def configure_logs(level: str, *, as_json: bool) -> None:
    """One JSON object a line, or columns for a person."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A line below the level, of which a flood has one a request, costs nothing.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def log_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What failed with nobody waiting for it. asyncio itself would write the exception's message."""
    error = context.get("exception")
    structlog.get_logger().error(
        "a task failed", exc_info=error if isinstance(error, BaseException) else None
    )


def _describe_exception(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """No exception's message is written: what a caller sent may be in it."""
    given = event.pop("exc_info", None)
    found = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(found, BaseException):
        event["exception"] = describe_failure(found)
    return event
