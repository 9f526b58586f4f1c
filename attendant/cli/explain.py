"""`attendant explain`: the answer with its reasons, in the terminal, as JSON, or as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli import pictures, terminal
from attendant.cli.connection import Address, Json, Model, Timeout, Version, connect
from attendant.cli.console import WrongUse, plain, print_json, screen
from attendant.cli.documents import explain_document
from attendant.cli.instances import (
    AttributeOption,
    Foreground,
    ImageOption,
    MosaicFile,
    MosaicOption,
    TextOption,
    find_mosaic_model,
    instance_of,
)
from attendant.cli.methods import (
    Adversaries,
    Boxes,
    Epsilon,
    Every,
    Label,
    MaskingOption,
    Methods,
    Samples,
    Seed,
    Steps,
    Targets,
    ThroughAttention,
    Tolerance,
    TopK,
    VisualGroup,
    Wishes,
    options_of,
    read_box,
)
from attendant.client import CacheMode
from attendant.questions import DEFAULT_MODEL, DEFAULT_OPTIONS
from attendant.types import Instance, Modality, Mosaic


def explain(  # noqa: PLR0913 - the command's options
    context: typer.Context,
    *,
    text: TextOption = None,
    image: ImageOption = None,
    attribute: AttributeOption = None,
    mosaic: MosaicOption = None,
    foreground: Foreground = None,
    model: Model = DEFAULT_MODEL,
    version: Version = "",
    method: Methods = None,
    every: Every = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Draw the explanation into this file: .png, .svg or .pdf.", dir_okay=False),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compute anew, and keep the new answer.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compute anew; neither look up nor keep.")
    ] = False,
    address: Address = DEFAULT_ADDRESS,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: Json = False,
    target: Targets = None,
    samples: Samples = None,
    tolerance: Tolerance = None,
    through_attention: ThroughAttention = False,
    class_: Label = None,
    adversaries: Adversaries = None,
    steps: Steps = None,
    epsilon: Epsilon = None,
    masking: MaskingOption = None,
    top_k: TopK = None,
    visual_group: VisualGroup = False,
    box: Boxes = None,
    seed: Seed = None,
) -> None:
    """Ask a model about a tweet (text, an image, or both) or about a mosaic, and why it answers so.

    Example: attendant explain --text "what a great monday" --image photo.jpg --all --save explanation.png
    """
    asked = instance_of("explain", text, image, attribute, mosaic, foreground)
    pictures.check(save, "--save")
    cache_mode = _cache_mode(refresh, no_cache)
    wishes = Wishes(
        targets=tuple(map(Modality, target)) if target else None,
        samples=samples,
        tolerance=tolerance,
        through_attention=through_attention or None,
        label=class_,
        adversaries=adversaries,
        steps=steps,
        epsilon=epsilon,
        masking=masking,
        top_k=top_k,
        visual_group=visual_group or None,
        boxes=tuple(map(read_box, box)) if box else None,
        seed=seed,
    )
    with connect(context, address, timeout) as client:
        instance: Instance
        if isinstance(asked, MosaicFile):
            found = find_mosaic_model(client, model)
            instance, offered = asked.read(found.shape), found.methods
        else:
            instance, offered = asked, DEFAULT_OPTIONS.methods
        options = options_of({*(method or ()), *(offered if every else ())}, wishes)
        result = client.explain(
            instance, model=model, version=version, options=options, cache_mode=cache_mode
        )
    if as_json:
        print_json(explain_document(result))
    else:
        screen().print(terminal.explanation(result, _foreground(instance)))
    if save is not None:
        result.save(save)
        screen(stderr=True).print(f"drawn: {plain(str(save))}", soft_wrap=True)


def _foreground(instance: Instance) -> int | None:
    return instance.foreground_index if isinstance(instance, Mosaic) else None


def _cache_mode(refresh: bool, no_cache: bool) -> CacheMode:
    if refresh and no_cache:
        raise WrongUse("--refresh keeps the new answer and --no-cache does not: give one of them")
    if refresh:
        return CacheMode.REFRESH
    return CacheMode.BYPASS if no_cache else CacheMode.USE
