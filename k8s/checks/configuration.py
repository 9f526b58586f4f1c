"""Settings: every name is one that the program reads, every value one that it takes, every address somebody's."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from k8s.checks.documents import Build, Document, Finding, Workload
from k8s.checks.environments import read_environment
from k8s.checks.labels import selects
from k8s.checks.programs import OURS, find_server, name_program, servers
from k8s.checks.servers import PREFIX, SettingsError, check_names

_HOST = re.compile(r"(?:dns:///)?([^/:]+):(\d+)")


def check_settings(build: Build) -> Iterator[Finding]:
    """Each program's real settings class takes exactly what its container finds in the environment."""
    for workload in build.workloads:
        for container in workload.containers:
            try:
                find_server(build, workload, container)
                if name_program(container) not in OURS:
                    names = read_environment(build, container)
                    check_names([name for name in names if name.startswith(PREFIX)], None)
            except SettingsError as error:
                yield workload.find(str(error), container, "settings")


def check_addresses(build: Build) -> Iterator[Finding]:
    """Whom a program calls is a Service of the build, on a port that it has; of several addresses a headless one."""
    for workload, container, server in servers(build):
        for variable, address in server.addresses.items():
            problem = _problem(build, workload, address)
            if problem:
                yield workload.find(f"{variable}: {problem}", container)


def _problem(build: Build, workload: Workload, address: str) -> str:
    host, port = _split(address)
    name, _, domain = host.partition(".")
    if domain and domain.split(".")[0] != workload.document.namespace:
        return f"{host} is in another namespace than {workload.document.namespace!r}"
    service = build.get("Service", name)
    if service is None:
        return f"there is no Service {name!r}"
    if all(one.get("port") != port for one in service.spec.get("ports") or []):
        return f"Service {name} has no port {port}"
    if address.startswith("dns:") and service.spec.get("clusterIP") != "None":
        return f"Service {name} is not headless: its name is one address, and nothing is balanced"
    return ""


def _split(address: str) -> tuple[str, int]:
    match = _HOST.fullmatch(address)
    if match:
        return match[1], int(match[2])
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or 6379


def selected(build: Build, service: Document) -> list[Workload]:
    """The workloads whose pods a Service leads to."""
    selector = service.spec.get("selector")
    return [
        workload
        for workload in build.workloads
        if selector
        and selects({"matchLabels": selector}, workload.labels)
        and workload.document.namespace == service.namespace
    ]
