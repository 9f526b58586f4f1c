"""Timings: a pod is given long enough to start, to be taken out of rotation, and to end."""

from collections.abc import Iterator

from k8s.checks.documents import Build, Container, Finding, Json
from k8s.checks.programs import name_program, servers

# Whose clients go on connecting until every node knows that it is no endpoint any more.
ROTATED = frozenset({"gateway", "torchserve"})
LEAST_SLEEP = 3  # seconds
GRACE, PROGRESS = 30, 600  # what Kubernetes takes where nothing is said


def check_endings(build: Build) -> Iterator[Finding]:
    """The grace period is longer than the preStop and the program's drain; whom others call sleeps first."""
    for workload, container, server in servers(build):
        sleep = _sleep(container)
        grace = workload.pod.get("terminationGracePeriodSeconds", GRACE)
        if grace < sleep + server.ending:
            yield workload.find(
                f"it is {grace} s, and {sleep} s of preStop and {server.ending:g} s to end need more",
                container,
                "terminationGracePeriodSeconds",
            )
        if name_program(container) in ROTATED and sleep < LEAST_SLEEP:
            yield workload.find(
                f"it sleeps {sleep} s: for at least {LEAST_SLEEP} s clients still come", container, "preStop"
            )


def check_starts(build: Build) -> Iterator[Finding]:
    """The startup probe gives up after the program itself would, and before the roll-out does."""
    for workload, container, server in servers(build):
        probe = dict(container.probes()).get("startupProbe")
        if probe is None:
            continue
        allowed = _allowance(probe)
        if allowed <= server.starting:
            yield workload.find(
                f"it allows {allowed} s; the program gives up after {server.starting:g} s, and says why",
                container,
                "startupProbe",
            )
        progress = workload.document.spec.get("progressDeadlineSeconds", PROGRESS)
        if workload.document.kind == "Deployment" and allowed >= progress:
            yield workload.find(
                f"a start may take {allowed} s, a roll-out only {progress} s", container, "startupProbe"
            )


def check_probe_times(build: Build) -> Iterator[Finding]:
    """A probe's answer is awaited no longer than until the next one, and one miss kills nothing."""
    for workload in build.workloads:
        for container in workload.containers:
            for kind, probe in container.probes():
                timeout, period = probe.get("timeoutSeconds", 1), probe.get("periodSeconds", 10)
                if timeout > period:
                    yield workload.find(
                        f"timeoutSeconds {timeout} is more than periodSeconds {period}", container, kind
                    )
                if kind == "livenessProbe" and probe.get("failureThreshold", 3) < 2:
                    yield workload.find("failureThreshold 1 kills it for one late answer", container, kind)


def _sleep(container: Container) -> int:
    """Seconds that its preStop takes."""
    hook = (container.content.get("lifecycle") or {}).get("preStop") or {}
    return int((hook.get("sleep") or {}).get("seconds", 0))


def _allowance(probe: Json) -> int:
    """Seconds until a startup probe gives up."""
    delay = probe.get("initialDelaySeconds", 0)
    return int(delay + probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10))
