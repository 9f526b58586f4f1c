"""Responses: written by the handler, finished by the gateway, read by the client.

A handler's response lacks timing, request id and cache status. Protobuf fields may stand anywhere in a message, so the
gateway appends those three to the bytes (`finish_*`) and never parses what the model said.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from attendant.methods import Explanations
from attendant.results import ExplainResult, PredictResult
from attendant.statistics.divergences import jensen_shannon_each
from attendant.statistics.summaries import summarise
from attendant.types import (
    Attention,
    AttentionKind,
    AttentionSummary,
    AttentionVector,
    Axis,
    CacheStatus,
    Focus,
    Modality,
    ModelDescription,
    ModelRef,
    MosaicShape,
    Outcome,
    Prediction,
    Runtime,
    Timing,
    Warning_,
    Weights,
)
from attendant.v1 import attention_pb2, explanation_pb2, model_pb2, prediction_pb2, service_pb2
from attendant.wire.enums import (
    CACHE_FROM_WIRE,
    CACHE_TO_WIRE,
    KIND_FROM_WIRE,
    KIND_TO_WIRE,
    MODALITY_FROM_WIRE,
    MODALITY_TO_WIRE,
)
from attendant.wire.explanations import check_finite, encode_explanations, read_explanations
from attendant.wire.statuses import Status

NO_EXPLANATIONS = Explanations()


def encode_predict_response(outcome: Outcome, model: ModelRef) -> bytes:
    """A PredictResponse without timing and request id."""
    return service_pb2.PredictResponse(
        prediction=_prediction(outcome.prediction),
        model=_model_ref(model),
        warnings=[_warning(warning) for warning in outcome.warnings],
    ).SerializeToString()


def encode_explain_response(
    outcome: Outcome,
    model: ModelRef,
    explanations: Explanations = NO_EXPLANATIONS,
    summaries: Sequence[AttentionSummary] | None = None,
) -> bytes:
    """An ExplainResponse without timing, request id and cache status; `summaries` of the vectors, where they are known.

    Raises ValueError where a number of the explanations or the focus is not finite.
    """
    message = encode_explanations(explanations)
    message.prediction.CopyFrom(_prediction(outcome.prediction))
    message.attention.CopyFrom(_attention(outcome.attention, summaries))
    message.model.CopyFrom(_model_ref(model))
    message.warnings.extend(_warning(warning) for warning in outcome.warnings)
    if outcome.focus is not None:
        message.focus.CopyFrom(_focus(outcome.focus))
        check_finite(message.focus, "focus.")
    return message.SerializeToString()


def finish_predict_response(response: bytes, timing: Timing, request_id: str) -> bytes:
    """The same bytes with the gateway's fields behind them."""
    return (
        response
        + service_pb2.PredictResponse(timing=_timing(timing), request_id=request_id).SerializeToString()
    )


def finish_explain_response(response: bytes, timing: Timing, request_id: str, cache: CacheStatus) -> bytes:
    """The same bytes with the gateway's fields behind them."""
    return (
        response
        + service_pb2.ExplainResponse(
            timing=_timing(timing), request_id=request_id, cache=CACHE_TO_WIRE[cache]
        ).SerializeToString()
    )


def decode_predict_response(response: bytes) -> PredictResult:
    """The client's view of a PredictResponse."""
    message = service_pb2.PredictResponse.FromString(response)
    return PredictResult(
        prediction=_read_prediction(message.prediction),
        model=_read_model_ref(message.model),
        timing=_read_timing(message.timing),
        warnings=_read_warnings(message.warnings),
        request_id=message.request_id,
    )


def decode_explain_response(response: bytes) -> ExplainResult:
    """The client's view of an ExplainResponse."""
    return _read_explanation(service_pb2.ExplainResponse.FromString(response))


def decode_stream_response(response: bytes) -> tuple[str, ExplainResult | Status]:
    """The request id of an ExplainStreamResponse, and the answer or why there is none."""
    message = service_pb2.ExplainStreamResponse.FromString(response)
    if message.WhichOneof("outcome") == "error":
        return message.request_id, Status.from_message(message.error)
    return message.request_id, _read_explanation(message.response)


def _read_explanation(message: service_pb2.ExplainResponse) -> ExplainResult:
    return ExplainResult(
        prediction=_read_prediction(message.prediction),
        attention=_read_attention(message.attention),
        model=_read_model_ref(message.model),
        timing=_read_timing(message.timing),
        warnings=_read_warnings(message.warnings),
        request_id=message.request_id,
        cache=CACHE_FROM_WIRE.get(message.cache),
        explanations=read_explanations(message),
        focus=_read_focus(message.focus) if message.HasField("focus") else None,
    )


def encode_models(models: tuple[ModelDescription, ...]) -> bytes:
    """A ListModelsResponse."""
    return service_pb2.ListModelsResponse(
        models=[
            model_pb2.Model(
                name=model.name,
                classes=model.classes,
                modalities=[MODALITY_TO_WIRE[modality] for modality in model.modalities],
                versions=[
                    model_pb2.ModelVersion(
                        version=version,
                        weights_digest=model.digests[version],
                        description=model.descriptions[version],
                    )
                    for version in model.versions
                ],
                default_version=model.default_version,
                methods=model.methods,
                ready=model.ready,
                runtime=None
                if model.runtime is None
                else model_pb2.Runtime(
                    device=model.runtime.device,
                    provider=model.runtime.provider,
                    threads=model.runtime.threads,
                ),
                mosaic=None
                if model.mosaic is None
                else model_pb2.MosaicShape(segments=model.mosaic.segments, segment=model.mosaic.segment),
            )
            for model in models
        ]
    ).SerializeToString()


def decode_models(response: bytes) -> tuple[ModelDescription, ...]:
    """The client's view of a ListModelsResponse."""
    return tuple(_read_model(model) for model in service_pb2.ListModelsResponse.FromString(response).models)


def _prediction(prediction: Prediction) -> prediction_pb2.Prediction:
    return prediction_pb2.Prediction(
        label=prediction.label,
        probability=prediction.probability,
        scores=[prediction_pb2.ClassScore(label=label, score=score) for label, score in prediction.scores],
    )


def _read_prediction(message: prediction_pb2.Prediction) -> Prediction:
    return Prediction(
        message.label, message.probability, tuple((score.label, score.score) for score in message.scores)
    )


def _attention(attention: Attention, summaries: Sequence[AttentionSummary] | None) -> attention_pb2.Attention:
    if summaries is None:
        summaries = summarise([vector.weights for vector in attention.vectors])
    sources: dict[Modality | None, list[Weights]] = defaultdict(list)
    for vector in attention.vectors:
        if vector.kind is AttentionKind.REPRESENTATION:
            sources[vector.target].append(vector.weights)
    return attention_pb2.Attention(
        vectors=[
            _vector(vector, summary) for vector, summary in zip(attention.vectors, summaries, strict=True)
        ],
        axes=[
            attention_pb2.Axis(
                modality=MODALITY_TO_WIRE[axis.modality],
                labels=axis.labels,
                scores=axis.scores,
                grid_rows=axis.grid_rows,
                grid_columns=axis.grid_columns,
            )
            for axis in attention.axes
        ],
        disagreements=[
            attention_pb2.SourceDisagreement(target=MODALITY_TO_WIRE[target], jensen_shannon=divergence)
            for target, divergence in zip(sources, jensen_shannon_each(list(sources.values())), strict=True)
        ],
    )


def _vector(vector: AttentionVector, summary: AttentionSummary) -> attention_pb2.AttentionVector:
    return attention_pb2.AttentionVector(
        kind=KIND_TO_WIRE[vector.kind],
        target=MODALITY_TO_WIRE[vector.target],
        source=MODALITY_TO_WIRE[vector.source],
        weights=vector.weights.tolist(),
        summary=attention_pb2.AttentionSummary(
            entropy_ratio=summary.entropy_ratio,
            effective_support=summary.effective_support,
            max_weight=summary.max_weight,
            max_index=summary.max_index,
            top5_mass=summary.top5_mass,
            nnz=summary.nnz,
            dist=summary.dist,
        ),
    )


def _read_attention(message: attention_pb2.Attention) -> Attention:
    """Kinds and modalities of a newer server, which this code has no names for, are left out."""
    return Attention(
        vectors=tuple(
            AttentionVector(
                kind=KIND_FROM_WIRE[vector.kind],
                target=MODALITY_FROM_WIRE[vector.target],
                source=MODALITY_FROM_WIRE[vector.source],
                weights=np.array(vector.weights, np.float32),
            )
            for vector in message.vectors
            if vector.kind in KIND_FROM_WIRE and {vector.target, vector.source} <= MODALITY_FROM_WIRE.keys()
        ),
        axes=tuple(
            Axis(
                modality=modality,
                labels=tuple(axis.labels),
                scores=tuple(axis.scores),
                grid_rows=axis.grid_rows,
                grid_columns=axis.grid_columns,
            )
            for axis in message.axes
            if (modality := MODALITY_FROM_WIRE.get(axis.modality)) is not None
        ),
    )


def _focus(focus: Focus) -> explanation_pb2.Focus:
    return explanation_pb2.Focus(
        index=focus.index,
        risk=focus.risk,
        nnz=focus.nnz,
        dist=focus.dist,
        entropy=focus.entropy,
        is_true=focus.is_true,
    )


def _read_focus(message: explanation_pb2.Focus) -> Focus:
    return Focus(
        index=message.index,
        risk=message.risk,
        nnz=message.nnz,
        dist=message.dist,
        entropy=message.entropy,
        is_true=message.is_true if message.HasField("is_true") else None,
    )


def _model_ref(model: ModelRef) -> model_pb2.ModelRef:
    return model_pb2.ModelRef(name=model.name, version=model.version, weights_digest=model.weights_digest)


def _read_model_ref(message: model_pb2.ModelRef) -> ModelRef:
    return ModelRef(message.name, message.version, message.weights_digest)


def _timing(timing: Timing) -> prediction_pb2.Timing:
    return prediction_pb2.Timing(
        queue_seconds=timing.queue,
        inference_seconds=timing.inference,
        explanation_seconds=timing.explanation,
        total_seconds=timing.total,
    )


def _read_timing(message: prediction_pb2.Timing) -> Timing:
    return Timing(
        message.queue_seconds, message.inference_seconds, message.explanation_seconds, message.total_seconds
    )


def _warning(warning: Warning_) -> prediction_pb2.Warning:
    return prediction_pb2.Warning(code=warning.code, message=warning.message)


def _read_warnings(messages: Iterable[prediction_pb2.Warning]) -> tuple[Warning_, ...]:
    return tuple(Warning_(warning.code, warning.message) for warning in messages)


def _read_model(message: model_pb2.Model) -> ModelDescription:
    return ModelDescription(
        name=message.name,
        classes=tuple(message.classes),
        modalities=tuple(
            modality
            for number in message.modalities
            if (modality := MODALITY_FROM_WIRE.get(number)) is not None
        ),
        versions=tuple(version.version for version in message.versions),
        default_version=message.default_version,
        methods=tuple(message.methods),
        digests={version.version: version.weights_digest for version in message.versions},
        descriptions={version.version: version.description for version in message.versions},
        ready=message.ready,
        runtime=Runtime(message.runtime.device, message.runtime.provider, message.runtime.threads)
        if message.HasField("runtime")
        else None,
        mosaic=MosaicShape(message.mosaic.segments, tuple(message.mosaic.segment))
        if message.HasField("mosaic")
        else None,
    )
