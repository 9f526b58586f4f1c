"""The monitor's composition, its signals and its end.

python -m services.monitor
"""

import asyncio
import signal
import socket
import sys

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from attendant.manifest import ManifestError
from services.logs import configure_logs, log_failure
from services.monitor.config import PREFIX, MonitorSettings, read_settings
from services.monitor.http import HttpServer, build_app
from services.monitor.link import SECONDS, Link
from services.monitor.metrics import DriftMetrics, StreamMetrics
from services.monitor.monitor import Monitor
from services.monitor.references import read_references
from services.redis_connection import Client, connect
from services.settings import ConfigError

log = structlog.get_logger()


async def serve(settings: MonitorSettings) -> None:
    """Watch until SIGTERM or SIGINT, then save."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.set_exception_handler(log_failure)
    references = read_references(settings.model_store)
    link = Link(_connect(settings))
    monitor = Monitor(
        link,
        references,
        run_length=settings.run_length,
        poll=settings.poll_ms / 1000,
        save=settings.save_seconds,
    )
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(DriftMetrics(monitor.snapshots))
    registry.register(StreamMetrics(monitor))
    server = HttpServer(build_app(monitor, registry))
    with _bind(settings) as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve([listener]))
            host, port = listener.getsockname()[:2]
            log.info("monitor listens", http=f"{host}:{port}", versions=len(references.names))
            await monitor.run(stopping)
            server.should_exit = True
    await link.close()
    log.info("monitor closed")


def _connect(settings: MonitorSettings) -> Client:
    if settings.redis_url is None:
        raise ConfigError(f"{PREFIX}REDIS_URL is not set: the monitor has to know where Redis is")
    try:
        return connect(settings.redis_url.get_secret_value(), SECONDS)
    except ValueError as error:
        raise ConfigError(f"{PREFIX}REDIS_URL: {error}") from None


def _bind(settings: MonitorSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"{PREFIX}PORT: cannot listen on {where}: {error.strerror}") from None


def main() -> None:
    try:
        settings = read_settings()
        configure_logs(settings.log_level, as_json=settings.log_format == "json")
        asyncio.run(serve(settings))
    except (ConfigError, ManifestError) as error:
        sys.exit(f"attendant monitor: {error}")
