"""HTTP pages: the gateway's, the monitor's, and the clocks that they tell."""

import json
import time
from email.utils import formatdate

import pytest
from canned_service import DESCRIPTION
from doctor_stand_ins import ToldWeb
from exported_metrics import TABLE, exported
from prometheus_client import CollectorRegistry, generate_latest
from sample_models import MODELS

from attendant.doctor import clock, metrics, monitor, operations
from attendant.doctor.clock import Offset
from attendant.doctor.operations import Place
from attendant.doctor.pages import NoPageError
from attendant.doctor.troubles.advice import Status
from attendant.doctor.troubles.behind import Behind
from attendant.doctor.troubles.service import Service
from services.gateway.metrics import Metrics

URL = "http://g:8001"


def one(findings):
    (finding,) = findings
    return finding


# Operations


def test_the_first_place_that_answers_is_taken():
    web = ToldWeb({"http://b/healthz": b"{}", "http://c/healthz": (404, b"")})
    assert operations.find_pages(web, ["http://a", "http://b"]).url == "http://b"
    place = operations.find_pages(web, ["http://a", "http://c"])
    assert place == Place("", ("http://a: connection refused", "http://c: /healthz says 404"))


def test_readiness_as_the_page_tells_it():
    place = Place(URL)
    well = ToldWeb({f"{URL}/readyz": b'{"ready": true}'})
    assert one(operations.check_pages(well, place, guessed=True)).status is Status.OK
    content = json.dumps({"ready": False, "models": {"sarcasm": False, "irony": True}}).encode()
    asleep = one(operations.check_pages(ToldWeb({f"{URL}/readyz": (503, content)}), place, guessed=True))
    assert asleep.trouble is Behind.PAGE_NOT_READY
    assert asleep.seen == f"{URL}: not ready (503): sarcasm"
    odd = one(operations.check_pages(ToldWeb({f"{URL}/readyz": (502, b"<html>")}), place, guessed=True))
    assert odd.trouble is Behind.PAGE_NOT_READY


def test_a_guess_that_fails_is_no_failure_and_what_was_told_is():
    nowhere = Place("", ("http://a: refused",))
    assert one(operations.check_pages(ToldWeb({}), nowhere, guessed=True)).status is Status.SKIPPED
    assert one(operations.check_pages(ToldWeb({}), nowhere, guessed=False)).trouble is Behind.NO_PAGES


def test_the_release():
    def look(body):
        return one(operations.check_version(ToldWeb({f"{URL}/openapi.json": body}), [URL], "0.1.0"))

    assert look(b'{"info": {"version": "0.1.0"}}').status is Status.OK
    assert look(b'{"info": {"version": "0.2.0"}}').trouble is Service.OTHER_RELEASE
    for odd in (b"no json", b"[]", b'{"info": 3}', (404, b"{}")):
        assert look(odd).status is Status.SKIPPED


# Metrics


@pytest.fixture
def registry():
    """A gateway's, with everything well."""
    made = Metrics(CollectorRegistry())
    made.begin_at_zero(MODELS)
    for name in MODELS:
        for lane in ("fast", "slow"):
            made.model_ready.labels(name, lane).set(1)
    made.watch_breaker(lambda: False)
    made.requests.labels("Explain", "sarcasm", "OK").inc(1000)
    return made


def read(registry):
    return metrics.read_metrics(ToldWeb({f"{URL}/metrics": generate_latest(registry.registry)}), URL)


def test_a_good_page(registry):
    families = read(registry)
    for check in (metrics.check_metrics, metrics.check_requests, metrics.check_cache):
        assert one(check(families)).status is Status.OK
    assert one(metrics.check_lanes(families, ["sarcasm"])).seen == "2 lanes have workers"


def test_known_metrics_are_those_of_the_table():
    told = {name.removesuffix("_total") for name in exported()}
    assert set(metrics.KNOWN) <= told, TABLE


@pytest.mark.parametrize("page", [b"", b"<html>502</html>", b"a{b=", b"\xff\xfe", (500, b"a 1\n")])
def test_what_prometheus_cannot_read_is_no_page(page):
    with pytest.raises(NoPageError):
        metrics.read_metrics(ToldWeb({f"{URL}/metrics": page}), URL)


def test_a_page_without_known_metrics():
    families = metrics.read_metrics(ToldWeb({f"{URL}/metrics": b"go_threads 7\n"}), URL)
    finding = one(metrics.check_metrics(families))
    assert finding.trouble is Behind.OTHER_METRICS
    assert "attendant_requests" in finding.seen
    assert list(metrics.check_cache(families)) == list(metrics.check_lanes(families, [])) == []


def test_a_lane_without_a_worker(registry):
    registry.model_ready.labels("sarcasm", "slow").set(0)
    families = read(registry)
    finding = one(metrics.check_lanes(families, []))
    assert (finding.trouble, finding.seen) == (Behind.LANE_DOWN, "sarcasm slow")
    assert one(metrics.check_lanes(families, ["irony"])).status is Status.OK


@pytest.mark.parametrize(
    ("code", "count", "expected"),
    [
        ("INTERNAL", 5, [None]),
        ("UNAVAILABLE", 20, [Behind.FAULTS]),
        ("RESOURCE_EXHAUSTED", 20, [Behind.OVERLOAD]),
        ("INVALID_ARGUMENT", 500, [None]),
    ],
)
def test_requests_that_failed(registry, code, count, expected):
    registry.requests.labels("Explain", "sarcasm", code).inc(count)
    assert [finding.trouble for finding in metrics.check_requests(read(registry))] == expected


def test_an_open_breaker(registry):
    registry.watch_breaker(lambda: True)
    assert one(metrics.check_cache(read(registry))).trouble is Behind.BREAKER_OPEN


# The monitor


def drift(*sets, reference="ab", name="sarcasm"):
    rows = [{"modalities": "text", "status": status, "samples": samples} for status, samples in sets]
    version = {"model": name, "reference_sha256": reference, "sets": rows}
    return json.dumps({"versions": [version | {"version": number} for number in ("1", "2")]}).encode()


def watched(document, ready=200):
    return ToldWeb({f"{URL}/readyz": (ready, b""), f"{URL}/drift": document})


def test_a_good_monitor():
    findings = list(monitor.check_monitor(watched(drift(("watching", 500))), URL, [DESCRIPTION]))
    assert [finding.status for finding in findings] == [Status.OK, Status.OK]


@pytest.mark.parametrize(
    ("web", "trouble"),
    [
        (ToldWeb({}), Behind.NO_MONITOR),
        (watched(drift(), ready=503), Behind.MONITOR_WAITS),
        (watched(drift(), ready=404), Behind.NO_MONITOR),
        (watched((404, b"")), Behind.NO_MONITOR),
        (watched(b"no json"), Behind.NO_MONITOR),
        (watched(b'{"versions": [{"model": 3}]}'), Behind.NO_MONITOR),
    ],
)
def test_a_monitor_that_is_none(web, trouble):
    assert one(monitor.check_monitor(web, URL, [])).trouble is trouble


def test_explanations_without_a_reference():
    *_, finding = monitor.check_monitor(watched(drift(("no reference", 7))), URL, [DESCRIPTION])
    assert finding.trouble is Behind.NO_REFERENCE
    assert "sarcasm 1 (text: 7 explanations)" in finding.seen


@pytest.mark.parametrize("document", [drift(reference=None), drift(name="irony")])
def test_a_version_without_reference_that_nobody_asked_is_no_trouble(document):
    *_, finding = monitor.check_monitor(watched(document), URL, [DESCRIPTION])
    assert finding.status is Status.OK
    assert "none for sarcasm 1, sarcasm 2" in finding.seen


def test_a_gateway_may_be_its_own_monitor():
    (alone, _) = monitor.check_own_monitor(watched(drift()), URL, [DESCRIPTION])
    assert "by itself" in alone.seen
    for web, url in ((watched((404, b"")), URL), (ToldWeb({}), "")):
        assert one(monitor.check_own_monitor(web, url, [])).status is Status.SKIPPED


# Clocks


def dated(server, client):
    return ToldWeb({URL: b""}, {"date": formatdate(server, usegmt=True)}, now=client)


@pytest.mark.parametrize("ahead", [0.0, 0.9, -0.9])
def test_a_date_cannot_tell_less_than_a_second(ahead):
    now = float(int(time.time()))
    offset = clock.look_at_web(dated(now + ahead, now), URL, lambda _: None)
    assert one(clock.check_clocks({"the gateway": offset})).status is Status.OK


@pytest.mark.parametrize(
    ("ahead", "trouble"),
    [
        (10, Behind.CLOCK_DIFFERS),
        (-10, Behind.CLOCK_DIFFERS),
        (60, Behind.CLOCK_WRONG),
        (-60, Behind.CLOCK_WRONG),
    ],
)
def test_a_clock_that_differs(ahead, trouble):
    offset = clock.look_at_web(dated(1e9 + ahead, 1e9), URL, lambda _: None)
    assert offset.low <= ahead <= offset.high
    finding = one(clock.check_clocks({"Redis": Offset(0, 0.001), "the gateway": offset}))
    assert finding.trouble is trouble
    assert "Redis" not in finding.seen
    assert ("ahead" if ahead > 0 else "behind") in finding.seen


def test_looks_narrow_it_down_unless_the_clock_was_set():
    assert Offset(-1, 1).both(Offset(0.5, 2)) == Offset(0.5, 1)
    assert Offset(-1, 1).both(Offset(5, 6)) == Offset(5, 6)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_page_without_a_date_tells_nothing(headers):
    assert clock.look_at_web(ToldWeb({URL: b""}, headers), URL, lambda _: None) is None
    assert clock.look_at_web(ToldWeb({}), URL, lambda _: None) is None
