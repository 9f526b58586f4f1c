"""The model card of a released FCAM, in Markdown: every figure in it was measured by the run that wrote it."""

import math
from dataclasses import dataclass

from attendant.analysis.landscape import boxes_of
from attendant.models.fcam import FcamConfig, ImageNetworks
from attendant.models.focus_maps import Mechanism
from attendant.statistics.focus import FocusMeasures
from attendant.statistics.intervals import Estimate
from attendant.training.error_modes import ErrorMode
from attendant.training.risk import RiskScores
from attendant.training.sdc import SdcRecipe


@dataclass(frozen=True)
class Effort:
    """How a model was trained."""

    seed: int
    seconds: float  # of the epochs
    where: str  # device, threads, precision
    segments_per_second: float  # the median epoch's
    command: str


@dataclass(frozen=True)
class CifarMeasured:
    """What was measured of the weights as they are shipped."""

    training: FocusMeasures
    held_out: FocusMeasures
    authors: FocusMeasures  # test mosaics of training images, as the paper's
    risk: RiskScores


def cifar_card(
    name: str, config: FcamConfig, recipe: SdcRecipe, measured: CifarMeasured, effort: Effort
) -> str:
    assert isinstance(config.networks, ImageNetworks)
    widths = "-".join(map(str, config.networks.widths))
    deep = config.averaging_layer > 0
    behind = "what the six convolutions make of them" if deep else "the segments, pixel by pixel"
    shared = " that both nets share," if deep else ""
    return f"""# {name}

Nine pictures of 32 x 32 pixels: one is an airplane, an automobile or a bird, the other eight are something else. Which
of the three is it, and which of the nine? FCAM (Pandey, Vashisht and Ramaswamy 2022): a focus net scores each
segment, the scores become weights, and a classifier reads the weighted average of {behind}
(averaging layer {config.averaging_layer}).

- **Attention**: {config.mechanism} - {config.mechanism.focus_map.says}.
- **Networks**: six convolutions ({widths}){shared} and two fully connected layers each; fp16
  safetensors.
- **Trained** by `{effort.command}`:
  {_mosaics(recipe)};
  seed {effort.seed}; AdamW, one cycle up to a learning rate of {recipe.learning_rate:g}; half of the images mirrored at
  each step. {_effort(effort)}

## Data and licences

CIFAR-10 (Krizhevsky 2009; no licence is stated, use is for research). No image is shipped. One image in five, chosen by
a digest of its pixels, was never trained on: held-out mosaics are made of those alone. The authors drew their test
mosaics from training images too; those figures are given for comparison, and flatter.

## Measured

Shares with 95 % intervals in brackets; 10,000 mosaics a column, 30,000 in the last.

| | held out | training images in new mosaics (the authors' protocol) | {_last(recipe)} |
|---|---|---|---|
{_rows(measured)}

FT is the share of mosaics whose true foreground has the largest weight. No figure here chose an epoch. The learning
rates of softmax (0.003, which entropy and hard attention took over) and sparsemax (0.001, which spherical softmax took
over) were chosen by short runs, looked at on held-out images.

## Focus risk

`focus_risk` is the probability that the focus is wrong, told from the entropy, Dist, NNZ and two largest of the
weights{_surrogate(config.mechanism)} and the probability of the class; it never falls as these get less sure.
Fitted on mosaics of one half of the held-out images, measured on {measured.risk.mosaics:,} of the other half:
{risk_table(measured.risk)}

## What attention can and cannot tell

- A focus can be wrong while the answer is right: {_percent(measured.held_out.ffpt.value)} of held-out mosaics. That is
  what the risk is for.
- The weights say what was averaged. With weights on several segments, what the classifier saw is a blend.

## Limits

- Small networks on small pictures: for studying attention, not for recognising aircraft.
- The risk is calibrated for mosaics like these: CIFAR-10's ten classes, nine segments, one foreground. Elsewhere it is
  a guess.
"""


@dataclass(frozen=True)
class ErrorModeMeasured:
    """What was measured of an error mode's weights as they are shipped."""

    training: FocusMeasures
    held_out: FocusMeasures
    risk: RiskScores


def error_mode_card(name: str, mode: ErrorMode, measured: ErrorModeMeasured, seed: int, command: str) -> str:
    optimizer = mode.recipe.optimizer.upper()
    boxes, behind = boxes_of(mode.plane)
    places = "\n".join(
        f"| {kind} | {_span(box.x1)} | {_span(box.x2)} |"
        for kind, box in (*((f"class {n}", box) for n, box in enumerate(boxes, 1)), ("background", behind))
    )
    shares = "\n".join(
        f"| {what} | {_interval(held_out)} | {_interval(training)} |"
        for what, held_out, training in (
            ("accuracy", measured.held_out.accuracy, measured.training.accuracy),
            ("FT", measured.held_out.focus_true, measured.training.focus_true),
            ("focus false, prediction true", measured.held_out.ffpt, measured.training.ffpt),
        )
    )
    return f"""# {name}

A model that is nearly always right and looks in the wrong place a third of the time, made to be looked at: error mode
{mode.number} of Pandey, Vashisht and Ramaswamy 2022. Nine points of the plane; one, the foreground, is drawn from the
box of a class, the other eight from the background's. FCAM says which class, and which point it looked at.

| | x1 | x2 |
|---|---|---|
{places}

{mode.remark}
This model found another way, as some initialisations do: seed {seed} was chosen because it does.

Made by `{command}`: softmax attention over the points themselves, {mode.recipe.epochs} steps of
{optimizer} at {mode.recipe.learning_rate:g} on {measured.training.mosaics} mosaics, from the initial
weights of seed {seed}. In this folder: `initial.safetensors`, those weights; `mosaics.safetensors`, the
mosaics (`points` N x 9 x 2, `labels` and `foreground` N). Seconds on one CPU thread. The data are ours.

## Measured

Shares with 95 % intervals in brackets: {measured.held_out.mosaics:,} mosaics held out, {measured.training.mosaics} in
training.

| | held out | the training mosaics |
|---|---|---|
{shares}

## Focus risk

`focus_risk` is the probability that the focus is wrong, told from the entropy, Dist, NNZ and two largest of the weights
and the probability of the class; fitted and measured on different mosaics:
{risk_table(measured.risk)}

## What attention can and cannot tell

Here it cannot tell where the answer comes from: that is the point. `attendant reproduce sdc-error-modes` draws why.
"""


def _mosaics(recipe: SdcRecipe) -> str:
    drawn = "30,000 fixed mosaics, as many as the paper's"
    if recipe.fresh_images:
        afresh = f"drawn afresh at each step from {recipe.fresh_images} training images"
        drawn = f"30,000 mosaics, {afresh}: not the paper's way"
    return f"{recipe.epochs} epochs of {drawn}"


def _effort(effort: Effort) -> str:
    return (
        f"Epochs took {effort.seconds / 60:.0f} minutes at {effort.segments_per_second:,.0f} segments/s "
        f"({effort.where}); energy was not measured."
    )


def _rows(measured: CifarMeasured) -> str:
    columns = (measured.held_out, measured.authors, measured.training)
    shares: dict[str, list[Estimate | None]] = {
        "accuracy": [found.accuracy for found in columns],
        "FT": [found.focus_true for found in columns],
        "FT by the strictly largest score": [found.focus_strictly_true for found in columns],
        "focus true, prediction true": [found.ftpt for found in columns],
        "focus false, prediction true": [found.ffpt for found in columns],
        "focus true, prediction false": [found.ftpf for found in columns],
        "focus false, prediction false": [found.ffpf for found in columns],
    }
    numbers = {
        "NNZ (weights above 0.01, of 9)": [found.nnz for found in columns],
        "Dist (to the nearest corner of the simplex)": [found.dist for found in columns],
        "Ent (nats)": [found.entropy_nats for found in columns],
    }
    lines = [f"| {name} | {' | '.join(map(_interval, found))} |" for name, found in shares.items()]
    lines += [f"| {name} | {' | '.join(f'{one:.3f}' for one in found)} |" for name, found in numbers.items()]
    return "\n".join(lines)


def _last(recipe: SdcRecipe) -> str:
    return (
        "the fixed mosaics, not trained on, of training images"
        if recipe.fresh_images
        else "the training mosaics"
    )


def _surrogate(mechanism: Mechanism) -> str:
    return (
        " (of the softmax of the scores: the weights themselves tell nothing)"
        if mechanism is Mechanism.HARD
        else ""
    )


def risk_table(scores: RiskScores) -> str:
    """The calibration error, the area under ROC and the reliability curve."""
    area = (
        "not defined, since every focus was the same"
        if math.isnan(scores.area.value)
        else f"{scores.area.value:.3f} ({scores.area.low:.3f} to {scores.area.high:.3f})"
    )
    rows = "\n".join(
        f"| {forecast:.3f} | {observed:.3f} | {count:,} |"
        for count, forecast, observed in zip(
            scores.curve.counts, scores.curve.forecast, scores.curve.observed, strict=True
        )
        if count
    )
    return f"""expected calibration error {scores.error:.4f}, area under ROC {area};
{_percent(scores.wrong)} of them have a wrong focus.

| risk told (mean of a tenth) | share of wrong focus | mosaics |
|---|---|---|
{rows}"""


def _interval(found: Estimate | None) -> str:
    return "-" if found is None else f"{found.value:.4f} ({found.low:.3f} to {found.high:.3f})"


def _span(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:g} to {high:g}"


def _percent(value: float) -> str:
    return f"{value:.1%}"
