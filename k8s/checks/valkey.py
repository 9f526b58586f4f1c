"""What the manifests' Valkey does: its configuration is a file in a ConfigMap, and arguments after it."""

from pathlib import PurePosixPath

from k8s.checks.documents import Build, Container, Workload
from k8s.checks.environments import Source, read_source
from k8s.checks.quantities import valkey_bytes
from k8s.checks.servers import Listener, Server, SettingsError

PROGRAMS = ("valkey-server", "redis-server")
ENDING_SECONDS = 2.0  # it keeps nothing on disk
_DEFAULTS = {"port": "6379", "bind": "* -::*", "protected-mode": "yes"}
_ANYWHERE = {"*", "0.0.0.0"}  # noqa: S104 - what is looked for


def read_valkey(build: Build, workload: Workload, container: Container) -> Server:
    """Raises SettingsError where other pods could not use it."""
    directives = _DEFAULTS | _directives(build, workload, container)
    hosts = set(directives["bind"].replace("-", "").split())
    if directives["protected-mode"] != "no" and not directives.keys() & {"requirepass", "aclfile", "user"}:
        raise SettingsError(
            "protected-mode: without a password it answers nobody but its own pod; say `protected-mode no`"
        )
    if not hosts & _ANYWHERE:
        raise SettingsError(f"bind {directives['bind']}: other pods cannot reach it")
    listener = Listener("redis", "0.0.0.0", int(directives["port"]))  # noqa: S104 - as it says
    return Server((listener,), ENDING_SECONDS, heap=valkey_bytes(directives.get("maxmemory", "0")))


def _directives(build: Build, workload: Workload, container: Container) -> dict[str, str]:
    """Those of the file that is the first argument, then of standard input, then of the options."""
    words, given = read_command(container)
    found: dict[str, str] = {}
    if len(words) > 1 and not words[1].startswith("-"):
        found |= _parse(_read_file(build, workload, container, words[1]))
    if "-" in words:
        found |= _parse(given)
    option = ""
    for word in words[1:]:
        if word.startswith("--"):
            option = word.removeprefix("--").lower()
            found[option] = ""
        elif option:
            found[option] = f"{found[option]} {word}".strip()
    return found


def read_command(container: Container) -> tuple[list[str], str]:
    """The words that run Valkey, also where a shell does, and what it is given by <<; no words for another program."""
    words = [*(container.content.get("command") or []), *(container.content.get("args") or [])]
    if words[:2] == ["sh", "-c"]:
        return _read_script(words[2])
    runs = bool(words) and PurePosixPath(words[0]).name in PROGRAMS
    return (words, "") if runs else ([], "")


def _read_script(script: str) -> tuple[list[str], str]:
    lines = script.splitlines()
    for number, line in enumerate(lines):
        command, _, end = line.removeprefix("exec ").partition("<<")
        words = command.split()
        if words and PurePosixPath(words[0]).name in PROGRAMS:
            rest = lines[number + 1 :]
            given = rest[: rest.index(end.strip())] if end.strip() in rest else []
            return words, "\n".join(given)
    return [], ""


def _parse(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            found[name.lower()] = value.strip().strip('"')
    return found


def _read_file(build: Build, workload: Workload, container: Container, path: str) -> str:
    wanted = PurePosixPath(path)
    for mount in container.mounts:
        source = (workload.volumes.get(mount["name"]) or {}).get("configMap")
        if source and wanted.parent == PurePosixPath(mount["mountPath"]):
            content = (read_source(build, Source("ConfigMap", source["name"])) or {}).get(wanted.name)
            if content is not None:
                return content
    raise SettingsError(f"{path}: no ConfigMap that is mounted there has such a file")
