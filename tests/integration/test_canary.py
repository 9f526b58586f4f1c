"""Version 2 of the shipped sarcasm model beside version 1: gateways with weights, in front of a real TorchServe."""

import asyncio
import json
import math
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from fake_worker import until
from gateway_process import gateway_environment, gateway_process

from attendant.channels import SERVICE
from attendant.manifest import read_manifest, read_store, write_manifest
from attendant.types import Tweet
from attendant.v1.service_pb2 import ExplainRequest, ExplainStreamRequest, ExplainStreamResponse
from attendant.wire.requests import encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response, decode_predict_response

STORE = Path(__file__).resolve().parents[2] / "model_store"
TEXTS = [f"oh great, meeting number {number} of the day, i just love those" for number in range(300)]

torchserve = pytest.mark.parametrize("service", ["torchserve"], indirect=True)


class Asked:
    """A gateway, and what it answers about texts."""

    def __init__(self, gateway, channel) -> None:
        self.gateway = gateway
        self._channel = channel
        self._slots = asyncio.Semaphore(16)

    async def _call(self, method, request):
        async with self._slots:
            return await self._channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=60)

    async def predict(self, text, version=""):
        request = encode_predict_request("sarcasm", Tweet(text), version=version)
        return decode_predict_response(await self._call("Predict", request))

    async def explain(self, text, version=""):
        request = encode_explain_request("sarcasm", Tweet(text), version=version)
        return decode_explain_response(await self._call("Explain", request))

    async def stream(self, texts):
        """By text: the version that answers in bulk."""
        call = self._channel.stream_stream(f"/{SERVICE}/ExplainStream")

        async def items():
            for text in texts:
                request = encode_explain_request("sarcasm", Tweet(text), request_id=text)
                item = ExplainStreamRequest(request=ExplainRequest.FromString(request))
                yield item.SerializeToString()

        answers = [ExplainStreamResponse.FromString(item) async for item in call(items(), timeout=60)]
        return {answer.request_id: answer.response.model.version for answer in answers}

    async def versions(self, texts=TEXTS):
        answers = await asyncio.gather(*map(self.predict, texts))
        return dict(zip(texts, (answer.model.version for answer in answers), strict=True))

    async def counted(self, version, code="OK"):
        labels = f'code="{code}",model="sarcasm",version="{version}"'
        return await self.gateway.metric(f"attendant_version_requests_total{{{labels}}}")


@asynccontextmanager
async def asked(service, weights="", store=STORE):
    async with (
        gateway_process(
            store,
            service.torchserve_address,
            management=service.torchserve_management_address,
            ATTENDANT_VERSION_WEIGHTS=weights,
        ) as gateway,
        grpc.aio.insecure_channel(gateway.address) as channel,
    ):
        yield Asked(gateway, channel)


@torchserve
async def test_a_canary_gets_its_share_grows_and_is_rolled_back(service):
    async with asked(service, "sarcasm=1:80,2:20") as first, asked(service, "sarcasm=2:20,1:80") as second:
        few = await first.versions()
        count = sum(version == "2" for version in few.values())
        assert abs(count - 0.2 * len(TEXTS)) < 4 * math.sqrt(0.2 * 0.8 * len(TEXTS))
        assert (await first.counted("1"), await first.counted("2")) == (len(TEXTS) - count, count)
        assert await first.counted("2", "UNAVAILABLE") == 0
        # Another gateway, asked again, for explanations, alone and in bulk: the same versions
        assert await second.versions(TEXTS[:100]) == {text: few[text] for text in TEXTS[:100]}
        explained = await asyncio.gather(*(first.explain(text) for text in TEXTS[:40]))
        assert [answer.model.version for answer in explained] == [few[text] for text in TEXTS[:40]]
        assert await second.stream(TEXTS[:60]) == {text: few[text] for text in TEXTS[:60]}
    async with asked(service, "sarcasm=1:50,2:50") as grown:
        many = await grown.versions()
        assert {text for text in TEXTS if few[text] == "2"} < {text for text in TEXTS if many[text] == "2"}
    async with asked(service) as rolled_back:
        assert set((await rolled_back.versions(TEXTS[:50])).values()) == {"1"}
        assert (await rolled_back.predict("x", "2")).model.version == "2"


@torchserve
async def test_what_answers_is_the_version_that_it_says(service):
    """The shared-out answer is that of the named version to the last bit; the two versions differ."""
    known = read_store(STORE)["sarcasm"].versions
    async with asked(service, "sarcasm=1:1,2:1") as gateway:
        seen = set()
        for text in TEXTS[:12]:
            answer, explained = await gateway.predict(text), await gateway.explain(text)
            named = {version: await gateway.predict(text, version) for version in known}
            version = answer.model.version
            assert explained.model == answer.model
            assert answer.model.weights_digest == known[version].digest
            assert answer.prediction == named[version].prediction == explained.prediction
            assert named["1"].prediction != named["2"].prediction
            assert {name: one.model.version for name, one in named.items()} == {"1": "1", "2": "2"}
            seen.add(version)
        assert seen == {"1", "2"}
        listed = await gateway._call("ListModels", b"")
        assert b"sarcasm" in listed


def _store_with_version_3(folder: Path) -> Path:
    """As the next release's gateway has it, whose workers are not there yet."""
    model = read_manifest(STORE / "sarcasm")
    newer = replace(model.versions["2"], version="3")
    (folder / "sarcasm").mkdir(parents=True)
    write_manifest(folder / "sarcasm", replace(model, versions={**model.versions, "3": newer}))
    return folder


@torchserve
async def test_workers_that_lack_the_version_are_told_to_the_caller_and_keep_a_new_gateway_out(
    service, tmp_path
):
    store = _store_with_version_3(tmp_path / "store")
    async with asked(service, store=store) as gateway:  # it may be named, and that is told as it is
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.predict("x", "3")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "the worker that was asked does not have version '3'" in caught.value.details()
        assert (await gateway.predict("x")).model.version == "1"
    log = tmp_path / "log"
    environment = gateway_environment(
        store,
        ATTENDANT_TORCHSERVE_ADDRESS=service.torchserve_address,
        ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS=service.torchserve_management_address,
        ATTENDANT_VERSION_WEIGHTS="sarcasm=1:95,3:5",
    )
    with log.open("w") as file:
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", stderr=file, env=environment
        )
    try:
        await until(lambda: log.read_text().count("model cannot be described") >= 3)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert not [line for line in lines if line["event"] == "model is ready"]
        errors = {line["error"] for line in lines if line["event"] == "model cannot be described"}
        assert errors == {"model 'sarcasm' has no version '3'; it has: 1, 2"}
    finally:
        gateway.terminate()
        await gateway.wait()


def test_weights_that_make_no_sense_are_one_line(tmp_path):
    store = _store_with_version_3(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway"],
        env=gateway_environment(store, ATTENDANT_VERSION_WEIGHTS="sarcasm=2:5"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "attendant gateway: ATTENDANT_VERSION_WEIGHTS: 'sarcasm' lacks its default version '1'"
    )
