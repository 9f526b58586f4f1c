"""Training of the fusion model: text and attributes first, then, with those untouched, what an image touches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from attendant.models.hfm import HfmConfig, HierarchicalFusion, RepresentationAttention, build_hfm
from attendant.training.compute import autocast, seed_epoch
from attendant.training.examples import (
    Example,
    Indices,
    Modalities,
    Noise,
    batches,
    collate,
    move,
    sample_regions,
)
from attendant.training.progress import Report
from attendant.types import MODALITIES, Modality

EVALUATION_BATCH = 128
TINY = 1e-9
TEXT, IMAGE = (MODALITIES.index(modality) for modality in (Modality.TEXT, Modality.IMAGE))
NO_MEANINGS = np.zeros((0, 1), np.float32)
NO_FOCUS = np.zeros((0, 1), np.float16)


@dataclass(frozen=True)
class FusionRecipe:
    """How the fusion model is trained. `patience`: epochs that may be no better before it stops.

    There is no weight decay: Adam would turn the least of it into full steps for weights that a batch does not touch.
    """

    epochs: int = 3
    patience: int = 2
    batch: int = 64
    learning_rate: float = 1e-3
    decay: float = 0.6  # of the learning rate, an epoch
    clip: float = 5.0
    averaging: float = 0.995  # what is judged and kept is this moving average of the weights
    meaning_weight: float = 1.0  # of the error of sentence vectors (variance 1) told from the mean token
    focus_weight: float = 0.0  # of the divergence of an image's attention from where its words are seen


@dataclass(frozen=True)
class Source:
    """Examples of one kind: the modalities they are shown with, the noise on their words, how many make a batch.

    `regions`: how many of a picture's regions are shown, one of each square of neighbours at random; 0 shows all.
    """

    examples: Sequence[Example]
    modalities: Modalities
    noise: Noise
    batch: int
    regions: int = 0


def fresh_model(config: HfmConfig, seed: int) -> HierarchicalFusion:
    torch.manual_seed(seed)
    return build_hfm(config)


@dataclass(frozen=True)
class Verdict:
    """How good weights are: more is better; and a line for people."""

    value: float
    line: str


Judge = Callable[[HierarchicalFusion], Verdict]


def keep_image_side(model: HierarchicalFusion) -> HierarchicalFusion:
    """Leaves nothing but what an image touches to be trained, so that answers without one stay as they are."""
    model.requires_grad_(requires_grad=False)
    fusion, (text, image, attribute) = model.fusion, model.attention
    for module in (model.image, image, fusion.hidden[IMAGE], fusion.score[IMAGE], fusion.value[IMAGE]):
        module.requires_grad_(requires_grad=True)
    for target in (text, attribute):
        assert isinstance(target, RepresentationAttention)
        target.source[IMAGE].requires_grad_(requires_grad=True)
        target.score[IMAGE].requires_grad_(requires_grad=True)
        # the three sources' scorers are rows of one matrix
        weight = target.element.weight
        weight.requires_grad = True
        rows = torch.zeros_like(weight)
        start = sum(target.hidden_widths[:IMAGE])
        rows[start : start + target.hidden_widths[IMAGE]] = 1.0
        weight.register_hook(rows.mul)  # type: ignore[no-untyped-call]
    return model


class FusionTraining:
    """A `Stage`: the model, its sources (their batches are interleaved at random) and the best weights so far."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that it depends on
        self,
        model: HierarchicalFusion,
        sources: Sequence[Source],
        judge: Judge,
        regions: NDArray[np.float16],
        recipe: FusionRecipe,
        device: torch.device,
        seed: int,
        meanings: NDArray[np.float32] = NO_MEANINGS,
        focus: NDArray[np.float16] = NO_FOCUS,
    ) -> None:
        self.model = model.to(device)
        torch.manual_seed(seed)
        # Only for training: what the model's mean token says of the sentence's meaning
        self._meaning = nn.Linear(model.config.widths[0], meanings.shape[1]).to(device)
        self._meanings = meanings
        self._focus = focus
        moving = get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(self.model, multi_avg_fn=moving)
        self._sources = sources
        self._judge = judge
        self._regions = regions
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._optimizer = torch.optim.Adam(
            [
                parameter
                for module in (self.model, self._meaning)
                for parameter in module.parameters()
                if parameter.requires_grad
            ],
            fused=True,
        )
        self._best: dict[str, Any] = {}
        self._best_value = -float("inf")
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
        return f"training loss {np.mean(losses):.4f}; {self._keep_best()}"

    def _step(self, source: Source, examples: Sequence[Example], generator: np.random.Generator) -> float:
        noisy = [
            replace(
                example,
                tokens=source.noise.tokens(example.tokens, generator),
                attributes=source.noise.attributes(example.attributes, generator),
            )
            for example in examples
        ]
        shown = source.modalities.draw(len(noisy), generator)
        chosen = sample_regions(source.regions, generator)
        batch = collate(noisy, shown, self._regions, chosen)
        targets = torch.tensor([example.target for example in noisy], device=self._device)
        with autocast(self._device):
            output = self.model(move(batch, self._device))
        loss = F.binary_cross_entropy_with_logits(output.logit.float(), targets)
        if self._recipe.meaning_weight:
            loss = loss + self._recipe.meaning_weight * self._meaning_loss(noisy, shown, output.guidance.text)
        if self._recipe.focus_weight:
            attention = output.representation.image.float()
            loss = loss + self._recipe.focus_weight * self._focus_loss(
                noisy, batch.present, attention, chosen
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._average.update_parameters(self.model)
        return loss.item()

    def _meaning_loss(self, examples: Sequence[Example], shown: NDArray[np.bool_], tokens: Tensor) -> Tensor:
        """From the mean token of each example, B x d; of those whose text is shown and that have a sentence vector."""
        rows = [
            row for row, example in enumerate(examples) if shown[row, TEXT] and example.meaning is not None
        ]
        if not rows:
            return tokens.new_zeros(())
        wanted = self._meanings[[examples[row].meaning or 0 for row in rows]]
        return F.mse_loss(self._meaning(tokens[rows].float()), torch.from_numpy(wanted).to(self._device))

    def _focus_loss(
        self, examples: Sequence[Example], present: Tensor, attention: Tensor, chosen: Indices | None
    ) -> Tensor:
        """Mean divergence of an image's attention by each source, B x 3 x R, from its focus; `present` B x 3."""
        used = present[:, IMAGE : IMAGE + 1] & present  # B x 3: which sources look at an image
        if not used.any():
            return attention.new_zeros(())
        rows = self._focus[[example.picture or 0 for example in examples]]
        rows = rows if chosen is None else rows[:, chosen]
        wanted = torch.from_numpy(rows.astype(np.float32)).to(self._device)
        wanted = (wanted / wanted.sum(1, keepdim=True)).unsqueeze(1)
        divergence = (wanted * (wanted.clamp_min(TINY).log() - attention.clamp_min(TINY).log())).sum(-1)
        return divergence[used.to(self._device)].mean()

    def _keep_best(self) -> str:
        """Judges the averaged weights and keeps them where they are the best so far."""
        averaged = self._average.module
        assert isinstance(averaged, HierarchicalFusion)
        verdict = self._judge(averaged)
        if verdict.value > self._best_value:
            self._best = {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
            self._best_value = verdict.value
            self._since_best = 0
        else:
            self._since_best += 1
        return verdict.line

    @property
    def finished(self) -> bool:
        return self._since_best >= self._recipe.patience

    def best(self) -> HierarchicalFusion:
        """The model with the weights that were judged best, in eval mode."""
        self.model.load_state_dict(self._best)
        return self.model.eval()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "meaning": self._meaning.state_dict(),
            "best": self._best,
            "best_value": self._best_value,
            "since_best": self._since_best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._meaning.load_state_dict(state["meaning"])
        self._best = state["best"]
        self._best_value = state["best_value"]
        self._since_best = state["since_best"]


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
