"""The sarcasm model from data to weights: vocabularies, text and attributes, encoder, all three modalities.

Every stage leaves its checkpoint or cache in the runs folder and starts from those of the stages before it.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attendant.analysis.classification import ClassificationScores, score
from attendant.analysis.rows import TweetRow, read_tweets
from attendant.errors import AttendantError
from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.models.hfm import HfmConfig, HierarchicalFusion
from attendant.text import Vocabulary, tokenise
from attendant.training.attributes import attribute_map
from attendant.training.calibration import fit_temperature
from attendant.training.checkpoints import Checkpoint, fingerprint
from attendant.training.compute import choose_device
from attendant.training.data import read_coco, read_mvsa, sarcasm_file
from attendant.training.encoder import Crops, Distillation, EncoderScores, overfit_control
from attendant.training.examples import Example, Noise, Vocabularies, make_example
from attendant.training.fusion import FusionTraining, Source, fresh_model, predict, probability
from attendant.training.pairs import Pictures, encode, posted_pairs
from attendant.training.photographs import Photographs, load_photographs
from attendant.training.progress import Progress
from attendant.training.recipes import SarcasmRecipe
from attendant.training.stages import Stage, run_stage
from attendant.training.teacher import watch


@dataclass(frozen=True)
class JointScores:
    """The released model on validation tweets by the modalities shown, and on held-out tweet-image pairs.

    `pair_agreement`: share of held-out pairs where text, image and predicted attributes give the pseudo-label's class
    (`constant_agreement`: what one class for all gets);
    `image_correlation`: Pearson r between P(sarcastic) from the image alone and the pseudo-label.
    """

    text_attributes: ClassificationScores
    text: ClassificationScores
    attributes: ClassificationScores
    pair_agreement: float
    constant_agreement: float
    image_correlation: float
    pairs: int
    temperature: float


class SarcasmTraining:
    """One training run. `runs` holds its caches and checkpoints; `resume` False starts its stages afresh."""

    def __init__(
        self,
        data: Path,
        runs: Path,
        seed: int,
        progress: Progress,
        recipe: SarcasmRecipe | None = None,
        device: str = "auto",
        resume: bool = True,
    ) -> None:
        self.recipe = recipe or SarcasmRecipe()
        self._data = data
        self._runs = runs
        self._seed = seed
        self._progress = progress
        self._device = choose_device(device)
        self._resume = resume

    def run(self, stage: str) -> None:
        """Does what is left of that stage and of those it needs, and says how good it is."""
        if stage == "text":
            _ = self.text_model
        elif stage == "encoder":
            self._progress.say(f"encoder, held out: {self.encoder_scores}")
        else:
            self._progress.say(f"joint: {self.joint_scores}")

    @cached_property
    def tweets(self) -> list[TweetRow]:
        return read_tweets(sarcasm_file(self._data, "train"))

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
        return [self._example(tweet) for tweet in read_tweets(sarcasm_file(self._data, "valid"))]

    @cached_property
    def photographs(self) -> Photographs:
        return load_photographs(
            read_mvsa(self._data) + read_coco(self._data), self._runs / "cache", self._progress
        )

    @property
    def encoder_config(self) -> CompactConfig:
        return replace(self.recipe.compact, n_attributes=len(self.vocabularies.attributes))

    @property
    def hfm_config(self) -> HfmConfig:
        words, attributes = self.vocabularies.words, self.vocabularies.attributes
        return replace(
            self.recipe.hfm,
            vocabulary_size=len(words),
            attribute_vocabulary_size=len(attributes),
            region_width=self.recipe.compact.widths[-1],
        )

    @cached_property
    def text_model(self) -> HierarchicalFusion:
        """The model of text and attributes, trained on labels; it labels the tweets that have pictures."""
        training = FusionTraining(
            fresh_model(self.hfm_config, self._seed),
            [self._tweets([self._example(tweet) for tweet in self.tweets], swap=0.0, strangers=None)],
            self.validation,
            self._no_regions,
            self.recipe.text,
            self._device,
            self._seed,
        )
        self._run("text", training, self.recipe.text.epochs, self._text_print)
        return training.best()

    @cached_property
    def encoder(self) -> CompactEncoder:
        """The region encoder; trained and scored where no checkpoint has it."""
        return self._distillation.student.encoder.eval()

    @cached_property
    def encoder_scores(self) -> EncoderScores:
        return self._distillation.score(np.flatnonzero(self.photographs.held_out))

    @cached_property
    def _distillation(self) -> Distillation:
        teacher = watch(self._data, self.photographs, self._runs / "cache", self._device, self._progress)
        crops = Crops(self.photographs, teacher, self.vocabularies.attributes)
        table = attribute_map(teacher.class_names, self.vocabularies.attributes)

        def fresh() -> Distillation:
            return Distillation(
                self.encoder_config, teacher, crops, table, self.recipe.encoder, self._device, self._seed
            )

        if not self._checkpoint("encoder", self._encoder_print).path.exists():
            reached = overfit_control(fresh(), crops, self._progress.task("overfit control"))
            self._progress.say(f"overfit control: R2 {reached:.3f} on eight crops")
            if reached < self.recipe.control_limit:
                raise AttendantError(
                    f"the overfit control reached R2 {reached:.3f}, not {self.recipe.control_limit}"
                )
        training = fresh()
        self._run("encoder", training, self.recipe.encoder.epochs, self._encoder_print)
        return training

    @cached_property
    def pictures(self) -> Pictures:
        cache = self._runs / "cache" / f"regions-{self.photographs.key}-{self._encoder_print}.npy"
        report = self._progress.task("encoding photographs")
        return encode(self.encoder, self.photographs, cache, self._device, report)

    @cached_property
    def pairs(self) -> list[Example]:
        """Every tweet that came with a picture; its target is what the text model says of it (not a label)."""
        pairs = posted_pairs(self.photographs, self.pictures, self.vocabularies)
        targets = self._pseudo_labels(pairs)
        return [replace(pair, target=float(target)) for pair, target in zip(pairs, targets, strict=True)]

    @cached_property
    def joint_model(self) -> HierarchicalFusion:
        """The model of all three modalities: labelled tweets, and pseudo-labelled tweets with their pictures."""
        examples = [self._example(tweet) for tweet in self.tweets]
        share = self.recipe.teacher_share
        targets = probability(predict(self.text_model, examples, "TA", self._no_regions, self._device))
        softened = [
            Example(example.tokens, example.attributes, float((1 - share) * example.target + share * target))
            for example, target in zip(examples, targets, strict=True)
        ]
        shown = [pair for pair in self.pairs if not self._held_out(pair)]
        noise = Noise(self.recipe.token_noise, self.recipe.attribute_noise)
        training = FusionTraining(
            deepcopy(self.text_model),
            [
                self._tweets(softened, self.recipe.attribute_swap, self.pictures.words.ravel()),
                Source(shown, self.recipe.pair_modalities, noise, self.recipe.pair_batch),
            ],
            self.validation,
            self.pictures.regions,
            self.recipe.joint,
            self._device,
            self._seed,
        )
        self._run("joint", training, self.recipe.joint.epochs, self._joint_print)
        return training.best()

    @cached_property
    def joint_scores(self) -> JointScores:
        labels = np.array([round(example.target) for example in self.validation])
        logits = self._logits(self.validation, "TA")
        temperature = fit_temperature(logits, labels)

        def scores(modalities: str) -> ClassificationScores:
            return score(labels, probability(self._logits(self.validation, modalities) / temperature))

        held_out = [pair for pair in self.pairs if self._held_out(pair)]
        wanted = np.array([pair.target for pair in held_out])
        together = probability(self._logits(held_out, "TIA"))
        alone = probability(self._logits(held_out, "I"))
        return JointScores(
            text_attributes=scores("TA"),
            text=scores("T"),
            attributes=scores("A"),
            pair_agreement=float(((together >= 0.5) == (wanted >= 0.5)).mean()),
            constant_agreement=float(max((wanted >= 0.5).mean(), (wanted < 0.5).mean())),
            image_correlation=float(np.corrcoef(alone, wanted)[0, 1]),
            pairs=len(held_out),
            temperature=temperature,
        )

    def _logits(self, examples: list[Example], modalities: str) -> NDArray[np.float64]:
        return predict(self.joint_model, examples, modalities, self.pictures.regions, self._device)

    def _pseudo_labels(self, pairs: list[Example]) -> NDArray[np.float64]:
        """What text says, and text with predicted words: their mean, as the words are unlike the authors'."""
        views = [
            predict(self.text_model, pairs, view, self._no_regions, self._device) for view in ("T", "TA")
        ]
        return np.asarray(np.mean([probability(view) for view in views], axis=0))

    def _example(self, tweet: TweetRow) -> Example:
        return make_example(tweet.text, tweet.attributes, float(tweet.label), self.vocabularies)

    def _tweets(self, examples: list[Example], swap: float, strangers: NDArray[np.int64] | None) -> Source:
        noise = Noise(self.recipe.token_noise, self.recipe.attribute_noise, swap, strangers)
        return Source(examples, self.recipe.tweet_modalities, noise, self.recipe.text.batch)

    def _held_out(self, pair: Example) -> bool:
        return pair.picture is not None and bool(self.photographs.held_out[pair.picture])

    @property
    def _no_regions(self) -> NDArray[np.float16]:
        return np.zeros((0, 1, self.recipe.compact.widths[-1]), np.float16)

    @property
    def _vocabulary_print(self) -> str:
        return fingerprint(self.vocabularies, len(self.tweets), self._seed)

    @property
    def _text_print(self) -> str:
        recipe = self.recipe
        return fingerprint(
            self._vocabulary_print,
            self.hfm_config,
            recipe.text,
            recipe.tweet_modalities,
            recipe.token_noise,
            recipe.attribute_noise,
        )

    @property
    def _encoder_print(self) -> str:
        attributes = self.vocabularies.attributes
        return fingerprint(
            attributes, self.photographs.key, self.encoder_config, self.recipe.encoder, self._seed
        )

    @property
    def _joint_print(self) -> str:
        return fingerprint(self._text_print, self._encoder_print, self.recipe)

    def _checkpoint(self, name: str, print_: str) -> Checkpoint:
        return Checkpoint(self._runs / f"{name}.pt", print_)

    def _run(self, name: str, stage: Stage, epochs: int, print_: str) -> None:
        checkpoint = self._checkpoint(name, print_)
        if not self._resume:
            checkpoint.discard()
        run_stage(name, stage, epochs, checkpoint, self._progress)
