"""Ports and probes: each is one that the real program listens on, and answers."""

from collections import Counter
from collections.abc import Iterator

from k8s.checks.configuration import selected
from k8s.checks.documents import Build, Container, Finding, Json
from k8s.checks.programs import servers
from k8s.checks.servers import Listener, Server

ANYWHERE = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104 - what is looked for


def check_services(build: Build) -> Iterator[Finding]:
    """Each port of a Service leads to a port of every pod behind it; a headless one's number is the pod's."""
    for service in build.of("Service"):
        for port in service.spec.get("ports") or []:
            target = port.get("targetPort", port["port"])
            for workload in selected(build, service):
                number = workload.ports.get(target) if isinstance(target, str) else target
                if number not in workload.ports.values():
                    yield service.find(
                        f"targetPort {target} is no port of {workload.name}", f"port {port['port']}"
                    )
                elif service.spec.get("clusterIP") == "None" and number != port["port"]:
                    yield service.find(
                        f"it is headless, and its clients find {workload.name} on {number}",
                        f"port {port['port']}",
                    )


def check_ports(build: Build) -> Iterator[Finding]:
    """A container's ports are those that its program listens on, by name and number, for everybody."""
    for workload, container, server in servers(build):
        listens = {listener.name: listener.port for listener in server.listeners}
        for name, number in container.ports.items():
            if listens.get(name) != number:
                yield workload.find(
                    f"the program listens on {listens.get(name, 'no such port')}",
                    container,
                    f"port {name} {number}",
                )
        for listener in server.listeners:
            if listener.name not in container.ports:
                yield workload.find(f"it lacks port {listener.name} {listener.port}", container)
            if listener.host not in ANYWHERE:
                yield workload.find(
                    f"the program listens on {listener.host} alone", container, f"port {listener.name}"
                )
    for workload in build.workloads:
        numbers = Counter(port for one in workload.containers for port in one.ports.values())
        for number in (number for number, count in numbers.items() if count > 1):
            yield workload.find(f"port {number} is there more than once")


def check_probes(build: Build) -> Iterator[Finding]:
    """Each probe asks something that the program answers there, in a way that the kubelet can."""
    for workload, container, server in servers(build):
        for kind, probe in container.probes():
            for problem in _probe_problems(container, server, probe):
                yield workload.find(problem, container, kind)


def _probe_problems(container: Container, server: Server, probe: Json) -> Iterator[str]:
    handler = next((name for name in ("grpc", "httpGet", "tcpSocket", "exec") if name in probe), "")
    if handler == "exec":
        yield "what it runs is compared with nothing here: ask a port"
        return
    port = probe.get(handler, {}).get("port")
    number = container.ports.get(port, port)
    listener = next((one for one in server.listeners if one.port == number), None)
    if number not in container.ports.values() or listener is None:
        yield f"{port!r} is no port of the container"
    elif handler == "grpc":
        yield from _grpc_problems(probe["grpc"], listener)
    elif handler == "httpGet":
        yield from _http_problems(probe["httpGet"], listener)


def _grpc_problems(asked: Json, listener: Listener) -> Iterator[str]:
    if listener.encrypted:
        yield "port grpc is encrypted, and the kubelet knows no TLS for gRPC: ask the operations port"
    service = asked.get("service") or ""
    if service not in listener.services:
        known = ", ".join(repr(one) for one in sorted(listener.services)) or "none"
        yield f"grpc.health.v1 knows no service {service!r} there; known are: {known}"


def _http_problems(asked: Json, listener: Listener) -> Iterator[str]:
    path = asked.get("path", "/")
    if path not in listener.paths:
        yield f"nothing answers GET {path} on port {listener.name}; paths are: {', '.join(sorted(listener.paths))}"
    if (asked.get("scheme", "HTTP") == "HTTPS") != listener.encrypted:
        yield f"port {listener.name} is {'' if listener.encrypted else 'not '}encrypted: scheme"


def check_probing(build: Build) -> Iterator[Finding]:
    """What serves has a startup, a readiness and a liveness probe, and the last asks no other program's health."""
    for workload, container, _ in servers(build):
        probes = dict(container.probes())
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if kind not in probes:
                yield workload.find(f"it has no {kind}", container)
        life = probes.get("livenessProbe", {})
        if "grpc" in life and life["grpc"].get("service") != "live":
            yield workload.find(
                "it has to ask for `live`: readiness fails with others", container, "livenessProbe"
            )
        if life.get("httpGet", {}).get("path") == "/readyz":
            yield workload.find("/readyz fails with others: ask /healthz", container, "livenessProbe")
