"""Domain enumerations and their numbers on the wire."""

from attendant.methods import AdversarialOptions, CrossModalOptions, Diversity, Masking
from attendant.types import AttentionKind, CacheStatus, Modality
from attendant.v1 import attention_pb2, explanation_pb2, model_pb2, prediction_pb2

MODALITY_TO_WIRE: dict[Modality | None, model_pb2.Modality.ValueType] = {
    None: model_pb2.MODALITY_UNSPECIFIED,
    Modality.TEXT: model_pb2.MODALITY_TEXT,
    Modality.IMAGE: model_pb2.MODALITY_IMAGE,
    Modality.ATTRIBUTE: model_pb2.MODALITY_ATTRIBUTE,
    Modality.SEGMENT: model_pb2.MODALITY_SEGMENT,
    Modality.VISUAL: model_pb2.MODALITY_VISUAL,
}
MODALITY_FROM_WIRE = {number: modality for modality, number in MODALITY_TO_WIRE.items()}

KIND_TO_WIRE: dict[AttentionKind, attention_pb2.AttentionKind.ValueType] = {
    AttentionKind.REPRESENTATION: attention_pb2.ATTENTION_KIND_REPRESENTATION,
    AttentionKind.REPRESENTATION_MEAN: attention_pb2.ATTENTION_KIND_REPRESENTATION_MEAN,
    AttentionKind.MODALITY: attention_pb2.ATTENTION_KIND_MODALITY,
    AttentionKind.FOCUS: attention_pb2.ATTENTION_KIND_FOCUS,
}
KIND_FROM_WIRE = {number: kind for kind, number in KIND_TO_WIRE.items()}

CACHE_TO_WIRE: dict[CacheStatus | None, prediction_pb2.CacheStatus.ValueType] = {
    None: prediction_pb2.CACHE_STATUS_UNSPECIFIED,
    CacheStatus.MISS: prediction_pb2.CACHE_STATUS_MISS,
    CacheStatus.HIT: prediction_pb2.CACHE_STATUS_HIT,
    CacheStatus.BYPASS: prediction_pb2.CACHE_STATUS_BYPASS,
    CacheStatus.REFRESHED: prediction_pb2.CACHE_STATUS_REFRESHED,
}
CACHE_FROM_WIRE = {number: status for status, number in CACHE_TO_WIRE.items()}

# Options have defaults, which is what an unspecified number means.
DIVERSITY_TO_WIRE: dict[Diversity, explanation_pb2.AdversarialDiversity.ValueType] = {
    Diversity.RELEASED_CODE: explanation_pb2.ADVERSARIAL_DIVERSITY_RELEASED_CODE,
    Diversity.PUBLISHED: explanation_pb2.ADVERSARIAL_DIVERSITY_PUBLISHED,
}
DIVERSITY_FROM_WIRE = {
    explanation_pb2.ADVERSARIAL_DIVERSITY_UNSPECIFIED: AdversarialOptions.diversity,
    **{number: diversity for diversity, number in DIVERSITY_TO_WIRE.items()},
}

MASKING_TO_WIRE: dict[Masking, explanation_pb2.Masking.ValueType] = {
    Masking.MEAN: explanation_pb2.MASKING_MEAN,
    Masking.ZERO: explanation_pb2.MASKING_ZERO,
    Masking.DROP: explanation_pb2.MASKING_DROP,
    Masking.REORDER: explanation_pb2.MASKING_REORDER,
    Masking.NOISE: explanation_pb2.MASKING_NOISE,
}
MASKING_FROM_WIRE = {
    explanation_pb2.MASKING_UNSPECIFIED: CrossModalOptions.masking,
    **{number: masking for masking, number in MASKING_TO_WIRE.items()},
}
