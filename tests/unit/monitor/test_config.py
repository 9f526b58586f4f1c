"""The monitor's settings, and the table that documents them."""

import os
from pathlib import Path

import pytest

from services.monitor.config import PREFIX, MonitorSettings, read_settings
from services.settings import ConfigError

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "monitoring.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for variable in os.environ:
        if variable.upper().startswith("ATTENDANT_"):
            monkeypatch.delenv(variable)


def test_the_defaults_are_a_local_monitor():
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8083)
    assert settings.redis_url is None
    assert settings.run_length == 1000


@pytest.mark.parametrize(("field", "value"), [("redis_url", "redis://a"), ("model_store", "elsewhere")])
def test_what_the_gateway_is_told_counts_unless_the_monitor_is_told_otherwise(monkeypatch, field, value):
    def found():
        setting = getattr(read_settings(), field)
        return setting.get_secret_value() if field == "redis_url" else str(setting)

    monkeypatch.setenv(f"ATTENDANT_{field.upper()}", value)
    assert found() == value
    monkeypatch.setenv(f"{PREFIX}{field.upper()}", "other")
    assert found() == "other"


def test_variables_of_others_are_left_alone(monkeypatch):
    for variable in ("ATTENDANT_MONITOR_ADDRESS", "ATTENDANT_GRPC_PORT", "ATTENDANT_NOTHING"):
        monkeypatch.setenv(variable, "x")
    read_settings()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ATTENDANT_MONITOR_PROT", "1", "did you mean ATTENDANT_MONITOR_PORT?"),
        ("ATTENDANT_MONITOR_ZZZZZZZZZ", "1", "docs/monitoring.md"),
        ("ATTENDANT_MONITOR_PORT", "many", "valid integer"),
        ("ATTENDANT_MONITOR_RUN_LENGTH", "0.5", "greater than or equal to 1"),
        ("ATTENDANT_MONITOR_RUN_LENGTH", "inf", "finite number"),
        ("ATTENDANT_MONITOR_SAVE_SECONDS", "0", "greater than 0"),
        ("ATTENDANT_MONITOR_POLL_MS", "0", "greater than or equal to 1"),
        ("ATTENDANT_MONITOR_LOG_LEVEL", "loud", "'debug'"),
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


def test_the_document_is_the_class_as_a_table():
    expected = [
        f"| `{PREFIX}{name.upper()}` | `{field.default}` | {field.description} |"
        for name, field in MonitorSettings.model_fields.items()
    ]
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{PREFIX}")]
    assert rows == expected
