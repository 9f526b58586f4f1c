"""The sarcasm model as it is served: a tweet in, a prediction and every attention vector behind it out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attendant.errors import AttendantError, Reason, Violation, invalid
from attendant.images import decode
from attendant.manifest import ModelManifest, read_manifest, verify
from attendant.models.engines import Engine, Floats, FusionInput, FusionOutput, OnnxEngine, TorchEngine
from attendant.models.explained import ExplainedTweet, Explaining
from attendant.models.pixels import resize
from attendant.models.prepared import PreparedTweet, attention_of, standing_warnings
from attendant.models.runtime import open_verified
from attendant.models.store import file_of, load_config, load_encoder, load_hfm, load_typical
from attendant.models.tail import Tail
from attendant.text import Vocabulary, tokenise
from attendant.types import (
    MAX_ATTRIBUTES,
    MAX_TOKENS,
    MODALITIES,
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
class _Answer:
    """One row of what the fusion model was given, and of what it gave."""

    tweet: PreparedTweet
    batch: FusionInput
    output: FusionOutput
    row: int


class SarcasmModel:
    """One version of a sarcasm model: vocabularies, calibration, and an engine that runs it.

    P(sarcastic) = sigmoid(logit / temperature); the label is sarcastic from `threshold` on.
    """

    def __init__(self, manifest: ModelManifest, version: str, folder: Path, engine: Engine) -> None:
        entry = manifest.version_or_default(version)
        self.ref = ModelRef(manifest.name, entry.version, entry.digest)
        self.engine = engine
        self._classes = manifest.classes
        self._words = Vocabulary.from_file(verify(folder, file_of(entry, "words")))
        self._attributes = Vocabulary.from_file(verify(folder, file_of(entry, "attributes")))
        self._config = load_config(folder, entry)
        self._folder, self._entry = folder, entry
        verify(folder, file_of(entry, "hfm"))  # read when it is first needed

    @classmethod
    def open_served(cls, folder: Path, version: str = "") -> Self:
        """From a built archive's model folder, on ONNX Runtime."""
        manifest = read_manifest(folder)
        entry = manifest.version_or_default(version)
        engine = OnnxEngine(
            open_verified(folder, file_of(entry, "encoder_onnx")),
            open_verified(folder, file_of(entry, "hfm_onnx")),
            load_config(folder, entry).hfm.region_width,
        )
        return cls(manifest, version, folder, engine)

    @classmethod
    def open_torch(cls, folder: Path, version: str = "", device: str = "cpu") -> Self:
        """From model_store, in eager torch: needs no archive."""
        manifest = read_manifest(folder)
        entry = manifest.version_or_default(version)
        engine = TorchEngine(
            load_encoder(folder, entry).to(device), load_hfm(folder, entry).to(device), device
        )
        return cls(manifest, version, folder, engine)

    @cached_property
    def _explaining(self) -> Explaining:
        """What explains the engine's answers: the same weights in torch, on the CPU, once they are asked for."""
        negative, positive = self._classes
        return Explaining.of(
            load_hfm(self._folder, self._entry),
            (negative, positive),
            self._config.temperature,
            self._config.threshold,
            load_typical(self._folder, self._entry),
        )

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
        return [self._outcome(answer) for answer in self._answer(tweets, tail=False)]

    def inspect(self, tweets: Sequence[PreparedTweet]) -> list[tuple[Outcome, ExplainedTweet]]:
        """`infer`, and each tweet as it was encoded, for the explainers.

        ValueError for a model that departs from the equations (an old checkpoint): it can only be answered by.
        """
        return [
            (self._outcome(answer), self._explained(answer)) for answer in self._answer(tweets, tail=True)
        ]

    def _answer(self, tweets: Sequence[PreparedTweet], *, tail: bool) -> list[_Answer]:
        answers: dict[int, _Answer] = {}
        with_image = [i for i, tweet in enumerate(tweets) if tweet.pixels is not None]
        without_image = [i for i, tweet in enumerate(tweets) if tweet.pixels is None]
        if with_image:
            chosen = [tweets[i] for i in with_image]
            answers |= zip(with_image, self._fuse(*self._encode(chosen), tail=tail), strict=True)
        if without_image:
            chosen = [tweets[i] for i in without_image]
            regions = np.zeros((len(chosen), 1, self.engine.region_width), np.float32)
            answers |= zip(without_image, self._fuse(chosen, regions, tail=tail), strict=True)
        return [answers[i] for i in range(len(tweets))]

    def embed(self, tweet: PreparedTweet, regions: Floats | None = None) -> dict[Modality, Floats]:
        """The elements of what is present, each L x d, as the fusion model reads them; `regions` 196 x d_region."""
        tokens, words = self._words.encode(tweet.tokens), self._attributes.encode(tweet.attributes)
        elements = {Modality.TEXT: self._explaining.words[tokens]} if len(tokens) else {}
        if regions is not None and tweet.pixels is not None:
            elements[Modality.IMAGE] = regions
        if len(words):
            elements[Modality.ATTRIBUTE] = self._explaining.attributes[words]
        return elements

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

    def _encode(self, tweets: Sequence[PreparedTweet]) -> tuple[list[PreparedTweet], Floats]:
        """Tweets with images, with words where they had none, and their regions."""
        pixels = np.stack([tweet.pixels for tweet in tweets if tweet.pixels is not None])
        regions, logits = self.engine.encode(pixels)
        named = [
            tweet if tweet.attributes else self._name_attributes(tweet, row)
            for tweet, row in zip(tweets, logits, strict=True)
        ]
        return named, regions

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

    def _fuse(self, tweets: Sequence[PreparedTweet], regions: Floats, *, tail: bool) -> Iterator[_Answer]:
        batch = self.fusion_input(tweets, regions)
        output = self.engine.fuse(batch, tail=tail)
        return (_Answer(tweet, batch, output, row) for row, tweet in enumerate(tweets))

    def _outcome(self, answer: _Answer) -> Outcome:
        return Outcome(
            prediction=self._predict(float(answer.output.logit[answer.row])),
            attention=attention_of(answer.tweet, answer.output, answer.row),
            warnings=(*answer.tweet.warnings, *standing_warnings(answer.tweet)),
        )

    def _explained(self, answer: _Answer) -> ExplainedTweet:
        tweet, row, batch, output = answer.tweet, answer.row, answer.batch, answer.output
        assert output.tail is not None
        raw, attention = (
            {
                modality: part[row, :length]
                for modality, part, length, there in zip(
                    MODALITIES, parts, tweet.lengths, tweet.present, strict=True
                )
                if there
            }
            for parts in (output.tail.raw, output.representation_mean)
        )
        present = list(tweet.present)
        tail = Tail(
            self._explaining.tail, raw, output.tail.scores[row][present], output.tail.values[row][present]
        )
        return ExplainedTweet(
            self._explaining,
            lambda: self.embed(tweet, batch.regions[row]),
            attention,
            output.modality[row][present],
            tail,
        )

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
