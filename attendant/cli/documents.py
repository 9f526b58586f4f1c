"""The JSON of `--json`: the contract's words in snake case, enumerations as in `attendant.types`.

Stable: fields are added, never renamed or removed.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from attendant.methods import Explanations, PermutationImpact
from attendant.results import ExplainResult, PredictResult
from attendant.statistics.divergences import jensen_shannon
from attendant.statistics.summaries import summarise
from attendant.types import (
    MODALITIES,
    Attention,
    AttentionKind,
    AttentionSummary,
    AttentionVector,
    ModelDescription,
    Weights,
)

Document = dict[str, Any]


def predict_document(result: PredictResult) -> Document:
    return _common(result)


def explain_document(result: ExplainResult) -> Document:
    return _common(result) | {
        "attention": _attention(result.attention),
        "focus": None if result.focus is None else asdict(result.focus),
        "explanations": _explanations(result.explanations),
        "cache": result.cache,
    }


def models_document(models: Iterable[ModelDescription]) -> Document:
    return {
        "models": [
            {
                "name": model.name,
                "classes": list(model.classes),
                "modalities": list(model.modalities),
                "versions": [
                    {
                        "version": version,
                        "weights_digest": model.digests[version],
                        "description": model.descriptions[version],
                    }
                    for version in model.versions
                ],
                "default_version": model.default_version,
                "methods": list(model.methods),
                "ready": model.ready,
                "runtime": None
                if model.runtime is None
                else {
                    "device": model.runtime.device,
                    "provider": model.runtime.provider,
                    "threads": model.runtime.threads,
                },
                "mosaic": None
                if model.mosaic is None
                else {"segments": model.mosaic.segments, "segment": list(model.mosaic.segment)},
            }
            for model in models
        ]
    }


def _common(result: PredictResult | ExplainResult) -> Document:
    return {
        "prediction": {
            "label": result.prediction.label,
            "probability": result.prediction.probability,
            "scores": [{"label": label, "score": score} for label, score in result.prediction.scores],
        },
        "model": {
            "name": result.model.name,
            "version": result.model.version,
            "weights_digest": result.model.weights_digest,
        },
        "warnings": [{"code": warning.code, "message": warning.message} for warning in result.warnings],
        "timing": {
            "queue_seconds": result.timing.queue,
            "inference_seconds": result.timing.inference,
            "explanation_seconds": result.timing.explanation,
            "total_seconds": result.timing.total,
        },
        "request_id": result.request_id,
    }


def _attention(attention: Attention) -> Document:
    by_target = {
        target: [
            vector.weights
            for vector in attention.vectors
            if vector.kind is AttentionKind.REPRESENTATION and vector.target is target
        ]
        for target in MODALITIES
    }
    return {
        "vectors": [
            _vector(vector, summary)
            for vector, summary in zip(
                attention.vectors, summarise([vector.weights for vector in attention.vectors]), strict=True
            )
        ],
        "axes": [
            {
                "modality": axis.modality,
                "labels": list(axis.labels),
                "scores": list(axis.scores),
                "grid_rows": axis.grid_rows,
                "grid_columns": axis.grid_columns,
            }
            for axis in attention.axes
        ],
        "disagreements": [
            {"target": target, "jensen_shannon": jensen_shannon(weights)}
            for target, weights in by_target.items()
            if weights
        ],
    }


def _vector(vector: AttentionVector, summary: AttentionSummary) -> Document:
    return {
        "kind": vector.kind,
        "target": vector.target,
        "source": vector.source,
        "weights": _numbers(vector.weights),
        "summary": {
            "entropy_ratio": summary.entropy_ratio,
            "effective_support": summary.effective_support,
            "max_weight": summary.max_weight,
            "max_index": summary.max_index,
            "top5_mass": summary.top5_mass,
            "nnz": summary.nnz,
            "dist": summary.dist,
        },
    }


def _explanations(explanations: Explanations) -> Document:
    """Those that were computed; domain and contract have the same words, except for an interval."""
    return {
        field.name: _plain(computed)
        for field in fields(explanations)
        if (computed := getattr(explanations, field.name)) is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _numbers(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if not is_dataclass(value):
        return value
    document = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, PermutationImpact):
        document["confidence_low"], document["confidence_high"] = document.pop("interval")
    return document


def _numbers(weights: Weights) -> list[float]:
    """With as few digits as a float32 needs."""
    return [float(str(weight)) for weight in weights]
