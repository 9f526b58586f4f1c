"""Who has to reach whom. Where a build has network policies, they let this through and nothing else."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from k8s.checks.documents import Build, Container, Finding
from k8s.checks.policies import Edge, Endpoint, Port, edges

CLIENT, PROMETHEUS, DNS = "a client", "Prometheus", "DNS"


@dataclass(frozen=True)
class Flow:
    """By the names of the components, and of the target's ports."""

    source: str
    target: str
    ports: tuple[str, ...]


NEEDED = (
    Flow(CLIENT, "gateway", ("grpc", "http")),
    Flow("gateway", "torchserve", ("inference", "management")),
    Flow("gateway", "redis", ("redis",)),
    Flow("monitor", "redis", ("redis",)),
    Flow(PROMETHEUS, "gateway", ("operations",)),
    Flow(PROMETHEUS, "torchserve", ("metrics",)),
    Flow(PROMETHEUS, "monitor", ("http",)),
    # those who look for somebody by name
    Flow("gateway", DNS, ("dns", "dns-tcp")),
    Flow("monitor", DNS, ("dns", "dns-tcp")),
)

# A port that nothing listens on, in every pod: a rule that names no port lets it through.
OTHER_PORT = Port(4444, name="other")
# Everything around the build's own pods. Namespaces say by a label that they may come in.
WORLD = (
    Endpoint(CLIENT, "clients", {"app": "client"}, {"attendant-clients": "true"}, ports=(Port(443),)),
    Endpoint(
        PROMETHEUS, "monitoring", {"app": "prometheus"}, {"attendant-monitoring": "true"}, ports=(Port(9090),)
    ),
    Endpoint(
        DNS,
        "kube-system",
        {"k8s-app": "kube-dns"},
        ports=(Port(53, "UDP", "dns"), Port(53, "TCP", "dns-tcp"), Port(9153, name="metrics")),
    ),
    Endpoint("a system pod", "kube-system", {"k8s-app": "other"}, ports=(Port(443), Port(53, "UDP"))),
    Endpoint("a stranger", "elsewhere", {"app": "stranger"}, ports=(Port(8080), Port(6379))),
    Endpoint("the internet", address="203.0.113.7", ports=(Port(80), Port(443), Port(53, "UDP"))),
    Endpoint("the node's metadata", address="169.254.169.254", ports=(Port(80),)),
    Endpoint("the API server", address="172.20.0.1", ports=(Port(443),)),
)


def check_flows(build: Build) -> Iterator[Finding]:
    """Network policies, as a graph: every connection that is needed is let through, and no other."""
    policies = build.of("NetworkPolicy")
    if not policies:
        return
    pods = pod_endpoints(build)
    inside = {pod.name for pod in pods}
    needed = set(needed_edges(pods))
    # Whether an IP block takes in pods is the plug-in's choice: nothing needed may rely on it, nothing else profit.
    sparing = set(edges(policies, (*pods, *WORLD)))
    generous = set(edges(policies, (*map(_with_address, pods), *map(_with_address, WORLD))))
    for pair, ports in _by_pair(needed - sparing):
        yield Finding("NetworkPolicy", f"{pair} {ports} is needed and not let through")
    extra = {edge for edge in (generous | sparing) - needed if {edge.source, edge.target} & inside}
    for pair, ports in _by_pair(extra):
        yield Finding("NetworkPolicy", f"{pair} {ports} is let through and not needed")


def _by_pair(found: set[Edge]) -> Iterator[tuple[str, str]]:
    """Who reaches whom, and on which ports."""
    for (source, target), group in itertools.groupby(
        sorted(found), key=lambda edge: (edge.source, edge.target)
    ):
        yield f"{source} -> {target}", ", ".join(f"{edge.protocol} {edge.number}" for edge in group)


def pod_endpoints(build: Build) -> list[Endpoint]:
    """The build's kinds of pods, and one beside them that is of no component."""
    pods = [
        Endpoint(
            workload.name,
            workload.document.namespace,
            workload.labels,
            ports=(*_ports(workload.containers), OTHER_PORT),
        )
        for workload in build.workloads
    ]
    namespaces = {pod.namespace for pod in pods}
    return [
        *pods,
        *(Endpoint("a neighbour", one, {"app": "neighbour"}, ports=(OTHER_PORT,)) for one in namespaces),
    ]


def needed_edges(pods: list[Endpoint]) -> Iterator[Edge]:
    """The flows between these pods and the world; a flow of a component that is not in the build is no edge."""
    known = {endpoint.name: endpoint for endpoint in (*WORLD, *pods)}
    for flow in NEEDED:
        if {flow.source, flow.target} <= known.keys():
            for port in known[flow.target].ports:
                if port.name in flow.ports:
                    yield Edge(flow.source, flow.target, port.number, port.protocol)


def _ports(containers: tuple[Container, ...]) -> Iterator[Port]:
    for container in containers:
        for name, number in container.ports.items():
            yield Port(number, container.protocol(name), name)


def _with_address(endpoint: Endpoint) -> Endpoint:
    """A pod as a plug-in sees it that takes pods for addresses, too."""
    return replace(endpoint, address=endpoint.address or "10.0.0.1")
