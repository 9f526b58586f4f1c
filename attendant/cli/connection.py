"""Options that every command that asks the service has, and the client that they make."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attendant.channels import Tls
from attendant.cli.console import WrongUse
from attendant.client import Client

Address = Annotated[
    str, typer.Option(envvar="ATTENDANT_ADDRESS", help="Where the service listens.", show_envvar=True)
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.001)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[str, typer.Option(help="Which model to ask; `attendant models` lists them.")]
Version = Annotated[str, typer.Option(help="Which version of it; default: the one the service names.")]


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
