"""TorchServe's statuses, a test a row of what was seen of TorchServe 0.12 itself, through a real channel."""

import asyncio
import contextlib
from dataclasses import replace

import grpc
import pytest
from fake_worker import FakeWorker, until

from attendant.errors import AttendantError, Reason
from attendant.torchserve.torchserve_pb2 import PredictionResponse
from attendant.wire.envelope import Operation, Reply, Row
from services.gateway.backends.predictions import METHOD, Predictions

ROW = Row(Operation.PREDICT, b"request", "sarcasm", "1", 2.0)
JAVA = "\norg.pytorch.serve.http.InternalServerException"
NO_WORKER = (
    'Model "sarcasm" has no worker to serve inference request. Please use scale workers API to add workers. If this is '
    "a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize"
    "\nInternalServerException.()"
)
VERSION = (
    "Model version: 9 does not exist for model: sarcasm"
    "\norg.pytorch.serve.archive.model.ModelVersionNotFoundException"
)


@pytest.fixture
async def worker():
    worker = await FakeWorker().start()
    yield worker
    worker.gate.set()
    await worker.stop()


@pytest.fixture
async def predictions(worker):
    predictions = Predictions(worker.address)
    yield predictions
    await predictions.close()


async def refusal(predictions, seconds=5.0, row=ROW) -> AttendantError:
    with pytest.raises(AttendantError) as caught:
        await predictions.call("sarcasm", row, seconds)
    return caught.value


@pytest.mark.parametrize(
    ("code", "details", "reason"),
    [
        ("UNAVAILABLE", "Prediction failed" + JAVA, Reason.INTERNAL),  # an uncaught exception in a handler
        (
            "INTERNAL",
            "Worker died." + JAVA,
            Reason.BACKEND_UNAVAILABLE,
        ),  # killed, too slow, or too long an answer
        ("RESOURCE_EXHAUSTED", "Worker died." + JAVA, Reason.BACKEND_UNAVAILABLE),
        ("INTERNAL", NO_WORKER, Reason.OVERLOADED),  # the queue is full
        ("INTERNAL", "Model not found: sarcasm" + JAVA, Reason.BACKEND_UNAVAILABLE),
        ("INTERNAL", VERSION, Reason.BACKEND_UNAVAILABLE),
        (
            "CANCELLED",
            "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))",
            Reason.BACKEND_UNAVAILABLE,
        ),  # given up: the backend is ending
        ("UNAVAILABLE", "", Reason.BACKEND_UNAVAILABLE),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Reason.DEADLINE_EXCEEDED),
        ("INTERNAL", "java.lang.NullPointerException at org.pytorch", Reason.INTERNAL),
        ("UNKNOWN", "", Reason.INTERNAL),
    ],
)
async def test_each_status_means_what_was_found(worker, predictions, code, details, reason):
    worker.failure = (grpc.StatusCode[code], details)
    error = await refusal(predictions)
    assert error.reason is reason
    assert "pytorch" not in error.message
    assert (error.retry_after is not None) == (reason in {Reason.OVERLOADED, Reason.BACKEND_UNAVAILABLE})


async def test_a_large_request_that_is_given_up_was_over_torchserves_limit(worker, predictions):
    worker.failure = (grpc.StatusCode.CANCELLED, "Stream removed")
    error = await refusal(predictions, row=replace(ROW, request=bytes(2 * 1024 * 1024)))
    assert error.reason is Reason.INVALID_INPUT


async def test_a_row_goes_out_and_a_reply_comes_back(worker, predictions):
    worker.reply = Reply(response=b"answer", inference_seconds=0.5)
    assert await predictions.call("sarcasm", ROW, 5.0) == worker.reply
    (row,) = worker.rows
    assert 1 < row.budget <= 2
    assert replace(row, budget=ROW.budget) == ROW
    assert worker.archives == ["sarcasm"]


async def test_the_deadline_passes_while_the_model_works(worker, predictions):
    worker.gate.clear()
    assert (await refusal(predictions, 0.1)).reason is Reason.DEADLINE_EXCEEDED


async def test_nobody_listens():
    predictions = Predictions("127.0.0.1:1")
    assert (await refusal(predictions)).reason is Reason.BACKEND_UNAVAILABLE
    await predictions.close()


async def test_a_worker_that_ends_fails_what_it_had_and_is_found_again(worker, predictions):
    worker.gate.clear()
    call = asyncio.ensure_future(refusal(predictions))
    await until(lambda: worker.active)
    await worker.stop()
    assert (await call).reason is Reason.BACKEND_UNAVAILABLE
    again = await FakeWorker().start(worker.address)

    async def answered() -> bool:
        with contextlib.suppress(AttendantError):
            return bool((await predictions.call("sarcasm", ROW, 5.0)).response)
        return False

    await until(answered, seconds=5)
    await again.stop()


async def test_bytes_that_are_no_reply_are_internal():
    server = grpc.aio.server()

    async def nonsense(_request: bytes, _context) -> bytes:
        return PredictionResponse(prediction=b"\xff\xff").SerializeToString()

    _, service, name = METHOD.split("/")
    handler = grpc.method_handlers_generic_handler(
        service, {name: grpc.unary_unary_rpc_method_handler(nonsense)}
    )
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    predictions = Predictions(f"127.0.0.1:{port}")
    assert (await refusal(predictions)).reason is Reason.INTERNAL
    await predictions.close()
    await server.stop(None)
