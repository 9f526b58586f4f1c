"""What Prometheus is told of a version, against the report that it comes from."""

import asyncio
import json
import math
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from watched_store import EVERYTHING, IRONY, SARCASM, TEXT, digest_of, draw

from attendant.statistics.detector import MIX_NAME
from services.monitor.documents import drift_document
from services.monitor.link import Link
from services.monitor.metrics import DriftMetrics, StreamMetrics
from services.monitor.monitor import Monitor
from services.monitor.watch import Watch

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def snapshots(references):
    watch, other = Watch(SARCASM, references, 50.0), Watch(IRONY, references, 50.0)
    digest = digest_of()
    watch.add([(digest, draw((TEXT,), 2500, 1, drift=1.0)), (digest, draw(EVERYTHING, 500, 2))])
    other.add([(digest_of(IRONY), draw((TEXT,), 40))])
    return [watch.snapshot(), other.snapshot()]


def page(snapshots):
    registry = CollectorRegistry()
    registry.register(DriftMetrics(lambda: snapshots))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[f"attendant_{name}", frozenset(labels.items())]


def names(found, name):
    return [dict(labels) for key, labels in found if key == f"attendant_{name}"]


def test_every_number_of_a_window_is_there(snapshots):
    found = page(snapshots)
    everything = next(one for one in snapshots[0].report.sets if one.name == "text+image+attribute")
    window = {"model": "sarcasm", "version": "1", "modalities": everything.name, "window": "fast"}
    fast = everything.lengths[0]
    assert value(found, "attention_drift_windows_total", **window) == fast.windows == 2
    assert value(found, "attention_drift_window_samples", **window) == fast.filled == 100
    assert value(found, "attention_drift_log_evidence", **window) == pytest.approx(fast.log_evidence)
    assert value(found, "attention_drift_log_evidence_threshold", **window) == pytest.approx(
        math.log1p(2 * 50.0)
    )
    for one in fast.streams:
        stream = window | {
            "statistic": one.watched.stream.statistic,
            "target": one.watched.stream.target,
            "source": one.watched.stream.source,
        }
        assert value(found, "attention_drift_pvalue", **stream) == pytest.approx(one.p_value)
        assert value(found, "attention_drift_log_e_value", **stream) == pytest.approx(one.log_e_value)
        assert value(found, "attention_drift_share", **stream) == pytest.approx(one.share)
        assert value(found, "attention_drift_statistic", **stream, test="ks") == pytest.approx(one.distance)
        assert value(found, "attention_drift_threshold", **stream, test="ks") == pytest.approx(one.tolerance)
    place = window | {"statistic": "map", "target": "image", "source": "mean", "test": "jsd"}
    assert value(found, "attention_drift_statistic", **place) == pytest.approx(fast.map_jsd)
    assert value(found, "attention_drift_threshold", **place) == pytest.approx(fast.map_threshold)


def test_what_has_no_value_is_left_out(snapshots):
    found = page(snapshots)
    assert not any(math.isnan(number) for number in found.values())
    tests = names(found, "attention_drift_statistic")
    assert {one["test"] for one in tests if one["window"] == "fast"} == {"ks", "jsd"}  # jsd: of the map
    assert {one["statistic"] for one in tests if one["window"] == "fast" and one["test"] == "jsd"} == {"map"}
    slow = [one for one in tests if one["window"] == "slow" and one["modalities"] == "text"]
    assert {one["test"] for one in slow} == {"ks", "psi", "jsd"}


def test_every_stream_has_its_counter_of_alarms_from_the_start_and_the_causes_are_counted(snapshots):
    found = page(snapshots)
    alarms = names(found, "attention_drift_alarms_total")
    watched = [
        (one.name, length.length, stream.watched.stream)
        for one in snapshots[0].report.sets
        for length in one.lengths
        for stream in length.streams
    ]
    assert len(alarms) == len(watched) > 0
    counts = [
        number for (name, _), number in found.items() if name == "attendant_attention_drift_alarms_total"
    ]
    assert sum(counts) == sum(snapshots[0].alarms.values()) > 0
    assert counts.count(0) > 0


def test_references_are_named_and_missing_ones_too(snapshots):
    found = page(snapshots)
    info = names(found, "attention_drift_reference_info")
    assert {one["modalities"] for one in info} == {"text", "text+image+attribute"}
    assert {one["sha256"] for one in info} == {snapshots[0].sha256}
    assert names(found, "attention_drift_reference_missing") == [
        {"model": "irony", "version": "1", "modalities": "text"}
    ]
    labels = {"model": "sarcasm", "version": "1"}
    assert value(found, "attention_drift_samples_total", **labels, modalities="text") == 2500
    assert value(found, "attention_drift_samples_total", **labels, modalities=MIX_NAME) == 3000


def test_how_weights_and_impacts_go_together_is_there(snapshots):
    found = page(snapshots)
    correlations = snapshots[0].report.correlations
    assert [one.n for one in correlations] == [500, 500, 500]
    for one in correlations:
        labels = {"model": "sarcasm", "version": "1", "target": str(one.modality)}
        assert value(found, "impact_correlation", **labels) == pytest.approx(one.r)
        assert value(found, "impact_correlation_low", **labels) == pytest.approx(one.low)
        assert value(found, "impact_correlation_high", **labels) == pytest.approx(one.high)
        assert value(found, "impact_correlation_samples", **labels) == 500


def test_the_same_as_json(snapshots):
    document = json.loads(json.dumps(drift_document(snapshots), allow_nan=False))
    irony, sarcasm = document["versions"]
    assert (irony["model"], irony["reference_sha256"]) == ("irony", None)
    assert [one["status"] for one in irony["sets"]] == ["collecting", "no reference"]
    text = next(one for one in sarcasm["sets"] if one["modalities"] == "text")
    fast, slow = text["windows"]
    assert (fast["window"], fast["size"], fast["compared"]) == ("fast", 200, 12)
    assert (slow["window"], slow["size"], slow["filled"]) == ("slow", 2000, 500)
    assert fast["map_jsd"] is None
    assert fast["alarms"] > 0
    assert sum(one["share"] for one in fast["last_alarm"]["streams"]) == pytest.approx(1)
    assert fast["streams"][0]["psi"] is None
    assert slow["streams"][0]["psi"] > 0
    assert {"stream", "group", "distance", "tolerance", "p_value", "median"} <= set(fast["streams"][0])
    assert [one["modality"] for one in sarcasm["correlations"]] == ["text", "image", "attribute"]


def test_the_document_lists_every_metric_with_its_type_and_labels(snapshots, references):
    async def nothing_yet() -> Monitor:
        return Monitor(Link(None), references, run_length=50.0, poll=1.0, save=1.0)

    families = [
        *DriftMetrics(lambda: snapshots).collect(),
        *StreamMetrics(asyncio.run(nothing_yet())).collect(),
    ]
    expected = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, tuple(family._labelnames))
        for family in families
    }
    section = DOCUMENT.read_text().partition("## Monitor")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (attendant_\w+) \| (\w+) \| ([\w, ]*)\| .+ \|$", section, re.MULTILINE)
    found = {
        (name, kind, tuple(label.strip() for label in labels.split(",") if label.strip()))
        for name, kind, labels in rows
    }
    assert found == expected
    assert len(expected) > 20
