"""What a cluster is given of k8s/monitoring: rules, dashboards, and the metric that TorchServe is scaled by."""

import re
from pathlib import Path

import yaml

from attendant.lanes import Lane
from k8s.monitoring.prometheus_rule import RULES, TARGET, render

K8S = Path(__file__).resolve().parents[2] / "k8s"
DASHBOARDS = K8S / "monitoring" / "dashboards"


def read(path):
    return list(yaml.safe_load_all(path.read_text()))


def test_the_written_rules_are_up_to_date():
    assert TARGET.read_text() == render(), "python -m k8s.monitoring.prometheus_rule writes them"


def test_every_rule_is_there_as_it_was_written():
    written = {document["metadata"]["name"]: document["spec"] for document in read(TARGET)}
    assert written == {
        f"attendant-{path.stem}": yaml.safe_load(path.read_text()) for path in RULES.glob("*.yml")
    }


def test_what_is_scraped_is_what_rules_and_dashboards_ask_for():
    asked = [*RULES.glob("*.yml"), *DASHBOARDS.glob("*.json")]
    found = [text for path in asked for text in re.findall(r'job=~?\\?"([^"\\$]+)', path.read_text())]
    jobs = {job for text in found for job in text.split("|")}
    monitors = read(K8S / "components" / "prometheus" / "monitors.yaml")
    named = {
        relabeling["replacement"]
        for monitor in monitors
        for endpoint in monitor["spec"]["endpoints"]
        for relabeling in endpoint["relabelings"]
        if relabeling["targetLabel"] == "job"
    }
    assert jobs
    assert jobs <= named
    assert len(named) == len(monitors)


def test_every_dashboard_is_given_to_grafana():
    (kustomization,) = read(DASHBOARDS / "kustomization.yaml")
    listed = [file for entry in kustomization["configMapGenerator"] for file in entry["files"]]
    assert sorted(listed) == sorted(path.name for path in DASHBOARDS.glob("*.json"))


def test_torchserve_is_scaled_by_both_lanes_queues_and_by_processor_time():
    (scaler,) = read(K8S / "overlays" / "prod" / "torchserve-scaling.yaml")
    metrics = scaler["spec"]["metrics"]
    asked = [entry["external"]["metric"] for entry in metrics if entry["type"] == "External"]
    assert {metric["name"] for metric in asked} == {"attendant_queue_seconds_mean"}
    assert sorted(metric["selector"]["matchLabels"]["lane"] for metric in asked) == sorted(Lane)
    assert any(entry["type"] == "Resource" for entry in metrics)
