"""Options that every command that asks the service has, and what they make: a client and a tweet."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attendant.channels import Tls
from attendant.cli.console import WrongUse
from attendant.client import Client
from attendant.types import Tweet

Address = Annotated[
    str, typer.Option(envvar="ATTENDANT_ADDRESS", help="Where the service listens.", show_envvar=True)
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.001)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[str, typer.Option(help="Which model to ask; `attendant models` lists them.")]
Version = Annotated[str, typer.Option(help="Which version of it; default: the one the service names.")]
TextOption = Annotated[str | None, typer.Option("--text", help="The tweet's text; - reads it from stdin.")]
ImageOption = Annotated[
    Path | None,
    typer.Option("--image", help="The tweet's image: JPEG, PNG or WebP.", exists=True, dir_okay=False),
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        help="A word that names what the image shows; up to five. Default: the service finds them.",
    ),
]


@dataclass(frozen=True)
class Security:
    """How to reach a service that is not just next door."""

    tls: Tls | None = None
    token: str = ""


def security(
    *,
    tls: bool,
    roots: Path | None,
    certificate: Path | None,
    key: Path | None,
    token_file: Path | None,
) -> Security:
    """From the options; the token comes from its file or the environment, never from the command line."""
    if (certificate is None) != (key is None):
        raise WrongUse("--tls-certificate and --tls-key go together")
    token = (
        os.environ.get("ATTENDANT_CLIENT_TOKEN", "") if token_file is None else token_file.read_text("utf-8")
    )
    wanted = tls or roots is not None or certificate is not None
    return Security(Tls(roots, certificate, key) if wanted else None, token.strip())


def connect(context: typer.Context, address: str, timeout: float) -> Client:
    """A client with the security that stands before the command."""
    chosen = context.ensure_object(Security)
    try:
        return Client(address, timeout=timeout, tls=chosen.tls, token=chosen.token)
    except ValueError as error:
        raise WrongUse(str(error)) from error


def tweet_of(command: str, text: str | None, image: Path | None, attributes: list[str] | None) -> Tweet:
    """The tweet that the options describe."""
    if text is None and image is None and not attributes:
        raise WrongUse(
            "nothing to ask about: give --text, --image, or --attribute (or all of them), "
            f"for example: attendant {command} --text 'what a great monday' --image photo.jpg"
        )
    return Tweet(_text(text), b"" if image is None else image.read_bytes(), tuple(attributes or ()))


def _text(text: str | None) -> str:
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        return (
            (text or "").encode("utf-8").decode("utf-8")
        )  # what is not UTF-8 in the shell arrives as surrogates
    except UnicodeError as error:
        raise WrongUse("the text is not UTF-8") from error
