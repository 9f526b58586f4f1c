"""A tweet as the sarcasm model reads it, and what an answer calls its elements."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.models.engines import FusionOutput
from attendant.types import (
    GRID,
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    AttentionVector,
    Axis,
    Modality,
    Warning_,
    WarningCode,
)


@dataclass(frozen=True)
class PreparedTweet:
    """A tweet as the model reads it. An empty tuple or None is an absent modality."""

    tokens: tuple[str, ...]
    attributes: tuple[str, ...]
    pixels: NDArray[np.uint8] | None  # 448 x 448 x 3
    warnings: tuple[Warning_, ...]
    attribute_scores: tuple[float, ...] = ()  # of words that the encoder named

    @property
    def present(self) -> tuple[bool, bool, bool]:
        return bool(self.tokens), self.pixels is not None, bool(self.attributes)

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Elements of each modality, were it present."""
        return len(self.tokens), REGIONS, len(self.attributes)


def standing_warnings(tweet: PreparedTweet) -> list[Warning_]:
    """What holds of every answer of this kind."""
    warnings = [
        Warning_(WarningCode.MODALITY_ABSENT, f"the tweet has no {modality}; the answer is without it")
        for modality, present in zip(MODALITIES, tweet.present, strict=True)
        if not present
    ]
    if tweet.tokens:
        warnings.append(
            Warning_(
                WarningCode.ATTENTION_IS_NOT_IMPORTANCE,
                "text attention runs over LSTM states, which mix positions: it is not the importance of words",
            )
        )
    return warnings


def attention_of(tweet: PreparedTweet, output: FusionOutput, row: int) -> Attention:
    """One row's vectors, without padding and without absent modalities."""
    present = [
        (index, modality, length)
        for index, (modality, length) in enumerate(zip(MODALITIES, tweet.lengths, strict=True))
        if tweet.present[index]
    ]
    representation = [
        AttentionVector(
            AttentionKind.REPRESENTATION,
            output.representation[target][row, source, :length],
            modality,
            source_modality,
        )
        for target, modality, length in present
        for source, source_modality, _ in present
    ]
    means = [
        AttentionVector(
            AttentionKind.REPRESENTATION_MEAN, output.representation_mean[target][row, :length], modality
        )
        for target, modality, length in present
    ]
    modality_vector = AttentionVector(AttentionKind.MODALITY, output.modality[row])
    return Attention((*representation, *means, modality_vector), _axes(tweet))


def _axes(tweet: PreparedTweet) -> tuple[Axis, ...]:
    axes = (
        Axis(Modality.TEXT, labels=tweet.tokens),
        Axis(Modality.IMAGE, grid_rows=GRID, grid_columns=GRID),
        Axis(Modality.ATTRIBUTE, labels=tweet.attributes, scores=tweet.attribute_scores),
    )
    return tuple(axis for axis, present in zip(axes, tweet.present, strict=True) if present)
