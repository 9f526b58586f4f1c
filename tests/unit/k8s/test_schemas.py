"""Strict validation, against several versions and of resources that Kubernetes does not know."""

import copy

import pytest

from k8s.checks.custom import validate_custom
from k8s.checks.documents import Document
from k8s.checks.schemas import VERSIONS, Validator, known_versions


def deployment(**container):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "one"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "one", "image": "x", **container}]},
            },
        },
    }


def problems(content, *versions):
    return [finding.what for finding in Validator(versions or VERSIONS).validate(Document(content))]


def test_at_least_three_versions_to_the_newest():
    assert len(set(VERSIONS)) >= 3
    assert set(VERSIONS) <= set(known_versions())
    assert VERSIONS[-1] == known_versions()[-1]


def test_every_document_of_production_is_valid(good_prod):
    validator = Validator()
    assert [finding for one in good_prod.documents for finding in validator.validate(one)] == []
    assert validator.documents == len(good_prod.documents)


def test_a_field_that_there_is_not_is_refused():
    (found,) = problems(deployment(imagePullPolcy="Always"))
    assert found.startswith("Kubernetes 1.30, 1.32, 1.34, 1.36, 1.37: spec.template.spec.containers.0: ")
    assert "imagePullPolcy" in found


def test_a_field_of_a_later_version_is_refused_by_the_earlier_ones():
    sleeping = deployment(lifecycle={"preStop": {"sleep": {"seconds": 5}}})
    assert problems(sleeping) == []
    assert "sleep" in problems(sleeping, "1.28")[0]


def test_a_wrong_type_is_refused():
    (found,) = problems(deployment(env=[{"name": "A", "value": 5}]), "1.37")
    assert "env.0.value" in found


def test_a_kind_that_nobody_knows_is_refused():
    (found,) = problems({"apiVersion": "example.com/v1", "kind": "Wonder", "metadata": {"name": "x"}}, "1.37")
    assert "there is no Wonder in example.com/v1" in found


def test_what_was_seen_is_not_validated_again():
    validator = Validator(["1.37"])
    for _ in range(3):
        validator.validate(Document(deployment()))
    assert validator.documents == 1


MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "one", "labels": {"a": "b"}},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "endpoints": [{"port": "http", "interval": "15s"}]},
}
RULE = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "one"},
    "spec": {
        "groups": [
            {
                "name": "g",
                "rules": [{"alert": "A", "expr": "up == 0", "for": "1m30s"}, {"record": "a:b", "expr": "1"}],
            }
        ]
    },
}


def test_the_prometheus_operators_resources_are_known():
    assert problems(MONITOR) == []
    assert problems(RULE) == []


@pytest.mark.parametrize(
    ("content", "path", "value", "expected"),
    [
        (MONITOR, ("spec", "endpoint"), [], "spec.endpoint: Extra inputs"),
        (MONITOR, ("spec", "endpoints"), [], "spec.endpoints"),
        (MONITOR, ("spec", "endpoints", 0, "intervall"), "1s", "spec.endpoints.0.intervall: Extra inputs"),
        (MONITOR, ("spec", "endpoints", 0, "interval"), "15", "spec.endpoints.0.interval"),
        (MONITOR, ("spec", "endpoints", 0, "port"), 8000, "spec.endpoints.0.port"),
        (MONITOR, ("spec", "selector", "matchLabels"), {"a": 1}, "spec.selector.matchLabels.a"),
        (MONITOR, ("metadata", "name"), "Not_A_Name", "metadata.name"),
        (MONITOR, ("status",), {}, "status: there is no such field"),
        (RULE, ("spec", "groups", 0, "rules", 0, "fro"), "1m", "fro: Extra inputs"),
        (RULE, ("spec", "groups", 0, "rules", 0, "for"), "a minute", "for"),
        (RULE, ("spec", "groups", 0, "rules", 1, "record"), "a-b", "record"),
        (RULE, ("spec", "groups", 0, "rules", 0, "labels"), {"severity": 1}, "labels.severity"),
        (RULE, ("spec", "groups", 0, "name"), "", "spec.groups.0.name"),
    ],
)
def test_they_are_held_to_their_fields(content, path, value, expected):
    broken = copy.deepcopy(content)
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found = validate_custom(broken)
    assert any(expected in one for one in found), found
