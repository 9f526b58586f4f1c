"""A real Prometheus evaluates the rules and every dashboard's query, on series like those that the service exports, and
scrapes a real service. That drift raises an alert there: test_drift.py."""

import io
import itertools
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from exported_metrics import Metric, exported
from PIL import Image
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_server import Prometheus, find_tool, in_full, running_prometheus

from attendant.methods import ExplainOptions, PermutationOptions
from attendant.types import Tweet
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from k8s.monitoring.dashboards import DASHBOARDS

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(find_tool("prometheus") is None, reason="needs Debian's package prometheus"),
]

# A metric has a series for every combination of its labels' values; a label that is not named here is "some".
VALUES = {
    "model": ("sarcasm",),
    "version": ("1",),
    "method": ("Predict", "Explain"),
    "code": ("OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"),
    "modalities": ("text", "mix"),
    "window": ("fast", "slow"),
    "test": ("ks", "psi", "jsd"),
    "source": ("mean", "text"),
}
DRIFTED = {
    "model": "sarcasm",
    "version": "1",
    "modalities": "text",
    "window": "fast",
    "statistic": "some",
    "target": "some",
    "source": "mean",
}


class Exporter:
    """What can be scraped: the metrics that begin with one of `prefixes`. Gauges are at 1, or at the time."""

    def __init__(self, *prefixes: str) -> None:
        self.registry = CollectorRegistry()
        self.series = [
            series
            for name, metric in exported().items()
            if name.startswith(prefixes)
            for series in _make(metric, self.registry)
        ]
        self._server, self._thread = start_http_server(0, "127.0.0.1", self.registry)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def live(self) -> None:
        """A little of everything happens."""
        for series in self.series:
            if isinstance(series, Counter):
                series.inc()
            elif isinstance(series, Histogram):
                series.observe(0.2)


def _make(metric: Metric, registry: CollectorRegistry) -> Iterator[Counter | Gauge | Histogram]:
    """Its series."""
    kind = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}[metric.type]
    labels = sorted(metric.labels)
    made = kind(metric.name, "A test's.", labels, registry=registry)
    for values in itertools.product(*(VALUES.get(label, ("some",)) for label in labels)):
        series = made.labels(*values) if labels else made
        if isinstance(series, Gauge):
            series.set(time.time() if metric.name.endswith("_timestamp_seconds") else 1)
        yield series


@contextmanager
def exporters() -> Iterator[dict[str, Exporter]]:
    """By job; the gateway watches by itself here."""
    with (
        closing(Exporter("attendant_", "process_")) as gateway,
        closing(Exporter("process_")) as monitor,
        closing(Exporter("PredictionTime", "QueueTime")) as torchserve,
    ):
        yield {"attendant-gateway": gateway, "attendant-monitor": monitor, "torchserve": torchserve}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory) -> Iterator[Prometheus]:
    """After something of everything has happened, an alarm of every stream included."""
    with exporters() as jobs:
        targets = {job: exporter.address for job, exporter in jobs.items()}
        with running_prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
            for exporter in jobs.values():
                exporter.live()
            server.look()
            server.wait(lambda: named(server, "AttendantDrift"))
            server.look()
            yield server


def named(server, name):
    return [alert for alert in server.alerts() if alert["labels"]["alertname"] == name]


def test_every_rule_is_evaluated(prometheus):
    assert len(prometheus.rules()) > 35
    assert [rule for rule in prometheus.rules() if rule["health"] != "ok"] == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.file)
def test_every_query_of_a_dashboard_has_an_answer(prometheus, dashboard):
    silent = [query for query in dashboard.queries() if not prometheus.query(in_full(query))]
    assert silent == []


def test_an_alarm_is_an_alert_that_says_what_drifted(prometheus):
    alert = next(
        alert for alert in named(prometheus, "AttendantDrift") if DRIFTED.items() <= alert["labels"].items()
    )
    assert alert["labels"]["severity"] == "critical"
    assert (
        alert["annotations"]["summary"]
        == "Attention of sarcasm/1 drifts: some of some by mean (text, fast windows)."
    )


def test_what_cannot_be_reached_any_more_is_missed(tmp_path):
    with closing(Exporter("attendant_")) as gateway:
        server = running_prometheus(tmp_path, {"attendant-gateway": gateway.address})
        with server as found:
            assert not named(found, "AttendantGatewayDown")
            gateway.close()
            found.wait(lambda: named(found, "AttendantGatewayDown"))
            assert named(found, "AttendantGatewayDown")[0]["labels"]["instance"] == gateway.address


def ask(stack) -> None:
    """A little of what a service is asked."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    options = ExplainOptions(permutation=PermutationOptions())
    for tweet in (Tweet("what a great monday"), Tweet("what a great monday", picture.getvalue())):
        stack.call("Predict", encode_predict_request("sarcasm", tweet))
        for mode in (CacheMode.USE, CacheMode.BYPASS):
            request = encode_explain_request("sarcasm", tweet, options=options, cache_mode=mode)
            stack.call("Explain", request)


def test_a_real_service_is_scraped_in_all_its_parts(services, tmp_path):
    stack, _ = services
    targets = {
        "attendant-gateway": stack.http.removeprefix("http://"),
        "attendant-monitor": stack.monitor.removeprefix("http://"),
        "torchserve": stack.torchserve_metrics,
    }
    with running_prometheus(tmp_path, targets) as found:
        for _ in range(3):  # rates need a before and an after
            ask(stack)
            found.look()
        assert [rule for rule in found.rules() if rule["health"] != "ok"] == []
        for series in (
            'attendant_requests_total{job="attendant-gateway",method="Explain",code="OK"}',
            'attendant_attention_entropy_ratio_count{model="sarcasm",target="image"}',
            'attendant_attention_drift_samples_total{job="attendant-monitor",model="sarcasm"}',
            'ts_inference_requests_total{job="torchserve"}',
        ):
            assert found.wait(lambda series=series: sum(one.value for one in found.query(series)) > 0), series
        for dashboard in DASHBOARDS:  # one that cannot be raises; of some nothing happens here, as of windows
            queries = [*dashboard.queries()]
            assert sum(bool(found.query(in_full(query))) for query in queries) > len(queries) / 2, (
                dashboard.file
            )
        down = {"AttendantGatewayDown", "AttendantMonitorDown", "AttendantTorchServeDown"}
        assert not down & {alert["labels"]["alertname"] for alert in found.alerts()}
