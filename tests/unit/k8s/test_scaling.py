"""Replicas, autoscalers, budgets and roll-outs."""

import pytest

from k8s.checks.scaling import (
    check_autoscalers,
    check_budgets,
    check_strategies,
    least_replicas,
)


@pytest.mark.parametrize("check", [check_autoscalers, check_budgets, check_strategies])
@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay, check):
    assert list(check(make_build(overlay))) == []


def test_a_number_that_fights_the_autoscaler(prod):
    prod.spec("Deployment", "gateway")["replicas"] = 3
    (found,) = prod.findings(check_autoscalers)
    assert "Deployment/gateway: replicas: each apply would undo" in found


def test_an_autoscaler_of_nothing(prod):
    prod.spec("HorizontalPodAutoscaler", "torchserve")["scaleTargetRef"]["name"] = "torch"
    (found,) = prod.findings(check_autoscalers)
    assert "HorizontalPodAutoscaler/torchserve: there is no Deployment torch of apps/v1" in found


def test_an_autoscaler_of_another_version(prod):
    prod.spec("HorizontalPodAutoscaler", "torchserve")["scaleTargetRef"]["apiVersion"] = "extensions/v1beta1"
    assert len(prod.findings(check_autoscalers)) == 1


def test_fewer_at_most_than_at_least(prod):
    prod.spec("HorizontalPodAutoscaler", "gateway").update(minReplicas=5, maxReplicas=4)
    (found,) = prod.findings(check_autoscalers)
    assert "minReplicas 5 is more than maxReplicas 4" in found


def test_a_share_of_what_is_not_asked_for(prod):
    del prod.container("gateway")["resources"]["requests"]["cpu"]
    (found,) = prod.findings(check_autoscalers)
    assert "HorizontalPodAutoscaler/gateway metrics: gateway has a container that requests no cpu" in found


@pytest.mark.parametrize(
    ("budget", "closed"),
    [
        ({"minAvailable": 3}, True),
        ({"minAvailable": 2}, False),
        ({"minAvailable": "100%"}, True),
        ({"minAvailable": "70%"}, True),  # of three pods that is three: it is rounded up
        ({"minAvailable": "60%"}, False),
        ({"maxUnavailable": 0}, True),
        ({"maxUnavailable": "1%"}, False),
        ({"maxUnavailable": 1}, False),
    ],
)
def test_a_budget_leaves_room_or_does_not(prod, budget, closed):
    spec = prod.spec("PodDisruptionBudget", "gateway")
    spec.pop("maxUnavailable", None)
    spec.pop("minAvailable", None)
    spec.update(budget)
    assert least_replicas(prod.build, prod.build.workload("Deployment", "gateway")) == 3
    found = prod.findings(check_budgets)
    assert bool(found) is closed
    assert all("of 3 pods of gateway none may go" in one for one in found)


def test_a_budget_for_the_only_pod(prod):
    prod.spec("PodDisruptionBudget", "monitor").pop("maxUnavailable", None)
    prod.spec("PodDisruptionBudget", "monitor")["minAvailable"] = 1
    prod.spec("Deployment", "monitor")["replicas"] = 1
    (found,) = prod.findings(check_budgets)
    assert "of 1 pods of monitor none may go" in found


def test_several_pods_without_a_budget(prod):
    prod.remove("PodDisruptionBudget", "torchserve")
    (found,) = prod.findings(check_budgets)
    assert "Deployment/torchserve: it has several replicas and 0 budgets, not one" in found


def test_two_budgets_for_the_same_pods(prod):
    prod.add(prod.build.get("PodDisruptionBudget", "torchserve"))
    (found,) = prod.findings(check_budgets)
    assert "it has several replicas and 2 budgets, not one" in found


@pytest.mark.parametrize(
    ("name", "rolling", "expected"),
    [
        ("gateway", {"maxUnavailable": 0, "maxSurge": 0}, "maxUnavailable and maxSurge are both 0"),
        ("gateway", {"maxUnavailable": "100%", "maxSurge": 0}, "of 3 pods 3 may be away at a time"),
        ("gateway", {"maxUnavailable": 3, "maxSurge": 1}, "of 3 pods 3 may be away at a time"),
    ],
)
def test_a_roll_out_that_cannot_go_on_or_takes_all(prod, name, rolling, expected):
    prod.spec("Deployment", name)["strategy"] = {"rollingUpdate": rolling}
    (found,) = prod.findings(check_strategies)
    assert f"Deployment/{name} strategy: {expected}" in found


def test_the_only_pod_goes_last(dev):
    dev.spec("Deployment", "torchserve")["strategy"] = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    (found,) = dev.findings(check_strategies)
    assert "its only pod goes before the next one is there" in found
    dev.container("torchserve")["resources"]["limits"]["nvidia.com/gpu"] = "1"
    assert dev.findings(check_strategies) == []


def test_what_kubernetes_does_by_itself_is_fine(dev):
    dev.spec("Deployment", "torchserve").pop("strategy", None)
    assert dev.findings(check_strategies) == []
