"""The network policies as a graph: what they let through is what is needed, and nothing else."""

import pytest

from k8s.checks.documents import Document
from k8s.checks.flows import NEEDED, WORLD, check_flows, needed_edges, pod_endpoints
from k8s.checks.policies import edges


@pytest.mark.parametrize("overlay", ["prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay):
    assert list(check_flows(make_build(overlay))) == []


def test_production_is_closed_and_development_says_nothing(good_prod, dev):
    assert good_prod.of("NetworkPolicy")
    assert not dev.build.of("NetworkPolicy")
    assert dev.findings(check_flows) == []


def test_every_flow_is_there_by_name(good_prod):
    needed = {(edge.source, edge.target) for edge in needed_edges(pod_endpoints(good_prod))}
    assert needed == {(flow.source, flow.target) for flow in NEEDED}
    assert sum(len(flow.ports) for flow in NEEDED) == len(set(needed_edges(pod_endpoints(good_prod))))


def test_what_must_never_be(good_prod):
    places = (*pod_endpoints(good_prod), *WORLD)
    found = {(edge.source, edge.target) for edge in edges(good_prod.of("NetworkPolicy"), places)}
    for source, target in (
        ("monitor", "torchserve"),
        ("monitor", "gateway"),
        ("torchserve", "redis"),
        ("torchserve", "the internet"),
        ("torchserve", "DNS"),
        ("gateway", "the internet"),
        ("gateway", "the node's metadata"),
        ("redis", "the internet"),
        ("a client", "torchserve"),
        ("a client", "redis"),
        ("a stranger", "gateway"),
        ("a stranger", "redis"),
        ("the internet", "gateway"),
        ("a neighbour", "redis"),
        ("Prometheus", "redis"),
    ):
        assert (source, target) not in found, f"{source} -> {target}"


def test_a_rule_that_is_missing(prod):
    spec = prod.spec("NetworkPolicy", "gateway")
    spec["egress"] = [
        rule
        for rule in spec["egress"]
        if rule["to"][0]["podSelector"] != {"matchLabels": {"app.kubernetes.io/name": "redis"}}
    ]
    assert prod.findings(check_flows) == [
        "NetworkPolicy: gateway -> redis TCP 6379 is needed and not let through"
    ]


def test_one_end_is_not_enough(prod):
    prod.spec("NetworkPolicy", "redis")["ingress"] = []
    assert prod.findings(check_flows) == [
        "NetworkPolicy: gateway -> redis TCP 6379 is needed and not let through",
        "NetworkPolicy: monitor -> redis TCP 6379 is needed and not let through",
    ]


def test_a_wrong_port(prod):
    prod.spec("NetworkPolicy", "monitor")["ingress"][0]["ports"] = [{"protocol": "TCP", "port": 8084}]
    assert prod.findings(check_flows) == [
        "NetworkPolicy: Prometheus -> monitor TCP 8083 is needed and not let through"
    ]


def test_names_that_cannot_be_looked_up(prod):
    prod.remove("NetworkPolicy", "dns")
    assert prod.findings(check_flows) == [
        "NetworkPolicy: gateway -> DNS TCP 53, UDP 53 is needed and not let through",
        "NetworkPolicy: monitor -> DNS TCP 53, UDP 53 is needed and not let through",
    ]


def test_a_rule_without_ports_lets_more_through(prod):
    del prod.spec("NetworkPolicy", "monitor")["ingress"][0]["ports"]
    assert prod.findings(check_flows) == [
        "NetworkPolicy: Prometheus -> monitor TCP 4444 is let through and not needed"
    ]


def test_a_namespace_that_is_not_asked_for(prod):
    prod.spec("NetworkPolicy", "monitor")["ingress"][0]["from"] = [{"namespaceSelector": {}}]
    found = prod.findings(check_flows)
    assert "NetworkPolicy: a client -> monitor TCP 8083 is let through and not needed" in found
    assert "NetworkPolicy: a stranger -> monitor TCP 8083 is let through and not needed" in found
    assert len(found) == 4, "a system pod and DNS are in a namespace, too"


def test_a_way_out(prod):
    spec = prod.spec("NetworkPolicy", "torchserve")
    spec.setdefault("egress", []).append(
        {
            "to": [
                {
                    "ipBlock": {
                        "cidr": "0.0.0.0/0",
                        "except": ["169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12"],
                    }
                }
            ]
        }
    )
    assert prod.findings(check_flows) == [
        "NetworkPolicy: torchserve -> the internet UDP 53, TCP 80, TCP 443 is let through and not needed"
    ]


def test_a_block_of_addresses_may_let_pods_in(prod):
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 443}]}
    prod.spec("NetworkPolicy", "monitor")["egress"].append(rule)
    found = prod.findings(check_flows)
    assert "NetworkPolicy: monitor -> a system pod TCP 443 is let through and not needed" in found


def test_what_is_needed_may_not_rely_on_a_block_of_addresses(prod):
    rule = prod.spec("NetworkPolicy", "monitor")["egress"][0]
    rule["to"] = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    found = prod.findings(check_flows)
    assert "NetworkPolicy: monitor -> redis TCP 6379 is needed and not let through" in found


def test_without_the_policy_that_denies_a_neighbour_is_open(prod):
    prod.remove("NetworkPolicy", "deny")
    found = prod.findings(check_flows)
    assert found
    assert all("a neighbour" in one for one in found)


def test_one_more_policy_opens_everything(prod):
    content = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": "attendant"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }
    prod.add(Document(content))
    found = prod.findings(check_flows)
    assert (
        "NetworkPolicy: the internet -> torchserve TCP 4444, TCP 7070, TCP 7071, TCP 7072, TCP 8082 is let"
        in (" ".join(found))
    )
