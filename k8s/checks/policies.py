"""What NetworkPolicies let through, as Kubernetes defines it.

A pod that no policy selects for a direction is open in that direction; one that some select is open to what any of
them allows. A connection needs both ends: the source's egress and the target's ingress. Answers to it come back.
Not looked at: traffic of a pod with itself and with its node, which a policy cannot stop (so probes always arrive).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from k8s.checks.documents import Document, Json
from k8s.checks.labels import selects

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # every namespace has it, with its name

Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Port:
    number: int
    protocol: str = "TCP"
    name: str = ""  # what its pod calls it

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True)
class Endpoint:
    """A kind of pod, or, without a namespace, something outside of the cluster.

    An IP block takes in what has an `address`. Whether it takes in pods, Kubernetes leaves to the network plug-in.
    """

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, order=True)
class Edge:
    """Something that may be connected to, and by whom."""

    source: str
    target: str
    number: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} {self.protocol} {self.number}"


def edges(policies: Iterable[Document], endpoints: Iterable[Endpoint]) -> Iterator[Edge]:
    """Every connection that is let through between two of the endpoints, to a port that the second one lists."""
    known, places = tuple(policies), tuple(endpoints)
    for source in places:
        for target in places:
            if source is target:
                continue
            for port in target.ports:
                if allows(known, source, target, port):
                    yield Edge(source.name, target.name, port.number, port.protocol)


def allows(policies: Iterable[Document], source: Endpoint, target: Endpoint, port: Port) -> bool:
    """Whether `source` may connect to `target` there."""
    known = tuple(policies)
    return _opens(known, "Egress", source, target, target, port) and _opens(
        known, "Ingress", target, source, target, port
    )


def _opens(
    policies: tuple[Document, ...],
    direction: Direction,
    subject: Endpoint,
    peer: Endpoint,
    target: Endpoint,
    port: Port,
) -> bool:
    if not subject.namespace:
        return True  # policies bind pods
    isolating = [one for one in policies if _isolates(one, direction, subject)]
    return not isolating or any(
        _names_peer(rule, direction, policy, peer) and _names_port(rule, target, port)
        for policy in isolating
        for rule in policy.spec.get(direction.lower()) or []
    )


def _isolates(policy: Document, direction: Direction, pod: Endpoint) -> bool:
    types = policy.spec.get("policyTypes") or ["Ingress", *(["Egress"] if policy.spec.get("egress") else [])]
    return (
        direction in types
        and policy.namespace == pod.namespace
        and selects(policy.spec.get("podSelector") or {}, pod.labels)
    )


def _names_peer(rule: Json, direction: Direction, policy: Document, peer: Endpoint) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to") or []
    return not peers or any(_is_peer(one, policy, peer) for one in peers)


def _is_peer(rule: Json, policy: Document, peer: Endpoint) -> bool:
    block = rule.get("ipBlock")
    if block is not None:
        return bool(peer.address) and _contains(block, peer.address)
    if not peer.namespace:
        return False
    if rule.get("namespaceSelector") is None:
        inside = peer.namespace == policy.namespace
    else:
        labels = {NAMESPACE_NAME: peer.namespace, **peer.namespace_labels}
        inside = selects(rule["namespaceSelector"], labels)
    return inside and (rule.get("podSelector") is None or selects(rule["podSelector"], peer.labels))


def _contains(block: Json, address: str) -> bool:
    one = ipaddress.ip_address(address)
    return one in ipaddress.ip_network(block["cidr"]) and not any(
        one in ipaddress.ip_network(without) for without in block.get("except") or []
    )


def _names_port(rule: Json, target: Endpoint, port: Port) -> bool:
    """A port without a number is any of its protocol; a name is what the target calls it, whoever's rule it is in."""
    ports = rule.get("ports") or []
    if not ports:
        return True
    for one in ports:
        if one.get("protocol", "TCP") != port.protocol:
            continue
        wanted = one.get("port")
        if wanted is None:
            return True
        if isinstance(wanted, str):
            if any(has.name == wanted and has.number == port.number for has in target.ports):
                return True
        elif wanted <= port.number <= one.get("endPort", wanted):
            return True
    return False
