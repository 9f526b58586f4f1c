"""The whole examination: every check, in order, each with what the ones before it found out."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from attendant.channels import metadata
from attendant.doctor import clock, explain, metrics, monitor, network, operations, redis_server, service, tls
from attendant.doctor.deployment import Deployment, is_single, redis_place
from attendant.doctor.findings import Finding, fine, found, skipped
from attendant.doctor.line import Gateway, Line
from attendant.doctor.network import Resolve, resolve
from attendant.doctor.operations import Place
from attendant.doctor.pages import Browser, NoPageError, Web
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind
from attendant.doctor.troubles.door import Door
from attendant.doctor.troubles.service import Service
from attendant.types import ModelDescription
from attendant.wire.requests import CacheMode

_UNREACHED = "nobody was reached"


@dataclass(frozen=True)
class Means:
    """What an examination works with: `now` in seconds since the epoch, `version` this command's release."""

    version: str
    resolve: Resolve = resolve
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Examination:
    """One of a deployment. `begin` is told each check before it is made."""

    def __init__(
        self, deployment: Deployment, means: Means, begin: Callable[[Check], None] = lambda _: None
    ) -> None:
        """Raises ValueError, or OSError, where credentials cannot be used."""
        self._deployment, self._means, self._begin = deployment, means, begin
        self._endpoint = deployment.endpoint
        metadata(self._target(), deployment.token, deployment.tls)
        self._web: Web = Browser(deployment.context(), deployment.seconds, means.now)
        self._resources = ExitStack()
        self._gateway: Gateway | None = None
        self._reached: list[str] = []
        self._models: tuple[ModelDescription, ...] = ()
        self._pages = Place()
        self._offsets: dict[str, clock.Offset] = {}

    def run(self) -> Iterator[Finding]:
        """Findings as they are made. A check that comes to grief is a finding, too."""
        steps: Mapping[Check, Callable[[], Iterable[Finding]]] = {
            Check.NAME: self._network,
            Check.TLS: self._encryption,
            Check.HEALTH: self._health,
            Check.ACCESS: self._access,
            Check.REPLICAS: self._replicas,
            Check.OPERATIONS: self._operations,
            Check.METRICS: self._metrics,
            Check.REDIS: self._redis,
            Check.MONITOR: self._monitor,
            Check.CLOCK: self._clocks,
            Check.EXPLAIN: self._explanations,
        }
        with self._resources:
            for check, step in steps.items():
                self._begin(check)
                try:
                    yield from step()
                except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
                    yield Finding(check, Service.BROKE.value.status, type(error).__name__, Service.BROKE)

    def _network(self) -> Iterator[Finding]:
        endpoint = self._endpoint
        try:
            addresses = (
                (endpoint.path,) if endpoint.path else self._means.resolve(endpoint.host, endpoint.port)
            )
        except OSError as error:
            yield from network.look_up(endpoint, error)
            return
        yield from network.look_up(endpoint, addresses)
        reached = {
            address: network.reach(endpoint, address, self._deployment.seconds) for address in addresses
        }
        yield from network.judge(endpoint, reached)
        self._reached = [address for address, trouble in reached.items() if not trouble]

    def _encryption(self) -> Iterator[Finding]:
        if not self._reached:
            yield skipped(Check.TLS, _UNREACHED)
            return
        address, deployment = self._reached[0], self._deployment
        if deployment.tls is None:
            if tls.speaks_tls(self._endpoint, address):
                yield found(Door.TLS_WANTED, "it answers in TLS")
                self._reached = []
            else:
                yield fine(Check.TLS, "neither asked for nor spoken")
            return
        certificate: tls.Certificate | OSError
        try:
            certificate = tls.shake_hands(self._endpoint, address, deployment.context())
        except OSError as error:
            certificate, self._reached = error, []
            if tls.is_other_name(error):
                names = tls.other_names(self._endpoint, address, deployment.context())
                yield found(Door.TLS_WRONG_NAME, f"{self._endpoint.host}; it is for {', '.join(names)}")
                return
        yield from tls.judge(certificate, self._means.now())

    def _health(self) -> Iterator[Finding]:
        if not self._reached:
            yield skipped(Check.HEALTH, _UNREACHED)
            return
        self._gateway = self._line(self._target())
        yield from service.check_health(self._gateway)

    def _access(self) -> Iterator[Finding]:
        deployment = self._deployment
        if self._gateway is None:
            yield skipped(Check.ACCESS, _UNREACHED)
            return
        access = service.ask_access(self._gateway, deployment.token)
        yield from service.check_access(access, deployment.token)
        self._begin(Check.MODELS)
        yield from service.check_models(access, deployment.model)
        self._models = service.chosen(access.models, deployment.model)
        yield from service.check_model_health(self._gateway, self._models)

    def _replicas(self) -> Iterator[Finding]:
        if len(self._reached) < 2:
            one = "one address: replicas behind it cannot be told apart"
            yield skipped(Check.REPLICAS, one if self._reached else _UNREACHED)
            return
        endpoint = self._endpoint
        lines = {address: self._line(endpoint.at(address), endpoint.host) for address in self._reached}
        yield from service.check_replicas(
            {address: service.ask_models(line) for address, line in lines.items()}
        )

    def _operations(self) -> Iterator[Finding]:
        deployment = self._deployment
        self._begin(Check.VERSION)
        yield from operations.check_version(self._web, deployment.http_urls(), self._means.version)
        self._begin(Check.OPERATIONS)
        self._pages = operations.find_pages(self._web, deployment.operations_urls())
        guessed = not (deployment.http or deployment.operations)
        yield from operations.check_pages(self._web, self._pages, guessed=guessed)

    def _metrics(self) -> Iterator[Finding]:
        if not self._pages.url:
            yield skipped(Check.METRICS, "no page was reached (--operations)")
            return
        try:
            families = metrics.read_metrics(self._web, self._pages.url)
        except NoPageError as error:
            yield found(Behind.NO_METRICS, f"{self._pages.url}: {error}")
            return
        yield from metrics.check_metrics(families)
        yield from metrics.check_lanes(families, [model.name for model in self._models])
        yield from metrics.check_requests(families)
        yield from metrics.check_cache(families)

    def _redis(self) -> Iterator[Finding]:
        url = self._deployment.redis
        if not url or not is_single(url):
            why = (
                "of Sentinel or a cluster, give one server's"
                if url
                else "no URL is given (--redis, or ATTENDANT_REDIS_URL)"
            )
            yield skipped(Check.REDIS, why)
            return
        place = redis_place(url)
        try:
            with redis_server.connect(url, self._deployment.seconds) as client:
                server = redis_server.look(client, self._means.sleep, self._means.now)
        except redis_server.NoRedisError as error:
            yield from redis_server.check_silence(error, place)
            return
        self._offsets["Redis"] = server.offset
        yield from redis_server.check_server(place, server)
        yield from redis_server.check_memory(server)
        yield from redis_server.check_streams(server.streams)

    def _monitor(self) -> Iterator[Finding]:
        if self._deployment.monitor:
            yield from monitor.check_monitor(self._web, self._deployment.monitor, self._models)
        else:
            yield from monitor.check_own_monitor(self._web, self._pages.url, self._models)

    def _clocks(self) -> Iterator[Finding]:
        urls = {"the gateway": f"{self._pages.url}/healthz"} if self._pages.url else {}
        if self._deployment.monitor:
            urls["the monitor"] = f"{self._deployment.monitor}/healthz"
        for whose, url in urls.items():
            offset = clock.look_at_web(self._web, url, self._means.sleep)
            if offset is not None:
                self._offsets[whose] = offset
        if self._offsets:
            yield from clock.check_clocks(self._offsets)
        else:
            yield skipped(Check.CLOCK, "neither HTTP nor Redis was reached")

    def _explanations(self) -> Iterator[Finding]:
        models = [model for model in self._models if model.ready]
        if self._gateway is None or not models:
            yield skipped(Check.EXPLAIN, "no model is ready, or none could be asked for")
            return
        seconds, good = self._deployment.seconds, []
        everything = [(model, version) for model in models for version in model.versions]
        for model, version in everything:
            answer = explain.ask(self._gateway, model, version, CacheMode.BYPASS)
            wrong = list(explain.check_answer(model, answer, seconds))
            yield from wrong
            good += [] if wrong else [answer]
        yield from explain.check_answers(good)
        self._begin(Check.KEPT)
        default = models[0].default_version
        first, second = (explain.ask(self._gateway, models[0], default, CacheMode.USE) for _ in range(2))
        yield from explain.check_kept(first, second, seconds)

    def _target(self) -> str:
        """As clients ask: by the name, so that gRPC chooses among its addresses."""
        endpoint = self._endpoint
        return endpoint.path or endpoint.at(endpoint.host)

    def _line(self, target: str, name: str = "") -> Gateway:
        deployment = self._deployment
        line = Line(target, tls=deployment.tls, token=deployment.token, seconds=deployment.seconds, name=name)
        return self._resources.enter_context(line)
