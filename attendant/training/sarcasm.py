"""The sarcasm model from data to weights: vocabularies, soft labels, region encoder, and the fusion of all modalities.

Every stage leaves its checkpoint or cache in the runs folder and starts from those of the stages before it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from attendant.analysis.classification import ClassificationEstimates, ClassificationScores, estimate, score
from attendant.analysis.references import read_as
from attendant.analysis.rows import TweetRow, read_tweets
from attendant.analysis.words import WordSkew, count_words, measure_skew
from attendant.models.hfm import HfmConfig, HierarchicalFusion
from attendant.statistics.intervals import Estimate, correlation, proportion
from attendant.text import Vocabulary, tokenise
from attendant.training.calibration import Calibration, calibrate
from attendant.training.checkpoints import Checkpoint, digest_arrays, digest_weights, fingerprint
from attendant.training.compute import choose_device
from attendant.training.data import Photograph, read_mvsa, sarcasm_file
from attendant.training.embeddings import initial_vectors
from attendant.training.examples import Example, Modalities, Noise, Vocabularies, make_example
from attendant.training.fusion import (
    FusionTraining,
    Source,
    Verdict,
    fresh_model,
    keep_image_side,
    predict,
)
from attendant.training.meanings import sentence_vectors
from attendant.training.ngrams import NgramRecipe
from attendant.training.pairs import Pictures, encode, posted_pairs
from attendant.training.progress import Progress
from attendant.training.recipes import SarcasmRecipe
from attendant.training.restyling import Restyling
from attendant.training.sentences import Corpus, SoftLabels, sentence_labels
from attendant.training.stages import run_stage
from attendant.training.vision import VisionTraining

TEXT_ALONE = Modalities((("T", 1.0),))
JUDGED_VIEWS = ("I", "IA", "TI", "TIA")


class Labels(StrEnum):
    """Whose texts and labels: the authors', or those of MMSD2.0 (Qin et al. 2023), cleared of hashtags."""

    ORIGINAL = "original"
    MMSD2 = "mmsd2"

    @property
    def fields(self) -> tuple[str, str]:
        """The names of text and label in a row of the data."""
        return ("text", "label") if self is Labels.ORIGINAL else ("mmsd2_text", "mmsd2_label")


@dataclass(frozen=True)
class Candidate:
    """One seed's model on validation tweets, text and attributes, as trained (before its calibration)."""

    seed: int
    scores: ClassificationScores
    logits: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class FusionScores:
    """The released model on validation tweets by the modalities shown, and on held-out tweet-image pairs.

    `pair_agreement`: share of held-out pairs where text, image and predicted attributes give the soft label's class
    (`constant_agreement`: what one class for all gets);
    `image_correlation`: Pearson r between P(sarcastic) from the image alone and the soft label.
    """

    text_attributes: ClassificationEstimates
    text: ClassificationEstimates
    attributes: ClassificationEstimates
    tweets: int
    pair_agreement: Estimate
    constant_agreement: float
    image_correlation: Estimate
    pairs: int
    calibration: Calibration
    positives: float  # share of the validation tweets that are sarcastic

    def __str__(self) -> str:
        right = self.text_attributes
        return (
            f"accuracy {right.accuracy.value:.4f}, F1 {right.f1.value:.4f}, calibration error {right.ece.value:.3f}; "
            f"held-out pairs agree with their soft labels: {self.pair_agreement.value:.3f} (one answer for all "
            f"{self.constant_agreement:.3f}), the image alone correlates by {self.image_correlation.value:.3f}"
        )


class SarcasmTraining:
    """One training run, of a model for each of `seeds`. `runs` holds its caches and checkpoints.

    The first seed is that of the encoder and the soft labels too. `resume` False starts the stages afresh.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it depends on
        self,
        data: Path,
        runs: Path,
        seeds: Sequence[int],
        progress: Progress,
        recipe: SarcasmRecipe | None = None,
        labels: Labels = Labels.ORIGINAL,
        device: str = "auto",
        resume: bool = True,
    ) -> None:
        self.recipe = recipe or SarcasmRecipe()
        self.labels = labels
        self._data = data
        self._runs = runs
        self._seeds = tuple(seeds)
        self._progress = progress
        self.device = choose_device(device)
        self._resume = resume
        self.seconds: dict[str, float] = {}  # that the epochs of each stage took, once it is trained

    def run(self, stage: str) -> None:
        """Does what is left of that stage and of those it needs, and says how good it is."""
        if stage == "labels":
            _ = self.soft_labels
        elif stage == "text":
            _ = self.candidates
        elif stage == "encoder":
            self._progress.say(f"encoder: {self.vision.scores}; {self.vision.word_scores}")
        else:
            self._progress.say(f"all modalities: {self.scores}")

    @cached_property
    def tweets(self) -> list[TweetRow]:
        return read_tweets(sarcasm_file(self._data, "train"), *self.labels.fields)

    @cached_property
    def _validation_tweets(self) -> list[TweetRow]:
        return read_tweets(sarcasm_file(self._data, "valid"), *self.labels.fields)

    @cached_property
    def vocabularies(self) -> Vocabularies:
        """The most frequent words of the training rows."""
        words = Counter(token for tweet in self.tweets for token in tokenise(tweet.text))
        attributes = Counter(word for tweet in self.tweets for word in tweet.attributes)
        return Vocabularies(
            Vocabulary.from_counts(words, self.recipe.hfm.vocabulary_size),
            Vocabulary.from_counts(attributes, self.recipe.hfm.attribute_vocabulary_size),
        )

    @cached_property
    def validation(self) -> list[Example]:
        return [self._example(tweet, tweet.label) for tweet in self._validation_tweets]

    @cached_property
    def vision(self) -> VisionTraining:
        """The encoder's training, which does not depend on the labels."""
        return VisionTraining(
            self._data,
            self._runs,
            self._seeds[0],
            self._progress,
            self.recipe.vision,
            self.vocabularies.attributes,
            self.device,
            self._resume,
        )

    @cached_property
    def soft_labels(self) -> SoftLabels:
        """What the sentence encoder says of the training tweets, and of those that were posted with a picture."""
        runs, seed = self._runs / self.labels, self._seeds[0]
        soft = sentence_labels(self._corpus, self.recipe.sentences, runs, seed, self.device, self._progress)
        labels = np.array([tweet.label for tweet in self._validation_tweets])
        self._progress.say(f"sentence encoder, validation: {score(labels, soft.valid)}")
        return soft

    @cached_property
    def meanings(self) -> NDArray[np.float32]:
        """Sentence vectors of the training tweets, then of those that were posted with a picture."""
        texts = [tweet.text for tweet in self.tweets] + [item.tweet for item in self._posted]
        return sentence_vectors(
            texts,
            self._runs / self.labels / "cache",
            self.device,
            self._progress.task("sentence vectors"),
        )

    @property
    def hfm_config(self) -> HfmConfig:
        words, attributes = self.vocabularies.words, self.vocabularies.attributes
        return replace(
            self.recipe.hfm,
            vocabulary_size=len(words),
            attribute_vocabulary_size=len(attributes),
            region_width=self.recipe.vision.compact.outputs[-1],
        )

    @cached_property
    def pictures(self) -> Pictures:
        photographs = self.vision.photographs
        digest = digest_weights(self.vision.encoder)
        cache = self._runs / "cache" / f"regions-{photographs.key}-{digest}.npy"
        return encode(
            self.vision.encoder, photographs, cache, self.device, self._progress.task("encoding photographs")
        )

    @cached_property
    def pairs(self) -> list[Example]:
        """Every tweet that came with a picture; its target is its soft label, from the text alone."""
        soft = dict(zip((item.name for item in self._posted), self.soft_labels.posted, strict=True))
        pairs = posted_pairs(self.vision.photographs, self.pictures, self.vocabularies)
        names = [self.vision.photographs.items[pair.picture or 0].name for pair in pairs]
        return [replace(pair, target=float(soft[name])) for pair, name in zip(pairs, names, strict=True)]

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """A model of text and attributes for each seed."""
        found = []
        for seed in self._seeds:
            logits = predict(self._text_model(seed), self.validation, "TA", self._no_regions, self.device)
            found.append(Candidate(seed, score(self._validation_labels, expit(logits)), logits))
            self._progress.say(f"seed {seed}: {found[-1].scores}")
        return tuple(found)

    @property
    def chosen(self) -> Candidate:
        """The seed that goes on to pictures and is released: the best on validation."""
        return max(self.candidates, key=lambda candidate: candidate.scores.accuracy)

    @cached_property
    def labelled(self) -> list[Example]:
        """The training tweets, with part of each target soft; without those whose text validation has too."""
        share = self.recipe.soft_share
        return [
            replace(self._example(tweet, (1 - share) * tweet.label + share * float(soft)), meaning=row)
            for row, (tweet, soft) in enumerate(zip(self.tweets, self.soft_labels.train, strict=True))
            if read_as(tweet.text) not in self._unseen
        ]

    @cached_property
    def posted(self) -> list[Example]:
        """The texts that were posted with a picture; without those of held-out pictures, and of validation."""
        return [
            replace(make_example(item.tweet, (), float(soft), self.vocabularies), meaning=row)
            for row, (item, soft) in enumerate(
                zip(self._posted, self.soft_labels.posted, strict=True), start=len(self.tweets)
            )
            if read_as(item.tweet) not in self._unseen
        ]

    def _text_model(self, seed: int) -> HierarchicalFusion:
        """From labelled tweets and from the texts of posted ones."""
        recipe = self.recipe
        restyling = Restyling(self.vision.taught_words)
        noise = Noise(recipe.token_noise, recipe.attribute_noise, recipe.restyled, restyling)
        labels = self._validation_labels

        def judge(model: HierarchicalFusion) -> Verdict:
            scores = score(
                labels, expit(predict(model, self.validation, "TA", self._no_regions, self.device))
            )
            return Verdict(scores.accuracy, f"validation: {scores}")

        model = fresh_model(self.hfm_config, seed)
        with torch.no_grad():
            for table, words in (
                (model.word_embedding, self.vocabularies.words),
                (model.attribute_embedding, self.vocabularies.attributes),
            ):
                width, scale = table.embedding_dim, recipe.embedding_scale
                table.weight.copy_(initial_vectors(words.words, width, self._data, scale, seed))
        training = FusionTraining(
            model,
            [
                Source(self.labelled, recipe.tweet_modalities, noise, recipe.text.batch),
                Source(self.posted, TEXT_ALONE, Noise(recipe.token_noise), recipe.text.batch),
            ],
            judge,
            self._no_regions,
            recipe.text,
            self.device,
            seed,
            self.meanings,
        )
        checkpoint = self._checkpoint(f"text-{seed}", self._text_key(seed))
        self.seconds[checkpoint.path.stem] = run_stage(
            f"text, seed {seed}", training, recipe.text.epochs, checkpoint, self._progress
        )
        return training.best()

    @cached_property
    def model(self) -> HierarchicalFusion:
        """The released model, in eval mode, with the calibration's shift in its last layer."""
        model = self._image_model
        last = model.classifier[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.add_(self.calibration.shift)
        return model

    @cached_property
    def _image_model(self) -> HierarchicalFusion:
        """The chosen model, where what an image touches has learnt from posted pictures."""
        recipe = self.recipe
        shown = [pair for pair in self.pairs if not self._unseen_pair(pair)]
        held_out = [pair for pair in self.pairs if self._held_out(pair)]
        noise = Noise(recipe.token_noise, recipe.attribute_noise)

        def judge(model: HierarchicalFusion) -> Verdict:
            losses = {view: self._loss(model, held_out, view) for view in JUDGED_VIEWS}
            line = ", ".join(f"{view} {loss:.4f}" for view, loss in losses.items())
            return Verdict(-sum(losses.values()), f"held-out loss by what is shown: {line}")

        training = FusionTraining(
            keep_image_side(self._text_model(self.chosen.seed)),
            [Source(shown, recipe.pair_modalities, noise, recipe.image.batch, recipe.pair_regions)],
            judge,
            self.pictures.regions,
            recipe.image,
            self.device,
            self.chosen.seed,
            focus=self.pictures.focus,
        )
        checkpoint = self._checkpoint(
            "image",
            fingerprint(self._text_key(self.chosen.seed), digest_weights(self.vision.encoder), recipe),
        )
        self.seconds["image"] = run_stage("image", training, recipe.image.epochs, checkpoint, self._progress)
        return training.best()

    def _loss(self, model: HierarchicalFusion, pairs: Sequence[Example], view: str) -> float:
        """Mean cross entropy to the pairs' targets with the modalities in `view` shown."""
        logits = predict(model, pairs, view, self.pictures.regions, self.device)
        targets = np.array([pair.target for pair in pairs])
        return float((np.logaddexp(0.0, logits) - targets * logits).mean())

    @cached_property
    def calibration(self) -> Calibration:
        """Of the chosen candidate, on validation with text and attributes; pictures change nothing of that."""
        return calibrate(self.chosen.logits, self._validation_labels)

    @cached_property
    def skew(self) -> WordSkew:
        """Between the words that the encoder names for posted pictures and the authors' of the training rows."""
        names = self.vocabularies.attributes.words
        posted = [pair.picture or 0 for pair in self.pairs]
        predicted = count_words([names[word] for word in row] for row in self.pictures.words[posted])
        return measure_skew(predicted, count_words(tweet.attributes for tweet in self.tweets))

    @cached_property
    def scores(self) -> FusionScores:
        labels = self._validation_labels
        temperature = self.calibration.temperature

        def estimates(modalities: str) -> ClassificationEstimates:
            logits = self._logits(self.validation, modalities)
            return estimate(labels, expit(logits / temperature), self.calibration.threshold)

        held_out = [pair for pair in self.pairs if self._held_out(pair)]
        wanted = np.array([pair.target for pair in held_out])
        together = expit(self._logits(held_out, "TIA") / temperature) >= self.calibration.threshold
        alone = expit(self._logits(held_out, "I") / temperature)
        return FusionScores(
            text_attributes=estimates("TA"),
            text=estimates("T"),
            attributes=estimates("A"),
            tweets=len(labels),
            pair_agreement=proportion(int((together == (wanted >= 0.5)).sum()), len(wanted)),
            constant_agreement=float(max((wanted >= 0.5).mean(), (wanted < 0.5).mean())),
            image_correlation=correlation(alone, wanted),
            pairs=len(held_out),
            calibration=self.calibration,
            positives=float(labels.mean()),
        )

    @property
    def _validation_labels(self) -> NDArray[np.int64]:
        return np.array([tweet.label for tweet in self._validation_tweets])

    def _logits(self, examples: list[Example], modalities: str) -> NDArray[np.float64]:
        return predict(self.model, examples, modalities, self.pictures.regions, self.device)

    def _example(self, tweet: TweetRow, target: float) -> Example:
        return make_example(tweet.text, tweet.attributes, float(target), self.vocabularies)

    def _held_out(self, pair: Example) -> bool:
        return pair.picture is not None and bool(self.vision.photographs.held_out[pair.picture])

    def _unseen_pair(self, pair: Example) -> bool:
        """Whether its picture is held out, or its text was also posted with a picture that is."""
        assert pair.picture is not None
        return (
            self._held_out(pair) or read_as(self.vision.photographs.items[pair.picture].tweet) in self._unseen
        )

    @cached_property
    def _posted(self) -> list[Photograph]:
        return read_mvsa(self._data)

    @cached_property
    def _unseen(self) -> frozenset[str]:
        """Texts that the fusion model never learns from: of validation tweets, and posted with held-out pictures."""
        validation = {read_as(tweet.text) for tweet in self._validation_tweets}
        return frozenset(validation | {read_as(item.tweet) for item in self._posted if item.held_out})

    @cached_property
    def _corpus(self) -> Corpus:
        return Corpus(self.tweets, self._validation_tweets, [item.tweet for item in self._posted])

    @property
    def _no_regions(self) -> NDArray[np.float16]:
        return np.zeros((0, 1, self.hfm_config.region_width), np.float16)

    def _text_key(self, seed: int) -> str:
        recipe = self.recipe
        return fingerprint(
            self.labels,
            self.vocabularies,
            self.hfm_config,
            self._corpus.fingerprint(recipe.sentences, self._seeds[0]),
            NgramRecipe(),
            digest_arrays(self.vision.taught_words),
            recipe.text,
            recipe.tweet_modalities,
            (
                recipe.token_noise,
                recipe.attribute_noise,
                recipe.restyled,
                recipe.soft_share,
                recipe.embedding_scale,
            ),
            self._seeds[0],
            seed,
        )

    def _checkpoint(self, name: str, key: str) -> Checkpoint:
        checkpoint = Checkpoint(self._runs / self.labels / f"{name}.pt", key)
        if not self._resume and name not in self.seconds:  # once: a finished stage is asked for again
            checkpoint.discard()
        return checkpoint
