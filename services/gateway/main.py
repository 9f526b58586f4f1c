"""The gateway's composition, its signals and its end.

python -m services.gateway
"""

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from attendant.lanes import Lane, archive_name
from attendant.manifest import ManifestError, ModelManifest, read_store
from services.gateway.admission import Admission
from services.gateway.backends.base import Backend
from services.gateway.backends.embedded import EmbeddedBackend
from services.gateway.backends.torchserve import TorchServeBackend
from services.gateway.cache import LruCache
from services.gateway.closing import Closing
from services.gateway.config import ConfigError, GatewaySettings, read_settings
from services.gateway.dataplane import DataPlane
from services.gateway.health import Health
from services.gateway.http import Http
from services.gateway.instances import Limits
from services.gateway.logs import configure_logs
from services.gateway.metrics import Metrics
from services.gateway.observer import Observer
from services.gateway.readiness import Readiness
from services.gateway.server import Listeners, PortTakenError, Server
from services.gateway.servicer import Servicer
from services.gateway.validation import Validator


def build_server(settings: GatewaySettings, models: Mapping[str, ModelManifest], backend: Backend) -> Server:
    """A whole gateway; nothing of it is shared with another one."""
    metrics = Metrics(CollectorRegistry())
    health = Health(models)
    readiness = Readiness(models, backend, health, metrics)
    cache = LruCache(settings.cache_bytes, settings.cache_ttl_seconds, time.monotonic)
    metrics.watch_cache(lambda: cache.size)
    limits = Limits(
        message_bytes=settings.max_message_bytes,
        image_bytes=settings.max_image_bytes,
        image_pixels=settings.max_image_pixels,
        text_bytes=settings.max_text_bytes,
    )
    data_plane = DataPlane(
        validator=Validator(models, limits),
        cache=cache,
        admission=Admission({Lane.FAST: settings.max_in_flight, Lane.SLOW: settings.max_slow_in_flight}),
        backend=backend,
        readiness=readiness,
        observer=Observer(metrics),
        metrics=metrics,
        default_budget=settings.default_deadline_seconds,
    )
    closing = Closing()
    return Server(
        servicer=Servicer(data_plane, settings.stream_window, closing),
        app=Http(data_plane, settings.max_message_bytes, closing).app(),
        health=health,
        readiness=readiness,
        backend=backend,
        listeners=Listeners(settings.grpc_host, settings.grpc_port, settings.http_host, settings.http_port),
        max_message_bytes=settings.max_message_bytes,
        poll_seconds=settings.poll_seconds,
        drain_seconds=settings.drain_seconds,
        closing=closing,
    )


def build_backend(settings: GatewaySettings, models: Mapping[str, ModelManifest]) -> Backend:
    """The backend that the settings name; raises ConfigError where its archives are not built."""
    if settings.backend == "torchserve":
        return TorchServeBackend(settings.torchserve_address, settings.torchserve_management_address)
    names = {archive_name(model.archive, lane) for model in models.values() for lane in Lane}
    archives: dict[str, Path] = {name: settings.archives / name for name in sorted(names)}
    for folder in archives.values():
        if not (folder / "MAR-INF" / "MANIFEST.json").is_file():
            raise ConfigError(f"ATTENDANT_ARCHIVES: there is no archive {folder}; `make archive` builds it")
    return EmbeddedBackend(archives)


async def serve(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    models = read_store(settings.model_store)
    server = build_server(settings, models, build_backend(settings, models))
    await server.start()
    await stop.wait()
    await server.drain()


def main() -> None:
    try:
        settings = read_settings()
        configure_logs(settings.log_level, as_json=settings.log_format == "json")
        asyncio.run(serve(settings))
    except (ConfigError, ManifestError, PortTakenError) as error:
        sys.exit(f"attendant gateway: {error}")
