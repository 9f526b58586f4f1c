"""A real gRPC server on loopback that speaks AttendantService with canned answers, and answers to can."""

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import matplotlib as mpl
import numpy as np
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from PIL import Image
from sample_explanations import explanations, lengths

from attendant.channels import MAX_MESSAGE_BYTES, SERVICE
from attendant.methods import Explanations, Method
from attendant.results import ExplainResult
from attendant.types import (
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    AttentionVector,
    Axis,
    CacheStatus,
    Focus,
    Modality,
    ModelDescription,
    ModelRef,
    Mosaic,
    MosaicShape,
    Outcome,
    Prediction,
    Runtime,
    Timing,
    Warning_,
    WarningCode,
)
from attendant.v1 import service_pb2
from attendant.wire.requests import read_mosaic
from attendant.wire.responses import (
    NO_EXPLANATIONS,
    decode_explain_response,
    encode_explain_response,
    encode_models,
    encode_predict_response,
    finish_explain_response,
    finish_predict_response,
)

TOKENS = ("what", "a", "great", "day", "#", "monday", ",", "thanks", "<user>", "!", "<emoji>")
ATTRIBUTES = ("woman", "uniform", "flag", "hat", "smile")
MODEL = ModelRef("sarcasm", "1", "0123456789abcdef" * 4)
TIMING = Timing(queue=0.001, inference=0.02, explanation=0.0, total=0.0234)
DESCRIPTION = ModelDescription(
    name="sarcasm",
    classes=("not sarcastic", "sarcastic"),
    modalities=MODALITIES,
    versions=("1", "2"),
    default_version="1",
    methods=(),
    digests={"1": MODEL.weights_digest, "2": "f" * 64},
    descriptions={"1": "Trained on tweets.", "2": "Trained on more tweets."},
    ready=True,
    runtime=Runtime("cpu", "CPUExecutionProvider", 2),
)
IMAGES = replace(
    DESCRIPTION,
    name="sdc-images",
    classes=("airplane", "automobile", "bird"),
    modalities=(Modality.SEGMENT,),
    methods=("permutation", "gradient", "leave_one_out", "adversarial", "erasure"),
    mosaic=MosaicShape(9, (32, 32, 3)),
)
POINTS = replace(IMAGES, name="sdc-points", mosaic=MosaicShape(9, (2,)))
FOCUS_WEIGHTS = (0.02, 0.0, 0.03, 0.0, 0.62, 0.0, 0.25, 0.0, 0.08)


def photograph() -> bytes:
    """Grace Hopper, public domain, 512 x 600: part of matplotlib."""
    return (Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg").read_bytes()


def outcome(
    *,
    tokens: tuple[str, ...] = TOKENS,
    image: bool = True,
    attributes: tuple[str, ...] = ATTRIBUTES,
    label: str = "sarcastic",
    probability: float = 0.875,
    warning: str = "attention over LSTM states is not feature importance",
    seed: int = 0,
) -> Outcome:
    """An answer with attention as peaked as real ones, over the modalities that are given."""
    generator = np.random.default_rng(seed)
    lengths = {
        Modality.TEXT: len(tokens),
        Modality.IMAGE: REGIONS if image else 0,
        Modality.ATTRIBUTE: len(attributes),
    }
    present = [modality for modality in MODALITIES if lengths[modality]]
    vectors, means = [], []
    for target in present:
        alphas = [_softmax(1.5 * generator.normal(size=lengths[target])) for _ in present]
        vectors += [
            AttentionVector(AttentionKind.REPRESENTATION, alpha, target, source)
            for alpha, source in zip(alphas, present, strict=True)
        ]
        means.append(AttentionVector(AttentionKind.REPRESENTATION_MEAN, np.mean(alphas, axis=0), target))
    fusion = np.zeros(3, np.float32)
    fusion[[MODALITIES.index(modality) for modality in present]] = _softmax(
        generator.normal(size=len(present))
    )
    axes = {
        Modality.TEXT: Axis(Modality.TEXT, tokens),
        Modality.IMAGE: Axis(Modality.IMAGE, grid_rows=14, grid_columns=14),
        Modality.ATTRIBUTE: Axis(
            Modality.ATTRIBUTE, attributes, (0.9, 0.7, 0.5, 0.25, 0.125)[: len(attributes)]
        ),
    }
    return Outcome(
        Prediction(label, probability, (("not sarcastic", 1 - probability), ("sarcastic", probability))),
        Attention(
            (*vectors, *means, AttentionVector(AttentionKind.MODALITY, fusion)),
            tuple(axes[modality] for modality in present),
        ),
        (Warning_(WarningCode.ATTENTION_IS_NOT_IMPORTANCE, warning),),
    )


def tile(seed: int, width: int = 32, height: int = 32, kind: str = "PNG") -> bytes:
    """A small image: a gradient of a colour of its own."""
    generator = np.random.default_rng(seed)
    shades = np.linspace(0.2, 1, width * height).reshape(height, width, 1) * generator.uniform(80, 255, 3)
    file = io.BytesIO()
    Image.fromarray(shades.astype(np.uint8)).save(file, kind)
    return file.getvalue()


def tiles(foreground: int | None = None, count: int = 9) -> Mosaic:
    return Mosaic(tuple(map(tile, range(count))), foreground)


def points(foreground: int | None = None, count: int = 9, width: int = 2) -> Mosaic:
    """Segments of `width` numbers."""
    drawn = np.random.default_rng(0).uniform(1, 6, (count, width)).astype(np.float32)
    return Mosaic(tuple(map(tuple, drawn.tolist())), foreground)


def focus_outcome(
    weights: Iterable[float] = FOCUS_WEIGHTS, foreground: int | None = None, risk: float = 0.042
) -> Outcome:
    """An answer about a mosaic; the focus is described by hand, so that nothing here computes what is tested."""
    attention = np.array(tuple(weights), np.float32)
    index = int(attention.argmax())
    return Outcome(
        Prediction("automobile", 0.875, (("airplane", 0.0625), ("automobile", 0.875), ("bird", 0.0625))),
        Attention((AttentionVector(AttentionKind.FOCUS, attention, Modality.SEGMENT),), ()),
        focus=Focus(index, risk, 5, 0.4375, 1.0625, None if foreground is None else index == foreground),
    )


def explain_response(
    answer: Outcome, request_id: str = "r1", computed: Explanations = NO_EXPLANATIONS
) -> bytes:
    return finish_explain_response(
        encode_explain_response(answer, MODEL, computed), TIMING, request_id, CacheStatus.MISS
    )


def explain_result(answer: Outcome, computed: Explanations = NO_EXPLANATIONS) -> ExplainResult:
    """As a client reads it."""
    return decode_explain_response(explain_response(answer, computed=computed))


def explained(answer: Outcome, methods: Iterable[str] = tuple(Method)) -> Explanations:
    """What those methods give, over the elements that the answer has."""
    computed = explanations(lengths(answer.attention), label=answer.prediction.label)
    return Explanations(**{method: getattr(computed, method) for method in methods})


def status(
    code: grpc.StatusCode,
    message: str,
    reason: str = "",
    violation: tuple[str, str] | None = None,
    retry_after: float | None = None,
) -> status_pb2.Status:
    """A google.rpc.Status with the details that the gateway gives."""
    details: list[
        error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo
    ] = []
    if reason:
        details.append(
            error_details_pb2.ErrorInfo(reason=reason, domain="attendant.v1", metadata={"model": "sarcasm"})
        )
    if violation is not None:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=violation[0], description=violation[1])
                ]
            )
        )
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    message_ = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        message_.details.append(packed)
    return message_


@dataclass
class CannedService:
    """Keeps what it was asked; fails as often as it is told to, then answers."""

    failures: list[status_pb2.Status] = field(default_factory=list)
    before: Callable[[grpc.ServicerContext], None] = lambda _: None
    requests: list[service_pb2.ExplainRequest] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    calls: int = 0

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Predict": grpc.unary_unary_rpc_method_handler(self._predict),
            "Explain": grpc.unary_unary_rpc_method_handler(self._explain),
            "ListModels": grpc.unary_unary_rpc_method_handler(self._list_models),
            "ExplainStream": grpc.stream_stream_rpc_method_handler(self._explain_stream),
        }

    def _predict(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = self._received(service_pb2.ExplainRequest.FromString(request), context)
        response = encode_predict_response(_answer(asked), MODEL)
        return finish_predict_response(response, TIMING, asked.request_id)

    def _explain(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = self._received(service_pb2.ExplainRequest.FromString(request), context)
        return _explain(asked)

    def _list_models(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        self._received(service_pb2.ExplainRequest(), context)
        return encode_models((DESCRIPTION, IMAGES, POINTS))

    def _explain_stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answers pairs of questions in reverse order; one whose text is "bad" fails."""
        self._received(service_pb2.ExplainRequest(), context)
        kept: list[service_pb2.ExplainRequest] = []
        for request in requests:
            kept.append(service_pb2.ExplainStreamRequest.FromString(request).request)
            self.requests.append(kept[-1])
            if len(kept) == 2:
                yield from (_item(kept.pop()) for _ in range(2))
        yield from (_item(asked) for asked in kept)

    def _received(
        self, request: service_pb2.ExplainRequest, context: grpc.ServicerContext
    ) -> service_pb2.ExplainRequest:
        self.calls += 1
        self.requests.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.before(context)
        if self.failures:
            context.abort_with_status(rpc_status.to_status(self.failures.pop(0)))
        return request


@contextmanager
def serving(
    service: CannedService, credentials: grpc.ServerCredentials | None = None, address: str = "127.0.0.1:0"
) -> Iterator[str]:
    """Runs the server; yields where it listens."""
    server = grpc.server(
        ThreadPoolExecutor(4),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, service.handlers()),))
    port = (
        server.add_insecure_port(address)
        if credentials is None
        else server.add_secure_port(address, credentials)
    )
    server.start()
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        server.stop(None).wait()


def _answer(asked: service_pb2.ExplainRequest) -> Outcome:
    """About as much as was asked."""
    if asked.instance.HasField("mosaic"):
        mosaic = read_mosaic(asked)
        count = len(mosaic.segments)
        return focus_outcome([1 / 3, *[2 / 3 / (count - 1)] * (count - 1)], mosaic.foreground_index)
    tweet = asked.instance.tweet
    words = tuple(tweet.attributes) or (ATTRIBUTES if tweet.image else ())
    return outcome(tokens=tuple(tweet.text.split()), image=bool(tweet.image), attributes=words)


def _explain(asked: service_pb2.ExplainRequest) -> bytes:
    answer = _answer(asked)
    methods = [option.name for option, _ in asked.options.ListFields()]
    return explain_response(answer, asked.request_id, explained(answer, methods))


def _item(asked: service_pb2.ExplainRequest) -> bytes:
    if asked.instance.tweet.text == "bad":
        failure = status(
            grpc.StatusCode.INVALID_ARGUMENT, "instance: bad", "INVALID_INPUT", ("instance", "bad")
        )
        return service_pb2.ExplainStreamResponse(
            request_id=asked.request_id, error=failure
        ).SerializeToString()
    response = service_pb2.ExplainResponse.FromString(_explain(asked))
    return service_pb2.ExplainStreamResponse(
        request_id=asked.request_id, response=response
    ).SerializeToString()


def _softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max())
    return (exponentials / exponentials.sum()).astype(np.float32)
