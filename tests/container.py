"""Pods of the manifests in real containers: built images, crun, probes as a kubelet asks them. Needs root."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pod_bundle import Image, Namespace, NotDoneError, build_config

from services.stack.proc import family

Json = dict[str, Any]
NEEDED = ("buildah", "crun", "debootstrap")
READY_SECONDS = 180.0  # Kubernetes would wait longer
# crun refuses a machine with both versions of cgroups, though it is to leave them alone: the second one is hidden.
HIDE = 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def why_not() -> str:
    """Why no image can be built and run here; empty where it can."""
    if os.geteuid() != 0:
        return "containers need root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"needs {', '.join(missing)}, which `make test-system` installs where it may" if missing else ""


def run(*command: str, folder: Path | None = None) -> str:
    """What it says; raises CalledProcessError where it fails."""
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def inspect(reference: str) -> Json:
    """An image's configuration, as OCI has it."""
    found: Json = json.loads(run("buildah", "inspect", "--type", "image", reference))["OCIv1"]
    return found


@contextmanager
def mounted(reference: str) -> Iterator[Image]:
    """An image in buildah's storage, read and written as a container of its own."""
    config = inspect(reference)["config"]
    working = run("buildah", "from", "--pull-never", reference)
    try:
        yield Image(
            root=Path(run("buildah", "mount", working)),
            environment=dict(variable.split("=", 1) for variable in config.get("Env", ())),
            command=(*config.get("Entrypoint", ()), *config.get("Cmd", ())),
            folder=config.get("WorkingDir", "/"),
        )
    finally:
        run("buildah", "rm", working)


class Pod:
    """One container, started when this is made. `workload` is a Deployment or StatefulSet, `folder` the pod's own.

    `initial`: it is the one that runs before the other. `mounts`: more of them, as OCI has them.
    """

    def __init__(
        self,
        workload: Json,
        image: Image,
        namespace: Namespace,
        folder: Path,
        *,
        initial: bool = False,
        mounts: tuple[Json, ...] = (),
    ) -> None:
        self.name = str(workload["metadata"]["name"])
        self._pod = dict(workload["spec"]["template"]["spec"])
        if initial:
            self._pod["containers"] = self._pod.pop("initContainers")
        (self._container,) = self._pod["containers"]
        self.log, self._crun = (
            folder / "log",
            ("crun", "--root", str(folder / "state"), "--cgroup-manager=disabled"),
        )
        (folder / "files").mkdir(parents=True)
        run("crun", "spec", folder=folder)
        file = folder / "config.json"
        config = build_config(self._pod, image, namespace, folder / "files", json.loads(file.read_text()))
        config["mounts"] += mounts
        file.write_text(json.dumps(config))
        self._folder, self._inside = folder, config["process"]
        for name, port in self._ports().items():
            _check_free(f"{self.name}'s {name}", port)
        self._began = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ("unshare", "--mount", "sh", "-c", HIDE, "sh", *self._crun, "run", self.name),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def memory_limit(self) -> str:
        return str(self._container["resources"]["limits"]["memory"])

    @property
    def grace(self) -> float:
        """Seconds from being asked to end until SIGKILL, preStop included."""
        return float(self._pod["terminationGracePeriodSeconds"])

    def memory(self) -> int:
        """Bytes that its processes have in memory, those that they share counted once."""
        rows = [
            Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            for pid in (self._pid(), *(process.pid for process in family(self._pid())))
        ]
        return sum(
            1024 * int(row.split()[1]) for text in rows for row in text.splitlines() if row.startswith("Pss:")
        )

    def wait_until_started(self) -> float:
        """Asks the startup probe as often as the manifest says; seconds until it was content."""
        probe = self._container["startupProbe"]
        time.sleep(probe.get("initialDelaySeconds", 0))
        for _ in range(probe.get("failureThreshold", 3)):
            assert self._process.poll() is None, f"{self.name} ended by itself\n{self.read_log()}"
            if self.probe("startupProbe"):
                return time.monotonic() - self._began
            time.sleep(probe.get("periodSeconds", 10))
        raise AssertionError(f"{self.name}: its startup probe gave up\n{self.read_log()}")

    def wait_until_ready(self) -> float:
        """The same for the readiness probe; then the liveness probe has to be content, too."""
        while not self.probe("readinessProbe"):
            assert self._process.poll() is None, f"{self.name} ended by itself\n{self.read_log()}"
            assert time.monotonic() < self._began + READY_SECONDS, (
                f"{self.name}: not ready\n{self.read_log()}"
            )
            time.sleep(self._container["readinessProbe"].get("periodSeconds", 10))
        seconds = time.monotonic() - self._began
        assert self.probe("livenessProbe"), f"{self.name}: ready, but not alive\n{self.read_log()}"
        return seconds

    def probe(self, kind: str) -> bool:
        """One attempt of it, as a kubelet makes it."""
        probe = self._container[kind]
        (how,) = probe.keys() & PROBES.keys()
        return PROBES[how](probe[how], self._ports(), probe.get("timeoutSeconds", 1))

    def _ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self._container.get("ports", ())}

    def read_log(self, lines: int = 40) -> str:
        """Its end."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In the container, with no more rights than its own process."""
        file = self._folder / "process.json"
        file.write_text(json.dumps({**self._inside, "args": command}))
        return subprocess.run(
            (*self._crun, "exec", f"--process={file}", self.name), capture_output=True, text=True, check=False
        )

    def status(self) -> dict[str, str]:
        """What the kernel says of its first process: /proc/PID/status."""
        lines = Path(f"/proc/{self._pid()}/status").read_text(encoding="utf-8").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def _pid(self) -> int:
        return int(json.loads(run(*self._crun, "state", self.name))["pid"])

    def end(self) -> "Ended":
        """SIGTERM, and the grace period less what preStop sleeps of it, which is not waited for here."""
        began, left = time.monotonic(), self.grace
        for kind, hook in self._container.get("lifecycle", {}).get("preStop", {}).items():
            if kind != "sleep":
                raise NotDoneError(f"preStop: {kind} is not known here")
            left -= hook["seconds"]
        run(*self._crun, "kill", self.name, "TERM")
        try:
            status = self._process.wait(left)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end in {left:g} s\n{self.read_log()}") from None
        return Ended(status, time.monotonic() - began)

    def wait(self, seconds: float) -> int:
        """Its exit status, when it ends by itself."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """At once, and whatever state it is in."""
        subprocess.run((*self._crun, "delete", "--force", self.name), capture_output=True, check=False)
        self._process.wait()


@dataclass(frozen=True)
class Ended:
    """The container's exit status, and the seconds since it was asked to end."""

    status: int
    seconds: float


@contextmanager
def running(pods: list[Pod]) -> Iterator[None]:
    """None of them outlives this. What is put into the list meanwhile is among them."""
    try:
        yield
    finally:
        for pod in pods:
            pod.kill()


def _check_free(what: str, port: int) -> None:
    """A probe would be content with a stranger."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise AssertionError(f"{what} needs port {port} of this machine: {error.strerror}") from None


def _ask_grpc(probe: Json, ports: dict[str, int], seconds: float) -> bool:
    with grpc.insecure_channel(
        f"127.0.0.1:{_number(probe, ports)}", (("grpc.enable_http_proxy", 0),)
    ) as channel:
        request = health_pb2.HealthCheckRequest(service=probe.get("service", ""))
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _ask_http(probe: Json, ports: dict[str, int], seconds: float) -> bool:
    try:
        with _open(f"http://127.0.0.1:{_number(probe, ports)}{probe['path']}", timeout=seconds):
            return True
    except OSError:  # a status from 400 is one, too
        return False


def _connect(probe: Json, ports: dict[str, int], seconds: float) -> bool:
    try:
        socket.create_connection(("127.0.0.1", _number(probe, ports)), timeout=seconds).close()
    except OSError:
        return False
    return True


def _number(probe: Json, ports: dict[str, int]) -> int:
    port = probe["port"]
    return ports[port] if isinstance(port, str) else int(port)


PROBES: dict[str, Callable[[Json, dict[str, int], float], bool]] = {
    "grpc": _ask_grpc,
    "httpGet": _ask_http,
    "tcpSocket": _connect,
}
