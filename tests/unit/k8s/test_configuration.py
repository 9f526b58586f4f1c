"""Settings in ConfigMaps, held against the programs' own settings classes."""

import pytest

from k8s.checks.configuration import check_addresses, check_settings
from k8s.checks.documents import Build, Container
from k8s.checks.environments import read_environment


@pytest.mark.parametrize("check", [check_settings, check_addresses])
@pytest.mark.parametrize("overlay", ["prod", "dev"])
def test_nothing_is_wrong_with_the_real_ones(request, overlay, check):
    assert request.getfixturevalue(overlay).findings(check) == []


@pytest.mark.parametrize(
    ("component", "variable", "value", "expected"),
    [
        (
            "gateway",
            "ATTENDANT_DRAIN_SECOND",
            "20",
            "ATTENDANT_DRAIN_SECOND is no setting of GatewaySettings",
        ),
        ("gateway", "ATTENDANT_DRAIN_SECONDS", "soon", "ATTENDANT_DRAIN_SECONDS='soon': "),
        (
            "gateway",
            "ATTENDANT_MONITOR_PORT",
            "8083",
            "ATTENDANT_MONITOR_PORT is no setting of GatewaySettings",
        ),
        ("gateway", "ATTENDENT_HTTP_PORT", "8000", "ATTENDENT_HTTP_PORT is no setting"),
        (
            "gateway",
            "ATTENDANT_TORCHSERVE_ADDRESS",
            "torchserve",
            "ATTENDANT_TORCHSERVE_ADDRESS='torchserve': ",
        ),
        ("monitor", "ATTENDANT_MONITOR_POLL_MS", "0", "ATTENDANT_MONITOR_POLL_MS='0': "),
        ("monitor", "ATTENDANT_GRPC_PORT", "50051", "ATTENDANT_GRPC_PORT is no setting of MonitorSettings"),
        ("monitor", "ATTENDANT_MONITOR_REDIS_URL", "http://redis", "it begins with 'http'"),
        ("torchserve", "ATTENDANT_TORCHSERVE_HEAP_MIB", "2Gi", "ATTENDANT_TORCHSERVE_HEAP_MIB='2Gi': "),
        ("torchserve", "ATTENDANT_TORCHSERVE_ADDRESS", "x:1", "is no setting of TorchServeSettings"),
        ("torchserve", "ATTENDANT_THREADS", "0", "ATTENDANT_THREADS is '0'"),
        ("torchserve", "ATTENDANT_DEVICE", "gpu", "ATTENDANT_DEVICE is 'gpu'"),
        ("torchserve", "ATTENDANT_SLOW_PRIORITY", "10", "ATTENDANT_SLOW_PRIORITY is '10'"),
    ],
)
def test_what_the_program_would_not_take(dev, component, variable, value, expected):
    dev.set(component, variable, value)
    (found,) = dev.findings(check_settings)
    assert f"Deployment/{component} container {component} settings: " in found
    assert expected in found


def test_a_monitor_without_redis(dev):
    del dev.settings("monitor")["ATTENDANT_MONITOR_REDIS_URL"]
    (found,) = dev.findings(check_settings)
    assert "ATTENDANT_MONITOR_REDIS_URL is not set" in found


def test_tokens_that_would_travel_unencrypted(dev):
    dev.settings("gateway")["ATTENDANT_TOKENS"] = "/etc/attendant/tokens/tokens"
    (found,) = dev.findings(check_settings)
    assert "ATTENDANT_TOKENS: tokens would travel unencrypted" in found


def test_half_a_pair_of_certificate_and_key(dev):
    dev.settings("gateway")["ATTENDANT_TLS_CERTIFICATE"] = "/etc/attendant/tls/tls.crt"
    (found,) = dev.findings(check_settings)
    assert "ATTENDANT_TLS_KEY is missing" in found


def test_a_valkey_that_would_answer_nobody(dev):
    config = dev.valkey()
    config["valkey.conf"] = config["valkey.conf"].replace("protected-mode no", "")
    (found,) = dev.findings(check_settings)
    assert "protected-mode: without a password it answers nobody but its own pod" in found


def test_a_valkey_that_listens_to_itself(dev):
    config = dev.valkey()
    config["valkey.conf"] += "bind 127.0.0.1\n"
    (found,) = dev.findings(check_settings)
    assert "bind 127.0.0.1: other pods cannot reach it" in found


def test_a_valkey_without_its_file(dev):
    dev.container("redis")["volumeMounts"] = []
    (found,) = dev.findings(check_settings)
    assert "no ConfigMap that is mounted there has such a file" in found


@pytest.mark.parametrize(
    ("component", "variable", "value", "expected"),
    [
        ("gateway", "ATTENDANT_TORCHSERVE_ADDRESS", "dns:///torch:7070", "there is no Service 'torch'"),
        (
            "gateway",
            "ATTENDANT_TORCHSERVE_ADDRESS",
            "dns:///torchserve:7079",
            "Service torchserve has no port 7079",
        ),
        (
            "gateway",
            "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS",
            "torchserve.default:7071",
            "in another namespace",
        ),
        ("gateway", "ATTENDANT_TORCHSERVE_ADDRESS", "dns:///redis:6379", "Service redis is not headless"),
        ("monitor", "ATTENDANT_MONITOR_REDIS_URL", "redis://valkey:6379/0", "there is no Service 'valkey'"),
        ("gateway", "ATTENDANT_REDIS_URL", "redis://redis:6380/0", "Service redis has no port 6380"),
    ],
)
def test_an_address_that_is_nobodys(dev, component, variable, value, expected):
    dev.settings(component)[variable] = value
    (found,) = dev.findings(check_addresses)
    assert f"container {component}: {variable}: " in found
    assert expected in found


def test_a_headless_service_that_got_an_address(dev):
    del dev.spec("Service", "torchserve")["clusterIP"]
    assert len(dev.findings(check_addresses)) == 2


def container(**content):
    return Container({"name": "one", "image": "x", **content}, initial=False)


def test_variables_are_resolved_as_kubernetes_does():
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)-$$"},
        {"name": "C", "value": "late"},
        {"name": "A", "value": "2"},
    ]
    assert read_environment(Build("none", ()), container(env=env)) == {
        "A": "2",
        "B": "1-$(C)-$(A)-$",
        "C": "late",
    }


def test_secrets_have_what_whoever_deploys_puts_in():
    env = [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "redis-auth", "key": "url"}}}]
    assert read_environment(Build("none", ()), container(env=env))["URL"].startswith("redis://:")


def test_an_own_value_goes_before_the_config_map(prod):
    assert "ATTENDANT_REDIS_URL" in prod.settings("gateway")
    workload = prod.build.workload("Deployment", "gateway")
    assert "secret" in read_environment(prod.build, workload.containers[0])["ATTENDANT_REDIS_URL"]
