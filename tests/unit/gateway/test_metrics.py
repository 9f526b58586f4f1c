"""The metrics are those that docs/metrics.md lists, and belong to one gateway."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from sample_models import MODELS

from services.gateway.histograms import AttentionHistograms
from services.gateway.metrics import Metrics

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_the_document_lists_every_metric_with_its_type_and_labels():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    collectors = [value for value in vars(metrics).values() if hasattr(value, "_labelnames")]
    expected = set()
    for collector in collectors:
        name = collector._name + ("_total" if collector._type == "counter" else "")
        expected.add((name, collector._type, tuple(collector._labelnames)))
    expected |= {
        (family.name, "histogram", ("model", "version", *family.labels))
        for family in AttentionHistograms(registry).families
    }
    section = DOCUMENT.read_text().partition("## Gateway")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (attendant_\w+) \| (\w+) \| ([\w, ]*)\| .+ \|$", section, re.MULTILINE)
    found = {
        (name, kind, tuple(label.strip() for label in labels.split(",") if label.strip()))
        for name, kind, labels in rows
    }
    assert found == expected
    assert len(expected) > 15


def test_the_size_of_the_cache_is_asked_when_it_is_scraped():
    registry = CollectorRegistry()
    size = 5
    Metrics(registry).watch_cache(lambda: size)
    assert registry.get_sample_value("attendant_cache_bytes") == 5
    size = 7
    assert registry.get_sample_value("attendant_cache_bytes") == 7


def test_what_alerts_look_at_begins_at_zero():
    registry = CollectorRegistry()
    Metrics(registry).begin_at_zero(MODELS)
    for name, labels in (
        ("attendant_attention_samples_total", {"model": "sarcasm", "version": "2"}),
        ("attendant_attention_drift_dropped_samples_total", {"reason": "sink"}),
        ("attendant_requests_total", {"method": "Explain", "model": "mosaics", "code": "UNAVAILABLE"}),
    ):
        assert registry.get_sample_value(name, labels) == 0
