"""The compact encoder, distilled from the image teacher: region features, pooled class probabilities, attribute words.

B pictures in a batch, c cells on a crop's side, D = 1280 teacher features, A attribute words, C = 1001 classes.
Crops follow the 32-pixel grid, so the teacher's features of the whole picture serve as targets of any crop.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from attendant.models.encoders import CELL, CompactConfig, CompactEncoder
from attendant.text import Vocabulary
from attendant.training.attributes import soft_targets
from attendant.training.compute import autocast, seed_epoch
from attendant.training.photographs import Photographs
from attendant.training.progress import Report
from attendant.training.teacher import TeacherView
from attendant.types import GRID

RARE = (
    -5.0
)  # log-odds of a word before anything is learnt: without it a thousand wrong guesses drown all else
CONTROL_STEPS = 150
CONTROL_PICTURES = 8
NORM_SAMPLE = 128  # training photographs behind the batch norms' statistics
CURVE_SAMPLE = 128  # held-out photographs behind the learning curve


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is trained: on crops, which are cheap and varied."""

    epochs: int = 12
    crop: int = 7  # cells
    batch: int = 16
    learning_rate: float = 2e-3
    head_rate: float = 0.2  # of the learning rate
    weight_decay: float = 0.05
    warm_up: int = 100  # steps
    region_weight: float = 2.0
    pooled_weight: float = 1.0
    class_weight: float = 1.0
    attribute_weight: float = 0.03


@dataclass(frozen=True)
class EncoderScores:
    """How well photographs agree with the teacher; `constant_*` is the most that one answer for all of them gets.

    `r2` of the teacher's standardised features a region; `top1_in_top5` of the pooled predictions;
    `attribute_precision`: of the five words named, the share that the teacher's five best classes bring.
    """

    r2: float
    top1_in_top5: float
    constant_in_top5: float
    attribute_precision: float
    constant_precision: float
    photographs: int


class Student(nn.Module):
    """The encoder and a linear layer to the teacher's features, which is for training only."""

    def __init__(self, config: CompactConfig, teacher: TeacherView) -> None:
        super().__init__()
        self.encoder = CompactEncoder(config)
        # Centred inputs and small steps (`EncoderRecipe.head_rate`): a wide head on ReLU features, at the body's
        # rate, adds more noise than the body learns.
        self.centre = nn.BatchNorm1d(self.encoder.region_width, affine=False)
        self.head = nn.Linear(self.encoder.region_width, len(teacher.mean))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        nn.init.constant_(self.encoder.attributes[-1].bias, RARE)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 B x 32c x 32c x 3: standardised teacher features B x c*c x D, attribute logits B x A."""
        encoding = self.encoder(pixels)
        assert encoding.attribute_logits is not None
        centred = self.centre(encoding.regions.flatten(0, 1)).view_as(encoding.regions)
        return self.head(centred), encoding.attribute_logits


@dataclass(frozen=True)
class Batch:
    pixels: Tensor  # uint8 B x 32c x 32c x 3
    grids: Tensor  # float B x c*c x D, as the teacher gave them
    words: Tensor  # float B x A, 1 for words that people used of the picture


class Crops:
    """Batches of photographs, of crops or whole."""

    def __init__(self, photographs: Photographs, teacher: TeacherView, vocabulary: Vocabulary) -> None:
        self._photographs = photographs
        self._grids = teacher.grids
        self._vocabulary = vocabulary
        self.training = np.flatnonzero(~photographs.held_out)
        self.held_out = np.flatnonzero(photographs.held_out)

    def __call__(
        self, rows: NDArray[np.int64], cells: int = GRID, generator: np.random.Generator | None = None
    ) -> Batch:
        """Whole pictures as they are; with a generator, random crops of `cells`, mirrored and brightened at random."""
        parts = [self._one(int(row), cells, generator) for row in rows]
        return Batch(
            torch.from_numpy(np.stack([pixels for pixels, _ in parts])),
            torch.from_numpy(np.stack([grid for _, grid in parts])).float().flatten(1, 2),
            torch.stack([self._words(int(row)) for row in rows]),
        )

    def _one(
        self, row: int, cells: int, generator: np.random.Generator | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        pixels, grid = self._photographs.pixels[row], self._grids[row]
        if generator is None:
            return np.asarray(pixels), np.asarray(grid)
        top, left = generator.integers(0, GRID - cells + 1, 2)
        mirror = slice(None, None, -1 if generator.random() < 0.5 else 1)
        rows, columns = slice(top * CELL, (top + cells) * CELL), slice(left * CELL, (left + cells) * CELL)
        gain, shift = generator.uniform(0.8, 1.2), generator.uniform(-20, 20)
        light = np.clip(np.arange(256) * gain + shift, 0, 255).astype(np.uint8)
        return light[pixels[rows, columns][:, mirror]], grid[top : top + cells, left : left + cells][
            :, mirror
        ]

    def _words(self, row: int) -> Tensor:
        words = torch.zeros(len(self._vocabulary))
        for word in self._photographs.items[row].words:
            if word in self._vocabulary:
                words[self._vocabulary.index(word)] = 1.0
        return words


class Distillation:
    """One training of a student: its losses, its epochs and its scores."""

    def __init__(
        self,
        config: CompactConfig,
        teacher: TeacherView,
        crops: Crops,
        table: Tensor,
        recipe: EncoderRecipe,
        device: torch.device,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.student = Student(config, teacher).to(device)
        self._mean, self._std = teacher.mean.to(device), teacher.std.to(device)
        self._classify = teacher.classify.to(device)
        self._table = table.to(device)
        self._crops = crops
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.student.encoder.parameters(), "share": 1.0},
                {"params": self.student.head.parameters(), "share": recipe.head_rate},
            ],
            weight_decay=recipe.weight_decay,
        )

    def standardise(self, grids: Tensor) -> Tensor:
        """The teacher's features with mean 0 and variance 1 over training regions."""
        return (grids.to(self._device) - self._mean) / self._std

    def step(self, batch: Batch, learning_rate: float) -> float:
        """One step; returns the regions' squared error (1 is what a constant gets)."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        target = self.standardise(batch.grids)
        with autocast(self._device):
            predicted, logits = self.student(batch.pixels.to(self._device))
        predicted, logits = predicted.float(), logits.float()
        region = F.mse_loss(predicted, target)
        loss = self._recipe.region_weight * region + self._pooled_loss(predicted, target, logits, batch.words)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        return region.item()

    def _pooled_loss(self, predicted: Tensor, target: Tensor, logits: Tensor, words: Tensor) -> Tensor:
        predicted, target = predicted.mean(1), target.mean(1)
        wanted = self._log_probabilities(target)
        classes = F.kl_div(self._log_probabilities(predicted), wanted, reduction="batchmean", log_target=True)
        named = torch.maximum(soft_targets(wanted, self._table), words.to(self._device))
        attributes = F.binary_cross_entropy_with_logits(logits, named, reduction="sum") / len(logits)
        recipe = self._recipe
        pooled = F.mse_loss(predicted, target)
        return (
            recipe.pooled_weight * pooled
            + recipe.class_weight * classes
            + recipe.attribute_weight * attributes
        )

    def _log_probabilities(self, standardised: Tensor) -> Tensor:
        """Mean standardised features B x D to the teacher's log class probabilities B x C."""
        return F.log_softmax(self._classify(standardised * self._std + self._mean), dim=-1)

    def run_epoch(self, epoch: int, report: Report) -> str:
        """All training photographs once; says the mean squared error of the regions."""
        self.student.train()
        generator = seed_epoch(self._seed, epoch)
        batches = list(_batches(generator.permutation(self._crops.training), self._recipe.batch))
        steps = len(batches) * self._recipe.epochs
        errors = []
        for index, chosen in enumerate(batches):
            batch = self._crops(chosen, self._recipe.crop, generator)
            rate = learning_rate(epoch * len(batches) + index, steps, self._recipe)
            errors.append(self.step(batch, rate))
            report(index + 1, len(batches))
        self._measure_norms()
        scores = self.score(self._crops.held_out[:CURVE_SAMPLE])
        return f"training error {np.mean(errors):.4f}; held out: {scores}"

    @torch.inference_mode()
    def _measure_norms(self) -> None:
        """The batch norms' statistics afresh, on whole pictures: on crops, borders weigh more."""
        norms = [module for module in self.student.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over what follows
        for chosen in _batches(self._crops.training[:NORM_SAMPLE], self._recipe.batch):
            self.student(self._crops(chosen).pixels.to(self._device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    @property
    def finished(self) -> bool:
        return False

    def state(self) -> dict[str, Any]:
        return {"student": self.student.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])

    @torch.inference_mode()
    def score(self, rows: NDArray[np.int64]) -> EncoderScores:
        """Scores on the photographs `rows`, whole."""
        self.student.eval()
        squared, total = 0.0, 0.0
        best, first, words = [], [], []
        for chosen in _batches(rows, self._recipe.batch):
            batch = self._crops(chosen)
            target = self.standardise(batch.grids)
            predicted, logits = self.student(batch.pixels.to(self._device))
            squared += (predicted - target).square().sum().item()
            total += target.square().sum().item()
            best.append(self._log_probabilities(target.mean(1)).topk(5).indices)
            first.append(self._log_probabilities(predicted.mean(1)).argmax(-1, keepdim=True))
            words.append(logits.topk(5).indices)
        return self._agreement(1 - squared / total, torch.cat(best), torch.cat(first), torch.cat(words))

    def _agreement(self, r2: float, best: Tensor, first: Tensor, words: Tensor) -> EncoderScores:
        """From the teacher's five best classes N x 5, the student's best N x 1 and its five words N x 5."""
        allowed = self._table[best].amax(1)  # N x A
        return EncoderScores(
            r2=r2,
            top1_in_top5=(best == first).any(-1).float().mean().item(),
            constant_in_top5=best.flatten().bincount().max().item() / len(best),
            attribute_precision=allowed.gather(1, words).mean().item(),
            constant_precision=allowed.mean(0).topk(5).values.mean().item(),
            photographs=len(best),
        )


def learning_rate(step: int, steps: int, recipe: EncoderRecipe) -> float:
    """A linear warm-up, then a half cosine to zero."""
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def _batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def overfit_control(distillation: Distillation, crops: Crops, report: Report) -> float:
    """R2 that a student reaches on eight fixed crops; near 0 says that the training is broken."""
    batch = crops(crops.training[:CONTROL_PICTURES], 4, np.random.default_rng(0))
    distillation.student.train()
    error = 1.0
    for step in range(CONTROL_STEPS):
        error = distillation.step(batch, 2e-3 * min(1.0, (step + 1) / 20))
        report(step + 1, CONTROL_STEPS)
    target = distillation.standardise(batch.grids)
    return 1 - error / float((target - target.mean((0, 1))).square().mean())
