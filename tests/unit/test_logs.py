"""Log lines: one format, and no exception's message."""

import json
import logging

import pytest
import structlog

from services.logs import configure_logs


@pytest.fixture(autouse=True)
def _as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failure_is_told_by_type_and_place_without_its_message(capsys, as_json):
    configure_logs("debug", as_json=as_json)
    try:
        int("marker")
    except ValueError:
        structlog.get_logger("ours").exception("it broke")
        logging.getLogger("uvicorn.error").exception("a library broke")
    written = capsys.readouterr().err
    assert written.count("builtins.ValueError") == 2
    assert "test_logs.py" in written
    assert "marker'" not in written
    if as_json:
        assert [json.loads(line)["event"] for line in written.splitlines()] == ["it broke", "a library broke"]
