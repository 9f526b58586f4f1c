"""The compact encoder's body and classes, distilled from the image teacher.

B views; K depths of the teacher, where the encoder's stages end; R regions of d values, D = 1280 features,
C = 1001 classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from attendant.models.encoders import CompactConfig, CompactEncoder, scale
from attendant.training.compute import autocast, seed_epoch
from attendant.training.progress import Report
from attendant.training.teacher import DEPTHS, Teacher
from attendant.training.views import Views

ALL = slice(0, len(DEPTHS))
CONTROL_STEPS = 120
CONTROL_VIEWS = 8
STATISTICS_SAMPLE = 2_048  # views
EVALUATION_BATCH = 8
CURVE_SAMPLE = 96  # held-out pictures behind the learning curve


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is distilled.

    For `apart` epochs its parts learn one by one, each from the teacher's map where the part before ends: cheap, and
    all parts learn from the start. For `together` more the whole learns, from pixels: what the later parts are given
    is then what the earlier ones make of a picture. For each of `again` it goes on so from a fresh learning rate.
    """

    views: int = 4  # of each photograph
    side: int = 224  # of a view, pixels
    apart: int = 2
    together: int = 3
    again: tuple[int, ...] = (6, 6)
    parts: tuple[tuple[int, int, float], ...] = ((0, 1, 0.25), (1, 2, 0.25), (2, 4, 0.5))
    """Stages [from, to), and the share of the steps that are theirs while parts learn one by one."""
    batch: int = 8  # steps count more than their size: every view has hundreds of places to learn from
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: int = 200  # steps
    map_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 2.0)
    feature_weight: float = 1.0
    class_weight: float = 0.2

    @property
    def rounds(self) -> tuple[int, ...]:
        """Epochs of each fall of the learning rate."""
        return self.apart + self.together, *self.again

    @property
    def epochs(self) -> int:
        return sum(self.rounds)


@dataclass(frozen=True)
class EncoderScores:
    """Agreement with the teacher on held-out pictures.

    `map_r2`: explained variance of its standardised maps at each depth, the encoder running in float; `feature_r2`:
    of its features of a region, each scaled to variance 1; `top1_in_top5` of the pooled and of the regional
    predictions.
    """

    map_r2: tuple[float, ...]
    feature_r2: float
    top1_in_top5: float
    region_top1_in_top5: float
    pictures: int

    def __str__(self) -> str:
        maps = " ".join(f"{r2:.3f}" for r2 in self.map_r2)
        return (
            f"R2 of the maps {maps}, of the features {self.feature_r2:.3f}; best class in the teacher's five: "
            f"pooled {self.top1_in_top5:.3f}, regional {self.region_top1_in_top5:.3f} ({self.pictures} pictures)"
        )


@dataclass(frozen=True)
class Batch:
    pixels: Tensor  # uint8 B x S x S x 3
    maps: tuple[Tensor, ...]  # float B x C x h x w, as the teacher gave them


class Standard:
    """Mean 0 and variance 1 a channel, over the training views, for each of the teacher's maps."""

    def __init__(self, views: Sequence[Views], device: torch.device) -> None:
        self.means, self.stds = [], []
        for depth in range(len(DEPTHS)):
            sample = np.concatenate([_sample(part.maps[depth]) for part in views]).astype(np.float32)
            mean, std = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clip(1e-2)
            self.means.append(torch.from_numpy(mean).view(1, -1, 1, 1).to(device))
            self.stds.append(torch.from_numpy(std).view(1, -1, 1, 1).to(device))

    def __call__(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [(grid - mean) / std for grid, mean, std in zip(maps, self.means, self.stds, strict=True)]


def _sample(maps: NDArray[np.float16]) -> NDArray[np.float16]:
    step = max(1, len(maps) // STATISTICS_SAMPLE)
    return np.asarray(maps[::step])


@dataclass(frozen=True)
class Lesson:
    """What is learnt from: training views; whole training pictures for the batch norms; held-out pictures, whole."""

    training: tuple[Views, ...]
    whole: NDArray[np.uint8]
    held_out: Views


class Distillation:
    """A `Stage`: one training of an encoder."""

    def __init__(
        self,
        config: CompactConfig,
        teacher: Teacher,
        lesson: Lesson,
        recipe: EncoderRecipe,
        device: torch.device,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.encoder = CompactEncoder(config).to(device)
        nn.init.zeros_(self.encoder.classes.weight)
        nn.init.zeros_(self.encoder.classes.bias)
        self._teacher = teacher
        self._lesson = lesson
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._standard = Standard(lesson.training, device)
        self._owners = np.concatenate(
            [
                np.stack([np.full(len(part), which), np.arange(len(part))], axis=1)
                for which, part in enumerate(lesson.training)
            ]
        )
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), weight_decay=recipe.weight_decay, fused=True
        )

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return math.ceil(len(self._owners) / self._recipe.batch)

    def step(self, batch: Batch, rate: float, part: slice = ALL) -> list[float]:
        """One step of the stages in `part`; returns their maps' squared errors (1 is what a constant gets)."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        targets = self._standard(batch.maps)
        x = targets[part.start - 1] if part.start else _images(batch.pixels.to(self._device))
        errors, loss = [], torch.zeros((), device=self._device)
        with autocast(self._device):
            for depth in range(part.start, part.stop):
                x = self.encoder.stages[depth](x)
                errors.append(F.mse_loss(x.float(), targets[depth]))
                loss = loss + self._recipe.map_weights[depth] * errors[-1]
            if part.stop == len(DEPTHS):
                loss = loss + self._feature_loss(x, batch.maps[-1])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.encoder.parameters(), 2.0)
        self.optimizer.step()
        return [error.item() for error in errors]

    def _feature_loss(self, grid: Tensor, wanted_grid: Tensor) -> Tensor:
        """Features, and what their mean says of the classes; grids B x d x h x w."""
        features = self.encoder.features(_regions(grid)).float()
        wanted = self._teacher.features(_regions(wanted_grid))
        recipe = self._recipe
        return recipe.feature_weight * F.mse_loss(features, wanted) + recipe.class_weight * self._class_loss(
            features.mean(1), wanted.mean(1)
        )

    def _class_loss(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Divergence of the teacher's class probabilities, from features N x D each."""
        log_found = F.log_softmax(self.encoder.classes(found), dim=-1)
        log_wanted = F.log_softmax(self._teacher.classes(wanted), dim=-1)
        return F.kl_div(log_found, log_wanted, reduction="batchmean", log_target=True)

    def run_epoch(self, epoch: int, report: Report) -> str:
        """All training views once; says how well the held-out pictures are understood."""
        self.encoder.train()
        generator = seed_epoch(self._seed, epoch)
        order = generator.permutation(len(self._owners))
        apart = epoch < self._recipe.apart
        errors: list[list[float]] = [[] for _ in DEPTHS]
        for index in range(self.steps):
            rows = self._owners[order[index * self._recipe.batch : (index + 1) * self._recipe.batch]]
            rate = learning_rate(epoch * self.steps + index, self.steps, self._recipe)
            part = self._draw_part(generator) if apart else ALL
            found = self.step(self._batch(rows), rate, part)
            for depth, error in zip(range(part.start, part.stop), found, strict=True):
                errors[depth].append(error)
            report(index + 1, self.steps)
        self._measure_norms()
        training = " ".join(f"{1 - np.mean(part):.3f}" if part else "-" for part in errors)
        return f"training R2 {training}; held out: {self.score(CURVE_SAMPLE)}"

    def _draw_part(self, generator: np.random.Generator) -> slice:
        shares = [share for *_, share in self._recipe.parts]
        start, stop, _ = self._recipe.parts[generator.choice(len(shares), p=shares)]
        return slice(start, stop)

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        """`rows` B x 2: which views, and which of them."""
        parts = self._lesson.training
        pixels = np.stack([parts[which].pixels[row] for which, row in rows])
        maps = [
            np.stack([parts[which].maps[depth][row] for which, row in rows]) for depth in range(len(DEPTHS))
        ]
        return Batch(
            torch.from_numpy(pixels),
            tuple(torch.from_numpy(grid).to(self._device).float() for grid in maps),
        )

    @torch.inference_mode()
    def _measure_norms(self) -> None:
        """The batch norms' statistics afresh, on whole pictures: in views, borders weigh more."""
        self.encoder.train()
        norms = [module for module in self.encoder.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over what follows
        whole = self._lesson.whole
        for start in range(0, len(whole), EVALUATION_BATCH):
            self.encoder.grid(torch.from_numpy(whole[start : start + EVALUATION_BATCH]).to(self._device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    @property
    def finished(self) -> bool:
        return False

    def state(self) -> dict[str, Any]:
        return {"encoder": self.encoder.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self.optimizer.load_state_dict(state["optimizer"])

    @torch.inference_mode()
    def score(self, limit: int | None = None, served: CompactEncoder | None = None) -> EncoderScores:
        """Scores on the held-out pictures, whole; the first `limit` of them.

        With `served`, what is said of features and classes is said of that encoder.
        """
        self.encoder.eval()
        judged = served or self.encoder
        held_out = self._lesson.held_out
        count = min(limit or len(held_out), len(held_out))
        squared, variance = np.zeros(len(DEPTHS)), np.zeros(len(DEPTHS))
        errors, sums, squares, regions = (torch.zeros((), dtype=torch.float64) for _ in range(4))
        pooled, regional = [], []
        for start in range(0, count, EVALUATION_BATCH):
            stop = min(start + EVALUATION_BATCH, count)
            maps = [
                torch.from_numpy(np.array(part[start:stop])).to(self._device).float()
                for part in held_out.maps
            ]
            targets = self._standard(maps)
            pixels = torch.from_numpy(np.array(held_out.pixels[start:stop])).to(self._device)
            x = _images(pixels)
            for depth, (stage, target) in enumerate(zip(self.encoder.stages, targets, strict=True)):
                x = stage(x)
                squared[depth] += (x - target).square().mean().item() * (stop - start)
                variance[depth] += target.square().mean().item() * (stop - start)
            if served is not None:
                x = served.grid(pixels)
            features, wanted = judged.features(_regions(x)), self._teacher.features(_regions(maps[-1]))
            errors = errors + (features - wanted).square().sum((0, 1)).double().cpu()
            sums = sums + wanted.sum((0, 1)).double().cpu()
            squares = squares + wanted.square().sum((0, 1)).double().cpu()
            regions += wanted.shape[0] * wanted.shape[1]
            pooled.append(self._agrees(judged, features.mean(1), wanted.mean(1)))
            regional.append(self._agrees(judged, features.flatten(0, 1), wanted.flatten(0, 1)))
        spread = (squares - sums.square() / regions).clamp_min(
            1e-4 * regions
        )  # some features hardly ever are not 0
        return EncoderScores(
            map_r2=tuple(map(float, 1 - squared / variance)),
            feature_r2=1 - (errors / spread).mean().item(),
            top1_in_top5=torch.cat(pooled).float().mean().item(),
            region_top1_in_top5=torch.cat(regional).float().mean().item(),
            pictures=count,
        )

    def _agrees(self, encoder: CompactEncoder, found: Tensor, wanted: Tensor) -> Tensor:
        """Whether the encoder's best class is among the teacher's five, from features N x D each."""
        best = self._teacher.classes(wanted).topk(5).indices
        agrees: Tensor = (best == encoder.classes(found).argmax(-1, keepdim=True)).any(-1)
        return agrees


def learning_rate(step: int, steps: int, recipe: EncoderRecipe) -> float:
    """In each round a linear warm-up, then a half cosine to zero; `steps` an epoch.

    Warm restarts: Loshchilov and Hutter 2017, equation 5.
    """
    ends = np.cumsum(recipe.rounds) * steps
    here = int(np.searchsorted(ends, step, side="right"))
    start, length = int(ends[here]) - recipe.rounds[here] * steps, recipe.rounds[here] * steps
    warm = min(1.0, (step - start + 1) / recipe.warm_up)
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * (step - start) / length))


def overfit_control(distillation: Distillation, report: Report) -> float:
    """R2 of the last map that an encoder on its own reaches on eight fixed views; near 0: the training is broken."""
    batch = distillation._batch(distillation._owners[:CONTROL_VIEWS])  # noqa: SLF001 - of one room
    distillation.encoder.train()
    error = 1.0
    for step in range(CONTROL_STEPS):
        error = distillation.step(batch, 2e-3 * min(1.0, (step + 1) / 20))[-1]
        report(step + 1, CONTROL_STEPS)
    return 1 - error


def _images(pixels: Tensor) -> Tensor:
    return scale(pixels).contiguous(memory_format=torch.channels_last)


def _regions(grid: Tensor) -> Tensor:
    """B x d x h x w to B x R x d."""
    return grid.flatten(2).transpose(1, 2)
