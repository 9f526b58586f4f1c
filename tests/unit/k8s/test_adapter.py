"""What prometheus-adapter makes for autoscalers, held against what gateways export."""

import pytest

from k8s.checks.adapter import check_metrics
from k8s.checks.servers import gateway_series

NAME = "attendant_queue_seconds_mean"


def change(prod, before, after):
    """In the adapter's configuration, wherever it is."""
    data = prod("ConfigMap", "prometheus-adapter")["data"]
    assert before in data["config.yaml"]
    data["config.yaml"] = data["config.yaml"].replace(before, after)


@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay):
    assert list(check_metrics(make_build(overlay))) == []


def test_series_have_the_labels_that_the_gateway_gives_them():
    series = gateway_series()
    assert series["attendant_queue_seconds_sum"] == {"model", "lane"}
    assert series["attendant_queue_seconds_bucket"] == {"model", "lane", "le"}
    assert series["attendant_backend_failures_total"] == {"model", "lane", "reason"}
    assert series["attendant_cache_bytes"] == frozenset()


def test_a_metric_that_nothing_makes(prod):
    prod.remove("ConfigMap", "prometheus-adapter")
    found = prod.findings(check_metrics)
    assert found
    assert all("nothing in the build makes attendant_queue_seconds_mean" in one for one in found)


def test_a_metric_of_series_that_no_gateway_exports(prod):
    data = prod("ConfigMap", "prometheus-adapter")["data"]
    data["config.yaml"] = data["config.yaml"].replace("attendant_queue_seconds_sum", "attendant_waiting_sum")
    assert prod.findings(check_metrics) == [
        "prometheus-adapter attendant_queue_seconds_mean: no gateway exports attendant_waiting_sum"
    ]


def test_a_label_that_the_metric_does_not_have(prod):
    metrics = prod.spec("HorizontalPodAutoscaler", "torchserve")["metrics"]
    external = next(one for one in metrics if one["type"] == "External")["external"]
    external["metric"]["selector"]["matchLabels"] = {"worker": "fast"}
    (found,) = prod.findings(check_metrics)
    assert (
        "HorizontalPodAutoscaler/torchserve metrics: attendant_queue_seconds_mean has no label worker"
        in found
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "namespace: {resource: namespace}",
            "job: {resource: namespace}",
            "resources.overrides does not say",
        ),
        (
            "attendant_queue_seconds_count{<<.LabelMatchers>>}",
            "attendant_queue_seconds_count",
            "attendant_queue_seconds_count lacks {<<.LabelMatchers>>}: those of all namespaces would be mixed",
        ),
        (
            "attendant_model_ready{<<.LabelMatchers>>}",
            'attendant_model_ready{lane="fast"}',
            "attendant_model_ready lacks {<<.LabelMatchers>>}",
        ),
        (
            "attendant_model_ready{<<.LabelMatchers>>}",
            'attendant_model_ready{<<.LabelMatchers>>,worker=~"a)b"}',
            "attendant_model_ready has no label worker",
        ),
        ('lane!=""', 'queue!=""', "attendant_model_ready has no label queue"),
        (
            "sum by (lane) (attendant_model_ready",
            "sum by (lane, reason) (attendant_model_ready",
            "attendant_model_ready has no label reason",
        ),
        (
            "sum by (lane) (rate(attendant_queue_seconds_sum",
            "sum by (lane, le) (rate(attendant_queue_seconds_sum",
            "attendant_queue_seconds_sum has no label le",
        ),
    ],
)
def test_a_rule_that_would_mix_namespaces_or_finds_nothing(prod, before, after, expected):
    change(prod, before, after)
    (found,) = prod.findings(check_metrics)
    assert found.startswith(f"prometheus-adapter {NAME}: {expected}")


def test_a_label_that_one_side_of_the_query_loses(prod):
    change(prod, "sum by (lane) (attendant_model_ready", "sum by (model) (attendant_model_ready")
    found = prod.findings(check_metrics)
    assert len(found) == 2  # for each lane that is asked for
    assert all(
        f"HorizontalPodAutoscaler/torchserve metrics: {NAME} has no label lane" in one for one in found
    )


def test_labels_that_prometheus_adds_may_be_kept(prod):
    change(prod, "by (lane)", "by (namespace, lane)")
    assert prod.findings(check_metrics) == []
