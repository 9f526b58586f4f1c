"""What every test of the monitor needs."""

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def _quiet():
    """Drawn explanations raise many alarms, each of which is a line."""
    with capture_logs():
        yield
