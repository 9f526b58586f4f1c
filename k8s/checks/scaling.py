"""Replicas: how many there are, who changes that, and how many may be away at a time."""

import math
from collections.abc import Iterator

from k8s.checks.documents import Build, Document, Finding, Workload
from k8s.checks.labels import selects


def check_autoscalers(build: Build) -> Iterator[Finding]:
    """An autoscaler's target exists, says no number of replicas itself, and asks for what is measured of it."""
    for scaler in build.of("HorizontalPodAutoscaler"):
        target = scaler.spec["scaleTargetRef"]
        workload = build.workload(target["kind"], target["name"])
        if workload is None or workload.document.api != target.get("apiVersion"):
            yield scaler.find(f"there is no {target['kind']} {target['name']} of {target.get('apiVersion')}")
            continue
        if "replicas" in workload.document.spec:
            yield workload.find(
                f"replicas: each apply would undo what HorizontalPodAutoscaler/{scaler.name} has chosen"
            )
        least, most = scaler.spec.get("minReplicas", 1), scaler.spec["maxReplicas"]
        if least > most:
            yield scaler.find(f"minReplicas {least} is more than maxReplicas {most}")
        for metric in scaler.spec.get("metrics") or []:
            name = (metric.get("resource") or {}).get("name")
            if name and not _asks_for(workload, name):
                yield scaler.find(f"{workload.name} has a container that requests no {name}", "metrics")


def check_budgets(build: Build) -> Iterator[Finding]:
    """Each budget lets one pod go; where there are several pods behind a name, there is one budget."""
    covered: dict[str, int] = {}
    for budget in build.of("PodDisruptionBudget"):
        for workload in build.workloads:
            if selects(budget.spec.get("selector"), workload.labels):
                covered[workload.name] = covered.get(workload.name, 0) + 1
                replicas = least_replicas(build, workload)
                if not _room(budget, replicas):
                    yield budget.find(
                        f"of {replicas} pods of {workload.name} none may go: no node is ever emptied"
                    )
    for workload in build.workloads:
        if least_replicas(build, workload) > 1 and covered.get(workload.name, 0) != 1:
            yield workload.find(
                f"it has several replicas and {covered.get(workload.name, 0)} budgets, not one"
            )


def check_strategies(build: Build) -> Iterator[Finding]:
    """A roll-out can go on, and takes the last pod of what others call away only where a GPU has to be shared."""
    for workload in build.workloads:
        strategy = workload.document.spec.get("strategy") or {}
        if workload.document.kind != "Deployment" or strategy.get("type") == "Recreate":
            continue
        rolling = strategy.get("rollingUpdate") or {}
        replicas = least_replicas(build, workload)
        away = _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        more = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
        if away == 0 and more == 0:
            yield workload.find("maxUnavailable and maxSurge are both 0", place="strategy")
        if away >= replicas > 1:
            yield workload.find(f"of {replicas} pods {away} may be away at a time", place="strategy")
        if away >= replicas == 1 and not _uses_gpu(workload):
            yield workload.find("its only pod goes before the next one is there", place="strategy")


def least_replicas(build: Build, workload: Workload) -> int:
    """As many as there are at least, as far as the build says."""
    for scaler in build.of("HorizontalPodAutoscaler"):
        target = scaler.spec["scaleTargetRef"]
        if (target["kind"], target["name"]) == (workload.document.kind, workload.name):
            return int(scaler.spec.get("minReplicas", 1))
    return int(workload.document.spec.get("replicas", 1))


def _room(budget: Document, replicas: int) -> int:
    """How many of so many pods may go."""
    if "maxUnavailable" in budget.spec:
        return _share(budget.spec["maxUnavailable"], replicas, up=True)
    return replicas - _share(budget.spec.get("minAvailable", 0), replicas, up=True)


def _share(value: int | str, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    part = int(value.removesuffix("%")) * of / 100
    return math.ceil(part) if up else math.floor(part)


def _asks_for(workload: Workload, name: str) -> bool:
    return all(
        name in ((one.content.get("resources") or {}).get("requests") or {})
        for one in workload.containers
        if not one.initial
    )


def _uses_gpu(workload: Workload) -> bool:
    return any(
        "nvidia.com/gpu" in ((one.content.get("resources") or {}).get("limits") or {})
        for one in workload.containers
    )
