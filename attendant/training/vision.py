"""The region encoder from pictures to weights: photographs, renderings, the teacher's view of them, body, words.

Every step leaves its checkpoint or cache in the runs folder and starts from those of the steps before it.
N pictures, D features, A attribute words, C classes of the teacher.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from attendant.errors import AttendantError
from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.models.rounded import RoundedEncoder, halve, round_encoder
from attendant.text import Vocabulary
from attendant.training.checkpoints import Checkpoint, digest_arrays, digest_weights, fingerprint
from attendant.training.data import read_coco, read_mvsa
from attendant.training.drawn import Drawn, load_drawn
from attendant.training.encoder import (
    EVALUATION_BATCH,
    Distillation,
    EncoderRecipe,
    EncoderScores,
    Lesson,
    overfit_control,
)
from attendant.training.heads import HeadRecipe, fit_words
from attendant.training.naming import Namer, WordScores, judge, name
from attendant.training.photographs import Photographs, cached_array, load_photographs
from attendant.training.progress import Progress
from attendant.training.renderings import MEALS, PAGES
from attendant.training.stages import run_stage
from attendant.training.teacher import Teacher
from attendant.training.views import Views, watch

ENCODING_BATCH = 16
NORM_PHOTOGRAPHS, NORM_RENDERINGS = 84, 12  # behind the batch norms' statistics
RENDERING_SEED = 1


@dataclass(frozen=True)
class VisionRecipe:
    """Everything that decides what the encoder becomes, but for data and seed."""

    compact: CompactConfig
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    head: HeadRecipe = field(default_factory=HeadRecipe)
    renderings: int = 1_500  # of pages, which body and words learn from
    held_out_renderings: int = 200
    rendering_views: int = 2
    meals: int = 1_000  # drawn too; only the words learn from them
    held_out_meals: int = 100
    control_limit: float = 0.5  # R2 that the overfit control must reach


@dataclass(frozen=True)
class Rows:
    """Some of the pictures `pixels` uint8 N x H x W x 3, which lie on disk."""

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Described:
    """Pictures, and P(word) N x A of each: what they are to be named."""

    pictures: Rows
    words: Tensor


class VisionTraining:
    """One training of an encoder. `runs` holds its caches and checkpoints; `resume` False starts its steps afresh."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that it depends on
        self,
        data: Path,
        runs: Path,
        seed: int,
        progress: Progress,
        recipe: VisionRecipe,
        vocabulary: Vocabulary,
        device: torch.device,
        resume: bool = True,
    ) -> None:
        self.recipe = replace(recipe, compact=replace(recipe.compact, n_attributes=len(vocabulary)))
        self._data = data
        self._runs = runs
        self._seed = seed
        self._progress = progress
        self._vocabulary = vocabulary
        self._device = device
        self._resume = resume
        self._cache = runs / "cache"
        self.seconds = 0.0  # that the body's epochs took, once it is trained

    @cached_property
    def photographs(self) -> Photographs:
        return load_photographs(read_mvsa(self._data) + read_coco(self._data), self._cache, self._progress)

    @cached_property
    def renderings(self) -> Drawn:
        """Pages, screens, signs: what ImageNet has few classes for."""
        shown, held_out = self.recipe.renderings, self.recipe.held_out_renderings
        report = self._progress.task("rendering pictures")
        return load_drawn(PAGES, shown, held_out, RENDERING_SEED, self._cache, report)

    @cached_property
    def meals(self) -> Drawn:
        """Food and drink: what few photographs show."""
        shown, held_out = self.recipe.meals, self.recipe.held_out_meals
        report = self._progress.task("drawing meals")
        return load_drawn(MEALS, shown, held_out, RENDERING_SEED, self._cache, report)

    @cached_property
    def teacher(self) -> Teacher:
        return Teacher(self._data, self._device)

    @cached_property
    def encoder(self) -> RoundedEncoder:
        """The region encoder as it is served, with its attribute words, in eval mode."""
        encoder = self._body
        checkpoint = self._checkpoint("words", fingerprint(self.key, digest_weights(encoder)))
        saved = checkpoint.load()
        if saved is None:
            described = self._described(held_out=False)
            features = self._features(encoder, [part.pictures for part in described])
            chances = torch.cat([part.words for part in described]).to(self._device)
            report = self._progress.task("attribute words")
            saved = fit_words(features, chances, self.recipe.head, self._seed, report).state_dict()
            checkpoint.save(saved)
        encoder.attributes.load_state_dict(saved)
        halve(encoder)
        return encoder

    @property
    def _body(self) -> RoundedEncoder:
        """The distilled encoder by integers; its words are not learnt yet."""
        batches = np.array_split(self._lesson.whole, len(self._lesson.whole) // EVALUATION_BATCH + 1)
        return round_encoder(
            self._distillation.encoder.eval(), (torch.from_numpy(part).to(self._device) for part in batches)
        )

    @cached_property
    def scores(self) -> EncoderScores:
        return self._distillation.score(served=self.encoder)

    @cached_property
    def word_scores(self) -> WordScores:
        rows = np.flatnonzero(self.photographs.held_out)
        photographs, renderings, meals = self._described(held_out=True)
        right = self._namer.right_words(self.photographs, self._log_classes, rows)
        return WordScores(
            judge(self._named(photographs.pictures), right),
            judge(self._named(renderings.pictures), renderings.words),
            judge(self._named(meals.pictures), meals.words),
        )

    def _named(self, pictures: Rows) -> Tensor:
        """The five words that the encoder names for each of N pictures, N x 5."""
        with torch.no_grad():
            return name(self.encoder.attributes(self._features(self.encoder, [pictures])).cpu())

    @cached_property
    def _distillation(self) -> Distillation:
        recipe = self.recipe

        def fresh() -> Distillation:
            return Distillation(
                recipe.compact, self.teacher, self._lesson, recipe.encoder, self._device, self._seed
            )

        checkpoint = self._checkpoint("encoder", self._body_key)
        if not checkpoint.path.exists():
            reached = overfit_control(fresh(), self._progress.task("overfit control"))
            self._progress.say(f"overfit control: R2 {reached:.3f} on eight views")
            if reached < recipe.control_limit:
                raise AttendantError(
                    f"the overfit control reached R2 {reached:.3f}, not {recipe.control_limit}"
                )
        training = fresh()
        self.seconds = run_stage("encoder", training, recipe.encoder.epochs, checkpoint, self._progress)
        return training

    @cached_property
    def _lesson(self) -> Lesson:
        photographs, recipe = self.photographs, self.recipe.encoder
        held_out = np.flatnonzero(photographs.held_out)
        return Lesson(
            training=(
                self._views("photographs", photographs, self._training_rows, recipe.views),
                self._views(
                    "renderings",
                    self.renderings,
                    np.arange(self.recipe.renderings),
                    self.recipe.rendering_views,
                ),
            ),
            whole=self._norm_sample(),
            held_out=self._views("held-out", photographs, held_out, 0),
        )

    def _norm_sample(self) -> NDArray[np.uint8]:
        """Whole training pictures in the proportions of the views."""
        rows = self._training_rows[:: max(1, len(self._training_rows) // NORM_PHOTOGRAPHS)]
        return np.concatenate([self.photographs.pixels[rows], self.renderings.pixels[:NORM_RENDERINGS]])

    @property
    def _training_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(~self.photographs.held_out)

    def _views(self, kind: str, pictures: Photographs | Drawn, rows: NDArray[np.int64], each: int) -> Views:
        side = self.recipe.encoder.side
        folder = self._cache / f"{kind}-{fingerprint(pictures.key, len(pictures), each, side, self._seed)}"
        report = self._progress.task(f"the teacher's view of {kind}")
        return watch(pictures.pixels, rows, each, side, self.teacher, folder, self._seed, report)

    def _described(self, *, held_out: bool) -> list[Described]:
        """Photographs, renderings and meals, those held out or all others."""
        rows = np.flatnonzero(self.photographs.held_out == held_out)
        found = [Described(Rows(self.photographs.pixels, rows), self._photograph_words[rows])]
        for drawn in (self.renderings, self.meals):
            rows = np.flatnonzero(drawn.held_out == held_out)
            found.append(Described(Rows(drawn.pixels, rows), self._namer.describe_drawn(drawn, rows)))
        return found

    def _features(self, encoder: CompactEncoder, parts: Sequence[Rows]) -> Tensor:
        """Mean features of whole pictures, N x D."""
        features = []
        report = self._progress.task("features of whole pictures")
        count = sum(len(part.rows) for part in parts)
        for part in parts:
            for rows in np.array_split(part.rows, math.ceil(len(part.rows) / ENCODING_BATCH)):
                pixels = torch.from_numpy(part.pixels[rows]).to(self._device)
                with torch.inference_mode():
                    grid = encoder.grid(pixels)
                    features.append(encoder.features(grid.flatten(2).transpose(1, 2)).mean(1))
                report(sum(map(len, features)), count)
        return torch.cat(features).clone()

    @cached_property
    def taught_words(self) -> NDArray[np.int64]:
        """The five likeliest words, N x 5, of each training photograph: what the encoder is taught to name."""
        return name(self._photograph_words[self._training_rows]).numpy()

    @cached_property
    def _photograph_words(self) -> Tensor:
        return self._namer.describe_photographs(self.photographs, self._log_classes)

    @cached_property
    def _log_classes(self) -> Tensor:
        """The teacher's log class probabilities of all photographs, N x C."""
        photographs, side = self.photographs, self.recipe.encoder.side

        def look(part: slice) -> NDArray[np.float32]:
            # at the scale that the teacher was trained for
            small = [
                np.asarray(Image.fromarray(picture).resize((side, side)))
                for picture in photographs.pixels[part]
            ]
            return self.teacher.log_classes(np.stack(small))

        shape = (len(photographs), self.recipe.compact.n_classes)
        path = self._cache / f"classes-{fingerprint(photographs.key, side)}.npy"
        found = cached_array(path, shape, np.float32, look, self._progress.task("the teacher's classes"))
        return torch.from_numpy(np.array(found))

    @cached_property
    def _namer(self) -> Namer:
        return Namer(self.teacher.class_names, self._vocabulary)

    @property
    def _body_key(self) -> str:
        recipe = self.recipe
        return fingerprint(
            self.photographs.key,
            self.renderings.key,
            recipe.compact,
            recipe.encoder,
            recipe.renderings,
            recipe.rendering_views,
            self._seed,
        )

    @property
    def key(self) -> str:
        """Names the encoder with its attribute words."""
        table_key = digest_arrays(self._namer.table.numpy())
        return fingerprint(self._body_key, self.meals.key, self.recipe.head, self._vocabulary, table_key)

    def _checkpoint(self, step: str, key: str) -> Checkpoint:
        checkpoint = Checkpoint(self._runs / f"{step}.pt", key)
        if not self._resume:
            checkpoint.discard()
        return checkpoint
