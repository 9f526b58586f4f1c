"""The gateway's composition, its signals and its end.

python -m services.gateway
"""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from attendant.errors import Reason
from attendant.lanes import Lane, archive_name
from attendant.manifest import ManifestError, ModelManifest, read_store
from attendant.seals import Seen, check_seal, check_weights
from services.gateway.access import read_access
from services.gateway.admission import Admission
from services.gateway.backends.base import Backend
from services.gateway.backends.embedded import EmbeddedBackend
from services.gateway.backends.hedging import HedgingBackend
from services.gateway.backends.torchserve import TorchServeBackend
from services.gateway.cache import LruCache
from services.gateway.canary import read_splits
from services.gateway.closing import Closing
from services.gateway.config import GatewaySettings, read_settings
from services.gateway.dataplane import DataPlane
from services.gateway.door import GrpcDoor
from services.gateway.explanations import Explanations
from services.gateway.histograms import AttentionHistograms
from services.gateway.http import Http
from services.gateway.http_server import HttpServer
from services.gateway.impacts import Impacts
from services.gateway.instances import Limits
from services.gateway.lanes import Work
from services.gateway.metrics import Metrics
from services.gateway.observer import Observer
from services.gateway.readiness import Readiness
from services.gateway.redis_cache import RedisCache
from services.gateway.refusals import Refusals
from services.gateway.relief import Busyness, Relief, Waits
from services.gateway.server import Listeners, PortTakenError, Server
from services.gateway.servicer import Servicer
from services.gateway.sinks import SECONDS, LocalSink, RedisSink
from services.gateway.statuses import Turn
from services.gateway.tls import read_tls
from services.gateway.validation import Validator
from services.gateway.watching import Sink, Watch
from services.health import Health
from services.logs import configure_logs, log_failure
from services.monitor.config import read_settings as read_monitor_settings
from services.monitor.local import LocalMonitor
from services.monitor.references import read_references
from services.redis_connection import Client, connect
from services.settings import ConfigError

log = structlog.get_logger()


def build_server(
    settings: GatewaySettings,
    models: Mapping[str, ModelManifest],
    backend: Backend,
    busyness: Busyness | None = None,
    turn: Turn | None = None,
) -> Server:
    """A whole gateway; nothing of it is shared with another one.

    `busyness` and `turn` are its event loop's, where that is known.
    """
    splits = read_splits(settings.version_weights, models)
    for split in splits.values():
        log.info("versions share the questions", model=split.model, shares=split.shares())
    metrics = Metrics(CollectorRegistry())
    metrics.begin_at_zero(models)
    if settings.hedge:
        archives = {archive_name(model.archive, Lane.FAST) for model in models.values()}
        backend = HedgingBackend(backend, archives, metrics)
    health = Health(models)
    readiness = Readiness(models, backend, health, metrics, splits)
    explanations = Explanations(
        LruCache(settings.cache_bytes, settings.cache_ttl_seconds, time.monotonic),
        _build_redis_cache(settings, metrics),
        metrics,
    )
    limits = Limits(
        message_bytes=settings.max_message_bytes,
        image_bytes=settings.max_image_bytes,
        image_pixels=settings.max_image_pixels,
        text_bytes=settings.max_text_bytes,
    )
    admission = Admission(
        {
            Work.PREDICT: settings.max_in_flight,
            Work.EXPLAIN: settings.max_explain_in_flight,
            Work.SLOW: settings.max_slow_in_flight,
        }
    )
    monitor = _build_monitor(settings)
    watch = _build_watch(settings, backend, admission, metrics, monitor) if settings.watch else None
    observer = Observer(metrics)
    data_plane = DataPlane(
        validator=Validator(models, limits, splits),
        explanations=explanations,
        admission=admission,
        backend=backend,
        readiness=readiness,
        observer=observer,
        metrics=metrics,
        default_budget=settings.default_deadline_seconds,
        watch=watch,
    )
    closing = Closing()
    refusals = Refusals(metrics)
    access, tls = read_access(settings), read_tls(settings)
    http = Http(data_plane, settings.max_message_bytes, closing, access, refusals, monitor)
    bad_head = partial(refusals.note, "http", Reason.INVALID_INPUT)
    return Server(
        servicer=Servicer(data_plane, settings.stream_window, closing, access, refusals),
        http=HttpServer(http.app(), tls, settings.drain_seconds, bad_head),
        operations=HttpServer(http.operations(), None, settings.drain_seconds, bad_head),
        # It is asked at every call: only where it has something to ask for.
        door=None if settings.tokens is None else GrpcDoor(access, refusals),
        relief=None if busyness is None else Relief(busyness, turn, admission, observer, closing),
        tls=tls,
        renewables=[access] if tls is None else [access, tls],
        health=health,
        readiness=readiness,
        backend=backend,
        listeners=Listeners(
            settings.grpc_host,
            settings.grpc_port,
            settings.http_host,
            settings.http_port,
            settings.operations_port,
        ),
        max_message_bytes=settings.max_message_bytes,
        poll_seconds=settings.poll_seconds,
        connection_age_seconds=settings.connection_age_seconds,
        drain_seconds=settings.drain_seconds,
        closing=closing,
        explanations=explanations,
        watch=watch,
    )


def _build_monitor(settings: GatewaySettings) -> LocalMonitor | None:
    """Monitors read from Redis; where none is named, there is one in this process."""
    if settings.redis_url is not None or not settings.watch:
        return None
    references = read_references(settings.model_store)
    return LocalMonitor(references, read_monitor_settings().run_length)


def _build_watch(
    settings: GatewaySettings,
    backend: Backend,
    admission: Admission,
    metrics: Metrics,
    monitor: LocalMonitor | None,
) -> Watch:
    sink: Sink
    if monitor is not None:
        sink = LocalSink(monitor)
    else:
        assert settings.redis_url is not None, "else there is a monitor"
        sink = RedisSink(_connect(settings.redis_url, SECONDS))
    impacts = Impacts(settings.impact_share, backend, admission, metrics)
    return Watch(sink, impacts, AttentionHistograms(metrics.registry), metrics, settings.watch_rate)


def _build_redis_cache(settings: GatewaySettings, metrics: Metrics) -> RedisCache | None:
    """None where no Redis is named."""
    if settings.redis_url is None:
        return None
    client = _connect(settings.redis_url, settings.redis_seconds)
    return RedisCache(client, ttl=settings.cache_ttl_seconds, seconds=settings.redis_seconds, metrics=metrics)


def _connect(url: SecretStr, seconds: float) -> Client:
    try:
        return connect(url.get_secret_value(), seconds)
    except ValueError as error:
        raise ConfigError(f"ATTENDANT_REDIS_URL: {error}") from None


def build_backend(settings: GatewaySettings, models: Mapping[str, ModelManifest]) -> Backend:
    """The backend that the settings name; raises ConfigError where its archives are not built.

    And ManifestError where they are not as they were built, or not of these models.
    """
    if settings.backend == "torchserve":
        return TorchServeBackend(settings.torchserve_address, settings.torchserve_management_address)
    names = {archive_name(model.archive, lane) for model in models.values() for lane in Lane}
    archives: dict[str, Path] = {name: settings.archives / name for name in sorted(names)}
    for folder in archives.values():
        if not (folder / "MAR-INF" / "MANIFEST.json").is_file():
            raise ConfigError(f"ATTENDANT_ARCHIVES: there is no archive {folder}; `make archive` builds it")
    _check_archives(archives, models)
    return EmbeddedBackend(archives)


def _check_archives(archives: Mapping[str, Path], models: Mapping[str, ModelManifest]) -> None:
    seen: Seen = {}
    for folder in archives.values():
        check_seal(folder, seen)
    for model in models.values():
        for lane in Lane:
            check_weights(archives[archive_name(model.archive, lane)], model)


async def serve(settings: GatewaySettings, waits: Waits) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().set_exception_handler(log_failure)
    models = read_store(settings.model_store)
    server = build_server(
        settings, models, build_backend(settings, models), Busyness(lambda: waits.seconds), waits.turn
    )
    await server.start()
    _settle_memory()
    await stop.wait()
    await server.drain()


def _settle_memory() -> None:
    """What is there now stays: going through it in search of garbage would hold up every request for 50 ms."""
    gc.collect()
    gc.freeze()


def main() -> None:
    try:
        settings = read_settings()
        configure_logs(settings.log_level, as_json=settings.log_format == "json")
        waits = Waits()
        with asyncio.Runner(loop_factory=partial(asyncio.SelectorEventLoop, waits)) as runner:
            runner.run(serve(settings, waits))
    except (ConfigError, ManifestError, PortTakenError) as error:
        sys.exit(f"attendant gateway: {error}")
