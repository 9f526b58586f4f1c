"""A backend without a model: so many slots, each taken for so long by a row. It speaks TorchServe's own calls.

    .venv/bin/python -m benchmarks.slots 127.0.0.1:7070 --slots 8 --seconds 0.05

Some rows may stall: they hold their slot for longer, until they are given up.
"""

import asyncio
import json
import random
from typing import Annotated

import grpc
import numpy as np
import typer

from attendant.torchserve.management_pb2 import DescribeModelRequest, ManagementResponse
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.types import (
    Attention,
    AttentionKind,
    AttentionVector,
    ModelRef,
    Outcome,
    Prediction,
    Runtime,
)
from attendant.wire.envelope import Operation, Reply
from attendant.wire.responses import encode_explain_response, encode_predict_response

MODEL = ModelRef("sarcasm", "1", "0" * 64)
OUTCOME = Outcome(
    Prediction("sarcastic", 0.75, (("not sarcastic", 0.25), ("sarcastic", 0.75))),
    Attention((AttentionVector(AttentionKind.MODALITY, np.array([0.5, 0.25, 0.25], np.float32)),), ()),
)
REPLIES = {
    Operation.PREDICT: Reply(response=encode_predict_response(OUTCOME, MODEL)).to_bytes(),
    Operation.EXPLAIN: Reply(response=encode_explain_response(OUTCOME, MODEL)).to_bytes(),
    Operation.DESCRIBE: Reply(runtime=Runtime("cpu", "none", 1)).to_bytes(),
}
READY = ManagementResponse(msg=json.dumps([{"workers": [{"status": "READY"}]}]))

Context = grpc.aio.ServicerContext[bytes, bytes]


class Slots:
    """Every `stall_share`-th row, at random, takes `stall_seconds` and not `seconds`."""

    def __init__(self, slots: int, seconds: float, stall_share: float, stall_seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._seconds = seconds
        self._stall_share = stall_share
        self._stall_seconds = stall_seconds
        self._random = random.Random(0)

    async def predictions(self, request: PredictionsRequest, _context: Context) -> PredictionResponse:
        operation = Operation(bytes(request.input["op"]).decode())
        if operation is not Operation.DESCRIBE:
            stalls = self._random.random() < self._stall_share
            async with self._slots:
                await asyncio.sleep(self._stall_seconds if stalls else self._seconds)
        return PredictionResponse(prediction=REPLIES[operation])

    async def describe(self, _request: DescribeModelRequest, _context: Context) -> ManagementResponse:
        return READY


async def serve(slots: Slots, address: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    predictions = grpc.unary_unary_rpc_method_handler(
        slots.predictions, PredictionsRequest.FromString, PredictionResponse.SerializeToString
    )
    describe = grpc.unary_unary_rpc_method_handler(
        slots.describe, DescribeModelRequest.FromString, ManagementResponse.SerializeToString
    )
    names = "org.pytorch.serve.grpc.inference.InferenceAPIsService", "Predictions", predictions
    management = "org.pytorch.serve.grpc.management.ManagementAPIsService", "DescribeModel", describe
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(service, {method: handler})
            for service, method, handler in (names, management)
        )
    )
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def main(
    address: Annotated[str, typer.Argument(help="Where to listen.")],
    slots: Annotated[int, typer.Option(min=1)] = 8,
    seconds: Annotated[float, typer.Option(min=0)] = 0.05,
    stall_share: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    stall_seconds: Annotated[float, typer.Option(min=0)] = 2.0,
) -> None:
    """Serve until killed."""
    asyncio.run(serve(Slots(slots, seconds, stall_share, stall_seconds), address))


if __name__ == "__main__":
    typer.run(main)
