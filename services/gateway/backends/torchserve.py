"""Models run by TorchServe."""

import asyncio

import grpc

from attendant.wire.envelope import Reply, Row
from services.gateway.backends.predictions import CHANNEL_OPTIONS, Predictions
from services.torchserve.workers import describing, is_ready

PROBE_SECONDS = 1.0
PROBES = 5  # of as many backends, where one says no


class TorchServeBackend:
    """`address` takes predictions; `management_address` knows the workers. Both may be names of several TorchServes."""

    def __init__(self, address: str, management_address: str) -> None:
        self._predictions = Predictions(address)
        self._management = grpc.aio.insecure_channel(management_address, options=CHANNEL_OPTIONS)
        self._describe = describing(self._management)

    async def start(self) -> None:
        """TorchServe is started by others."""

    async def close(self) -> None:
        await self._predictions.close()
        await self._management.close()

    async def ready(self, archive: str) -> bool:
        if await self._ask(archive):
            return True
        # Calls take turns: the next ones go to other backends, and one is enough.
        return any(await asyncio.gather(*(self._ask(archive) for _ in range(PROBES))))

    async def _ask(self, archive: str) -> bool:
        return await is_ready(self._describe, archive, PROBE_SECONDS)

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        return await self._predictions.call(archive, row, timeout)
