"""What is refused at the door: all of it is counted, some of it is logged."""

import pytest
import structlog
from prometheus_client import CollectorRegistry

from attendant.errors import Reason, invalid
from services.gateway.metrics import Metrics
from services.gateway.refusals import Refusals


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_every_refusal_is_counted_and_one_a_second_of_a_reason_is_logged():
    clock = Clock()
    metrics = Metrics(CollectorRegistry())
    refusals = Refusals(metrics, clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(10):
            refusals.note("grpc", Reason.UNAUTHENTICATED)
        refusals.note("http", Reason.RATE_LIMITED)
        clock.now = 1.0
        refusals.note("http", Reason.UNAUTHENTICATED)
    assert [(line["protocol"], line["reason"], line["unsaid_before"]) for line in lines] == [
        ("grpc", "UNAUTHENTICATED", 0),
        ("http", "RATE_LIMITED", 0),
        ("http", "UNAUTHENTICATED", 9),
    ]
    labels = {"protocol": "grpc", "reason": "UNAUTHENTICATED"}
    assert metrics.registry.get_sample_value("attendant_refused_total", labels) == 10


def test_what_leaves_the_block_is_noted_and_goes_on():
    metrics = Metrics(CollectorRegistry())
    refusals = Refusals(metrics)
    with pytest.raises(Exception, match="text: no"), refusals.noted("http"):
        raise invalid("text", "no")
    with refusals.noted("http"):
        pass
    labels = {"protocol": "http", "reason": "INVALID_INPUT"}
    assert metrics.registry.get_sample_value("attendant_refused_total", labels) == 1
