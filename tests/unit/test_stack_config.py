import os

import pytest

from services.settings import ConfigError
from services.stack import config


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Every test starts without our variables, and what `read` changes is put back."""
    for name in list(os.environ):
        if name.startswith("ATTENDANT_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_the_defaults_are_those_of_the_readme():
    settings = config.read()
    assert (settings.gateway.grpc_host, settings.gateway.grpc_port) == ("127.0.0.1", 50051)
    assert (settings.gateway.http_host, settings.gateway.http_port) == ("127.0.0.1", 8000)
    assert settings.gateway.backend == "torchserve"


def test_everything_but_the_two_fronts_is_on_loopback_whatever_they_are(monkeypatch):
    monkeypatch.setitem(os.environ, "ATTENDANT_GRPC_HOST", "0.0.0.0")
    settings = config.read()
    for address in (
        settings.gateway.torchserve_address,
        settings.gateway.torchserve_management_address,
        settings.stack.metrics_address,
    ):
        assert address.startswith("127.0.0.1:")


def test_the_option_wins_over_the_variable_and_reaches_the_gateway():
    os.environ["ATTENDANT_BACKEND"] = "torchserve"
    assert config.read("embedded").gateway.backend == "embedded"
    assert os.environ["ATTENDANT_BACKEND"] == "embedded"


def test_the_gateway_never_sees_the_stacks_own_variables():
    os.environ["ATTENDANT_STACK_START_SECONDS"] = "7"
    assert config.read().stack.start_seconds == 7
    assert not [name for name in os.environ if name.startswith("ATTENDANT_STACK_")]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATTENDANT_GRPC_PORT", "many"),
        ("ATTENDANT_GRPC_PORT", "0"),  # fine for a gateway alone; a stack says where it listens
        ("ATTENDANT_HTTP_PORT", "0"),
        ("ATTENDANT_HTTP_PORT", "65536"),
        ("ATTENDANT_MONITOR_PORT", "0"),
        ("ATTENDANT_MONITOR_PROT", "8083"),
        ("ATTENDANT_BACKEND", "tritonserver"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "0.0.0.0:7070"),
        ("ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS", "127.0.0.1:0"),
        ("ATTENDANT_STACK_METRICS_ADDRESS", "192.0.2.1:8082"),
        ("ATTENDANT_STACK_METRICS_ADDRESS", "8082"),
        ("ATTENDANT_STACK_START_SECONDS", "-1"),
        ("ATTENDANT_GRPC_PROT", "50051"),
        ("ATTENDANT_STACK_METRIC_ADDRESS", "127.0.0.1:8082"),
    ],
)
def test_a_bad_setting_is_one_line_with_its_variable(variable, value):
    os.environ[variable] = value
    with pytest.raises(ConfigError, match=variable) as caught:
        config.read()
    assert "\n" not in str(caught.value)


def test_a_bad_option_is_one_line_with_its_variable():
    with pytest.raises(ConfigError, match="ATTENDANT_BACKEND"):
        config.read("tritonserver")


def test_an_address_is_a_host_and_a_port():
    assert config.split_address("127.0.0.1:7070") == ("127.0.0.1", 7070)
    assert config.split_address("[::1]:7070") == ("[::1]", 7070)


def test_with_tls_a_stack_needs_a_port_to_ask_whether_it_is_ready():
    os.environ["ATTENDANT_TLS_CERTIFICATE"] = "server.pem"
    with pytest.raises(ConfigError, match="ATTENDANT_OPERATIONS_PORT: with TLS the stack needs one"):
        config.read()
    os.environ["ATTENDANT_OPERATIONS_PORT"] = "9000"
    assert config.read().gateway.operations_port == 9000
