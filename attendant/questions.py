"""What a client asks: keyword arguments in, encoded requests out, responses read. Common to both kinds of client."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

import grpc

from attendant.answers import Answer, Explanation, StreamItem
from attendant.errors import AttendantError
from attendant.failures import from_status
from attendant.methods import (
    AdversarialOptions,
    ClassActivationOptions,
    CrossModalOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    Method,
    PermutationOptions,
)
from attendant.types import Instance, ModelDescription, Tweet
from attendant.wire.requests import (
    CacheMode,
    encode_explain_request,
    encode_predict_request,
    encode_stream_request,
)
from attendant.wire.responses import (
    decode_explain_response,
    decode_models,
    decode_predict_response,
    decode_stream_response,
)
from attendant.wire.statuses import Status

DEFAULT_MODEL = "sarcasm"
_BAD_INPUT: int = grpc.StatusCode.INVALID_ARGUMENT.value[0]
DEFAULT_OPTIONS = ExplainOptions(  # of the methods that have any: no boxes can be guessed
    permutation=PermutationOptions(),
    gradient=GradientOptions(),
    class_activation=ClassActivationOptions(),
    leave_one_out=LeaveOneOutOptions(),
    adversarial=AdversarialOptions(),
    erasure=ErasureOptions(),
    cross_modal=CrossModalOptions(),
)

T = TypeVar("T")
Question = Instance | tuple[str, Instance]


class _About(TypedDict, total=False):
    text: str  # the three that make a tweet, where none is given
    image: bytes | Path | None  # JPEG, PNG or WebP, or the file that holds it
    attributes: Iterable[str]  # at most five words that name what the image shows
    request_id: str  # comes back with the answer; default: the service makes one


class _Model(TypedDict, total=False):
    model: str  # default: "sarcasm"
    version: str  # default: the one that the service's manifest names
    timeout: float | None  # seconds; default: the client's for a call, none for a stream


class _Options(TypedDict, total=False):
    methods: Iterable[Method]  # beyond attention, which is always there; each with its default options
    options: ExplainOptions  # the same with options of one's own, in place of methods
    cache_mode: CacheMode  # whether a kept explanation will do; default: it will


class PredictArguments(_About, _Model, total=False):
    """Keyword arguments of `predict`: text, image, attributes, model, version, request_id, timeout."""


class ExplainArguments(_About, _Model, _Options, total=False):
    """Keyword arguments of `explain`: those of `predict`, methods or options, and cache_mode."""


class StreamArguments(_Model, _Options, total=False):
    """Keyword arguments of `explain_many`: model, version, methods or options, cache_mode, timeout."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One unary call, ready to be made: what to send where, and how to read what comes back."""

    method: str
    request: bytes
    decode: Callable[[bytes], T]
    timeout: float | None = None  # seconds; None: the client's


def predict(instance: Instance | None, arguments: PredictArguments) -> Call[Answer]:
    """Raises ValueError where there is nothing to ask about, OSError where the image's file cannot be read.

    What cannot be sent raises the ServiceError that the service would refuse it with.
    """
    about = _instance(instance, arguments)
    with _refused_as_by_the_service():
        request = encode_predict_request(
            arguments.get("model", DEFAULT_MODEL),
            about,
            version=arguments.get("version", ""),
            request_id=arguments.get("request_id", ""),
        )
    return Call(
        "Predict",
        request,
        lambda response: Answer.of(decode_predict_response(response)),
        arguments.get("timeout"),
    )


def explain(instance: Instance | None, arguments: ExplainArguments) -> Call[Explanation]:
    """Raises ValueError where the arguments make no question; otherwise as `predict`."""
    about = _instance(instance, arguments)
    request = _explain_request(about, arguments.get("request_id", ""), arguments)
    return Call(
        "Explain",
        request,
        lambda response: Explanation.of(decode_explain_response(response), about),
        arguments.get("timeout"),
    )


def list_models() -> Call[tuple[ModelDescription, ...]]:
    return Call("ListModels", b"", decode_models)


class Bulk:
    """One stream of explanations: what is on its way, and what stopped the caller's iterator."""

    def __init__(self, arguments: StreamArguments) -> None:
        self._arguments = arguments
        self._pending: dict[str, Instance] = {}
        self._stopped_by: Exception | None = None

    def requests(self, questions: Iterable[Question]) -> Iterator[bytes]:
        """Encoded requests. gRPC runs this on a thread of its own, so what goes wrong is kept for `finish`."""
        try:
            for number, question in enumerate(questions):
                yield self._request(number, question)
        except Exception as error:  # noqa: BLE001 - raised again by `finish`
            self._stopped_by = error

    async def async_requests(self, questions: AsyncIterable[Question]) -> AsyncIterator[bytes]:
        """`requests` for an asynchronous iterable."""
        number = 0
        try:
            async for question in questions:
                yield self._request(number, question)
                number += 1
        except Exception as error:  # noqa: BLE001 - raised again by `finish`
            self._stopped_by = error

    def item(self, response: bytes) -> StreamItem:
        """Reads one answer of the stream."""
        request_id, result = decode_stream_response(response)
        instance = self._pending.pop(request_id, Tweet())
        outcome = from_status(result) if isinstance(result, Status) else Explanation.of(result, instance)
        return StreamItem(request_id, instance, outcome)

    def finish(self) -> None:
        """Raises what the caller's iterator raised."""
        if self._stopped_by is not None:
            raise self._stopped_by

    def _request(self, number: int, question: Question) -> bytes:
        request_id, instance = (str(number), question) if isinstance(question, Instance) else question
        if request_id in self._pending:
            raise ValueError(f"two on their way have the request id {request_id!r}")
        self._pending[request_id] = instance
        return encode_stream_request(_explain_request(instance, request_id, self._arguments))


def _explain_request(
    instance: Instance, request_id: str, arguments: ExplainArguments | StreamArguments
) -> bytes:
    options = _options(arguments)
    with _refused_as_by_the_service():
        return encode_explain_request(
            arguments.get("model", DEFAULT_MODEL),
            instance,
            version=arguments.get("version", ""),
            request_id=request_id,
            options=options,
            cache_mode=arguments.get("cache_mode", CacheMode.USE),
        )


@contextmanager
def _refused_as_by_the_service() -> Iterator[None]:
    """What cannot be sent raises what the service would answer."""
    try:
        yield
    except AttendantError as error:
        raise from_status(Status(_BAD_INPUT, error.message, error.reason, error.violations)) from error


def _options(arguments: _Options) -> ExplainOptions:
    """The options given, or the defaults of the methods given."""
    if "options" in arguments and "methods" in arguments:
        raise ValueError("give methods=, for their default options, or options=, not both")
    if "options" in arguments:
        return arguments["options"]
    methods = {Method(method) for method in arguments.get("methods", ())}
    if Method.BOX_ALIGNMENT in methods:
        raise ValueError(
            "box_alignment needs boxes: give options=ExplainOptions(box_alignment=BoxAlignmentOptions(boxes=...))"
        )
    return ExplainOptions(**{method: getattr(DEFAULT_OPTIONS, method) for method in methods})


def _instance(instance: Instance | None, about: _About) -> Instance:
    """The instance given, or the tweet that text, image and attributes make."""
    parts = [part for part in ("text", "image", "attributes") if part in about]
    if instance is not None and parts:
        kind = type(instance).__name__
        raise ValueError(
            f"give a {kind} or the parts of a tweet, not both: the {kind} came with {', '.join(parts)}"
        )
    if instance is not None:
        return instance
    attributes = about.get("attributes", ())
    if isinstance(attributes, str):
        raise TypeError("attributes is a list of words, not one string")
    image = about.get("image") or b""
    made = Tweet(
        about.get("text", ""),
        image.read_bytes() if isinstance(image, Path) else bytes(image),
        tuple(attributes),
    )
    if made == Tweet():
        raise ValueError(
            "nothing to ask about: give a Tweet or a Mosaic, or any of text=, image= and attributes="
        )
    return made
