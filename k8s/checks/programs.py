"""Which program runs in a container, and what it does there."""

from collections.abc import Iterator

from k8s.checks.documents import Build, Container, Workload
from k8s.checks.environments import read_environment
from k8s.checks.servers import Server, SettingsError, read_server
from k8s.checks.valkey import read_command, read_valkey

OURS = frozenset({"gateway", "monitor", "torchserve"})
IMAGE = "attendant-"


def name_program(container: Container) -> str:
    """`gateway`, `monitor`, `torchserve`, `valkey`; empty for anything else."""
    if read_command(container)[0]:
        return "valkey"
    words = [*(container.content.get("command") or []), *(container.content.get("args") or [])]
    if "-m" in words[:-1]:
        return str(words[words.index("-m") + 1]).removeprefix("services.")
    if words:
        return ""
    name = image_name(container.image)
    return "valkey" if name == "valkey" else name.removeprefix(IMAGE) if name.startswith(IMAGE) else ""


def image_name(reference: str) -> str:
    """Without the registry, the tag and the digest."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def find_server(build: Build, workload: Workload, container: Container) -> Server | None:
    """None where the container serves nobody. Raises SettingsError where its program would not start."""
    program = name_program(container)
    if program == "valkey":
        try:
            return read_valkey(build, workload, container)
        except SettingsError:
            raise
        except ValueError as error:
            raise SettingsError(str(error)) from None
    if program in OURS:
        return read_server(program, read_environment(build, container))
    return None


def servers(build: Build) -> Iterator[tuple[Workload, Container, Server]]:
    """Those whose settings can be used; `settings` reports the others."""
    for workload in build.workloads:
        for container in workload.containers:
            try:
                server = find_server(build, workload, container)
            except SettingsError:
                continue
            if server is not None:
                yield workload, container, server
