"""The rows of Table 2: each variant trained, or found trained, and measured as it would be shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from attendant.analysis.focus_table import Row, Run
from attendant.models.fcam import ImageNetworks
from attendant.statistics.focus import measure_focus
from attendant.training.courses import read_course
from attendant.training.progress import Progress
from attendant.training.sdc import SdcStage, answer, train
from attendant.training.sdc_release import as_released
from attendant.training.sdc_sets import SdcSets
from attendant.training.variants import Variant, checkpoint_of


@dataclass(frozen=True)
class Trainings:
    """Where checkpoints lie, and what to do about those that are not finished."""

    runs: Path
    seeds: Sequence[int]
    device: torch.device
    only_finished: bool = False  # nothing is trained
    resume: bool = True


def train_variants(
    variants: Sequence[Variant], sets: SdcSets, trainings: Trainings, progress: Progress
) -> None:
    """What is not finished, if anything is to be trained: every variant once before any has a second seed."""
    for seed in () if trainings.only_finished else trainings.seeds:
        for variant in variants:
            _train(variant, sets, trainings, seed, progress, resume=trainings.resume)


def measure_variant(variant: Variant, sets: SdcSets, trainings: Trainings, progress: Progress) -> Row:
    """AttendantError, naming it, for a checkpoint of another training."""
    assert isinstance(variant.config.networks, ImageNetworks)
    seeds = [
        seed for seed in trainings.seeds if not trainings.only_finished or _finished(variant, trainings, seed)
    ]
    runs = tuple(_measure_run(variant, sets, trainings, seed, progress) for seed in seeds)
    return Row(
        name=variant.name,
        mechanism=str(variant.config.mechanism),
        layer=variant.config.averaging_layer,
        epochs=variant.recipe.epochs,
        learning_rate=variant.recipe.learning_rate,
        mosaics=len(sets.training),
        fresh_images=variant.recipe.fresh_images,
        widths=variant.config.networks.widths,
        runs=runs,
    )


def _finished(variant: Variant, trainings: Trainings, seed: int) -> bool:
    checkpoint = checkpoint_of(trainings.runs, variant, seed)
    return checkpoint.exists() and len(read_course(checkpoint).looks) >= variant.recipe.epochs


def _measure_run(variant: Variant, sets: SdcSets, trainings: Trainings, seed: int, progress: Progress) -> Run:
    device = trainings.device
    stage, seconds = _train(variant, sets, trainings, seed, progress, resume=True)
    model = as_released(stage.model).to(device)
    report = progress.task(f"measuring {variant.name}, seed {seed}")
    measures = []
    for done, mosaics in enumerate((sets.training, sets.held_out, sets.authors), start=1):
        measures.append(measure_focus(answer(model, mosaics, device)))
        report(done, 3)
    run = Run(seed, seconds, *measures)
    progress.say(
        f"{variant.name}, seed {seed}: accuracy {run.held_out.accuracy.value:.4f}, true focus "
        f"{run.held_out.focus_true.value:.4f} on held-out images"
    )
    return run


def _train(
    variant: Variant, sets: SdcSets, trainings: Trainings, seed: int, progress: Progress, *, resume: bool
) -> tuple[SdcStage, float]:
    return train(
        variant.config,
        variant.recipe,
        sets.training,
        sets.held_out,
        seed=seed,
        checkpoint=checkpoint_of(trainings.runs, variant, seed),
        progress=progress,
        device=trainings.device,
        resume=resume,
    )
