"""Two real workers of a tiny model behind a whole gateway: what is slow holds up nobody, and each lane comes back."""

import asyncio
import contextlib
import io
import os
import signal
import time
from dataclasses import replace

import grpc
import numpy as np
import pytest
import pytest_asyncio
from fake_worker import until
from PIL import Image
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.lanes import Lane, archive_name
from attendant.manifest import read_store
from attendant.methods import AdversarialOptions, CrossModalOptions, ExplainOptions, GradientOptions, Method
from attendant.types import CacheStatus, Tweet
from attendant.v1.service_pb2 import ExplainRequest
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response
from services.gateway.backends.embedded import EmbeddedBackend
from services.gateway.config import GatewaySettings
from services.gateway.main import build_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST, SLOW = (archive_name("sarcasm", lane) for lane in Lane)
PREDICT = encode_predict_request("sarcasm", Tweet("so much fun", attributes=("dog",)))


def explain_request(options, cache_mode=CacheMode.BYPASS):
    pixels = np.random.default_rng(0).integers(0, 256, (448, 448, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    tweet = Tweet("so much fun " * 25, buffer.getvalue(), ("dog", "man", "food"))
    return encode_explain_request("sarcasm", tweet, options=options, cache_mode=cache_mode)


# Of this tiny model: much work; and some in small steps, which end at the deadline.
LONG = explain_request(ExplainOptions(cross_modal=CrossModalOptions(random_masks=200)))
STEPS = explain_request(
    ExplainOptions(adversarial=AdversarialOptions(adversaries=20, steps=2_000)), CacheMode.USE
)
SHORT = explain_request(ExplainOptions(gradient=GradientOptions()))


@pytest.fixture(scope="module")
def tiny_archives(tmp_path_factory):
    root = tmp_path_factory.mktemp("lanes")
    (fast,) = build_archives(build_tiny_store(root / "store"), root / "archives")
    return {FAST: fast, SLOW: fast.with_name(SLOW)}


class Gateway:
    def __init__(self, server, backend, channel):
        self.server = server
        self.backend = backend
        self._channel = channel

    def ready(self):
        return self.server._readiness.ready()

    async def call(self, method, request, timeout=10.0):  # noqa: ASYNC109
        return await self._channel.unary_unary(f"/attendant.v1.AttendantService/{method}")(
            request, timeout=timeout
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tiny_archives):
    models = {
        name: replace(model, methods=tuple(Method)) for name, model in read_store(tiny_archives[FAST]).items()
    }
    backend = EmbeddedBackend(tiny_archives)
    settings = GatewaySettings(grpc_port=0, http_port=0, poll_seconds=0.1, drain_seconds=2.0)
    server = build_server(settings, models, backend)
    await server.start()
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        running = Gateway(server, backend, channel)
        await until(running.ready, seconds=60)
        yield running
        await server.drain()


async def test_predictions_go_on_while_slow_explanations_wait_for_each_other(gateway):
    slow = [asyncio.create_task(gateway.call("Explain", LONG, 60)) for _ in range(8)]
    await asyncio.sleep(0.2)  # the first is in work by now
    waits = []
    for _ in range(100):
        started = time.perf_counter()
        await gateway.call("Predict", PREDICT)
        waits.append(time.perf_counter() - started)
    assert not all(call.done() for call in slow)  # one after another: seconds
    assert sorted(waits)[50] < 0.1
    for call in slow:
        call.cancel()
    await asyncio.wait(slow)


async def test_an_explanation_that_the_deadline_cut_short_is_answered_in_time_and_not_kept(gateway):
    await gateway.call("Explain", STEPS, 30)
    for _ in range(2):
        request = ExplainRequest.FromString(STEPS)
        request.options.adversarial.seed = 1
        answer = decode_explain_response(await gateway.call("Explain", request.SerializeToString(), 0.35))
        assert "EXPLANATION_TRUNCATED" in {warning.code for warning in answer.warnings}
        assert answer.explanations.adversarial is not None
        assert 0.1 < answer.timing.explanation < answer.timing.total < 0.35
        assert answer.cache is CacheStatus.MISS


@pytest.mark.parametrize("lane", Lane)
async def test_a_lane_whose_worker_died_comes_back_and_the_other_goes_on(gateway, lane):
    dies, lives = (FAST, SLOW) if lane is Lane.FAST else (SLOW, FAST)
    asked = {FAST: ("Predict", PREDICT), SLOW: ("Explain", SHORT)}
    before, other = gateway.backend.pid(dies), gateway.backend.pid(lives)
    os.kill(before, signal.SIGKILL)
    for _ in range(20):
        await gateway.call(*asked[lives])

    async def answers():
        with contextlib.suppress(grpc.aio.AioRpcError):
            await gateway.call(*asked[dies])
            return gateway.ready()
        return False

    await until(answers, seconds=60)
    assert gateway.backend.pid(dies) not in {before, None}
    assert gateway.backend.pid(lives) == other
