"""Selectors: each finds what it is there for, and nothing of another component."""

from collections import Counter
from collections.abc import Iterator

from k8s.checks.configuration import selected
from k8s.checks.documents import COMPONENT, Build, Document, Finding, Json, Workload
from k8s.checks.labels import selects

# What Prometheus' rules and the dashboards call them.
JOBS = {"gateway": "attendant-gateway", "monitor": "attendant-monitor", "torchserve": "torchserve"}
_AFFINITIES = ("podAffinity", "podAntiAffinity")


def check_labels(build: Build) -> Iterator[Finding]:
    """Whatever lies in a namespace lies in the build's one, and says that it is part of attendant."""
    namespaces = {document.name for document in build.of("Namespace")}
    for document in build.documents:
        if document.kind in ("Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"):
            continue
        if document.namespace not in namespaces:
            known = ", ".join(sorted(namespaces)) or "none"
            yield document.find(f"namespace {document.namespace!r}: the build makes {known}")
    for workload in build.workloads:
        if not {COMPONENT, "app.kubernetes.io/part-of"} <= workload.labels.keys():
            yield workload.find(f"its pods lack {COMPONENT} or app.kubernetes.io/part-of", place="labels")


def check_selectors(build: Build) -> Iterator[Finding]:
    """Services, budgets and workloads select pods, all of one component; a Service selects by component."""
    for service in build.of("Service"):
        found = selected(build, service)
        yield from _judge(service, found)
        if COMPONENT not in (service.spec.get("selector") or {}):
            yield service.find(f"selector: it does not name {COMPONENT}")
    for budget in build.of("PodDisruptionBudget"):
        yield from _judge(budget, _find(build, budget, budget.spec.get("selector")))
    for workload in build.workloads:
        if workload.document.kind == "Job":
            continue
        found = _find(build, workload.document, workload.document.spec.get("selector"))
        if workload not in found:
            yield workload.find("it does not select its own pods", place="selector")
        yield from (
            workload.find(f"it selects pods of {other.name}, too", place="selector")
            for other in found
            if other != workload
        )


def check_spreading(build: Build) -> Iterator[Finding]:
    """Spread constraints and affinities of a pod speak of its own kind."""
    for workload in build.workloads:
        for place, selector in _own_selectors(workload):
            names = {one.component for one in _find(build, workload.document, selector)}
            if names != {workload.component}:
                yield workload.find(f"it selects pods of {', '.join(sorted(names)) or 'nobody'}", place=place)


def check_policy_selectors(build: Build) -> Iterator[Finding]:
    """What a NetworkPolicy says of this namespace's pods is said of some; an empty selector is meant for all."""
    for policy in build.of("NetworkPolicy"):
        rules = [*(policy.spec.get("ingress") or []), *(policy.spec.get("egress") or [])]
        peers = [peer for rule in rules for peer in [*(rule.get("from") or []), *(rule.get("to") or [])]]
        inside = [
            peer["podSelector"] for peer in peers if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        for selector in (policy.spec.get("podSelector") or {}, *inside):
            if selector and not _find(build, policy, selector):
                yield policy.find(f"{_show(selector)} selects no pod")


def check_monitors(build: Build) -> Iterator[Finding]:
    """Each ServiceMonitor scrapes one Service a pod, on a port that it has, under the job that the rules know."""
    scraped: Counter[tuple[str, int]] = Counter()
    for monitor in build.of("ServiceMonitor"):
        services = [
            service
            for service in build.of("Service")
            if selects(monitor.spec["selector"], service.labels) and service.namespace == monitor.namespace
        ]
        if not services:
            yield monitor.find(f"{_show(monitor.spec['selector'])} selects no Service")
        for endpoint in monitor.spec["endpoints"]:
            found = list(_scraped(build, services, endpoint))
            if services and not found:
                yield monitor.find(f"no Service that it selects has a port {endpoint.get('port')!r}")
            scraped.update(found)
            for component in {name for name, _ in found}:
                if _job(endpoint) != JOBS.get(component):
                    yield monitor.find(
                        f"the rules know {component} as job {JOBS.get(component)!r}, not {_job(endpoint)!r}"
                    )
    for (component, port), times in scraped.items():
        if times > 1:
            yield Finding("ServiceMonitor", f"port {port} of {component} is scraped {times} times")
    if build.of("ServiceMonitor"):
        yield from (
            Finding("ServiceMonitor", f"nothing scrapes {component}")
            for component in JOBS
            if component not in {name for name, _ in scraped}
        )


def _scraped(build: Build, services: list[Document], endpoint: Json) -> Iterator[tuple[str, int]]:
    """Component and pod's port for each Service that has the port of this name."""
    for service in services:
        for port in service.spec.get("ports") or []:
            if port.get("name") == endpoint.get("port"):
                target = port.get("targetPort", port["port"])
                for workload in selected(build, service):
                    yield (
                        workload.component,
                        workload.ports.get(target, -1) if isinstance(target, str) else target,
                    )


def _job(endpoint: Json) -> str | None:
    for relabeling in endpoint.get("relabelings") or []:
        if relabeling.get("targetLabel") == "job":
            return str(relabeling.get("replacement"))
    return None


def _judge(document: Document, found: list[Workload]) -> Iterator[Finding]:
    names = sorted({workload.component for workload in found})
    if len(names) != 1:
        yield document.find(f"selector: it selects pods of {' and '.join(names) or 'nobody'}")


def _find(build: Build, near: Document, selector: Json | None) -> list[Workload]:
    """The workloads in the same namespace whose pods are selected."""
    return [
        workload
        for workload in build.workloads
        if workload.document.namespace == near.namespace and selects(selector, workload.labels)
    ]


def _own_selectors(workload: Workload) -> Iterator[tuple[str, Json]]:
    for constraint in workload.pod.get("topologySpreadConstraints") or []:
        yield "topologySpreadConstraints", _with_own_labels(constraint, workload)
    for kind in _AFFINITIES:
        affinity = (workload.pod.get("affinity") or {}).get(kind) or {}
        terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        wished = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        for term in (*terms, *(one["podAffinityTerm"] for one in wished)):
            yield kind, _with_own_labels(term, workload)


def _with_own_labels(term: Json, workload: Workload) -> Json:
    """Its selector; matchLabelKeys ask for the values that the pod itself has, of labels that it has."""
    selector = term.get("labelSelector") or {}
    own = {key: workload.labels[key] for key in term.get("matchLabelKeys") or [] if key in workload.labels}
    return selector | {"matchLabels": {**(selector.get("matchLabels") or {}), **own}}


def _show(selector: Json) -> str:
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [
        f"{one['key']} {one['operator']} {','.join(one.get('values') or [])}".strip()
        for one in selector.get("matchExpressions") or []
    ]
    return " and ".join(parts)
