"""Training of the fusion model: one stage, used twice (text and attributes on labels; then all three modalities).

The model is chosen by validation accuracy with text and attributes, which is where labels by people exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from attendant.analysis.classification import score
from attendant.models.hfm import HfmConfig, HierarchicalFusion, build_hfm
from attendant.training.compute import autocast, seed_epoch
from attendant.training.examples import Example, Modalities, Noise, batches, collate, move
from attendant.training.progress import Report

EVALUATION_BATCH = 128


@dataclass(frozen=True)
class FusionRecipe:
    """How the fusion model is trained. `patience`: epochs without a better validation accuracy before it stops."""

    epochs: int = 5
    patience: int = 2
    batch: int = 64
    learning_rate: float = 1e-3
    decay: float = 0.8  # of the learning rate, an epoch
    weight_decay: float = 1e-7
    clip: float = 5.0
    averaging: float = 0.995  # what is judged and kept is this moving average of the weights


@dataclass(frozen=True)
class Source:
    """Examples of one kind: the modalities they are shown with, the noise on their words, how many make a batch."""

    examples: Sequence[Example]
    modalities: Modalities
    noise: Noise
    batch: int


def fresh_model(config: HfmConfig, seed: int) -> HierarchicalFusion:
    torch.manual_seed(seed)
    return build_hfm(config)


class FusionTraining:
    """A `Stage`: the model, its sources (their batches are interleaved at random) and the best weights so far."""

    def __init__(
        self,
        model: HierarchicalFusion,
        sources: Sequence[Source],
        validation: Sequence[Example],
        regions: NDArray[np.float16],
        recipe: FusionRecipe,
        device: torch.device,
        seed: int,
    ) -> None:
        self.model = model.to(device)
        moving = get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(self.model, multi_avg_fn=moving)
        self._sources = sources
        self._validation = validation
        self._regions = regions
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._optimizer = torch.optim.Adam(self.model.parameters(), weight_decay=recipe.weight_decay)
        self._best: dict[str, Any] = {}
        self._best_accuracy = 0.0
        self._since_best = 0

    def run_epoch(self, epoch: int, report: Report) -> str:
        self.model.train()
        generator = seed_epoch(self._seed, epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * self._recipe.decay**epoch
        steps = [
            (source, batch)
            for source in self._sources
            for batch in batches(source.examples, source.batch, generator)
        ]
        losses = []
        for done, index in enumerate(generator.permutation(len(steps)), start=1):
            source, examples = steps[index]
            losses.append(self._step(source, examples, generator))
            report(done, len(steps))
        return f"training loss {np.mean(losses):.4f}; {self._judge()}"

    def _step(self, source: Source, examples: Sequence[Example], generator: np.random.Generator) -> float:
        noisy = [
            Example(
                source.noise.tokens(example.tokens, generator),
                source.noise.attributes(example.attributes, generator),
                example.target,
                example.picture,
            )
            for example in examples
        ]
        batch = collate(noisy, source.modalities.draw(len(noisy), generator), self._regions)
        targets = torch.tensor([example.target for example in noisy], device=self._device)
        with autocast(self._device):
            logit = self.model(move(batch, self._device)).logit
        loss = F.binary_cross_entropy_with_logits(logit.float(), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._average.update_parameters(self.model)
        return loss.item()

    def _judge(self) -> str:
        """Scores the epoch on validation and keeps its weights where they are the best so far."""
        averaged = self._average.module
        assert isinstance(averaged, HierarchicalFusion)
        logits = predict(averaged, self._validation, "TA", self._regions, self._device)
        scores = score(_labels(self._validation), probability(logits))
        if scores.accuracy > self._best_accuracy:
            self._best = {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
            self._best_accuracy = scores.accuracy
            self._since_best = 0
        else:
            self._since_best += 1
        return f"validation: accuracy {scores.accuracy:.4f}, F1 {scores.f1:.4f}, calibration error {scores.ece:.4f}"

    @property
    def finished(self) -> bool:
        return self._since_best >= self._recipe.patience

    def best(self) -> HierarchicalFusion:
        """The model with the weights that did best on validation, in eval mode."""
        self.model.load_state_dict(self._best)
        return self.model.eval()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "best": self._best,
            "best_accuracy": self._best_accuracy,
            "since_best": self._since_best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best = state["best"]
        self._best_accuracy = state["best_accuracy"]
        self._since_best = state["since_best"]


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sigmoid."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([round(example.target) for example in examples])


@torch.inference_mode()
def predict(
    model: HierarchicalFusion,
    examples: Sequence[Example],
    modalities: str,
    regions: NDArray[np.float16],
    device: torch.device,
) -> NDArray[np.float64]:
    """Logits, N, from the modalities named (letters of TIA) that each example has."""
    model.eval()
    order = np.argsort([len(example.tokens) for example in examples], kind="stable")
    logits = np.zeros(len(examples))
    shown = Modalities(((modalities, 1.0),)).draw(EVALUATION_BATCH, np.random.default_rng(0))
    for start in range(0, len(order), EVALUATION_BATCH):
        rows = order[start : start + EVALUATION_BATCH]
        batch = collate([examples[row] for row in rows], shown[: len(rows)], regions)
        logits[rows] = model(move(batch, device)).logit.float().cpu().numpy()
    return logits
