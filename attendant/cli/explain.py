"""`attendant explain`: the answer with its reasons, in the terminal, as JSON, or as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli import terminal
from attendant.cli.connection import (
    Address,
    AttributeOption,
    ImageOption,
    Json,
    Model,
    TextOption,
    Timeout,
    Version,
    connect,
    tweet_of,
)
from attendant.cli.console import WrongUse, plain, print_json, screen
from attendant.cli.documents import explain_document
from attendant.client import CacheMode
from attendant.methods import Method
from attendant.questions import DEFAULT_MODEL

_PICTURES = (".png", ".svg", ".pdf")


def explain(  # noqa: PLR0913 - the command's options
    context: typer.Context,
    *,
    text: TextOption = None,
    image: ImageOption = None,
    attribute: AttributeOption = None,
    model: Model = DEFAULT_MODEL,
    version: Version = "",
    method: Annotated[
        list[Method] | None, typer.Option(help="An explanation beyond attention; may be given several times.")
    ] = None,
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
) -> None:
    """Ask a model about a tweet, and why it answers so: text, an image, or both.

    Example: attendant explain --text "what a great monday" --image photo.jpg --save explanation.png
    """
    tweet = tweet_of("explain", text, image, attribute)
    _check_picture(save)
    with connect(context, address, timeout) as client:
        result = client.explain(
            tweet,
            model=model,
            version=version,
            methods=method or (),
            cache_mode=_cache_mode(refresh, no_cache),
        )
    if as_json:
        print_json(explain_document(result))
    else:
        screen().print(terminal.explanation(result))
    if save is not None:
        result.save(save)
        screen(stderr=True).print(f"drawn: {plain(str(save))}", soft_wrap=True)


def _check_picture(save: Path | None) -> None:
    """Before the service is asked."""
    if save is None:
        return
    if save.suffix.lower() not in _PICTURES:
        raise WrongUse(f"--save draws {', '.join(_PICTURES)}; the name {save.name!r} ends otherwise")
    if not save.parent.is_dir():
        raise WrongUse(f"--save: there is no folder {str(save.parent)!r}")


def _cache_mode(refresh: bool, no_cache: bool) -> CacheMode:
    if refresh and no_cache:
        raise WrongUse("--refresh keeps the new answer and --no-cache does not: give one of them")
    if refresh:
        return CacheMode.REFRESH
    return CacheMode.BYPASS if no_cache else CacheMode.USE
