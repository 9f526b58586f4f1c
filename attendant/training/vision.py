"""The region encoder from pictures to weights: photographs, renderings, the teacher's view of them, body, words.

Every step leaves its checkpoint or cache in the runs folder and starts from those of the steps before it.
N pictures, D features, A attribute words, C classes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from attendant.errors import AttendantError
from attendant.models.encoders import CompactConfig, CompactEncoder
from attendant.models.pixels import resize
from attendant.models.rounded import RoundedEncoder, halve, round_encoder
from attendant.text import Vocabulary
from attendant.training.attributes import attribute_map, soft_targets
from attendant.training.checkpoints import Checkpoint, digest_arrays, digest_weights, fingerprint
from attendant.training.data import read_coco, read_mvsa
from attendant.training.encoder import (
    EVALUATION_BATCH,
    Distillation,
    EncoderRecipe,
    EncoderScores,
    Lesson,
    overfit_control,
)
from attendant.training.heads import HeadRecipe, fit_words
from attendant.training.photographs import Photographs, cached_array, load_photographs
from attendant.training.progress import Progress
from attendant.training.renderings import rendering
from attendant.training.shades import name_shades
from attendant.training.stages import run_stage
from attendant.training.teacher import Teacher
from attendant.training.views import Views, watch
from attendant.types import IMAGE_SIZE, MAX_ATTRIBUTES

ENCODING_BATCH = 16
NORM_PHOTOGRAPHS, NORM_RENDERINGS = 84, 12  # behind the batch norms' statistics
RENDERING_SEED = 1
SHOWN_RENDERINGS = 16  # that tell one set of renderings from another
SHADE_SHARE, SHADE_CHANCE = 0.3, 0.35  # pixels of a colour that name it, and P(word) then


@dataclass(frozen=True)
class VisionRecipe:
    """Everything that decides what the encoder becomes, but for data and seed."""

    compact: CompactConfig
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    head: HeadRecipe = field(default_factory=HeadRecipe)
    renderings: int = 2_000
    held_out_renderings: int = 200
    rendering_views: int = 2
    control_limit: float = 0.5  # R2 that the overfit control must reach


@dataclass(frozen=True)
class WordScores:
    """The five words named, on held-out pictures.

    `photograph_precision`: share of them that the teacher's five best classes, or people, gave the photograph;
    `rendering_precision`: share that the rendering was drawn with; `constant_*`: what the same five words for all get.
    """

    photograph_precision: float
    constant_photograph_precision: float
    rendering_precision: float
    constant_rendering_precision: float
    photographs: int
    renderings: int

    def __str__(self) -> str:
        return (
            f"right words of five: {self.photograph_precision:.3f} (one answer for all "
            f"{self.constant_photograph_precision:.3f}) on {self.photographs} photographs, "
            f"{self.rendering_precision:.3f} ({self.constant_rendering_precision:.3f}) on {self.renderings} renderings"
        )


def _render(part: slice) -> NDArray[np.uint8]:
    drawn = [rendering(index, RENDERING_SEED) for index in range(part.start, part.stop)]
    return np.stack([resize(picture.pixels) for picture in drawn])


@dataclass(frozen=True)
class _Whole:
    """Whole pictures: mean features N x D, P(word) N x A, class probabilities N x C."""

    features: Tensor
    words: Tensor
    classes: Tensor


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
    def renderings(self) -> NDArray[np.uint8]:
        """Rendered pictures as the service would see them; the last ones are held out."""
        shape = (self._drawn, IMAGE_SIZE, IMAGE_SIZE, 3)
        path = self._cache / f"renderings-{self._drawings_key}.npy"
        return cached_array(path, shape, np.uint8, _render, self._progress.task("rendering pictures"))

    @property
    def _drawn(self) -> int:
        return self.recipe.renderings + self.recipe.held_out_renderings

    @cached_property
    def _drawings_key(self) -> str:
        """Names the renderings by what is drawn, as far as the first few show it."""
        return fingerprint(self._drawn, digest_arrays(_render(slice(0, SHOWN_RENDERINGS))))

    @cached_property
    def teacher(self) -> Teacher:
        return Teacher(self._data, self._device)

    @cached_property
    def encoder(self) -> RoundedEncoder:
        """The region encoder as it is served, with its attribute words, in eval mode."""
        encoder = round_encoder(
            self._distillation.encoder.eval(),
            (
                torch.from_numpy(part).to(self._device)
                for part in np.array_split(
                    self._lesson.whole, len(self._lesson.whole) // EVALUATION_BATCH + 1
                )
            ),
        )
        checkpoint = self._checkpoint("words", fingerprint(self.key, digest_weights(encoder)))
        saved = checkpoint.load()
        if saved is None:
            whole = self._whole(encoder, self._training_rows, np.arange(self.recipe.renderings))
            report = self._progress.task("attribute words")
            saved = fit_words(whole.features, whole.words, self.recipe.head, self._seed, report).state_dict()
            checkpoint.save(saved)
        encoder.attributes.load_state_dict(saved)
        halve(encoder)
        return encoder

    @cached_property
    def scores(self) -> EncoderScores:
        return self._distillation.score(served=self.encoder)

    @cached_property
    def word_scores(self) -> WordScores:
        held_out = np.flatnonzero(self.photographs.held_out)
        drawn = np.arange(self.recipe.renderings, len(self.renderings))
        whole = self._whole(self.encoder, held_out, drawn)
        with torch.no_grad():
            logits = self.encoder.attributes(whole.features)
        logits[:, [Vocabulary.PAD, Vocabulary.UNK]] = -torch.inf
        named = logits.topk(MAX_ATTRIBUTES).indices
        of_class = (
            self._table.to(self._device)[whole.classes[: len(held_out)].topk(5).indices].amax(1) > 0
        ).float()
        of_people = torch.zeros_like(of_class)
        for row, picture in enumerate(held_out):
            of_people[row, self._indices(self.photographs.items[picture].words)] = 1.0
        photographs = _precision(named[: len(held_out)], torch.maximum(of_class, of_people))
        renderings = _precision(named[len(held_out) :], whole.words[len(held_out) :])
        return WordScores(*photographs, *renderings, len(held_out), len(logits) - len(held_out))

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
        drawn = np.arange(self.recipe.renderings)
        rows = self._training_rows
        return Lesson(
            training=(
                self._views("photographs", photographs.pixels, rows, recipe.views),
                self._views("renderings", self.renderings, drawn, self.recipe.rendering_views),
            ),
            whole=self._norm_sample(),
            held_out=self._views("held-out", photographs.pixels, np.flatnonzero(photographs.held_out), 0),
        )

    def _norm_sample(self) -> NDArray[np.uint8]:
        """Whole training pictures in the proportions of the views."""
        rows = self._training_rows[:: max(1, len(self._training_rows) // NORM_PHOTOGRAPHS)]
        return np.concatenate([self.photographs.pixels[rows], self.renderings[:NORM_RENDERINGS]])

    @property
    def _training_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(~self.photographs.held_out)

    def _views(self, name: str, pictures: NDArray[np.uint8], rows: NDArray[np.int64], each: int) -> Views:
        side = self.recipe.encoder.side
        folder = (
            self._cache
            / f"{name}-{fingerprint(self.photographs.key, self._drawings_key, len(pictures), each, side, self._seed)}"
        )
        report = self._progress.task(f"the teacher's view of {name}")
        return watch(pictures, rows, each, side, self.teacher, folder, self._seed, report)

    def _whole(self, encoder: CompactEncoder, rows: NDArray[np.int64], drawn: NDArray[np.int64]) -> _Whole:
        """Of the photographs `rows` and then the renderings `drawn`."""
        pictures = [self.photographs.pixels[row] for row in rows] + [self.renderings[row] for row in drawn]
        features = []
        report = self._progress.task("features of whole pictures")
        for start in range(0, len(pictures), ENCODING_BATCH):
            pixels = np.stack(pictures[start : start + ENCODING_BATCH])
            with torch.inference_mode():
                grid = encoder.grid(torch.from_numpy(pixels).to(self._device))
                features.append(encoder.features(grid.flatten(2).transpose(1, 2)).mean(1))
            report(min(start + ENCODING_BATCH, len(pictures)), len(pictures))
        words = torch.cat([self._photograph_words[rows], self._rendering_words(drawn)])
        log_classes = self._log_classes[np.concatenate([rows, len(self.photographs) + drawn])]
        return _Whole(torch.cat(features).clone(), words.to(self._device), log_classes.to(self._device).exp())

    @cached_property
    def taught_words(self) -> NDArray[np.int64]:
        """The five likeliest words, N x 5, of each training photograph: what the encoder is taught to name."""
        words = self._photograph_words[self._training_rows].clone()
        words[:, [Vocabulary.PAD, Vocabulary.UNK]] = -1.0
        return words.topk(MAX_ATTRIBUTES).indices.numpy()

    @cached_property
    def _photograph_words(self) -> Tensor:
        """P(word), N x A: by the teacher's classes, by the picture's colours, and 1 for words that people used."""
        words = soft_targets(self._log_classes[: len(self.photographs)], self._table)
        for row, (item, pixels) in enumerate(
            zip(self.photographs.items, self.photographs.pixels, strict=True)
        ):
            shades = self._indices(name_shades(pixels, share=SHADE_SHARE))
            words[row, shades] = words[row, shades].clamp_min(SHADE_CHANCE)
            words[row, self._indices(item.words)] = 1.0
        return words

    def _rendering_words(self, drawn: NDArray[np.int64]) -> Tensor:
        """0 or 1, N x A: what a rendering shows is known."""
        words = torch.zeros(len(drawn), len(self._vocabulary))
        for row, index in enumerate(drawn):
            words[row, self._indices(rendering(int(index), RENDERING_SEED).words)] = 1.0
        return words

    def _indices(self, words: Iterable[str]) -> list[int]:
        return [self._vocabulary.index(word) for word in words if word in self._vocabulary]

    @cached_property
    def _log_classes(self) -> Tensor:
        """The teacher's log class probabilities of all photographs, then all renderings: N x C."""
        photographs, side = self.photographs, self.recipe.encoder.side

        def look(part: slice) -> NDArray[np.float32]:
            pictures = [
                photographs.pixels[row] if row < len(photographs) else self.renderings[row - len(photographs)]
                for row in range(part.start, part.stop)
            ]
            # at the scale that the teacher was trained for
            small = [np.asarray(Image.fromarray(picture).resize((side, side))) for picture in pictures]
            last = torch.from_numpy(self.teacher.maps(np.stack(small))[-1]).float().to(self._device)
            with torch.inference_mode():
                features = self.teacher.features(last.flatten(2).transpose(1, 2)).mean(1)
                return F.log_softmax(self.teacher.classes(features), dim=-1).cpu().numpy()

        shape = (len(photographs) + len(self.renderings), self.recipe.compact.n_classes)
        path = self._cache / f"classes-{fingerprint(photographs.key, self._drawings_key, side)}.npy"
        found = cached_array(path, shape, np.float32, look, self._progress.task("the teacher's classes"))
        return torch.from_numpy(np.array(found))

    @cached_property
    def _table(self) -> Tensor:
        return attribute_map(self.teacher.class_names, self._vocabulary)

    @property
    def _body_key(self) -> str:
        recipe = self.recipe
        return fingerprint(
            self.photographs.key,
            self._drawings_key,
            recipe.compact,
            recipe.encoder,
            recipe.renderings,
            recipe.rendering_views,
            self._seed,
        )

    @property
    def key(self) -> str:
        """Names the encoder with its attribute words."""
        table_key = hashlib.sha256(self._table.numpy().tobytes()).hexdigest()
        return fingerprint(self._body_key, self.recipe.head, self._vocabulary, table_key)

    def _checkpoint(self, name: str, key: str) -> Checkpoint:
        checkpoint = Checkpoint(self._runs / f"{name}.pt", key)
        if not self._resume:
            checkpoint.discard()
        return checkpoint


def _precision(named: Tensor, right: Tensor) -> tuple[float, float]:
    """Share of the words `named` N x 5 that are right (N x A, 0 or 1); and that of the best five words for all."""
    found = right.gather(1, named).mean().item()
    return found, right.mean(0).topk(named.shape[1]).values.mean().item()
