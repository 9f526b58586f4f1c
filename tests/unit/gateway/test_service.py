"""The four calls over gRPC, from a client's bytes to the worker's and back."""

import asyncio
import time
from dataclasses import replace

import grpc
import pytest
from fake_worker import OUTCOME, until
from sample_models import MODELS

from attendant.errors import AttendantError, Reason, invalid
from attendant.methods import ExplainOptions, GradientOptions, PermutationOptions
from attendant.types import CacheStatus, Modality, MosaicShape, Tweet
from attendant.v1.service_pb2 import ExplainRequest, ListModelsRequest, PredictResponse
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response, decode_models, decode_predict_response
from attendant.wire.statuses import Status

TWEET = Tweet("what a day", attributes=("sky",))
PREDICT = encode_predict_request("sarcasm", TWEET, request_id="mine")
EXPLAIN = encode_explain_request("sarcasm", TWEET, request_id="mine")
FEW = encode_explain_request("irony", TWEET, options=ExplainOptions(permutation=PermutationOptions()))


def many(seed):
    """Slow; those of different seeds are different questions."""
    options = ExplainOptions(permutation=PermutationOptions(samples=5_000, seed=seed))
    return encode_explain_request("irony", TWEET, options=options)


MANY = many(0)

ROW = Row(Operation.PREDICT, PREDICT, "sarcasm", "1")


async def failure(call) -> tuple[grpc.StatusCode, Status]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = Status.from_bytes(details)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return error.code(), status


async def test_predict_passes_the_clients_bytes_on_and_finishes_the_answer(gateway):
    result = decode_predict_response(await gateway.call("Predict", PREDICT))
    assert result.prediction.label == OUTCOME.prediction.label
    assert result.prediction.probability == OUTCOME.prediction.probability
    assert (result.model.name, result.model.version) == ("sarcasm", "1")
    assert result.request_id == "mine"
    (row,) = gateway.worker.rows
    assert row.request == PREDICT
    assert (row.operation, row.model, row.version) == (Operation.PREDICT, "sarcasm", "1")
    assert gateway.worker.archives == ["sarcasm"]


async def test_timing_adds_up(gateway):
    gateway.worker.gate.clear()
    started = time.perf_counter()
    call = asyncio.ensure_future(gateway.call("Predict", PREDICT))
    await asyncio.sleep(0.05)
    gateway.worker.gate.set()
    timing = decode_predict_response(await call).timing
    waited = time.perf_counter() - started
    assert timing.inference == pytest.approx(0.001)
    assert 0.03 <= timing.queue <= timing.total <= waited
    assert timing.queue + timing.inference <= timing.total


async def test_a_worker_that_claims_more_time_than_passed_leaves_no_negative_queue(gateway):
    gateway.worker.reply = Reply(response=gateway.worker.response(ROW), inference_seconds=1e6)
    assert decode_predict_response(await gateway.call("Predict", PREDICT)).timing.queue == 0


async def test_a_request_without_a_name_gets_one(gateway):
    request = encode_predict_request("sarcasm", TWEET)
    names = {decode_predict_response(await gateway.call("Predict", request)).request_id for _ in range(2)}
    assert len(names) == 2
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)


async def test_the_version_asked_for_reaches_the_worker(gateway):
    await gateway.call("Predict", encode_predict_request("sarcasm", TWEET, version="2"))
    assert gateway.worker.rows[0].version == "2"


async def test_explain_is_computed_once_and_then_comes_from_the_cache(gateway):
    first = decode_explain_response(await gateway.call("Explain", EXPLAIN))
    again = encode_explain_request("sarcasm", TWEET, request_id="other")
    second = decode_explain_response(await gateway.call("Explain", again))
    assert (first.cache, second.cache) == (CacheStatus.MISS, CacheStatus.HIT)
    assert (first.request_id, second.request_id) == ("mine", "other")
    assert len(gateway.worker.rows) == 1
    assert second.attention.vectors[0].weights.tolist() == [0.5, 0.25, 0.25]
    assert (second.timing.queue, second.timing.inference) == (0, 0)
    assert 0 < second.timing.total < 1


@pytest.mark.parametrize(
    "other",
    [
        encode_explain_request("sarcasm", TWEET, version="2"),
        encode_explain_request("irony", TWEET),
        encode_explain_request("irony", TWEET, options=ExplainOptions(permutation=PermutationOptions())),
        encode_explain_request("sarcasm", Tweet("what a day", attributes=("sea",))),
    ],
)
async def test_another_question_never_gets_the_cached_answer(gateway, other):
    await gateway.call("Explain", EXPLAIN)
    assert decode_explain_response(await gateway.call("Explain", other)).cache is CacheStatus.MISS
    assert len(gateway.worker.rows) == 2


async def test_the_default_version_by_name_is_the_same_question(gateway):
    await gateway.call("Explain", EXPLAIN)
    named = encode_explain_request("sarcasm", TWEET, version="1")
    assert decode_explain_response(await gateway.call("Explain", named)).cache is CacheStatus.HIT


async def test_refresh_computes_and_keeps_bypass_computes_and_does_not(gateway):
    async def ask(mode):
        request = encode_explain_request("sarcasm", TWEET, cache_mode=mode)
        return decode_explain_response(await gateway.call("Explain", request)).cache

    assert await ask(CacheMode.BYPASS) is CacheStatus.BYPASS
    assert await ask(CacheMode.USE) is CacheStatus.MISS
    assert await ask(CacheMode.BYPASS) is CacheStatus.BYPASS
    assert await ask(CacheMode.REFRESH) is CacheStatus.REFRESHED
    assert await ask(CacheMode.USE) is CacheStatus.HIT
    assert len(gateway.worker.rows) == 4
    for result, count in {"miss": 1, "hit": 1, "bypass": 2, "refreshed": 1}.items():
        assert await gateway.metric(f'attendant_cache_requests_total{{result="{result}"}}') == count
    assert await gateway.metric("attendant_cache_bytes") > 0


async def test_a_failure_is_not_cached(gateway):
    gateway.worker.reply = Reply(failure=invalid("instance.tweet.image", "the image is truncated"))
    code, status = await failure(gateway.call("Explain", EXPLAIN))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.violations[0].field == "instance.tweet.image"
    gateway.worker.reply = None
    assert decode_explain_response(await gateway.call("Explain", EXPLAIN)).cache is CacheStatus.MISS


async def test_a_method_that_is_not_there_yet_is_unimplemented_by_name(gateway):
    request = encode_explain_request("sarcasm", TWEET, options=ExplainOptions(gradient=GradientOptions()))
    code, status = await failure(gateway.call("Explain", request))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert (status.reason, status.metadata["method"]) == ("METHOD_NOT_AVAILABLE", "gradient")
    assert gateway.worker.rows == []


async def test_an_unknown_model_and_version_are_not_found(gateway):
    code, status = await failure(gateway.call("Predict", encode_predict_request("nope", TWEET)))
    assert (code, status.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    request = encode_predict_request("sarcasm", TWEET, version="9")
    code, status = await failure(gateway.call("Predict", request))
    assert (code, status.reason) == (grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND")
    assert "1, 2" in status.message


async def test_a_message_over_the_limit_is_bad_input(launch):
    async with launch(max_message_bytes=1000) as gateway:
        request = encode_predict_request("sarcasm", Tweet("x" * 1500))
        code, status = await failure(gateway.call("Predict", request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert status.violations[0].field == "request"
        assert "1000" in status.violations[0].description
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.call("Predict", encode_predict_request("sarcasm", Tweet("x" * 5000)))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_clients_time_reaches_the_worker_less_a_little(gateway):
    await gateway.call("Predict", PREDICT, timeout=5)
    assert 4 < gateway.worker.rows[0].budget < 5


async def test_without_a_deadline_there_is_a_default_one(launch):
    async with launch(default_deadline_seconds=0.2) as gateway:
        gateway.worker.gate.clear()
        code, status = await failure(gateway.call("Predict", PREDICT, timeout=None))
        assert (code, status.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert status.metadata["request_id"] == "mine"
        assert gateway.worker.rows[0].budget <= 0.2


@pytest.mark.parametrize("budget", [-1.0, 0.0, 0.005])
async def test_work_whose_deadline_has_passed_is_not_begun(gateway, budget):
    data_plane = gateway.server._servicer._data_plane
    for call, request in ((data_plane.predict, PREDICT), (data_plane.explain, EXPLAIN)):
        with pytest.raises(AttendantError) as caught:
            await call(request, budget)
        assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert gateway.worker.rows == []


async def test_a_fault_of_our_own_is_internal_and_says_nothing(gateway, monkeypatch):
    async def broken(*_: object, **_kwargs: object) -> bytes:
        raise RuntimeError("secret")

    monkeypatch.setattr(gateway.server._explanations, "find", broken)
    code, status = await failure(gateway.call("Explain", EXPLAIN))
    assert (code, status.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in status.message
    assert status.metadata["request_id"] == "mine"


async def test_more_than_the_lane_holds_is_refused_at_once(launch):
    async with launch(max_in_flight=2) as gateway:
        gateway.worker.gate.clear()
        held = [asyncio.ensure_future(gateway.call("Predict", PREDICT)) for _ in range(2)]
        await until(lambda: gateway.worker.active >= 2)
        assert await gateway.metric('attendant_in_flight{model="sarcasm",work="predict"}') == 2
        code, status = await failure(gateway.call("Predict", PREDICT))
        assert (code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert status.retry_after > 0
        other = asyncio.ensure_future(gateway.call("Predict", encode_predict_request("irony", TWEET)))
        await until(lambda: gateway.worker.active >= 3)
        gateway.worker.gate.set()
        await asyncio.gather(*held, other)
        await gateway.call("Predict", PREDICT)
        assert await gateway.metric('attendant_in_flight{model="sarcasm",work="predict"}') == 0


async def test_each_question_goes_to_the_archive_of_its_lane(gateway):
    for method, request in (("Predict", PREDICT), ("Explain", EXPLAIN), ("Explain", FEW), ("Explain", MANY)):
        await gateway.call(method, request)
    assert gateway.worker.archives == ["sarcasm", "sarcasm", "sarcasm", "sarcasm_slow"]


async def test_a_full_slow_lane_refuses_and_the_fast_one_goes_on(launch):
    async with launch(max_slow_in_flight=2) as gateway:
        gateway.worker.slow_gate.clear()
        held = [asyncio.ensure_future(gateway.call("Explain", many(seed))) for seed in (1, 2)]
        await until(lambda: gateway.worker.active >= 2)
        assert await gateway.metric('attendant_in_flight{model="irony",work="slow"}') == 2
        code, status = await failure(gateway.call("Explain", MANY))
        assert (code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert 0.01 <= status.retry_after <= 5
        for _ in range(10):
            await gateway.call("Predict", encode_predict_request("irony", TWEET))
        await gateway.call("Explain", FEW)
        assert not any(call.done() for call in held)
        gateway.worker.slow_gate.set()
        await asyncio.gather(*held)
        assert await gateway.metric('attendant_in_flight{model="irony",work="slow"}') == 0


async def test_what_the_deadline_cut_short_is_answered_and_not_kept(gateway):
    whole = Reply(
        response=gateway.worker.response(Row(Operation.EXPLAIN, EXPLAIN, "sarcasm", "1")),
        weights_digest=MODELS["sarcasm"].versions["1"].digest,
    )
    cut = replace(whole, explanation_seconds=0.5, truncated=True)

    async def ask(reply, mode):
        gateway.worker.reply = reply
        request = encode_explain_request("sarcasm", TWEET, cache_mode=mode)
        return decode_explain_response(await gateway.call("Explain", request))

    first = await ask(cut, CacheMode.USE)
    assert first.cache is CacheStatus.MISS
    assert first.timing.explanation == 0.5
    assert (await ask(cut, CacheMode.REFRESH)).cache is CacheStatus.REFRESHED
    assert (await ask(whole, CacheMode.USE)).cache is CacheStatus.MISS
    assert (await ask(cut, CacheMode.REFRESH)).cache is CacheStatus.REFRESHED
    kept = await ask(cut, CacheMode.USE)  # what was whole is not lost to what was not
    assert (kept.cache, kept.timing.explanation) == (CacheStatus.HIT, 0)


async def test_a_client_that_leaves_takes_its_work_with_it(gateway):
    gateway.worker.gate.clear()
    call = gateway.channel.unary_unary("/attendant.v1.AttendantService/Predict")(PREDICT, timeout=10)
    await until(lambda: gateway.worker.active)
    call.cancel()
    await until(lambda: not gateway.worker.active)
    assert gateway.worker.cancelled == 1


@pytest.mark.parametrize(
    ("torchserve", "code", "reason"),
    [
        ((grpc.StatusCode.UNAVAILABLE, "Prediction failed"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        ((grpc.StatusCode.INTERNAL, "Worker died."), grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE"),
    ],
)
async def test_a_backend_that_fails_is_counted_and_named(gateway, torchserve, code, reason):
    gateway.worker.failure = torchserve
    found, status = await failure(gateway.call("Predict", PREDICT))
    assert (found, status.reason) == (code, reason)
    labels = f'lane="fast",model="sarcasm",reason="{reason}"'
    assert await gateway.metric(f"attendant_backend_failures_total{{{labels}}}") == 1
    assert await gateway.metric('attendant_backend_seconds_count{lane="fast",model="sarcasm"}') == 0


async def test_how_long_the_backend_has_a_request_is_counted_by_model_and_lane(gateway):
    await gateway.call("Predict", PREDICT)
    labels = 'lane="fast",model="sarcasm"'
    whole, queue = [
        await gateway.metric(f"attendant_{part}_seconds_sum{{{labels}}}") for part in ("backend", "queue")
    ]
    assert await gateway.metric(f"attendant_backend_seconds_count{{{labels}}}") == 1
    assert whole == pytest.approx(queue + 0.001)  # the worker says that it took a millisecond


@pytest.mark.parametrize("reply", [Reply(), Reply(failure=AttendantError("secret", Reason.INTERNAL))])
async def test_a_reply_without_an_answer_is_internal(gateway, reply):
    gateway.worker.reply = reply
    code, status = await failure(gateway.call("Predict", PREDICT))
    assert (code, status.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in status.message


async def test_list_models_says_what_there_is_and_where_it_runs(gateway):
    await until(gateway.ready)
    answer = await gateway.call("ListModels", ListModelsRequest().SerializeToString())
    described = decode_models(answer)
    assert [model.name for model in described] == ["irony", "mosaics", "sarcasm"]
    mosaics, sarcasm = described[1:]
    assert (mosaics.modalities, mosaics.mosaic) == ((Modality.SEGMENT,), MosaicShape(2, (2,)))
    assert sarcasm.mosaic is None
    assert sarcasm.ready
    assert sarcasm.runtime is not None
    assert sarcasm.runtime.provider == "FakeProvider"
    assert (sarcasm.versions, sarcasm.default_version) == (("1", "2"), "1")
    assert sarcasm.digests["1"] != sarcasm.digests["2"]


async def test_two_gateways_share_nothing(launch):
    async with launch() as one, launch() as two:
        await one.call("Explain", EXPLAIN)
        assert decode_explain_response(await two.call("Explain", EXPLAIN)).cache is CacheStatus.MISS
        series = 'attendant_requests_total{code="OK",method="Explain",model="sarcasm"}'
        assert await one.metric(series) == await two.metric(series) == 1


async def test_a_refused_request_is_counted_for_its_model_and_keeps_its_name(gateway):
    _, status = await failure(
        gateway.call("Predict", encode_predict_request("sarcasm", Tweet(), request_id="mine"))
    )
    assert status.metadata["request_id"] == "mine"
    refused = 'attendant_requests_total{code="INVALID_ARGUMENT",method="Predict",model="sarcasm"}'
    assert await gateway.metric(refused) == 1


async def test_requests_are_counted_by_code_and_unknown_models_together(gateway):
    await gateway.call("Predict", PREDICT)
    for name in ("evil-1", "evil-2"):
        await failure(gateway.call("Predict", encode_predict_request(name, TWEET)))
    ok = 'attendant_requests_total{code="OK",method="Predict",model="sarcasm"}'
    unknown = 'attendant_requests_total{code="NOT_FOUND",method="Predict",model="unknown"}'
    assert await gateway.metric(ok) == 1
    assert await gateway.metric(unknown) == 2
    assert await gateway.metric('attendant_request_seconds_count{method="Predict",model="sarcasm"}') == 1
    assert "evil" not in (await gateway.http.get("/metrics")).text


async def test_bytes_that_are_no_message_are_bad_input(gateway):
    for method in ("Predict", "Explain"):
        code, status = await failure(gateway.call(method, b"\xff\xff\xff"))
        assert (code, status.violations[0].field) == (grpc.StatusCode.INVALID_ARGUMENT, "request")


async def test_a_response_carries_the_gateways_fields_once(gateway):
    await gateway.call("Explain", EXPLAIN)
    message = ExplainRequest.FromString(EXPLAIN)
    message.request_id = "second"
    answer = await gateway.call("Explain", message.SerializeToString())
    assert answer.count(b"second") == 1
    assert b"mine" not in answer
    assert PredictResponse.FromString(await gateway.call("Predict", PREDICT)).request_id == "mine"
