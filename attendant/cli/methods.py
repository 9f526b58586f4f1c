"""The options of `attendant explain` that ask for more than attention, and what they make: ExplainOptions."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Annotated

import typer

from attendant.cli.console import WrongUse
from attendant.methods import (
    MAX_ADVERSARIES,
    MAX_SAMPLES,
    MAX_SEED,
    MAX_STEPS,
    Box,
    BoxAlignmentOptions,
    ExplainOptions,
    Masking,
    Method,
)
from attendant.questions import DEFAULT_OPTIONS
from attendant.types import Modality

_PANEL = "How methods work"
_SMALLEST = 1e-6  # above 0, which a service reads as "the default"


class Target(StrEnum):
    """The modalities that a method can be about; one by one, for Typer takes no other list of choices."""

    TEXT = Modality.TEXT
    IMAGE = Modality.IMAGE
    ATTRIBUTE = Modality.ATTRIBUTE
    SEGMENT = Modality.SEGMENT


Methods = Annotated[
    list[Method] | None,
    typer.Option("--method", help="An explanation beyond attention; may be given several times."),
]
Every = Annotated[
    bool,
    typer.Option(
        "--all",
        help="Every method, for a mosaic those that its model offers; box_alignment only where there is a --box.",
    ),
]
Targets = Annotated[
    list[Target] | None,
    typer.Option(
        "--target",
        help="permutation, leave_one_out, adversarial, erasure: this input alone; may be given several times.",
        rich_help_panel=_PANEL,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        help="permutation: shuffles of each input (default 10).",
        min=1,
        max=MAX_SAMPLES,
        rich_help_panel=_PANEL,
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        help="permutation: stop once the standard error is below this (default 0: never).",
        min=0,
        max=1,
        rich_help_panel=_PANEL,
    ),
]
ThroughAttention = Annotated[
    bool,
    typer.Option(
        "--through-attention",
        help="gradient: let attention change too; else it is held fast.",
        rich_help_panel=_PANEL,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="LABEL",
        help="class_activation: the class to explain (default: the one predicted).",
        rich_help_panel=_PANEL,
    ),
]
Adversaries = Annotated[
    int | None,
    typer.Option(
        help="adversarial: how many to try for each input (default 5).",
        min=1,
        max=MAX_ADVERSARIES,
        rich_help_panel=_PANEL,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="adversarial: steps of the search (default 500).", min=1, max=MAX_STEPS, rich_help_panel=_PANEL
    ),
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        help="adversarial: how far the answer may move (default 0.01).",
        min=_SMALLEST,
        max=1,
        rich_help_panel=_PANEL,
    ),
]
MaskingOption = Annotated[
    Masking | None,
    typer.Option(
        "--masking", help="cross_modal: what stands in for an input (default mean).", rich_help_panel=_PANEL
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        help="cross_modal: how many elements to call important (default: a tenth).",
        min=1,
        max=2**32 - 1,
        rich_help_panel=_PANEL,
    ),
]
VisualGroup = Annotated[
    bool,
    typer.Option(
        "--visual-group",
        help="cross_modal: image and attributes as one, for the latter come from the former.",
        rich_help_panel=_PANEL,
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X,Y,WIDTH,HEIGHT",
        help="Asks for box_alignment: does the attention lie here? In shares of the image; up to 64.",
        rich_help_panel=_PANEL,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="permutation, adversarial, cross_modal, box_alignment: where chance begins (default 0).",
        min=0,
        max=MAX_SEED,
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class Wishes:
    """What the command line says of how methods work, named as in their options; None where it says nothing."""

    targets: tuple[Modality, ...] | None
    samples: int | None
    tolerance: float | None
    through_attention: bool | None
    label: str | None
    adversaries: int | None
    steps: int | None
    epsilon: float | None
    masking: Masking | None
    top_k: int | None
    visual_group: bool | None
    boxes: tuple[Box, ...] | None
    seed: int | None


def options_of(methods: set[Method], wishes: Wishes) -> ExplainOptions:
    """Raises WrongUse where boxes are missing, and where a wish is about no method that is asked for."""
    if wishes.boxes:
        methods = methods | {Method.BOX_ALIGNMENT}
    elif Method.BOX_ALIGNMENT in methods:
        raise WrongUse(
            "box_alignment needs a box: give --box x,y,width,height, for example --box 0.2,0.1,0.5,0.4"
        )
    defaults = replace(DEFAULT_OPTIONS, box_alignment=BoxAlignmentOptions(wishes.boxes or ()))
    given = {
        field.name: value for field in fields(wishes) if (value := getattr(wishes, field.name)) is not None
    }
    for name in given:
        _check_asked(name, methods, defaults)
    return ExplainOptions(
        **{
            method: replace(default, **{name: given[name] for name in given if hasattr(default, name)})
            for method in methods
            if (default := getattr(defaults, method)) is not None
        }
    )


def read_box(text: str) -> Box:
    """Raises WrongUse where it is not four numbers; whether they make a box, the service says."""
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        raise WrongUse(
            f"--box takes x,y,width,height in shares of the image, such as 0.2,0.1,0.5,0.4; not {text!r}"
        ) from None
    return Box(x, y, width, height)


def _check_asked(name: str, methods: set[Method], defaults: ExplainOptions) -> None:
    owners = [method for method in Method if hasattr(getattr(defaults, method), name)]
    if methods.isdisjoint(owners):
        option = {"label": "class", "targets": "target", "boxes": "box"}.get(name, name.replace("_", "-"))
        raise WrongUse(f"--{option} is about --method {' or '.join(owners)}, which is not asked for")
