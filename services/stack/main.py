"""Composes the local stack and runs it from start to end."""

import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attendant.channels import DEFAULT_ADDRESS
from attendant.manifest import ManifestError
from attendant.seals import check_archives
from services.stack import ports, state
from services.stack.children import Program
from services.stack.config import Settings, split_address
from services.stack.gateway import gateway
from services.stack.health import build_probe
from services.stack.monitor import MONITOR, monitor
from services.stack.proc import Process, identify, wait_gone
from services.stack.supervisor import Supervisor
from services.stack.torchserve import torchserve
from services.stack.valkey import socket_path, valkey
from services.torchserve.java import find_archives

Say = Callable[[str], None]
_END_SECONDS = 30.0  # for all that follows the gateway's drain
_TWEET = "Oh great, another Monday. I just LOVE waiting in line for 2 hours #blessed 🙃"


class StackError(Exception):
    """Why the stack cannot start, in one line."""


def run(settings: Settings, say: Say) -> int:
    """Runs the stack until it is asked to stop (0) or one of its programs ends (1); StackError: it cannot start."""
    folder = settings.stack.folder.resolve()
    lock = state.lock(folder)
    if lock is None:
        raise StackError(_already_running(folder))
    with lock:
        if state.clear_leftovers(folder):
            say("ended what a killed stack had left running")
        _check_archives(settings)
        taken = ports.find_taken(endpoints(settings))
        if taken:
            raise StackError(taken)
        # Worker sockets lie in here, and a socket's path has 107 characters at most: $TMPDIR may be too long.
        scratch = Path(tempfile.mkdtemp(prefix="attendant-", dir="/tmp"))
        try:
            return _run(settings, folder, scratch, say)
        finally:
            state.remove(folder)
            shutil.rmtree(scratch, ignore_errors=True)


def _check_archives(settings: Settings) -> None:
    """TorchServe loads what lies in its folders; an embedded backend checks for itself."""
    find_archives(settings.gateway.archives)
    if settings.gateway.backend == "torchserve":
        try:
            check_archives(settings.gateway.archives)
        except ManifestError as error:
            raise StackError(str(error)) from None


def stop(settings: Settings, say: Say) -> int:
    """Asks a running stack to stop and waits for it; clears what a killed one left."""
    folder = settings.stack.folder.resolve()
    lock = state.lock(folder)
    if lock is not None:
        with lock:
            say(
                "ended what a killed stack had left"
                if state.clear_leftovers(folder)
                else "the stack is not running"
            )
        return 0
    running = state.read(folder)
    if running is None:
        raise StackError("the stack is just starting or ending; try again in a moment")
    running.supervisor.send(signal.SIGTERM)
    if not wait_gone([running.supervisor], settings.gateway.drain_seconds + _END_SECONDS):
        raise StackError(f"the stack (process {running.supervisor.pid}) does not stop; see {folder}/logs")
    say("the stack has stopped")
    return 0


def status(settings: Settings, say: Say) -> int:
    """Says whether the stack runs and answers: 0 only if it does both."""
    running = state.read(settings.stack.folder.resolve())
    if running is None or not running.supervisor.is_alive():
        say("the stack is not running")
        return 1
    ready = build_probe(settings.gateway, *split_address(running.grpc))()
    say(
        f"{'ready' if ready else 'not ready'} ({running.backend}), gRPC {running.grpc}, HTTP http://{running.http}"
    )
    for name, child in running.children.items():
        say(f"  {name}: process {child.pid}{'' if child.is_alive() else ', ended'}")
    return 0 if ready else 1


def endpoints(settings: Settings) -> tuple[ports.Endpoint, ...]:
    """Everything that the stack listens on."""
    found: tuple[ports.Endpoint, ...] = (
        ports.Endpoint(settings.gateway.grpc_host, settings.gateway.grpc_port, "ATTENDANT_GRPC_PORT"),
        ports.Endpoint(settings.gateway.http_host, settings.gateway.http_port, "ATTENDANT_HTTP_PORT"),
    )
    if settings.gateway.operations_port is not None:
        operations = (settings.gateway.http_host, settings.gateway.operations_port)
        found += (ports.Endpoint(*operations, "ATTENDANT_OPERATIONS_PORT"),)
    if _wants_monitor(settings) and (settings.stack.valkey or settings.monitor.redis_url):
        found += (ports.Endpoint(settings.monitor.host, settings.monitor.port, "ATTENDANT_MONITOR_PORT"),)
    if settings.gateway.backend == "embedded":
        return found
    return (
        *found,
        _endpoint(settings.gateway.torchserve_address, "ATTENDANT_TORCHSERVE_ADDRESS"),
        _endpoint(settings.gateway.torchserve_management_address, "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS"),
        _endpoint(settings.stack.metrics_address, "ATTENDANT_STACK_METRICS_ADDRESS"),
    )


def _endpoint(address: str, variable: str) -> ports.Endpoint:
    host, port = split_address(address)
    return ports.Endpoint(host, port, variable)


def _run(settings: Settings, folder: Path, scratch: Path, say: Say) -> int:
    probe = build_probe(settings.gateway, settings.gateway.grpc_host, settings.gateway.grpc_port)
    supervisor = Supervisor(
        _programs(settings, folder / "logs", scratch, say),
        probe,
        settings.stack.start_seconds,
        say,
        lambda: state.write(folder, _state(settings, supervisor, scratch)),
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.ask_to_stop())
    say(
        f"starting {', '.join(program.name for program in supervisor.programs)} (logs in {_short(folder)}/logs)"
    )
    began = time.monotonic()
    try:
        supervisor.start()
        if supervisor.wait_until_ready():
            _greet(settings, supervisor, time.monotonic() - began, say)
            supervisor.watch()
        return 0 if supervisor.was_asked_to_stop else 1
    finally:
        say("stopping")
        supervisor.stop()
        say("stopped")


def _programs(settings: Settings, logs: Path, scratch: Path, say: Say) -> tuple[Program, ...]:
    """In the order in which they end: the gateway finishes what it accepted while the others still answer it."""
    cache = _cache(settings, logs, scratch, say)
    redis_url = f"unix://{socket_path(scratch)}" if cache else ""
    front = gateway(settings, scratch, logs / "gateway.log", redis_url)
    behind = (*_watching(settings, logs, redis_url), *cache)
    if settings.gateway.backend == "embedded":
        return (front, *behind)
    return front, torchserve(settings, scratch, logs / "torchserve.log"), *behind


def _watching(settings: Settings, logs: Path, redis_url: str) -> tuple[Program, ...]:
    """The monitor, where there is a Redis for it to read from."""
    if not _wants_monitor(settings) or not (redis_url or settings.monitor.redis_url):
        return ()
    return (monitor(logs / "monitor.log", redis_url),)


def _wants_monitor(settings: Settings) -> bool:
    return settings.stack.monitor and settings.gateway.watch


def _cache(settings: Settings, logs: Path, scratch: Path, say: Say) -> tuple[Program, ...]:
    """Valkey, unless there is a Redis already, or none is wanted."""
    if settings.gateway.redis_url is not None or not settings.stack.valkey:
        return ()
    try:
        return (valkey(scratch, logs / "valkey.log"),)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        say(f"without a shared cache: {error}")
        return ()


def _state(settings: Settings, supervisor: Supervisor, scratch: Path) -> state.State:
    return state.State(
        supervisor=_myself(),
        children={child.program.name: child.process for child in supervisor.children},
        grpc=f"{settings.gateway.grpc_host}:{settings.gateway.grpc_port}",
        http=f"{settings.gateway.http_host}:{settings.gateway.http_port}",
        backend=settings.gateway.backend,
        scratch=str(scratch),
    )


def _myself() -> Process:
    process = identify(os.getpid())
    assert process is not None, "a running process has an entry in /proc"
    return process


def _greet(settings: Settings, supervisor: Supervisor, seconds: float, say: Say) -> None:
    say(f"ready after {seconds:.1f} s ({settings.gateway.backend})")
    say(f"  gRPC  {settings.gateway.grpc_host}:{settings.gateway.grpc_port}")
    scheme = "http" if settings.gateway.tls_certificate is None else "https"
    say(f"  HTTP  {scheme}://{settings.gateway.http_host}:{settings.gateway.http_port}")
    if any(program.name == MONITOR for program in supervisor.programs):
        say(f"  drift http://{settings.monitor.host}:{settings.monitor.port}/metrics")
    say("Try, in another terminal:")
    say(f"  {_command_to_try(settings)}")
    say("Ctrl-C here, or `make stop`, ends it.")


def _command_to_try(settings: Settings) -> str:
    """Uses the public-domain photograph that matplotlib's wheel carries."""
    command = f'{_short(Path(sys.executable).with_name("attendant"))} explain --text "{_TWEET}"'
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        photograph = Path(matplotlib.origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
        command += f" --image {_short(photograph)}"
    address = f"{settings.gateway.grpc_host}:{settings.gateway.grpc_port}"
    return command if address == DEFAULT_ADDRESS else f"{command} --address {address}"


def _already_running(folder: Path) -> str:
    running = state.read(folder)
    who = (
        f" (process {running.supervisor.pid}, gRPC {running.grpc}, HTTP http://{running.http})"
        if running
        else ""
    )
    return f"the stack is already running{who}; `make stop` ends it"


def _short(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
