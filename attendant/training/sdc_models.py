"""The thirteen SDC models: trained, or found trained, measured as they will be read, and released."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from attendant.errors import AttendantError, Reason
from attendant.statistics.focus import FocusMeasures, measure_focus
from attendant.training.error_modes import SHIPPED, train_error_mode
from attendant.training.mosaics import ERROR_MODE_MODELS, Split, plane_mosaics
from attendant.training.progress import Progress
from attendant.training.risk import RiskScores, fit_risk
from attendant.training.sdc import answer, train
from attendant.training.sdc_card import (
    CifarMeasured,
    Effort,
    ErrorModeMeasured,
    cifar_card,
    error_mode_card,
)
from attendant.training.sdc_release import Released, as_released, release_sdc
from attendant.training.sdc_sets import RISK_MOSAICS, RISK_SEEDS, SdcSets, name_classes, read_sets
from attendant.training.variants import VARIANTS, Protocol, Variant, checkpoint_of

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Making:
    """Where models are written and how they are trained; `epochs` None: as many as each variant asks for."""

    store: Path
    runs: Path
    progress: Progress
    device: torch.device
    seed: int = 1
    epochs: int | None = None
    protocol: Protocol | None = None  # None: each variant's own
    resume: bool = True


def make_models(names: Sequence[str], making: Making, find_data: Callable[[], Path]) -> None:
    """Those named, or all; the data are asked for where a model needs them. AttendantError for a name that is none."""
    known = (*VARIANTS, *ERROR_MODE_MODELS)
    for name in names:
        if name not in known:
            raise AttendantError(
                f"no model is called {name!r}; there are: {', '.join(known)}", Reason.INVALID_INPUT
            )
    chosen = [name for name in known if not names or name in names]
    variants = [VARIANTS[name] for name in chosen if name in VARIANTS]
    if variants:
        sets = read_sets(find_data())
        for variant in variants:
            making.progress.say(_make_cifar(variant, sets, making))
    for number, name in enumerate(ERROR_MODE_MODELS, start=1):
        if name in chosen:
            making.progress.say(_make_error_mode(name, number, making))


def _make_cifar(variant: Variant, sets: SdcSets, making: Making) -> str:
    """Trains what is left of the variant's epochs and writes its folder; says how good it is, in a line."""
    if making.protocol is not None:
        variant = variant.by(making.protocol)
    if making.epochs is not None:
        variant = replace(variant, recipe=replace(variant.recipe, epochs=making.epochs))
    stage, seconds = train(
        variant.config,
        variant.recipe,
        sets.training,
        sets.held_out,
        seed=making.seed,
        checkpoint=checkpoint_of(making.runs, variant, making.seed),
        progress=making.progress,
        device=making.device,
        resume=making.resume,
    )
    model = as_released(stage.model)
    training, held_out, authors = (
        measure_focus(answer(model, mosaics, CPU)) for mosaics in (sets.training, sets.held_out, sets.authors)
    )
    risk, risk_scores = fit_risk(model, sets.risk_fitting, sets.risk_measuring)
    measured = CifarMeasured(training, held_out, authors, risk_scores)
    rate = float(np.median([moment["segments_per_second"] for moment in stage.moments]))
    where = stage.moments[-1]["where"]
    effort = Effort(making.seed, seconds, where, rate, _command(variant.name, making))
    card = cifar_card(variant.name, variant.config, variant.recipe, measured, effort)
    release_sdc(Released(variant.name, _describe(variant), sets.classes, model, risk, card, {}), making.store)
    return _say_released(variant.name, measured.held_out, risk_scores)


def _make_error_mode(name: str, number: int, making: Making) -> str:
    """Trains the mode from the initial weights that show it, which takes a second, and writes its folder."""
    seed = SHIPPED[number]
    found = train_error_mode(number, seed)
    model = as_released(found.trained.model)
    fitting, measuring = (
        plane_mosaics(found.mode.plane, RISK_MOSAICS, split=Split.TEST, seed=risk_seed)
        for risk_seed in RISK_SEEDS
    )
    # Not the held-out mosaics that the seed was chosen by
    training, held_out = (measure_focus(answer(model, one, CPU)) for one in (found.training, measuring))
    risk, risk_scores = fit_risk(model, fitting, measuring)
    measured = ErrorModeMeasured(training, held_out, risk_scores)
    tensors = {
        "points": torch.from_numpy(found.training.gather(slice(None))),
        "labels": torch.from_numpy(found.training.labels),
        "foreground": torch.from_numpy(found.training.foreground),
    }
    description = (
        f"Error mode {number}: answers right, focus wrong a third of the time; points of the plane, for studying "
        "attention"
    )
    classes = name_classes(model.config.n_classes)
    card = error_mode_card(name, found.mode, measured, seed, f"attendant train sdc {name}")
    extras = {"initial": found.trained.initial, "mosaics": tensors}
    release_sdc(Released(name, description, classes, model, risk, card, extras), making.store)
    return _say_released(name, held_out, risk_scores)


def _say_released(name: str, held_out: FocusMeasures, risk: RiskScores) -> str:
    return (
        f"released {name}: accuracy {held_out.accuracy.value:.4f}, true focus {held_out.focus_true.value:.4f} "
        f"held out; the risk's calibration error is {risk.error:.4f}, its area under ROC {risk.area.value:.3f}"
    )


def _command(name: str, making: Making) -> str:
    """What a person would type to make the model again."""
    options = {"seed": making.seed, "protocol": making.protocol, "epochs": making.epochs}
    given = "".join(f" --{option} {value}" for option, value in options.items() if value is not None)
    return f"attendant train sdc {name}{given}"


def _describe(variant: Variant) -> str:
    kind = "drawn afresh" if variant.recipe.fresh_images else "fixed"
    return (
        f"FCAM with {variant.config.mechanism} attention at averaging layer {variant.config.averaging_layer}, "
        f"trained on {variant.recipe.epochs} times 30,000 mosaics of CIFAR-10 ({kind})"
    )
