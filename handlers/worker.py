"""The embedded worker: a handler without TorchServe. It serves TorchServe's own Predictions call over a Unix socket, so
that the gateway talks to both in one way, and loads the same built archive.

    python -m handlers.worker --archive build/archives/sarcasm --socket unix:/tmp/attendant.sock
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from attendant.manifest import ManifestError
from attendant.torchserve.torchserve_pb2 import PredictionResponse, PredictionsRequest
from handlers.archives import load_handler

PREDICTIONS = "org.pytorch.serve.grpc.inference.InferenceAPIsService"
MESSAGE_BYTES = 20 * 1024 * 1024  # above the gateway's own limit, which is the one that callers meet

logger = logging.getLogger(__name__)


class Handler(Protocol):
    def initialize(self, context: Any) -> None: ...

    def handle(self, data: list[Mapping[str, bytes]], context: Any) -> list[bytes]: ...


@dataclass(frozen=True)
class Context:
    """As much of TorchServe's context as handlers use, and what TorchServe does not know.

    `gone`: of each row of the batch, whether its caller has left. The handler asks while it works, from its own thread.
    """

    system_properties: dict[str, str]
    model_yaml_config: dict[str, Any] = field(default_factory=dict)
    gone: tuple[Callable[[], bool], ...] = ()


class Batcher:
    """Hands rows to the handler in the order they came, as many at once as are waiting, up to the batch size.

    The handler has one thread, as in TorchServe. A caller that went away before its row was started is skipped; one
    that goes while it is in work, the handler hears of.
    """

    def __init__(self, handler: Handler, context: Context) -> None:
        self._handler = handler
        self._context = context
        self._size = int(context.model_yaml_config["batchSize"])
        self._waiting: asyncio.Queue[tuple[Mapping[str, bytes], asyncio.Future[bytes]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="handler")

    async def submit(self, row: Mapping[str, bytes]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((row, future))
        return await future

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._size and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            batch = [(row, future) for row, future in batch if not future.done()]
            if not batch:
                continue
            rows = [row for row, _ in batch]
            context = replace(self._context, gone=tuple(future.done for _, future in batch))
            replies = await loop.run_in_executor(self._thread, self._handler.handle, rows, context)
            for (_, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    future.set_result(reply)


def open_archive(archive: Path) -> tuple[Handler, Context]:
    """The handler that the archive's manifest names, initialised, as TorchServe would do it.

    Raises ManifestError, before anything is run, where a file is not what the archive's seal says.
    """
    handler: Handler
    handler, config = load_handler(archive)
    context = Context({"model_dir": str(archive)}, config)
    handler.initialize(context)
    return handler, context


async def serve(archive: Path, socket: str) -> None:
    """Serve until SIGTERM or SIGINT; rows that were accepted are answered first."""
    handler, context = open_archive(archive)
    batcher = Batcher(handler, context)

    async def predictions(
        request: PredictionsRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> PredictionResponse:
        return PredictionResponse(prediction=await batcher.submit(request.input))

    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
        ]
    )
    method = grpc.unary_unary_rpc_method_handler(
        predictions, PredictionsRequest.FromString, PredictionResponse.SerializeToString
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(PREDICTIONS, {"Predictions": method}),)
    )
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(socket)
    runner = asyncio.create_task(batcher.run())
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, runner}, return_when=asyncio.FIRST_COMPLETED)
    await server.stop(grace=10)
    runner.cancel()
    if not stopped.done():
        stopped.cancel()
        await runner  # the batcher ended by itself: show why


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="handlers.worker", description="Serve one archive without TorchServe."
    )
    parser.add_argument(
        "--archive", type=Path, required=True, help="built folder, for example build/archives/sarcasm"
    )
    parser.add_argument(
        "--socket", required=True, help="where to listen, for example unix:/tmp/attendant.sock"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(arguments.archive, arguments.socket))
    except ManifestError as error:
        sys.exit(f"attendant worker: {error}")
    # What the handler still computes nobody waits for, but Python would wait for its thread.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
