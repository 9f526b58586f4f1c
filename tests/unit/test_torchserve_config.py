"""A TorchServe pod's settings, and the table that documents them."""

import os
import re
from pathlib import Path

import pytest

from services.gateway.config import read_settings as read_gateway_settings
from services.settings import ConfigError
from services.torchserve.config import PREFIX, TorchServeSettings, read_settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for variable in os.environ:
        if variable.upper().startswith("ATTENDANT_"):
            monkeypatch.delenv(variable)


def test_the_defaults_are_where_a_gateway_looks():
    settings, gateway = read_settings(), read_gateway_settings()
    assert gateway.torchserve_address == f"{settings.host}:{settings.inference_port}"
    assert gateway.torchserve_management_address == f"{settings.host}:{settings.management_port}"


def test_a_gateway_and_a_pod_leave_each_others_variables_alone(monkeypatch):
    monkeypatch.setenv("ATTENDANT_TORCHSERVE_ADDRESS", "dns:///torchserve:7070")
    for name, field in TorchServeSettings.model_fields.items():
        monkeypatch.setenv(PREFIX + name.upper(), str(field.default))
    assert read_settings() == TorchServeSettings()
    assert read_gateway_settings().torchserve_address == "dns:///torchserve:7070"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("HOSTS", "0.0.0.0", "did you mean ATTENDANT_TORCHSERVE_HOST?"),
        ("HOST", "localhost", "does not appear to be an IPv4 or IPv6 address"),
        ("HEALTH_PORT", "0", "greater than or equal to 1"),
        ("HEAP_MIB", "64", "greater than or equal to 256"),
        ("DRAIN_SECONDS", "inf", "finite number"),
        ("CONNECTION_AGE_SECONDS", "0.9", "greater than or equal to 1"),
        ("CONNECTION_AGE_SECONDS", "86401", "less than or equal to 86400"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_variable(monkeypatch, variable, value, says):
    monkeypatch.setenv(PREFIX + variable, value)
    with pytest.raises(ConfigError) as caught:
        read_settings()
    message = str(caught.value)
    assert PREFIX + variable in message
    assert says in message
    assert "\n" not in message


def test_the_document_is_the_class_as_a_table():
    expected = [
        f"| `{PREFIX}{name.upper()}` | `{field.default}` | {field.description} |"
        for name, field in TorchServeSettings.model_fields.items()
    ]
    (section,) = re.findall(
        r"^## A TorchServe pod$(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    assert [line for line in section.splitlines() if line.startswith("| `")] == expected
