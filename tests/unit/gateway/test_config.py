import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.gateway.config import OTHERS, PREFIX, GatewaySettings, read_settings
from services.monitor.config import MonitorSettings
from services.settings import ConfigError
from services.torchserve.config import TorchServeSettings

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for variable in os.environ:
        if variable.upper().startswith(PREFIX):
            monkeypatch.delenv(variable)


def test_the_defaults_are_a_local_service():
    settings = read_settings()
    assert (settings.grpc_host, settings.grpc_port) == ("127.0.0.1", 50051)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8000)
    assert settings.backend == "torchserve"
    assert settings.max_slow_in_flight == 8  # a request behind them has its answer within 10 s


def test_the_environment_sets_them(monkeypatch):
    monkeypatch.setenv("ATTENDANT_GRPC_PORT", "6000")
    monkeypatch.setenv("ATTENDANT_BACKEND", "embedded")
    settings = read_settings()
    assert (settings.grpc_port, settings.backend) == (6000, "embedded")


@pytest.mark.parametrize(
    "address",
    ["torchserve:7070", "dns:///torchserve:7070", "dns://127.0.0.1:53/torchserve:7070", "[::1]:7070"],
)
def test_torchserve_may_be_a_name(monkeypatch, address):
    monkeypatch.setenv("ATTENDANT_TORCHSERVE_ADDRESS", address)
    assert read_settings().torchserve_address == address


def test_they_do_not_change_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        read_settings().grpc_port = 1


def test_no_variable_of_another_command_is_forgotten():
    """The commands' sources are searched for names; the stack takes its own away before it starts the gateway."""
    sources = [path for folder in ("attendant", "handlers") for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"\bATTENDANT_[A-Z_]+\b", path.read_text())}
    programs = (GatewaySettings, MonitorSettings, TorchServeSettings)
    known = {
        kind.model_config["env_prefix"] + name.upper() for kind in programs for name in kind.model_fields
    }
    assert named
    assert named - known == OTHERS


@pytest.mark.parametrize("variable", sorted(OTHERS))
def test_variables_of_other_commands_are_left_alone(monkeypatch, variable):
    monkeypatch.setenv(variable, "x")
    read_settings()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ATTENDANT_GRPC_PRT", "1", "did you mean ATTENDANT_GRPC_PORT?"),
        ("ATTENDANT_ZZZZZZZZZ", "1", "docs/configuration.md"),
        ("ATTENDANT_GRPC_PORT", "many", "valid integer"),
        ("ATTENDANT_GRPC_PORT", "70000", "less than or equal to 65535"),
        ("ATTENDANT_BACKEND", "magic", "'torchserve' or 'embedded'"),
        ("ATTENDANT_MAX_IN_FLIGHT", "0", "greater than or equal to 1"),
        ("ATTENDANT_MAX_SLOW_IN_FLIGHT", "0", "greater than or equal to 1"),
        ("ATTENDANT_MAX_IN_FLIGHT", "129", "less than or equal to 128"),
        ("ATTENDANT_MAX_EXPLAIN_IN_FLIGHT", "65", "less than or equal to 64"),
        ("ATTENDANT_MAX_SLOW_IN_FLIGHT", "49", "less than or equal to 48"),
        ("ATTENDANT_CACHE_TTL_SECONDS", "nan", "finite number"),
        ("ATTENDANT_DRAIN_SECONDS", "-1", "greater than 0"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "nowhere", "pattern"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "dns://torchserve:7070", "pattern"),  # that would be the name server
        ("ATTENDANT_TORCHSERVE_ADDRESS", "dns:///torchserve", "pattern"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "ipv4:10.0.0.1:7070", "pattern"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "torchserve:99999", "port 99999 is none: 1 to 65535"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "dns:///torchserve:0", "port 0 is none"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "[::1]:65536", "port 65536 is none"),
        ("ATTENDANT_TORCHSERVE_ADDRESS", "dns://127.0.0.1:65536/torchserve:7070", "port 65536 is none"),
        ("ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS", "torchserve:70000", "port 70000 is none"),
        ("ATTENDANT_CONNECTION_AGE_SECONDS", "0.9", "greater than or equal to 1"),
        ("ATTENDANT_CONNECTION_AGE_SECONDS", "1e300", "less than or equal to 86400"),
        ("ATTENDANT_MAX_IMAGE_PIXELS", "40000001", "less than or equal to 40000000"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_variable(monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        read_settings()
    message = str(caught.value)
    assert variable in message
    assert says in message
    assert "\n" not in message


def test_every_mistake_is_named_at_once(monkeypatch):
    monkeypatch.setenv("ATTENDANT_GRPC_PORT", "x")
    monkeypatch.setenv("ATTENDANT_HTTP_PORT", "y")
    with pytest.raises(ConfigError, match=r"ATTENDANT_GRPC_PORT.*ATTENDANT_HTTP_PORT"):
        read_settings()


def test_the_document_is_the_class_as_a_table():
    expected = [
        f"| `{PREFIX}{name.upper()}` | `{field.default}` | {field.description} |"
        for name, field in GatewaySettings.model_fields.items()
    ]
    own, _, _ = DOCUMENT.read_text().partition("\n## ")
    rows = [line for line in own.splitlines() if line.startswith(f"| `{PREFIX}")]
    assert rows == expected
