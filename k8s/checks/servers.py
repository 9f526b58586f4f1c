"""What the real programs do in an environment: where they listen, what they answer, which files they read.

All of it is asked of the programs' own classes.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import AliasChoices
from pydantic_settings import BaseSettings
from starlette.applications import Starlette
from starlette.routing import Route

from attendant.manifest import read_store
from attendant.models.runtime import DEVICE_VARIABLE, THREADS_VARIABLE, available_threads, choose_device
from handlers.priority import VARIABLE as PRIORITY_VARIABLE
from handlers.priority import choose_priority
from k8s.checks.kubectl import ROOT
from services.gateway.access import read_access
from services.gateway.closing import Closing
from services.gateway.config import GatewaySettings
from services.gateway.config import read_settings as read_gateway_settings
from services.gateway.http import Http
from services.gateway.metrics import Metrics
from services.gateway.tls import read_tls
from services.health import Health
from services.monitor import http as monitor_http
from services.monitor.config import MonitorSettings
from services.monitor.config import read_settings as read_monitor_settings
from services.monitor.link import Link
from services.monitor.monitor import Monitor
from services.monitor.references import References
from services.redis_connection import connect
from services.settings import ConfigError
from services.torchserve.config import TorchServeSettings
from services.torchserve.config import read_settings as read_torchserve_settings
from services.torchserve.pod import END_SECONDS

PREFIX = "ATTENDANT_"
CLOSING_SECONDS = 5.0  # what a gateway needs after its drain, as the stack gives it
# Read by the models and their handlers, in whichever process they run.
WORKER_VARIABLES = frozenset({DEVICE_VARIABLE, PRIORITY_VARIABLE, THREADS_VARIABLE})
# Of other programs: Python, Java, OpenMP, CUDA, ONNX Runtime.
OTHER_VARIABLES = frozenset(
    {"HOME", "TMPDIR", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MALLOC_ARENA_MAX", "ORT_DISABLE_TELEMETRY"}
    | {
        "CUDA_CACHE_PATH",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
    }
)


class SettingsError(ValueError):
    """The program would not start, or not do what a variable says; the message names the variable."""


@dataclass(frozen=True)
class Listener:
    """`name`: what the manifests call the port. `paths` answer GET, `services` are grpc.health.v1's."""

    name: str
    host: str
    port: int
    paths: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    encrypted: bool = False


@dataclass(frozen=True)
class Server:
    """`files` that it reads and `addresses` that it calls, by variable.

    `ending`: seconds that it may take after SIGTERM; `starting`: after which it gives up by itself, 0 for never.
    `heap`: bytes that its settings allow it to take.
    """

    listeners: tuple[Listener, ...]
    ending: float
    files: Mapping[str, Path] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    starting: float = 0
    heap: int = 0


def read_server(program: str, environment: Mapping[str, str]) -> Server:
    """Of `gateway`, `monitor` or `torchserve`. Raises SettingsError."""
    return _read_server(program, tuple(sorted(environment.items())))


@cache
def _read_server(program: str, environment: tuple[tuple[str, str], ...]) -> Server:
    read = {"gateway": _gateway, "monitor": _monitor, "torchserve": _torchserve}[program]
    with _environment(dict(environment)):
        try:
            return read(frozenset(name for name, _ in environment))
        except (ConfigError, ValueError) as error:
            raise SettingsError(str(error)) from None


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These and no others, for as long as the block lasts."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def check_names(names: Collection[str], kind: type[BaseSettings] | None, more: Collection[str] = ()) -> None:
    """Raises SettingsError for a variable that the program does not read, also where it would let it pass."""
    known = OTHER_VARIABLES | set(more) | (variables(kind) if kind else set())
    for name in sorted(set(names) - known):
        what = f"is no setting of {kind.__name__}" if kind else "is read by nobody here"
        raise SettingsError(f"{name} {what}")


def variables(kind: type[BaseSettings]) -> set[str]:
    """Every variable that sets a field."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    found: set[str] = set()
    for name, info in kind.model_fields.items():
        alias = info.validation_alias
        found |= (
            {str(one) for one in alias.choices}
            if isinstance(alias, AliasChoices)
            else {prefix + name.upper()}
        )
    return found


def _gateway(names: frozenset[str]) -> Server:
    check_names(names, GatewaySettings)
    settings = read_gateway_settings()
    encrypted = settings.tls_certificate is not None
    if not (encrypted and settings.tls_key is not None):
        read_tls(settings)  # refuses half of a pair before it looks for files
    if settings.tokens is not None:
        _try_tokens(settings)
    everything, operations = _gateway_paths(settings)
    listeners = [
        Listener(
            "grpc", settings.grpc_host, settings.grpc_port, services=_gateway_services(), encrypted=encrypted
        ),
        Listener("http", settings.http_host, settings.http_port, everything, encrypted=encrypted),
    ]
    if settings.operations_port is not None:
        listeners.append(Listener("operations", settings.http_host, settings.operations_port, operations))
    addresses = {
        "ATTENDANT_TORCHSERVE_ADDRESS": settings.torchserve_address,
        "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS": settings.torchserve_management_address,
    }
    if settings.redis_url is not None:
        addresses["ATTENDANT_REDIS_URL"] = settings.redis_url.get_secret_value()
    return Server(tuple(listeners), settings.drain_seconds + CLOSING_SECONDS, _files(settings), addresses)


def _try_tokens(settings: GatewaySettings) -> None:
    """Whether it takes tokens at all, were there a file."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(b"[]")
        file.flush()
        read_access(settings.model_copy(update={"tokens": Path(file.name)}))


def _gateway_paths(settings: GatewaySettings) -> tuple[frozenset[str], frozenset[str]]:
    """Of the HTTP port and of the operations port. The routes do not depend on what answers them."""
    nothing = cast("Any", None)
    http = Http(nothing, settings.max_message_bytes, Closing(), nothing, nothing, None)
    return _paths(http.app()), _paths(http.operations())


@cache
def _gateway_services() -> frozenset[str]:
    return _services(Health(read_store(ROOT / "model_store")))


def _services(health: Health) -> frozenset[str]:
    """The names that it knows."""
    context = cast("grpc.aio.ServicerContext[Any, Any]", None)
    response = asyncio.run(health.List(health_pb2.HealthListRequest(), context))
    return frozenset(response.statuses)


def _paths(app: Starlette) -> frozenset[str]:
    """Those that answer GET, and have no parameters."""
    routes = (route for route in app.routes if isinstance(route, Route))
    return frozenset(
        route.path for route in routes if "GET" in (route.methods or ()) and "{" not in route.path
    )


@cache
def gateway_series() -> Mapping[str, frozenset[str]]:
    """The names of the series that a gateway exports, and of their labels."""
    registry = CollectorRegistry()
    for metric in vars(Metrics(registry)).values():
        if isinstance(metric, MetricWrapperBase):
            _begin(metric)
    samples = (sample for family in registry.collect() for sample in family.samples)
    return {sample.name: frozenset(sample.labels) for sample in samples}


def _begin(metric: MetricWrapperBase) -> None:
    """A metric shows its labels once it has values for them; how many it takes, it does not say."""
    for count in range(1, 10):
        with contextlib.suppress(ValueError):
            metric.labels(*(["x"] * count))
            return


def _monitor(names: frozenset[str]) -> Server:
    check_names(names, MonitorSettings)
    settings = read_monitor_settings()
    if settings.redis_url is None:
        raise SettingsError("ATTENDANT_MONITOR_REDIS_URL is not set: the monitor has to know where Redis is")
    url = settings.redis_url.get_secret_value()
    monitor = Monitor(Link(connect(url, 1.0)), References((), {}), run_length=1, poll=1, save=1)
    app = monitor_http.build_app(monitor, CollectorRegistry())
    ending = float(monitor_http.HttpServer(app).config.timeout_graceful_shutdown or 0)
    listener = Listener("http", settings.host, settings.port, _paths(app))
    return Server((listener,), ending, _files(settings), {"ATTENDANT_MONITOR_REDIS_URL": url})


def _torchserve(names: frozenset[str]) -> Server:
    check_names(names, TorchServeSettings, WORKER_VARIABLES)
    settings = read_torchserve_settings()
    choose_device()
    available_threads()
    choose_priority()
    host = settings.host
    listeners = (
        Listener("inference", host, settings.inference_port),
        Listener("management", host, settings.management_port),
        # TorchServe's own page
        Listener("metrics", host, settings.metrics_port, frozenset({"/metrics"})),
        Listener("health", host, settings.health_port, services=_services(Health())),
    )
    return Server(
        listeners,
        settings.drain_seconds + END_SECONDS,
        _files(settings),
        starting=settings.start_seconds,
        heap=settings.heap_mib * 2**20,
    )


def _files(settings: BaseSettings) -> dict[str, Path]:
    """Those that it reads; a gateway before TorchServe reads no archives."""
    prefix = str(type(settings).model_config.get("env_prefix", ""))
    unread = (
        {"archives"} if isinstance(settings, GatewaySettings) and settings.backend == "torchserve" else set()
    )
    return {
        prefix + name.upper(): value
        for name, value in settings
        if isinstance(value, Path) and name not in unread
    }
