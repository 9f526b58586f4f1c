import asyncio

import pytest
from fake_worker import until

from services.gateway.renewal import keep_renewing
from services.settings import ConfigError


class Part:
    """Fails in every way that comes, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.renewed = 0

    def renew(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.renewed += 1


async def test_whatever_goes_wrong_it_goes_on(monkeypatch):
    monkeypatch.setattr("services.gateway.renewal.INTERVAL", 0.001)
    part, other = Part(ConfigError("one"), ConfigError("one"), KeyError("two"), OSError()), Part()
    renewing = asyncio.create_task(keep_renewing([part, other]))
    await until(lambda: part.renewed > 1)
    assert other.renewed >= part.renewed + 3
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
