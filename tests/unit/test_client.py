"""The clients against a real gRPC server on loopback."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from canned_service import (
    ATTRIBUTES,
    DESCRIPTION,
    IMAGES,
    MODEL,
    POINTS,
    TIMING,
    CannedService,
    explain_result,
    focus_outcome,
    outcome,
    photograph,
    points,
    serving,
    status,
    tiles,
)

from attendant.channels import MAX_MESSAGE_BYTES
from attendant.client import AsyncClient, CacheMode, Client, Explanation, ServiceError, Tls
from attendant.errors import Reason, Violation
from attendant.failures import from_rpc_error, from_status
from attendant.methods import (
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ExplainOptions,
    GradientOptions,
    Method,
    PermutationOptions,
)
from attendant.types import AttentionKind, CacheStatus, Modality, Mosaic, Tweet
from attendant.v1 import prediction_pb2
from attendant.wire.options import read_options
from attendant.wire.requests import read_mosaic
from attendant.wire.statuses import Status
from services.stack.trial import free_ports

CERTIFICATES = Path(__file__).parents[1] / "data" / "tls"
UNAVAILABLE = status(
    grpc.StatusCode.UNAVAILABLE, "the worker is down", "BACKEND_UNAVAILABLE", retry_after=1.5
)


@pytest.fixture
def service() -> CannedService:
    return CannedService()


@pytest.fixture
def address(service: CannedService) -> Iterator[str]:
    with serving(service) as where:
        yield where


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as made:
        yield made


def _closed_port() -> int:
    (port,) = free_ports(1)
    return port


class _Failed(grpc.RpcError):
    """A failed call without details, as gRPC makes them when there is no connection."""

    def __init__(self, details: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self._details, self._code = details, code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", b"not a status"),)


# What is asked, and what is answered


def test_predict_asks_for_the_tweet_and_returns_its_answer(client: Client, service: CannedService) -> None:
    answer = client.predict(text="what a day", attributes=["rain"], version="2", request_id="mine")
    asked = service.requests[0]
    assert (asked.model, asked.version, asked.request_id) == ("sarcasm", "2", "mine")
    assert (asked.instance.tweet.text, list(asked.instance.tweet.attributes)) == ("what a day", ["rain"])
    assert (answer.prediction.label, answer.prediction.probability) == ("sarcastic", 0.875)
    assert (answer.model, answer.timing, answer.request_id) == (MODEL, TIMING, "mine")


def test_explain_returns_every_vector_with_the_tweet(
    client: Client, service: CannedService, tmp_path: Path
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photograph())
    explanation = client.explain(text="what a great day", image=file)
    expected = outcome(tokens=("what", "a", "great", "day"))
    assert len(explanation.attention.vectors) == 13
    for got, wanted in zip(explanation.attention.vectors, expected.attention.vectors, strict=True):
        assert (got.kind, got.target, got.source) == (wanted.kind, wanted.target, wanted.source)
        np.testing.assert_array_equal(got.weights, wanted.weights)
    assert explanation.instance == Tweet("what a great day", photograph())
    assert explanation.cache is CacheStatus.MISS
    attributes = explanation.attention.axis(Modality.ATTRIBUTE)
    assert attributes is not None
    assert attributes.labels == ATTRIBUTES
    assert service.requests[0].instance.tweet.image == photograph()


def test_methods_and_cache_mode_reach_the_service(client: Client, service: CannedService) -> None:
    client.explain(text="a", methods=[Method.PERMUTATION, Method.ERASURE], cache_mode=CacheMode.REFRESH)
    options = service.requests[0].options
    assert [options.HasField(name) for name in ("permutation", "erasure", "gradient")] == [True, True, False]
    assert service.requests[0].cache_mode == prediction_pb2.CACHE_MODE_REFRESH


def test_methods_are_asked_for_with_their_defaults_and_options_as_they_are(
    client: Client, service: CannedService
) -> None:
    mine = ExplainOptions(
        permutation=PermutationOptions(samples=1000, seed=7),
        box_alignment=BoxAlignmentOptions((Box(0.1, 0.2, 0.3, 0.4),)),
    )
    client.explain(text="a", methods=iter(["gradient", Method.PERMUTATION]))
    client.explain(text="a", options=mine)
    list(client.explain_many([Tweet("a")], options=mine))
    client.explain(text="a")
    asked = [read_options(request.options) for request in service.requests]
    default = ExplainOptions(permutation=PermutationOptions(), gradient=GradientOptions())
    nothing = ExplainOptions()
    assert asked == [default, mine, nothing, mine, nothing]  # the third stands for the stream itself


def test_explanations_come_back(client: Client) -> None:
    explained = client.explain(text="a b", methods=[Method.PERMUTATION]).explanations
    assert explained.permutation is not None
    assert {impact.target for impact in explained.permutation.impacts} == {Modality.TEXT, None}
    assert explained.gradient is None


def test_methods_or_options_but_boxes_only_with_options(client: Client, service: CannedService) -> None:
    with pytest.raises(ValueError, match="give methods=, for their default options, or options=, not both"):
        client.explain(text="a", methods=[Method.GRADIENT], options=ExplainOptions())
    with pytest.raises(ValueError, match="box_alignment needs boxes: give options="):
        client.explain(text="a", methods=[Method.BOX_ALIGNMENT])
    with pytest.raises(ValueError, match="'guess' is not a valid Method"):
        client.explain(text="a", methods=["guess"])
    with pytest.raises(ValueError, match="needs boxes"):
        list(client.explain_many([Tweet("a")], methods=[Method.BOX_ALIGNMENT]))
    assert [request for request in service.requests if request.HasField("instance")] == []


def test_a_zero_is_refused_as_the_service_refuses_options(client: Client, service: CannedService) -> None:
    options = ExplainOptions(permutation=PermutationOptions(samples=0))
    with pytest.raises(ServiceError) as caught:
        client.explain(text="a", options=options)
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_INPUT)
    assert error.violations == (Violation("options.permutation.samples", "it is 0; 1 to 100,000 are taken"),)
    assert error.remedy
    with pytest.raises(ServiceError, match=r"epsilon: it is 0; more than 0"):
        list(
            client.explain_many(
                [Tweet("a")], options=ExplainOptions(adversarial=AdversarialOptions(epsilon=0))
            )
        )
    assert [request for request in service.requests if request.HasField("instance")] == []


def test_list_models(client: Client) -> None:
    assert client.list_models() == (DESCRIPTION, IMAGES, POINTS)


def test_a_tweet_or_its_parts_but_something(client: Client, service: CannedService) -> None:
    tweet = Tweet("a b")
    assert client.explain(tweet).instance is tweet
    with pytest.raises(ValueError, match=r"not both: the Tweet came with text"):
        client.explain(tweet, text="c")
    with pytest.raises(ValueError, match="nothing to ask about"):
        client.predict()
    with pytest.raises(TypeError, match="list of words"):
        client.predict(attributes="rain")
    with pytest.raises(FileNotFoundError):
        client.predict(image=Path("no such file"))
    assert service.calls == 1


@pytest.mark.parametrize("mosaic", [points(), points(0), tiles(3)], ids=["vectors", "known", "images"])
def test_a_mosaic_is_asked_about_as_a_tweet_is(
    client: Client, service: CannedService, mosaic: Mosaic
) -> None:
    answer = client.predict(mosaic, model="sdc-points")
    explanation = client.explain(mosaic, model="sdc-points", methods=[Method.PERMUTATION])
    assert [read_mosaic(request) for request in service.requests] == [mosaic, mosaic]
    assert {request.model for request in service.requests} == {"sdc-points"}
    assert answer.prediction == explanation.prediction
    assert explanation.instance is mosaic
    focus = explanation.focus
    assert focus is not None
    known = mosaic.foreground_index
    assert (focus.index, focus.is_true) == (0, None if known is None else known == 0)
    vector = explanation.attention.find(AttentionKind.FOCUS, Modality.SEGMENT)
    assert vector is not None
    assert vector.weights.size == 9
    assert explanation.explanations.permutation is not None
    assert explanation.explanations.permutation.impacts[0].target is Modality.SEGMENT
    assert client.explain(text="a").focus is None


def test_a_mosaic_has_no_parts_of_a_tweet_and_an_index_that_can_be_one(
    client: Client, service: CannedService
) -> None:
    with pytest.raises(ValueError, match=r"not both: the Mosaic came with text, image"):
        client.explain(points(), text="c", image=b"")
    for ask in (client.predict, client.explain):
        with pytest.raises(ServiceError) as caught:
            ask(points(-1))
        assert caught.value.violations == (
            Violation("instance.mosaic.foreground_index", "it is -1; 0 to 8 are taken"),
        )
    assert service.calls == 0


def test_a_stream_takes_both_kinds_of_instances(client: Client) -> None:
    items = list(client.explain_many([Tweet("one"), ("mine", tiles(0))]))
    assert [(item.request_id, item.instance) for item in items] == [("mine", tiles(0)), ("0", Tweet("one"))]
    assert items[0].explanation().instance == tiles(0)
    assert items[0].explanation().focus is not None


# What goes wrong


def test_bad_input_keeps_the_violations(client: Client, service: CannedService) -> None:
    service.failures = [
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "instance.tweet.image: not an image",
            "INVALID_INPUT",
            ("instance.tweet.image", "not an image"),
        )
    ]
    with pytest.raises(ServiceError) as caught:
        client.explain(image=b"junk")
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_INPUT)
    assert error.violations == (Violation("instance.tweet.image", "not an image"),)
    assert error.metadata == {"model": "sarcasm"}
    assert str(error).startswith("instance.tweet.image: not an image\n  what to do: ")


def test_overload_says_when_to_come_back(client: Client, service: CannedService) -> None:
    service.failures = [status(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", retry_after=2.5)]
    with pytest.raises(ServiceError) as caught:
        client.predict(text="a")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 2.5)
    assert "in 2.5 s" in caught.value.remedy
    assert service.calls == 1  # overload is not retried behind the caller's back


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (5, "MODEL_NOT_FOUND", Reason.MODEL_NOT_FOUND),
        (12, "METHOD_NOT_AVAILABLE", Reason.METHOD_NOT_AVAILABLE),
        (16, "", Reason.UNAUTHENTICATED),
        (3, "A_REASON_OF_A_LATER_VERSION", Reason.INVALID_INPUT),
        (2, "", Reason.INTERNAL),
        (99, "", Reason.INTERNAL),
    ],
)
def test_reasons_known_unknown_and_missing(code: int, reason: str, expected: Reason) -> None:
    error = from_status(Status(code, "message", reason))
    assert error.reason is expected
    assert error.remedy
    assert error.read_on.startswith("docs/client.md")


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_of_the_service_has_a_remedy(reason: Reason) -> None:
    error = from_status(Status(2, "message", reason))
    assert error.reason is reason
    assert error.remedy


def test_where_to_read_on_exists() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
    failed = [
        _Failed("connection refused"),
        _Failed("larger than max", grpc.StatusCode.RESOURCE_EXHAUSTED),
        _Failed(""),
    ]
    anchors = [from_rpc_error(error, "h:1").read_on.rpartition("#")[2] for error in failed]
    assert anchors == ["connecting", "limits", "errors"]
    for anchor in anchors:
        assert f"\n## {anchor.capitalize()}\n" in manual
    for reason in Reason:
        assert f"`{reason}`" in manual


def test_calls_take_turns_between_all_addresses_of_a_name() -> None:
    services = CannedService(), CannedService()
    with serving(services[0]) as one, serving(services[1]) as other, Client(f"ipv4:{one},{other}") as client:
        end = time.monotonic() + 10
        while not all(service.requests for service in services):  # until both are connected
            assert time.monotonic() < end
            client.predict(text="a")
        for service in services:
            service.requests.clear()
        for _ in range(10):
            client.predict(text="a")
    assert [len(service.requests) for service in services] == [5, 5]


def test_nothing_listens_there() -> None:
    port = _closed_port()
    with Client(f"127.0.0.1:{port}") as client, pytest.raises(ServiceError) as caught:
        client.predict(text="a")
    error = caught.value
    assert error.message == f"nothing listens at 127.0.0.1:{port}"
    assert "make run" in error.remedy
    assert error.read_on == "docs/client.md#connecting"
    assert error.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("details", "message"),
    [
        (
            "errors resolving h:1: [field:hostname lookup error:address lookup failed for h:1]",
            "no host is known",
        ),
        (
            "DNS resolution failed for h:1: C-ares status is not ARES_SUCCESS",
            "no host is known by the name in h:1",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: Connection refused",
            "nothing listens at h:1",
        ),
        ("failed to connect to all addresses; last error: UNAVAILABLE: no route", "h:1 cannot be reached"),
        ("something else", "something else"),
    ],
)
def test_what_grpc_says_in_our_words(details: str, message: str) -> None:
    error = from_rpc_error(_Failed(details), "h:1")
    assert error.message.startswith(message)
    assert (error.reason, error.code) == (Reason.BACKEND_UNAVAILABLE, grpc.StatusCode.UNAVAILABLE)
    assert (
        from_rpc_error(_Failed("", grpc.StatusCode.ABORTED), "h:1").message == "the call failed with ABORTED"
    )
    unknown = from_rpc_error(_Failed("Method not found!", grpc.StatusCode.UNIMPLEMENTED), "h:1")
    assert unknown.message.startswith("h:1 does not know this call")


def test_the_deadline_holds(service: CannedService, client: Client) -> None:
    release = threading.Event()
    service.before = lambda _: release.wait(10) and None
    start = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        client.predict(text="a", timeout=0.2)
    release.set()
    assert time.monotonic() - start < 2
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert "--timeout" in caught.value.remedy


def test_the_default_deadline_is_the_clients(service: CannedService, address: str) -> None:
    remaining: list[float] = []
    service.before = lambda context: remaining.append(context.time_remaining())
    with Client(address, timeout=3.0) as client:
        client.predict(text="a")
        client.predict(text="a", timeout=30.0)
    assert 2 < remaining[0] < 4
    assert 29 < remaining[1] < 31


def test_too_large_a_message_is_refused_before_it_is_sent(client: Client, service: CannedService) -> None:
    with pytest.raises(ServiceError) as caught:
        client.predict(image=b"x" * (MAX_MESSAGE_BYTES + 1))
    assert caught.value.reason is Reason.INVALID_INPUT
    assert caught.value.remedy == "send a smaller image"
    assert service.calls == 0


# Retries


@pytest.mark.parametrize("image", [b"", b"x" * 5_000_000], ids=["small", "5 MB"])
def test_what_is_unavailable_is_tried_again(client: Client, service: CannedService, image: bytes) -> None:
    service.failures = [UNAVAILABLE, UNAVAILABLE]
    assert client.predict(text="a", image=image).prediction.label == "sarcastic"
    assert service.calls == 3


def test_but_not_for_ever(client: Client, service: CannedService) -> None:
    service.failures = [UNAVAILABLE] * 10
    with pytest.raises(ServiceError) as caught:
        client.predict(text="a")
    assert service.calls == 4
    assert (caught.value.message, caught.value.retry_after) == ("the worker is down", 1.5)


# Streams


def test_a_stream_answers_as_it_is_ready_and_an_items_failure_is_the_items(client: Client) -> None:
    items = list(
        client.explain_many([Tweet("one"), Tweet("two words"), ("bad one", Tweet("bad")), ("x", Tweet("y"))])
    )
    assert [item.request_id for item in items] == ["1", "0", "x", "bad one"]
    assert [item.instance.text for item in items] == ["two words", "one", "y", "bad"]
    explained = items[0].explanation()
    assert isinstance(explained, Explanation)
    assert explained.instance.text == "two words"
    assert explained.request_id == "1"
    with pytest.raises(ServiceError) as caught:
        items[3].explanation()
    assert caught.value.violations == (Violation("instance", "bad"),)


def test_a_streams_options_hold_for_every_item(client: Client, service: CannedService) -> None:
    list(client.explain_many([Tweet("a"), Tweet("b")], version="2", cache_mode=CacheMode.BYPASS))
    asked = service.requests[1:]  # the first stands for the stream itself
    assert [(one.version, one.request_id) for one in asked] == [("2", "0"), ("2", "1")]
    assert {one.cache_mode for one in asked} == {prediction_pb2.CACHE_MODE_BYPASS}


def test_what_the_callers_iterator_raises_comes_after_the_answers_before_it(client: Client) -> None:
    def tweets() -> Iterator[Tweet]:
        yield Tweet("one")
        yield Tweet("two")
        raise OSError("the file is gone")

    seen = []
    with pytest.raises(OSError, match="the file is gone"):
        seen.extend(item.request_id for item in client.explain_many(tweets()))
    items = client.explain_many([("same", Tweet("a")), ("same", Tweet("b"))])
    with pytest.raises(ValueError, match="two on their way have the request id 'same'"):
        list(items)


def test_a_stream_that_fails_as_a_whole(client: Client, service: CannedService) -> None:
    service.failures = [status(grpc.StatusCode.UNAUTHENTICATED, "no token", "UNAUTHENTICATED")]
    with pytest.raises(ServiceError) as caught:
        list(client.explain_many([Tweet("a")]))
    assert caught.value.reason is Reason.UNAUTHENTICATED


def test_a_stream_may_be_left_early(client: Client) -> None:
    endless = (Tweet(f"tweet {number}") for number in iter(int, 1))
    for item in client.explain_many(endless):
        assert item.explanation().prediction.label == "sarcastic"
        break
    assert client.predict(text="a").prediction.label == "sarcastic"


# asyncio


async def test_the_async_client_asks_the_same(address: str, service: CannedService) -> None:
    async with AsyncClient(address) as client:
        answer, explanation, models = await asyncio.gather(
            client.predict(text="a b"),
            client.explain(image=photograph(), request_id="i"),
            client.list_models(),
        )
    assert answer.prediction.probability == 0.875
    assert (explanation.request_id, explanation.instance.image) == ("i", photograph())
    assert models == (DESCRIPTION, IMAGES, POINTS)


async def test_the_async_client_retries_and_raises_the_same(address: str, service: CannedService) -> None:
    service.failures = [UNAVAILABLE]
    async with AsyncClient(address) as client:
        await client.predict(text="a")
        assert service.calls == 2
        service.failures = [status(grpc.StatusCode.NOT_FOUND, "no model", "MODEL_NOT_FOUND")]
        with pytest.raises(ServiceError) as caught:
            await client.predict(text="a", model="nope")
    assert (caught.value.reason, caught.value.code) == (Reason.MODEL_NOT_FOUND, grpc.StatusCode.NOT_FOUND)
    async with AsyncClient(f"127.0.0.1:{_closed_port()}") as client:
        with pytest.raises(ServiceError, match="nothing listens"):
            await client.predict(text="a")


async def test_the_async_stream_takes_both_kinds_of_iterables(address: str) -> None:
    async def tweets() -> AsyncIterator[Tweet | tuple[str, Tweet]]:
        yield Tweet("one")
        await asyncio.sleep(0)
        yield ("b", Tweet("bad"))

    async def broken() -> AsyncIterator[Tweet]:
        yield Tweet("one")
        raise OSError("gone")

    async with AsyncClient(address) as client:
        ids = [item.request_id async for item in client.explain_many(tweets())]
        assert ids == ["b", "0"]
        assert [item.request_id async for item in client.explain_many([Tweet("one")])] == ["0"]
        assert (await client.predict(points())).prediction.label == "automobile"
        assert (await client.explain(points())).instance == points()
        with pytest.raises(OSError, match="gone"):
            [item async for item in client.explain_many(broken())]


# TLS and tokens


def _server_credentials(*, mutual: bool) -> grpc.ServerCredentials:
    key, certificate, roots = (
        (CERTIFICATES / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem")
    )
    return grpc.ssl_server_credentials([(key, certificate)], roots if mutual else None, mutual)


def test_mutual_tls_with_a_token(service: CannedService) -> None:
    tls = Tls(CERTIFICATES / "ca.pem", CERTIFICATES / "client.pem", CERTIFICATES / "client.key")
    with (
        serving(service, _server_credentials(mutual=True)) as address,
        Client(address, tls=tls, token="secret") as client,
    ):
        client.predict(text="a")
    assert service.metadata[0]["authorization"] == "Bearer secret"


async def test_tls_with_asyncio(service: CannedService) -> None:
    with serving(service, _server_credentials(mutual=False)) as address:
        async with AsyncClient(address, tls=Tls(CERTIFICATES / "ca.pem")) as client:
            await client.predict(text="a")
    assert "authorization" not in service.metadata[0]


def test_a_server_that_is_not_trusted_and_one_without_tls(service: CannedService, address: str) -> None:
    with (
        serving(service, _server_credentials(mutual=False)) as encrypted,
        Client(encrypted, tls=Tls()) as client,
        pytest.raises(ServiceError, match="no TLS with"),
    ):
        client.predict(text="a")
    with (
        Client(address, tls=Tls(CERTIFICATES / "ca.pem")) as client,
        pytest.raises(ServiceError, match="no TLS with"),
    ):
        client.predict(text="a")
    assert service.calls == 0


def test_a_server_with_tls_asked_without(service: CannedService) -> None:
    with (
        serving(service, _server_credentials(mutual=False)) as encrypted,
        Client(encrypted) as client,
        pytest.raises(ServiceError, match=r"closed the connection|cannot be reached") as caught,
    ):
        client.predict(text="a")
    assert caught.value.reason is Reason.BACKEND_UNAVAILABLE


def test_a_token_does_not_cross_a_network_in_the_clear() -> None:
    with pytest.raises(ValueError, match="unencrypted"):
        Client("attendant.example:50051", token="secret")
    for local in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/x.sock"):
        Client(local, token="secret").close()
    Client("attendant.example:50051", token="secret", tls=Tls()).close()


def test_half_a_client_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="both a client certificate and its key"):
        Tls(certificate=CERTIFICATES / "client.pem")


# What an answer can do


def test_an_explanation_saves_itself(tmp_path: Path) -> None:
    explanation = Explanation.of(explain_result(outcome()), Tweet("x", photograph()))
    assert explanation.save(tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    mosaic = Explanation.of(explain_result(focus_outcome(foreground=4)), tiles(4))
    assert mosaic.save(tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="png, svg, pdf, not 'jpeg'"):
        explanation.save(tmp_path / "a.jpeg")
    assert not (tmp_path / "a.jpeg").exists()
    assert replace(explanation, instance=Tweet("y")).instance.text == "y"
