"""Training FCAM on mosaics of CIFAR-10, with all five mechanisms alike (spec: SDC; facts: training).

The focus net runs once on every image of a step, not once on every segment. With the paper's fixed 30,000 mosaics that
saves little, for few segments of a step share an image. A recipe may instead draw the mosaics of each step anew from a
few images (`fresh_images`): several times the mosaics a second, and another protocol than the paper's.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attendant.models.fcam import Fcam, FcamConfig, build_fcam
from attendant.models.focus_maps import LossOptions
from attendant.models.segments import prepare
from attendant.statistics.focus import FocusMeasures, Outcomes, measure_focus
from attendant.training.checkpoints import Checkpoint, digest_arrays, fingerprint
from attendant.training.compute import autocast, bfloat16_pays, describe, seed_epoch
from attendant.training.mosaics import Indices, Mosaics, Split, bank_mosaics
from attendant.training.progress import Progress, Report
from attendant.training.stages import run_stage

WATCHED = 1_000  # mosaics of each split that an epoch ends with a look at
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class SdcRecipe:
    """What decides how a model is trained, but for its config, data and seed."""

    epochs: int = 24
    batch: int = 64  # mosaics a step
    learning_rate: float = 3e-3  # at its peak; linear up, then down to nothing as a cosine
    warm_up: float = 0.2  # share of all steps on the way up
    weight_decay: float = 0.05
    flips: bool = True  # mirror half of the images at each step
    fresh_images: int = 0  # that the mosaics of a step are drawn from anew; 0: the fixed mosaics
    options: LossOptions = field(default_factory=LossOptions)


class Step(NamedTuple):
    """Mosaics that share images: `images` N into the bank, `indices` B x m into those, `labels` B."""

    images: Indices
    indices: Indices
    labels: Indices


@dataclass(frozen=True)
class Moment:
    """What a model was after an epoch, on the first mosaics of either split."""

    epoch: int
    loss: float
    segments_per_second: float
    where: str  # it ran: device, threads, precision
    training: FocusMeasures
    test: FocusMeasures


class SdcStage:
    """A model in training; a stage of `attendant.training.stages`."""

    def __init__(
        self,
        config: FcamConfig,
        recipe: SdcRecipe,
        training: Mosaics,
        test: Mosaics,
        seed: int,
        device: torch.device,
    ) -> None:
        torch.manual_seed(seed)
        self.model = build_fcam(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.moments: list[dict[str, Any]] = []
        self._recipe = recipe
        self._training = training
        self._watched = training.some(slice(WATCHED)), test.some(slice(WATCHED))
        self._seed = seed
        self._device = device
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    finished = False  # the learning rate ends at 0 with the last epoch

    def run_epoch(self, epoch: int, report: Report) -> str:
        rng = seed_epoch(self._seed, epoch)
        steps = math.ceil(len(self._training) / self._recipe.batch)
        self.model.train()
        losses = torch.zeros((), device=self._device)
        segments = 0
        started = time.perf_counter()
        for number, step in enumerate(self._steps(rng)):
            self._set_rate((epoch + number / steps) / self._recipe.epochs)
            losses += self._train(step, rng)
            segments += step.indices.size
            report(number + 1, steps)
        loss = float(losses) / steps
        rate = segments / (time.perf_counter() - started)
        training, test = (measure_focus(answer(self.model, split, self._device)) for split in self._watched)
        self.moments.append(asdict(Moment(epoch + 1, loss, rate, describe(self._device), training, test)))
        return (
            f"loss {loss:.4f}, accuracy {training.accuracy.value:.3f} in training and "
            f"{test.accuracy.value:.3f} held out, true focus {training.focus_true.value:.3f} and "
            f"{test.focus_true.value:.3f}, NNZ {test.nnz:.2f}, {rate:,.0f} segments/s"
        )

    def _steps(self, rng: np.random.Generator) -> Iterator[Step]:
        if self._recipe.fresh_images:
            return fresh_steps(self._training, self._recipe, rng)
        return fixed_steps(self._training, self._recipe.batch, rng)

    def _set_rate(self, done: float) -> None:
        """The learning rate when that share of the training is done."""
        warm_up = self._recipe.warm_up
        share = (
            done / warm_up
            if done < warm_up
            else (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2
        )
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * share

    def _train(self, step: Step, rng: np.random.Generator) -> Tensor:
        """One step; its loss."""
        elements = prepare(self._training.bank[step.images], self._device)
        if self._recipe.flips:
            mirrored = torch.from_numpy(rng.random(len(elements)) < 0.5).to(self._device)
            elements = torch.where(mirrored[:, None, None, None], elements.flip(-1), elements)
        indices, labels = (torch.from_numpy(part).to(self._device) for part in (step.indices, step.labels))
        with autocast(self._device):
            loss: Tensor = self.model.loss(self.model.encode(elements, indices), labels, self._recipe.options)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "moments": self.moments,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.moments = state["moments"]


def fixed_steps(mosaics: Mosaics, batch: int, rng: np.random.Generator) -> Iterator[Step]:
    """All mosaics once, in random order."""
    order = rng.permutation(len(mosaics))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        images, indices = np.unique(mosaics.indices[rows], return_inverse=True)
        yield Step(images, indices.reshape(len(rows), -1), mosaics.labels[rows])


def fresh_steps(mosaics: Mosaics, recipe: SdcRecipe, rng: np.random.Generator) -> Iterator[Step]:
    """As many mosaics as there are, each step's drawn from `fresh_images` images of those that `mosaics` has.

    Three in eight of the images are foregrounds, of each class as many.
    """
    own = mosaics.foreground_indices
    pools = [np.unique(own[mosaics.labels == label]) for label in range(mosaics.classes)]
    behind = np.unique(mosaics.background_indices)
    share = recipe.fresh_images * 3 // (8 * mosaics.classes)
    sizes = [share] * mosaics.classes + [recipe.fresh_images - share * mosaics.classes]
    ends = np.cumsum(sizes)
    places = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    for start in range(0, len(mosaics), recipe.batch):
        images = np.concatenate(
            [
                rng.choice(pool, size, replace=False)
                for pool, size in zip([*pools, behind], sizes, strict=True)
            ]
        )
        count = min(recipe.batch, len(mosaics) - start)
        drawn = bank_mosaics(
            images,
            places[:-1],
            places[-1],
            count,
            split=Split.TRAINING,
            segments=mosaics.segments,
            seed=int(rng.integers(2**63)),
        )
        yield Step(images, drawn.indices, drawn.labels)


class Response(NamedTuple):
    """What a model says of N mosaics, float32: `weights` are those of its answers, N x m."""

    scores: NDArray[np.float32]  # N x m
    weights: NDArray[np.float32]  # N x m
    probabilities: NDArray[np.float32]  # N x k


@torch.inference_mode()
def respond(model: Fcam, mosaics: Mosaics, device: torch.device) -> Response:
    """The model's answers to all mosaics; f runs once an image."""
    model.eval()
    images, places = np.unique(mosaics.indices, return_inverse=True)
    chunks = np.split(images, range(EVALUATION_BATCH, len(images), EVALUATION_BATCH))
    parts = [model.examine(prepare(mosaics.bank[chunk], device)) for chunk in chunks]
    scores, phi = (torch.cat(part) for part in zip(*parts, strict=True))
    indices = torch.from_numpy(places.reshape(mosaics.indices.shape)).to(device)  # N x m
    weights = model.config.mechanism.focus_map.weights(scores[indices])
    batches = zip(*(torch.split(part, EVALUATION_BATCH) for part in (indices, weights)), strict=True)
    probabilities = torch.cat([model.tail(phi[some], alpha).probabilities for some, alpha in batches])
    return Response(*(part.cpu().numpy() for part in (scores[indices], weights, probabilities)))


def answer(model: Fcam, mosaics: Mosaics, device: torch.device) -> Outcomes:
    """The model's answers beside the truth."""
    found = respond(model, mosaics, device)
    predicted = found.probabilities.argmax(axis=1)
    return Outcomes(found.weights, predicted, mosaics.labels, mosaics.foreground, found.scores)


def train(  # noqa: PLR0913 - what a training is made of
    config: FcamConfig,
    recipe: SdcRecipe,
    training: Mosaics,
    test: Mosaics,
    *,
    seed: int,
    checkpoint: Path,
    progress: Progress,
    device: torch.device,
    resume: bool = True,
) -> tuple[SdcStage, float]:
    """The stage after all its epochs, from the checkpoint where there is one; and the seconds that they took."""
    parts = (part for split in (training, test) for part in (split.indices, split.labels))
    data = digest_arrays(training.bank, *parts)
    saved = Checkpoint(checkpoint, fingerprint(config, recipe, data, seed, bfloat16_pays(device)))
    if not resume:
        saved.discard()
    stage = SdcStage(config, recipe, training, test, seed, device)
    seconds = run_stage(checkpoint.stem, stage, recipe.epochs, saved, progress)
    stage.model.eval()
    return stage, seconds
