"""Timings, held against how long the programs say that they take."""

import pytest

from k8s.checks.timing import check_endings, check_probe_times, check_starts
from services.torchserve.pod import END_SECONDS


@pytest.mark.parametrize("check", [check_endings, check_starts, check_probe_times])
@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay, check):
    assert list(check(make_build(overlay))) == []


def test_a_drain_that_takes_longer_than_the_pod_is_given(dev):
    dev.set("gateway", "ATTENDANT_DRAIN_SECONDS", "60")
    (found,) = dev.findings(check_endings)
    assert "container gateway terminationGracePeriodSeconds: it is" in found
    assert "65 s to end need more" in found


def test_torchserve_needs_time_after_its_drain(dev):
    dev.set("torchserve", "ATTENDANT_TORCHSERVE_DRAIN_SECONDS", "10")
    sleep = dev.container("torchserve")["lifecycle"]["preStop"]["sleep"]["seconds"]
    least = int(sleep + 10 + END_SECONDS)
    dev.pod("torchserve")["terminationGracePeriodSeconds"] = least
    assert dev.findings(check_endings) == []
    dev.pod("torchserve")["terminationGracePeriodSeconds"] = least - 1
    assert len(dev.findings(check_endings)) == 1


def test_without_a_grace_period_kubernetes_gives_thirty_seconds(dev):
    del dev.pod("torchserve")["terminationGracePeriodSeconds"]
    (found,) = dev.findings(check_endings)
    assert "it is 30 s" in found


@pytest.mark.parametrize("name", ["gateway", "torchserve"])
def test_who_is_called_by_others_sleeps_first(dev, name):
    del dev.container(name)["lifecycle"]
    (found,) = dev.findings(check_endings)
    assert f"container {name} preStop: it sleeps 0 s" in found


def test_a_startup_probe_that_gives_up_before_the_program(dev):
    dev.container("torchserve")["startupProbe"].update(periodSeconds=1, failureThreshold=10)
    (found,) = dev.findings(check_starts)
    assert "container torchserve startupProbe: it allows 10 s; the program gives up after" in found


def test_a_startup_probe_that_outlasts_the_roll_out(dev):
    dev.container("gateway")["startupProbe"].update(periodSeconds=10, failureThreshold=90)
    dev.spec("Deployment", "gateway")["progressDeadlineSeconds"] = 600
    (found,) = dev.findings(check_starts)
    assert "a start may take 900 s, a roll-out only 600 s" in found


def test_answers_that_are_awaited_past_the_next_probe(dev):
    dev.container("monitor")["readinessProbe"].update(periodSeconds=2, timeoutSeconds=3)
    (found,) = dev.findings(check_probe_times)
    assert "container monitor readinessProbe: timeoutSeconds 3 is more than periodSeconds 2" in found


def test_one_late_answer_kills_nothing(dev):
    dev.container("monitor")["livenessProbe"]["failureThreshold"] = 1
    (found,) = dev.findings(check_probe_times)
    assert "container monitor livenessProbe: failureThreshold 1 kills it for one late answer" in found
