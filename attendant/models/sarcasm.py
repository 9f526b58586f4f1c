"""The sarcasm model as it is served: a tweet in, a prediction and every attention vector behind it out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attendant.errors import AttendantError, Reason, Violation, invalid
from attendant.images import decode
from attendant.manifest import ModelManifest, read_manifest, verify
from attendant.models.engines import Engine, Floats, FusionInput, FusionOutput, OnnxEngine, TorchEngine
from attendant.models.pixels import resize
from attendant.models.runtime import open_session
from attendant.models.store import ModelConfig, file_of, load_config, load_encoder, load_hfm
from attendant.text import Vocabulary, tokenise
from attendant.types import (
    GRID,
    MAX_ATTRIBUTES,
    MAX_TOKENS,
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    AttentionVector,
    Axis,
    Modality,
    ModelRef,
    Outcome,
    Prediction,
    Runtime,
    Tweet,
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


class SarcasmModel:
    """One version of a sarcasm model: vocabularies, calibration, and an engine that runs it.

    P(sarcastic) = sigmoid(logit / temperature); the label is sarcastic from `threshold` on.
    """

    def __init__(
        self, manifest: ModelManifest, version: str, folder: Path, engine: Engine, config: ModelConfig
    ) -> None:
        entry = manifest.version_or_default(version)
        self.ref = ModelRef(manifest.name, entry.version, entry.digest)
        self.engine = engine
        self._classes = manifest.classes
        self._words = Vocabulary.from_file(verify(folder, file_of(entry, "words")))
        self._attributes = Vocabulary.from_file(verify(folder, file_of(entry, "attributes")))
        self._config = config

    @classmethod
    def open_served(cls, folder: Path, version: str = "") -> Self:
        """From a built archive's model folder, on ONNX Runtime."""
        manifest = read_manifest(folder)
        entry = manifest.version_or_default(version)
        config = load_config(folder, entry)
        engine = OnnxEngine(
            open_session(verify(folder, file_of(entry, "encoder_onnx"))),
            open_session(verify(folder, file_of(entry, "hfm_onnx"))),
            config.hfm.region_width,
        )
        return cls(manifest, version, folder, engine, config)

    @classmethod
    def open_torch(cls, folder: Path, version: str = "", device: str = "cpu") -> Self:
        """From model_store, in eager torch: needs no archive."""
        manifest = read_manifest(folder)
        entry = manifest.version_or_default(version)
        config = load_config(folder, entry)
        engine = TorchEngine(
            load_encoder(folder, entry).eval().to(device), load_hfm(folder, entry).eval().to(device), device
        )
        return cls(manifest, version, folder, engine, config)

    @property
    def runtime(self) -> Runtime:
        return self.engine.runtime

    @property
    def threshold(self) -> float:
        """P(sarcastic) from which the label is sarcastic."""
        return self._config.threshold

    def prepare(self, tweet: Tweet) -> PreparedTweet:
        """Tokens, pixels and words as the model reads them, and warnings for what had to be changed.

        Raises AttendantError(INVALID_INPUT) for an image that cannot be read, or a tweet of which nothing is left.
        """
        warnings: list[Warning_] = []
        tokens = tokenise(tweet.text)
        if len(tokens) > MAX_TOKENS:
            warnings.append(
                Warning_(
                    WarningCode.TEXT_TRUNCATED,
                    f"the text has {len(tokens)} tokens; the model read the first {MAX_TOKENS}",
                )
            )
        attributes = tuple(word.strip().lower() for word in tweet.attributes)
        _check_attributes(attributes)
        unknown = [word for word in attributes if word not in self._attributes]
        if unknown:
            warnings.append(
                Warning_(
                    WarningCode.UNKNOWN_ATTRIBUTE,
                    f"read as unknown, not in the vocabulary: {', '.join(unknown)}",
                )
            )
        pixels = None
        if tweet.image:
            image = decode(tweet.image)
            pixels = resize(image.pixels)
            warnings += [
                Warning_(WarningCode.IMAGE_CONVERTED, conversion) for conversion in image.conversions
            ]
        if not (tokens or attributes or pixels is not None):
            field = "instance.tweet.text" if tweet.text.strip() else "instance.tweet"
            raise invalid(
                field, "nothing is left to read; give text, an image or attributes (links alone are no text)"
            )
        return PreparedTweet(tokens[:MAX_TOKENS], attributes, pixels, tuple(warnings))

    def infer(self, tweets: Sequence[PreparedTweet]) -> list[Outcome]:
        """Answer independent tweets; those with images run together, and those without run together."""
        outcomes: dict[int, Outcome] = {}
        with_image = [i for i, tweet in enumerate(tweets) if tweet.pixels is not None]
        without_image = [i for i, tweet in enumerate(tweets) if tweet.pixels is None]
        if with_image:
            outcomes |= zip(with_image, self._infer_images([tweets[i] for i in with_image]), strict=True)
        if without_image:
            chosen = [tweets[i] for i in without_image]
            regions = np.zeros((len(chosen), 1, self.engine.region_width), np.float32)
            outcomes |= zip(without_image, self._fuse(chosen, regions), strict=True)
        return [outcomes[i] for i in range(len(tweets))]

    def fusion_input(self, tweets: Sequence[PreparedTweet], regions: Floats) -> FusionInput:
        """Pad tokens and words of B tweets to one length; `regions` is B x R x d_region."""
        tokens = [self._words.encode(tweet.tokens) for tweet in tweets]
        attributes = [self._attributes.encode(tweet.attributes) for tweet in tweets]
        return FusionInput(
            tokens=_pad(tokens),
            token_counts=np.array([len(row) for row in tokens], np.int64),
            attributes=_pad(attributes),
            attribute_counts=np.array([len(row) for row in attributes], np.int64),
            regions=regions,
            present=np.array([tweet.present for tweet in tweets], np.bool_),
        )

    def _infer_images(self, tweets: Sequence[PreparedTweet]) -> list[Outcome]:
        pixels = np.stack([tweet.pixels for tweet in tweets if tweet.pixels is not None])
        regions, logits = self.engine.encode(pixels)
        named = [
            tweet if tweet.attributes else self._name_attributes(tweet, row)
            for tweet, row in zip(tweets, logits, strict=True)
        ]
        return self._fuse(named, regions)

    def _name_attributes(self, tweet: PreparedTweet, logits: Floats) -> PreparedTweet:
        """The five most probable words; `logits` one a word of the vocabulary, of which pad and unknown are none."""
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
        scores[[Vocabulary.PAD, Vocabulary.UNK]] = -1
        best = np.argsort(-scores, kind="stable")[:MAX_ATTRIBUTES]
        words = tuple(self._attributes.words[i] for i in best)
        warning = Warning_(
            WarningCode.ATTRIBUTES_PREDICTED,
            f"the attributes were predicted from the image: {', '.join(words)}",
        )
        return replace(
            tweet,
            attributes=words,
            attribute_scores=tuple(float(scores[i]) for i in best),
            warnings=(*tweet.warnings, warning),
        )

    def _fuse(self, tweets: Sequence[PreparedTweet], regions: Floats) -> list[Outcome]:
        output = self.engine.fuse(self.fusion_input(tweets, regions))
        return [
            Outcome(
                prediction=self._predict(float(output.logit[row])),
                attention=_attention(tweet, output, row),
                warnings=(*tweet.warnings, *_standing_warnings(tweet)),
            )
            for row, tweet in enumerate(tweets)
        ]

    def _predict(self, logit: float) -> Prediction:
        probability = float(1 / (1 + np.exp(-logit / self._config.temperature)))
        negative, positive = self._classes
        return Prediction(
            label=positive if probability >= self._config.threshold else negative,
            probability=probability,
            scores=((negative, 1 - probability), (positive, probability)),
        )


def _check_attributes(words: tuple[str, ...]) -> None:
    """The gateway checks these too; a worker may be called without one."""
    if len(words) > MAX_ATTRIBUTES:
        raise invalid("instance.tweet.attributes", f"at most {MAX_ATTRIBUTES} words, not {len(words)}")
    empty = tuple(
        Violation(f"instance.tweet.attributes[{i}]", "a word must not be empty")
        for i, word in enumerate(words)
        if not word
    )
    if empty:
        raise AttendantError("an attribute is empty", Reason.INVALID_INPUT, empty)


def _pad(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """B rows to B x (longest, at least 1), filled with pad."""
    padded = np.full((len(rows), max(1, *map(len, rows))), Vocabulary.PAD, np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def _standing_warnings(tweet: PreparedTweet) -> list[Warning_]:
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


def _attention(tweet: PreparedTweet, output: FusionOutput, row: int) -> Attention:
    """One row's vectors, without padding and without absent modalities."""
    lengths = (len(tweet.tokens), REGIONS, len(tweet.attributes))
    present = [
        (index, modality, length)
        for index, (modality, length) in enumerate(zip(MODALITIES, lengths, strict=True))
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
