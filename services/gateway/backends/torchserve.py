"""Models run by TorchServe."""

import json

import grpc

from attendant.torchserve.management_pb2 import DescribeModelRequest, ManagementResponse
from attendant.wire.envelope import Reply, Row
from services.gateway.backends.predictions import CHANNEL_OPTIONS, Predictions

DESCRIBE = "/org.pytorch.serve.grpc.management.ManagementAPIsService/DescribeModel"
PROBE_SECONDS = 1.0


class TorchServeBackend:
    """`address` takes predictions; `management_address` knows the workers (/ping is healthy long before they are)."""

    def __init__(self, address: str, management_address: str) -> None:
        self._predictions = Predictions(address)
        self._management = grpc.aio.insecure_channel(management_address, options=CHANNEL_OPTIONS)
        self._describe = self._management.unary_unary(
            DESCRIBE, DescribeModelRequest.SerializeToString, ManagementResponse.FromString
        )

    async def start(self) -> None:
        """TorchServe is started by others."""

    async def close(self) -> None:
        await self._predictions.close()
        await self._management.close()

    async def ready(self, archive: str) -> bool:
        try:
            response = await self._describe(DescribeModelRequest(model_name=archive), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return has_ready_worker(response.msg)

    async def call(self, archive: str, row: Row, timeout: float) -> Reply:  # noqa: ASYNC109 - it travels on
        return await self._predictions.call(archive, row, timeout)


def has_ready_worker(description: str) -> bool:
    """Whether TorchServe's description of a model (JSON: a list of versions with their workers) has one that serves."""
    try:
        versions = json.loads(description)
        return any(worker["status"] == "READY" for version in versions for worker in version["workers"])
    except (ValueError, KeyError, TypeError):
        return False
