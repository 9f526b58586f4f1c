"""Which version a question goes to: against exact fractions, and through whole gateways in front of a fake worker."""

import hashlib
import math
from fractions import Fraction

import grpc
import pytest
from grpc_status import rpc_status
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sample_models import MODELS, manifest, version
from structlog.testing import capture_logs

from attendant.errors import version_not_found
from attendant.methods import ErasureOptions, ExplainOptions
from attendant.types import CacheStatus, Mosaic, Runtime, Tweet
from attendant.v1.instance_pb2 import Instance
from attendant.v1.instance_pb2 import Tweet as TweetMessage
from attendant.v1.service_pb2 import ExplainRequest, ExplainStreamRequest, PredictRequest
from attendant.wire.envelope import Operation, Reply
from attendant.wire.requests import CacheMode, encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response, decode_predict_response
from services.gateway.canary import Split, read_splits
from services.gateway.instances import Limits
from services.gateway.metrics import Metrics
from services.gateway.readiness import Readiness
from services.gateway.validation import Validator
from services.health import Health
from services.settings import ConfigError

LIMITS = Limits(message_bytes=1 << 24, image_bytes=10 << 20, image_pixels=10_000, text_bytes=10_000)
EVENLY = "sarcasm=1:1,2:1"
TEXTS = [f"what a day, number {number}" for number in range(40)]
DIGESTS = st.binary(min_size=32, max_size=32)
WEIGHTS = st.integers(0, 1_000_000)


def split(*weights, model="sarcasm") -> Split:
    return Split(model, tuple((version(str(name)), weight) for name, weight in enumerate(weights, 1)))


def fraction(digest: bytes, model="sarcasm") -> Fraction:
    """The question's number, from 0 to 1. Who changes it has questions change their versions."""
    number = hashlib.sha256(b"version\0" + model.encode() + b"\0" + digest).hexdigest()[:16]
    return Fraction(int(number, 16), 2**64)


@given(DIGESTS, st.lists(WEIGHTS, min_size=1, max_size=4))
def test_each_version_has_a_piece_as_long_as_its_weight(digest, weights):
    assume(any(weights))
    chosen = int(split(*weights).choose(digest).version) - 1
    total = sum(weights)
    begin = Fraction(sum(weights[:chosen]), total)
    assert begin <= fraction(digest) < begin + Fraction(weights[chosen], total)
    assert weights[chosen] > 0


@given(DIGESTS, *[st.tuples(WEIGHTS, WEIGHTS)] * 2)
def test_more_weight_for_one_of_two_versions_moves_nothing_away_from_it(digest, one, other):
    assume(any(one) and any(other))
    few, many = sorted((one, other), key=lambda pair: Fraction(pair[1], sum(pair)))
    if split(*few).choose(digest).version == "2":
        assert split(*many).choose(digest).version == "2"


def test_shares_are_as_the_weights_and_models_are_shared_out_independently():
    count = 20_000
    digests = [hashlib.sha256(str(number).encode()).digest() for number in range(count)]
    chosen = {
        model: [split(95, 5, model=model).choose(digest).version for digest in digests]
        for model in ("sarcasm", "irony")
    }
    deviation = math.sqrt(count * 0.05 * 0.95)
    for versions in chosen.values():
        assert abs(versions.count("2") - 0.05 * count) < 4 * deviation
    both = sum(pair == ("2", "2") for pair in zip(*chosen.values(), strict=True))
    assert abs(both - 0.05**2 * count) < 4 * math.sqrt(count * 0.05**2)


def test_the_setting_is_read_in_the_order_of_the_versions():
    models = {"a": manifest("a", default_version="2"), "b": manifest("b")}
    splits = read_splits(" a = 2:95 , 1:5 ; b=1:0,2:3;", models)
    assert splits.keys() == {"a", "b"}
    assert [(one.version, weight) for one, weight in splits["a"].weights] == [("1", 5), ("2", 95)]
    assert splits["a"].shares() == {"1": 0.05, "2": 0.95}
    assert splits["b"].shares() == {"1": 0, "2": 1}
    assert splits == read_splits("b=2:3,1:0;a=2:95,1:5", models)


def test_numbers_in_versions_count_as_numbers():
    names = ["1", "2", "9", "10", "10.2", "10.10", "b", "b9", "b10"]
    models = {"sarcasm": manifest(versions={name: version(name) for name in names})}
    setting = "sarcasm=" + ",".join(f"{name}:1" for name in sorted(names))
    assert list(read_splits(setting, models)["sarcasm"].versions) == names


@given(DIGESTS, *[WEIGHTS] * 2)
def test_gateways_agree_while_the_default_version_changes(digest, one, two):
    assume(one or two)
    chosen = {
        read_splits(f"sarcasm=1:{one},2:{two}", {"sarcasm": manifest(default_version=default)})["sarcasm"]
        .choose(digest)
        .version
        for default in "12"
    }
    assert len(chosen) == 1


@pytest.mark.parametrize("setting", [None, "", "  ", ";"])
def test_without_weights_nothing_is_shared_out(setting):
    assert read_splits(setting, MODELS) == {}


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("sarcasm", "'sarcasm' is not MODEL=VERSION:WEIGHT,VERSION:WEIGHT"),
        ("1:95,2:5", "is not MODEL="),
        ("nope=1:1", "no model is named 'nope'; there are: sarcasm, irony, mosaics"),
        ("=1:1", "no model is named ''"),
        ("sarcasm=1:1,3:1", str(version_not_found("sarcasm", "3", ("1", "2")))),
        ("sarcasm=1:1,:1", "has no version ''"),
        ("sarcasm=", "has no version ''"),
        ("sarcasm=1:1,", "has no version ''"),
        ("sarcasm=1:1;sarcasm=1:1", "model 'sarcasm' stands there twice"),
        ("sarcasm=1:1,2:1,1:2", "version '1' of 'sarcasm' stands there twice"),
        ("sarcasm=1:0,2:0", "every weight of 'sarcasm' is 0"),
        ("sarcasm=2:5", "lacks its default version '1'; name it too"),
        ("sarcasm=1:95 2:5", "is '95 2:5'; it is a whole number"),
        *(
            (f"sarcasm=1:{weight},2:5", f"is '{weight}'; it is a whole number from 0 to 1000000")
            for weight in ("-1", "", "x", "0.5", "1e3", "1000001", "٣", "+1", "1:2")
        ),
        ("sarcasm=1,2:5", "is ''; it is a whole number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(setting, says):
    with pytest.raises(ConfigError) as caught:
        read_splits(setting, MODELS)
    assert str(caught.value).startswith("ATTENDANT_VERSION_WEIGHTS: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_question_is_hashed_once_and_only_where_it_is_shared_out():
    photograph = TweetMessage(
        text="x", image=b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\x10" * 2 + b"\x08\x02"
    )
    instance = Instance(tweet=photograph)
    digest = hashlib.sha256(instance.SerializeToString()).digest()
    splits = read_splits(EVENLY, MODELS)
    for model, named, expected in (("sarcasm", "", digest), ("sarcasm", "2", b""), ("irony", "", b"")):
        validator = Validator(MODELS, LIMITS, splits)
        for call, kind in ((validator.predict, PredictRequest), (validator.explain, ExplainRequest)):
            question = call(kind(model=model, version=named, instance=instance).SerializeToString())
            assert question.instance_digest == expected


async def stream(gateway, *requests):
    async def items():
        for request in requests:
            yield ExplainStreamRequest(request=ExplainRequest.FromString(request)).SerializeToString()

    return [item async for item in gateway.stream(items())]


async def test_the_same_question_goes_to_the_same_version_whatever_is_asked_about_it(launch):
    erasing = ExplainOptions(erasure=ErasureOptions())
    models = {"sarcasm": manifest(methods=("erasure",))}
    chosen = []
    for _ in range(2):  # two gateways
        async with launch(models, version_weights=EVENLY) as gateway:
            for text in TEXTS:
                tweet = Tweet(text)
                await gateway.call("Predict", encode_predict_request("sarcasm", tweet))
                await gateway.call("Predict", encode_predict_request("sarcasm", tweet, request_id=text))
                await gateway.call("Explain", encode_explain_request("sarcasm", tweet))
                options = encode_explain_request("sarcasm", tweet, options=erasing)
                await gateway.call("Explain", options)
                bypass = encode_explain_request("sarcasm", tweet, cache_mode=CacheMode.BYPASS)
                await stream(gateway, bypass)
            rows = gateway.worker.rows
            assert len(rows) == 5 * len(TEXTS)
            asked = [{row.version for row in rows[start : start + 5]} for start in range(0, len(rows), 5)]
            assert all(len(versions) == 1 for versions in asked)
            chosen.append([versions.pop() for versions in asked])
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"1", "2"}


async def test_over_http_it_is_the_same_question(launch):
    async with launch(version_weights=EVENLY) as gateway:
        for text in TEXTS[:10]:
            await gateway.call("Predict", encode_predict_request("sarcasm", Tweet(text)))
            body = {"instance": {"tweet": {"text": text}}}
            await gateway.http.post("/v1/models/sarcasm:explain", json=body)
        versions = [row.version for row in gateway.worker.rows]
        assert versions[::2] == versions[1::2]
        assert set(versions) == {"1", "2"}


async def test_a_version_that_is_named_answers_and_other_models_are_left_alone(launch):
    async with launch(version_weights="sarcasm=1:0,2:1") as gateway:
        for wanted, expected in (("1", "1"), ("2", "2"), ("", "2")):
            answer = await gateway.call(
                "Predict", encode_predict_request("sarcasm", Tweet("x"), version=wanted)
            )
            assert PredictRequest.FromString(gateway.worker.rows[-1].request).version == wanted
            answered = decode_predict_response(answer).model.version
            assert (gateway.worker.rows[-1].version, answered) == (expected, expected)
        await gateway.call("Predict", encode_predict_request("mosaics", Mosaic(((1.0, 2.0), (3.0, 4.0)))))
        assert gateway.worker.rows[-1].version == "1"


async def test_what_is_kept_is_kept_by_version(launch):
    """And a repeat is counted for the version that it came from."""
    async with launch(version_weights="sarcasm=1:0,2:1") as gateway:
        found = []
        for wanted in ("1", "", "2", "1", ""):
            response = await gateway.call(
                "Explain", encode_explain_request("sarcasm", Tweet("x"), version=wanted)
            )
            answer = decode_explain_response(response)
            found.append((answer.model.version, answer.cache))
        miss, hit = CacheStatus.MISS, CacheStatus.HIT
        assert found == [("1", miss), ("2", miss), ("2", hit), ("1", hit), ("2", hit)]
        assert [row.operation for row in gateway.worker.rows] == [Operation.EXPLAIN] * 2
        for name, count, computed in (("1", 2, 1), ("2", 3, 1)):
            labels = f'model="sarcasm",version="{name}"'
            assert await gateway.metric(f'attendant_version_requests_total{{code="OK",{labels}}}') == count
            assert await gateway.metric(f"attendant_version_seconds_count{{{labels}}}") == computed


async def test_what_is_refused_as_wrong_counts_for_no_version(launch):
    async with launch(version_weights=EVENLY) as gateway:
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.call("Predict", encode_predict_request("sarcasm", Tweet("x" * 20_000)))
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.call("Predict", encode_predict_request("sarcasm", Tweet("x"), version="9"))
        lines = (await gateway.http.get("/metrics")).text.splitlines()
        rows = [line for line in lines if line.startswith("attendant_version_requests_total")]
        assert len(rows) == 5 * 4  # of all models; OK and what is the service's fault
        assert all(float(row.rpartition(" ")[2]) == 0 for row in rows)


async def test_a_worker_that_lacks_the_version_is_unavailable_and_says_so(launch):
    """An older one in the middle of a roll-out: the caller asked nothing wrong, and another worker may have it."""
    async with launch(version_weights="sarcasm=1:0,2:1") as gateway:
        gateway.worker.reply = Reply(failure=version_not_found("sarcasm", "2", ("1",)))
        with capture_logs() as logged, pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.call("Predict", encode_predict_request("sarcasm", Tweet("x")))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "does not have version '2' of model 'sarcasm'" in caught.value.details()
        assert rpc_status.from_call(caught.value) is not None
        series = 'attendant_version_requests_total{code="UNAVAILABLE",model="sarcasm",version="2"}'
        assert await gateway.metric(series) == 1
        labels = 'lane="fast",model="sarcasm",reason="BACKEND_UNAVAILABLE"'
        assert await gateway.metric(f"attendant_backend_failures_total{{{labels}}}") == 1
        (line,) = [line for line in logged if line["event"] == "backend did not answer"]
        assert (line["archive"], line["reason"]) == ("sarcasm", "BACKEND_UNAVAILABLE")
        assert line["details"] == "model 'sarcasm' has no version '2'; it has: 1"


class Workers:
    """A backend that is asked which of its versions it can describe."""

    def __init__(self, *versions: str) -> None:
        self.versions = versions
        self.is_up = True

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def ready(self, _archive) -> bool:
        return self.is_up

    async def call(self, _archive, row, _timeout) -> Reply:
        if row.version in self.versions:
            return Reply(runtime=Runtime("cpu", "FakeProvider", 2))
        return Reply(failure=version_not_found(row.model, row.version, self.versions))


async def test_a_gateway_is_ready_once_every_version_that_gets_questions_has_answered():
    """Afterwards one that goes missing takes the others not along."""
    models = {"sarcasm": manifest(versions={name: version(name) for name in "123"})}
    splits = read_splits("sarcasm=1:1,2:1,3:0", models)
    workers = Workers("1")
    readiness = Readiness(models, workers, Health(models), Metrics(CollectorRegistry()), splits)
    await readiness.poll()
    assert not readiness.ready()
    workers.versions = ("1", "2")
    await readiness.poll()
    assert readiness.ready()
    workers.is_up = False
    await readiness.poll()
    assert not readiness.ready()
    workers.versions, workers.is_up = ("1",), True
    await readiness.poll()
    assert readiness.ready()
