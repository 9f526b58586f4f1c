"""Each check of selectors: nothing in the real build, and exactly the thing that was broken."""

import pytest

from k8s.checks.documents import Document
from k8s.checks.labels import selects
from k8s.checks.selectors import (
    check_labels,
    check_monitors,
    check_policy_selectors,
    check_selectors,
    check_spreading,
)

NAME = "app.kubernetes.io/name"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchLabels": {"a": "1", "c": "1"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["0", "1"]}]}, False),
        ({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["0"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}, False),
    ],
)
def test_selectors_are_evaluated_as_kubernetes_does(selector, expected):
    assert selects(selector, {"a": "1", "b": "2"}) is expected


@pytest.mark.parametrize(
    "check", [check_labels, check_selectors, check_spreading, check_policy_selectors, check_monitors]
)
def test_nothing_is_wrong_with_the_real_one(prod, check):
    assert prod.findings(check) == []


def test_a_document_outside_of_the_namespace(prod):
    prod("Service", "redis")["metadata"]["namespace"] = "default"
    assert prod.findings(check_labels) == [
        "k8s/base/redis/service.yaml: Service/redis: namespace 'default': the build makes attendant"
    ]


def test_pods_that_do_not_say_what_they_are(prod):
    del prod.spec("Deployment", "monitor")["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"]
    assert len(prod.findings(check_labels)) == 1


def test_a_service_that_leads_to_nobody(prod):
    prod.spec("Service", "redis")["selector"][NAME] = "valkey"
    (found,) = prod.findings(check_selectors)
    assert "Service/redis: selector: it selects pods of nobody" in found


def test_a_service_that_leads_to_two_components(prod):
    del prod.spec("Service", "redis")["selector"][NAME]
    found = prod.findings(check_selectors)
    assert len(found) == 2
    assert "gateway and monitor and redis and torchserve" in found[0]
    assert f"it does not name {NAME}" in found[1]


def test_a_workload_that_does_not_select_its_pods(prod):
    prod.spec("Deployment", "monitor")["selector"]["matchLabels"]["tier"] = "back"
    (found,) = prod.findings(check_selectors)
    assert "Deployment/monitor selector: it does not select its own pods" in found


def test_a_workload_that_selects_the_pods_of_another_one(prod):
    prod.spec("Deployment", "monitor")["selector"] = {
        "matchLabels": {"app.kubernetes.io/part-of": "attendant"}
    }
    found = prod.findings(check_selectors)
    assert len(found) == 3
    assert all("Deployment/monitor selector: it selects pods of" in one for one in found)


def test_a_budget_for_nobody(prod):
    prod.spec("PodDisruptionBudget", "gateway")["selector"]["matchLabels"][NAME] = "gatewy"
    (found,) = prod.findings(check_selectors)
    assert "PodDisruptionBudget/gateway: selector: it selects pods of nobody" in found


def test_a_spread_constraint_over_other_components(prod):
    constraint = prod.pod("gateway")["topologySpreadConstraints"][0]
    constraint.pop("matchLabelKeys", None)
    constraint["labelSelector"] = {"matchLabels": {"app.kubernetes.io/part-of": "attendant"}}
    (found,) = prod.findings(check_spreading)
    assert "Deployment/gateway topologySpreadConstraints: it selects pods of gateway, monitor" in found


def test_an_affinity_to_nobody(prod):
    affinity = prod.pod("torchserve")["affinity"]["podAntiAffinity"]
    term = affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    term["labelSelector"] = {"matchLabels": {NAME: "nobody"}}
    term.pop("matchLabelKeys", None)
    (found,) = prod.findings(check_spreading)
    assert "Deployment/torchserve podAntiAffinity: it selects pods of nobody" in found


def test_a_policy_for_nobody(prod):
    prod.spec("NetworkPolicy", "monitor")["podSelector"]["matchLabels"][NAME] = "moniter"
    (found,) = prod.findings(check_policy_selectors)
    assert f"NetworkPolicy/monitor: {NAME}=moniter selects no pod" in found


def test_a_policy_that_lets_nobody_in(prod):
    peer = prod.spec("NetworkPolicy", "torchserve")["ingress"][0]["from"][0]
    peer["podSelector"] = {"matchLabels": {NAME: "gatewy"}}
    (found,) = prod.findings(check_policy_selectors)
    assert f"NetworkPolicy/torchserve: {NAME}=gatewy selects no pod" in found


def test_a_port_that_no_service_has_is_not_scraped(prod):
    prod.spec("ServiceMonitor", "monitor")["endpoints"][0]["port"] = "metrics"
    found = prod.findings(check_monitors)
    assert len(found) == 2
    assert "ServiceMonitor/monitor: no Service that it selects has a port 'metrics'" in found[0]
    assert found[1] == "ServiceMonitor: nothing scrapes monitor"


def test_a_monitor_of_no_service(prod):
    prod.spec("ServiceMonitor", "torchserve")["selector"] = {"matchLabels": {NAME: "torch"}}
    found = prod.findings(check_monitors)
    assert len(found) == 2
    assert f"{NAME}=torch selects no Service" in found[0]


def test_a_job_that_the_rules_do_not_know(prod):
    prod.spec("ServiceMonitor", "gateway")["endpoints"][0]["relabelings"] = []
    (found,) = prod.findings(check_monitors)
    assert "the rules know gateway as job 'attendant-gateway', not None" in found


def test_a_pod_that_is_scraped_twice(prod):
    headless = prod.spec("Service", "gateway-headless")
    headless["ports"].append({"name": "operations", "port": 8001, "targetPort": "operations"})
    assert prod.findings(check_monitors) == ["ServiceMonitor: port 8001 of gateway is scraped 2 times"]


def test_another_document_in_the_cluster_is_left_alone(prod):
    prod.add(
        Document({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "x"}})
    )
    assert prod.findings(check_labels) == []
