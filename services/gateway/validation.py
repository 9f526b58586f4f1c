"""What can be told of a request before a model sees it. Every violation is reported at once; nothing is decoded."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.message import DecodeError

from attendant.errors import (
    AttendantError,
    Violation,
    invalid,
    method_not_available,
    model_not_found,
    refusal,
)
from attendant.manifest import ModelManifest, VersionManifest
from attendant.methods import ExplainOptions
from attendant.types import MODALITIES, Modality
from attendant.v1 import instance_pb2, prediction_pb2
from attendant.v1.explanation_pb2 import ExplainOptions as ExplainOptionsMessage
from attendant.v1.service_pb2 import ExplainRequest, PredictRequest
from attendant.wire.enums import MODALITY_TO_WIRE
from attendant.wire.envelope import Operation, Row
from attendant.wire.options import read_options
from attendant.wire.requests import ATTENTION_ALONE, CacheMode
from services.gateway.access import check_model, may_use
from services.gateway.canary import Split
from services.gateway.instances import Limits, instance_violations
from services.gateway.keys import digest_instance
from services.gateway.observer import Observation

REQUEST_ID_BYTES = 128
# Options are the same in most of an application's requests: so many, each of at most so many bytes, are read once.
KNOWN_OPTIONS, KNOWN_BYTES = 256, 1024
ReadOptions = tuple[ExplainOptions, tuple[Violation, ...]]  # and all that is wrong with them for that model
CACHE_MODES: Mapping[int, CacheMode] = {
    prediction_pb2.CACHE_MODE_UNSPECIFIED: CacheMode.USE,
    prediction_pb2.CACHE_MODE_USE: CacheMode.USE,
    prediction_pb2.CACHE_MODE_REFRESH: CacheMode.REFRESH,
    prediction_pb2.CACHE_MODE_BYPASS: CacheMode.BYPASS,
}


@dataclass(frozen=True)
class Question:
    """A request that may be answered: the client's bytes, and what the gateway found out about them."""

    operation: Operation
    request: bytes
    model: ModelManifest
    version: VersionManifest
    request_id: str
    is_named: bool  # by its caller, who gave it that id
    instance: instance_pb2.Instance
    options: ExplainOptions = ATTENTION_ALONE
    cache_mode: CacheMode = CacheMode.USE
    instance_digest: bytes = b""  # SHA-256, where the version was chosen by it

    def row(self, budget: float, *, sample: bool = False) -> Row:
        """For the backend; `budget` is in seconds, `sample` asks for an explanation's numbers."""
        return Row(self.operation, self.request, self.model.name, self.version.version, budget, sample)


def new_request_id() -> str:
    """For a request whose caller gave it none."""
    return secrets.token_hex(16)


class Validator:
    """Reads requests for the models that are served. Raises AttendantError for what cannot be answered."""

    def __init__(
        self, models: Mapping[str, ModelManifest], limits: Limits, splits: Mapping[str, Split] | None = None
    ) -> None:
        self._models = models
        self._limits = limits
        self._splits = splits or {}
        self._known_options = lru_cache(KNOWN_OPTIONS)(self._read_options)

    def predict(self, request: bytes, observed: Observation | None = None) -> Question:
        """A PredictRequest; `observed` learns whom it is for before anything is refused."""
        message = PredictRequest()
        self._parse(message, request)
        observed = observed or Observation(started=0.0)
        model, version = self._find(message, observed)
        _refuse([*self._violations(message, model)])
        version, digest = self._share_out(message, model, version, observed)
        return Question(
            operation=Operation.PREDICT,
            request=request,
            model=model,
            version=version,
            request_id=observed.request_id,
            is_named=bool(message.request_id),
            instance=message.instance,
            instance_digest=digest,
        )

    def explain(self, request: bytes, observed: Observation | None = None) -> Question:
        """An ExplainRequest; `observed` as for `predict`."""
        message = ExplainRequest()
        self._parse(message, request)
        observed = observed or Observation(started=0.0)
        model, version = self._find(message, observed)
        options, wrong = self._read(model.name, message.options)
        _refuse(
            [
                *self._violations(message, model),
                *_cache_mode_violations(message),
                *_absence_violations(message),
                *wrong,
            ]
        )
        version, digest = self._share_out(message, model, version, observed)
        return Question(
            operation=Operation.EXPLAIN,
            request=request,
            model=model,
            version=version,
            request_id=observed.request_id,
            is_named=bool(message.request_id),
            instance=message.instance,
            options=options,
            cache_mode=CACHE_MODES[message.cache_mode],
            instance_digest=digest,
        )

    def _read(self, model: str, options: ExplainOptionsMessage) -> ReadOptions:
        data = options.SerializeToString(deterministic=True)
        return (self._known_options if len(data) <= KNOWN_BYTES else self._read_options)(model, data)

    def _read_options(self, model_name: str, data: bytes) -> ReadOptions:
        model, message = self._models[model_name], ExplainOptionsMessage.FromString(data)
        for option, _ in message.ListFields():
            if option.name not in model.methods:
                raise method_not_available(model.name, option.name, model.methods)
        wrong = (*_modality_violations(message, model), *_label_violations(message, model))
        try:
            return read_options(message), wrong
        except AttendantError as error:
            return ATTENTION_ALONE, (*wrong, *error.violations)

    def _share_out(
        self,
        message: PredictRequest | ExplainRequest,
        model: ModelManifest,
        version: VersionManifest,
        observed: Observation,
    ) -> tuple[VersionManifest, bytes]:
        """The version that a request which may be answered goes to, and the instance's digest if that decided.

        The one that it names is `version`, which without weights is the default one, too.
        """
        split = self._splits.get(model.name)
        digest = b""
        if split is not None and not message.version:
            digest = digest_instance(message.instance)
            version = split.choose(digest)
        observed.version = version.version
        return version, digest

    def _parse(self, message: PredictRequest | ExplainRequest, request: bytes) -> None:
        if len(request) > self._limits.message_bytes:
            raise invalid(
                "request", f"it has {len(request)} bytes; at most {self._limits.message_bytes} are taken"
            )
        try:
            message.ParseFromString(request)
        except DecodeError:
            raise invalid("request", f"these bytes are no {message.DESCRIPTOR.full_name}") from None

    def _find(
        self, message: PredictRequest | ExplainRequest, observed: Observation
    ) -> tuple[ModelManifest, VersionManifest]:
        if len(message.request_id.encode()) <= REQUEST_ID_BYTES:
            observed.request_id = message.request_id or new_request_id()
        if not message.model:
            raise invalid("model", f"name one of: {', '.join(filter(may_use, self._models))}")
        check_model(message.model)  # first: whoever may not use it is not told whether it exists
        model = self._models.get(message.model)
        if model is None:
            raise model_not_found(message.model, tuple(filter(may_use, self._models)))
        observed.model = model.name
        return model, model.version_or_default(message.version)

    def _violations(
        self, message: PredictRequest | ExplainRequest, model: ModelManifest
    ) -> Iterator[Violation]:
        yield from instance_violations(message.instance, model, self._limits)
        length = len(message.request_id.encode())
        if length > REQUEST_ID_BYTES:
            yield Violation("request_id", f"it has {length} bytes; at most {REQUEST_ID_BYTES} are taken")


def _refuse(violations: Sequence[Violation]) -> None:
    if violations:
        raise refusal(violations)


def _cache_mode_violations(message: ExplainRequest) -> Iterator[Violation]:
    if message.cache_mode not in CACHE_MODES:
        yield Violation("cache_mode", f"{message.cache_mode} is none of: {', '.join(map(str, CACHE_MODES))}")


def _modality_violations(message: ExplainOptionsMessage, model: ModelManifest) -> Iterator[Violation]:
    """What is asked about that no instance of the model has; `read_options` names what is no target at all."""
    for field, targets in _targets(message):
        for modality in (*MODALITIES, Modality.SEGMENT):
            if modality not in model.modalities and MODALITY_TO_WIRE[modality] in targets:
                known = ", ".join(model.modalities)
                yield Violation(field, f"model {model.name!r} reads no {modality}; it reads: {known}")


def _targets(message: ExplainOptionsMessage) -> Iterator[tuple[str, Sequence[int]]]:
    """The field, and what it names, of each method that has targets."""
    for option, asked in message.ListFields():
        if hasattr(asked, "targets"):
            yield f"options.{option.name}.targets", asked.targets


def _absence_violations(message: ExplainRequest) -> Iterator[Violation]:
    """What is asked about a part that the tweet certainly lacks: from an image, attributes may yet be found."""
    if message.instance.WhichOneof("instance") != "tweet":
        return
    tweet = message.instance.tweet
    given = {
        Modality.TEXT: bool(tweet.text.strip()),
        Modality.IMAGE: bool(tweet.image),
        Modality.ATTRIBUTE: bool(tweet.image or tweet.attributes),
    }
    for field, targets in _targets(message.options):
        for modality, there in given.items():
            if not there and MODALITY_TO_WIRE[modality] in targets:
                yield Violation(field, f"the tweet has no {modality}")
    if message.options.HasField("box_alignment") and not tweet.image:
        yield Violation("options.box_alignment", "boxes lie on an image, and the tweet has none")


def _label_violations(message: ExplainOptionsMessage, model: ModelManifest) -> Iterator[Violation]:
    label = message.class_activation.label
    if label and label not in model.classes:
        yield Violation("options.class_activation.label", f"it is none of: {', '.join(model.classes)}")
