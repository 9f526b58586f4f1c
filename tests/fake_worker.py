"""A worker without a model: it speaks TorchServe's Predictions and DescribeModel and grpc.health.v1 over a real socket.

As a program it is a stand-in for the embedded worker:  python tests/fake_worker.py unix:/tmp/x.sock
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from sample_attention import outcome, random_explanation
from sample_models import MODELS

from attendant.lanes import Lane
from attendant.statistics.samples import sample
from attendant.torchserve.management_pb2 import DescribeModelRequest, ManagementResponse
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionVector,
    ModelRef,
    Outcome,
    Prediction,
    Runtime,
)
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.responses import encode_explain_response, encode_predict_response
from attendant.wire.samples import encode_samples

OUTCOME = Outcome(
    Prediction("sarcastic", 0.75, (("not sarcastic", 0.25), ("sarcastic", 0.75))),
    Attention(
        (AttentionVector(AttentionKind.MODALITY, np.array([0.5, 0.25, 0.25], np.float32)),),
        axes=(),
    ),
)
RUNTIME = Runtime("cpu", "FakeProvider", 2)


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for what another task or process brings about."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.01)


class FakeWorker:
    """What it does next is set by its attributes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []  # what it was asked, descriptions apart
        self.archives: list[str] = []
        self.worker_status = "READY"
        self.worker_statuses: dict[str, str] = {}  # of archives that fare otherwise
        self.models = MODELS  # whose weights it has
        self.failure: tuple[grpc.StatusCode, str] | None = None  # how the call itself fails
        self.reply: Reply | None = None  # what it says instead of an answer
        self.samples = encode_samples(sample([outcome(random_explanation(MODALITIES, 0))]))
        self.gate = asyncio.Event()  # it answers while this is set
        self.gate.set()
        self.slow_gate = asyncio.Event()  # and, in the slow lane, while this is set too
        self.slow_gate.set()
        self.slots = asyncio.Semaphore(1_000)  # rows that it works on at a time
        self.seconds = 0.0  # for which it works on each
        self.active = 0
        self.most_active = 0
        self.cancelled = 0
        self.address = ""

    async def start(self, address: str = "127.0.0.1:0") -> "FakeWorker":
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "org.pytorch.serve.grpc.inference.InferenceAPIsService",
                    {
                        "Predictions": grpc.unary_unary_rpc_method_handler(
                            self._predictions,
                            PredictionsRequest.FromString,
                            PredictionResponse.SerializeToString,
                        )
                    },
                ),
                grpc.method_handlers_generic_handler(
                    "org.pytorch.serve.grpc.management.ManagementAPIsService",
                    {
                        "DescribeModel": grpc.unary_unary_rpc_method_handler(
                            self._describe,
                            DescribeModelRequest.FromString,
                            ManagementResponse.SerializeToString,
                        )
                    },
                ),
            )
        )
        servicer = health.aio.HealthServicer()
        await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._server)
        port = self._server.add_insecure_port(address)
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def stop(self) -> None:
        await self._server.stop(None)

    async def wait(self) -> None:
        await self._server.wait_for_termination()

    async def _predictions(self, request: PredictionsRequest, context) -> PredictionResponse:
        row = Row.from_entries(dict(request.input))
        if row.operation is Operation.DESCRIBE:
            return PredictionResponse(prediction=Reply(runtime=RUNTIME).to_bytes())
        self.rows.append(row)
        self.archives.append(request.model_name)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await self.gate.wait()
            if request.model_name.endswith(f"_{Lane.SLOW}"):
                await self.slow_gate.wait()
            async with self.slots:
                await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.active -= 1
        if self.failure is not None:
            await context.abort(*self.failure)
        reply = self.reply or Reply(
            response=self.response(row),
            inference_seconds=0.001,
            weights_digest=self._digest(row),
            samples=self.samples if row.sample else b"",
        )
        return PredictionResponse(prediction=reply.to_bytes())

    def _digest(self, row: Row) -> str:
        model = self.models.get(row.model)
        return "" if model is None else model.versions[row.version].digest

    @staticmethod
    def response(row: Row) -> bytes:
        """What it answers to a row: the request's own probability is not looked at."""
        encode = encode_explain_response if row.operation is Operation.EXPLAIN else encode_predict_response
        return encode(OUTCOME, ModelRef(row.model, row.version, "f" * 64))

    async def _describe(self, request: DescribeModelRequest, context) -> ManagementResponse:
        status = self.worker_statuses.get(request.model_name, self.worker_status)
        versions = [{"modelName": request.model_name, "workers": [{"id": "1", "status": status}]}]
        return ManagementResponse(msg=json.dumps(versions))


async def main(socket: str) -> None:
    worker = await FakeWorker().start(socket)
    await worker.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
