"""The monitor inside a gateway."""

import threading

import pytest
from fake_worker import until
from prometheus_client.parser import text_string_to_metric_families
from watched_store import SARCASM, TEXT, assert_same, digest_of, draw

from services.monitor import local
from services.monitor.local import LocalMonitor
from services.monitor.watch import Watch

LABELS = {"model": "sarcasm", "version": "1", "modalities": "text"}


@pytest.fixture
def monitor(references):
    made = LocalMonitor(references, 50.0)
    yield made
    made.close()


def value(monitor, name, labels):
    """None where there is no such series."""
    families = text_string_to_metric_families(monitor.page().decode())
    found = [one for family in families for one in family.samples if (one.name, one.labels) == (name, labels)]
    return found[0].value if found else None


def put(monitor, samples, name=SARCASM):
    return monitor.put(name.model, name.version, digest_of(), samples)


def test_references_are_shown_before_anything_came(monitor):
    assert value(monitor, "attendant_attention_drift_samples_total", LABELS) == 0
    assert [version["model"] for version in monitor.document()["versions"]] == ["irony", "sarcasm"]


async def test_what_is_put_is_counted_in_order_and_shown_soon(monitor, references):
    parts = [draw((TEXT,), 1 + seed, seed) for seed in range(30)]
    assert all(put(monitor, part) for part in parts)
    rows = sum(map(len, parts))
    await until(lambda: value(monitor, "attendant_attention_drift_samples_total", LABELS) == rows)
    plain = Watch(SARCASM, references, 50.0)
    plain.add((digest_of(), part) for part in parts)
    assert_same(monitor._watches[SARCASM].to_bytes(), plain.to_bytes())


def test_what_waits_is_counted_before_the_end(references):
    monitor = LocalMonitor(references)
    for _ in range(50):
        put(monitor, draw(count=3))
    monitor.close()
    assert value(monitor, "attendant_attention_drift_samples_total", LABELS) == 150


def test_a_version_that_the_store_does_not_know_is_watched_too(references):
    monitor = LocalMonitor(references)
    monitor.put("new", "3", "c" * 64, draw(count=3))
    monitor.close()
    missing = {"model": "new", "version": "3", "modalities": "text"}
    assert value(monitor, "attendant_attention_drift_reference_missing", missing) == 1


def test_beyond_a_bound_samples_are_dropped_and_nobody_waits(references, monkeypatch):
    monkeypatch.setattr(local, "WAITING", 5)
    held, add = threading.Event(), Watch.add

    def wait(watch, parts):
        held.wait(30)
        add(watch, parts)

    monkeypatch.setattr(Watch, "add", wait)
    monitor = LocalMonitor(references)
    taken = [put(monitor, draw(count=1)) for _ in range(20)]
    held.set()
    monitor.close()
    assert 5 <= sum(taken) <= 6  # five wait, and one may be in work
    assert value(monitor, "attendant_attention_drift_samples_total", LABELS) == sum(taken)


def test_what_cannot_be_counted_does_not_end_it(references, monkeypatch):
    add, failed = Watch.add, threading.Event()

    def fail_once(watch, parts):
        if failed.is_set():
            add(watch, parts)
            return
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr(Watch, "add", fail_once)
    monitor = LocalMonitor(references)
    put(monitor, draw(count=1))
    put(monitor, draw(count=2))
    monitor.close()
    assert failed.is_set()
    assert value(monitor, "attendant_attention_drift_samples_total", LABELS) == 2
