"""The `attendant` command."""

import io
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from attendant.cli import analyze, archive, drift, evaluate, reference, reproduce, token, train
from attendant.cli.connection import security
from attendant.cli.console import Commands
from attendant.cli.doctor import doctor
from attendant.cli.explain import explain
from attendant.cli.models import models
from attendant.cli.monitor import monitor
from attendant.cli.mosaic import mosaic
from attendant.cli.predict import predict

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Try: attendant explain --text "what a great monday"    Manual: docs/cli.md',
)
app.command()(explain)
app.command()(predict)
app.command()(models)
app.command()(monitor)
app.command()(doctor)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(analyze.app, name="analyze")
app.add_typer(reference.app, name="reference")
app.add_typer(drift.app, name="drift")
app.add_typer(reproduce.app, name="reproduce")
app.command()(mosaic)
app.add_typer(archive.app, name="archive")
app.add_typer(token.app, name="token")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"attendant {installed_version('attendant')}")
        raise typer.Exit


@app.callback()
def attendant(
    context: typer.Context,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt; trust the usual authorities.")] = False,
    tls_roots: Annotated[
        Path | None,
        typer.Option(
            help="Encrypt; trust this PEM file.",
            envvar="ATTENDANT_CLIENT_TLS_ROOTS",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            help="Who we are (mutual TLS), PEM.",
            envvar="ATTENDANT_CLIENT_TLS_CERTIFICATE",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(help="Its key, PEM.", envvar="ATTENDANT_CLIENT_TLS_KEY", exists=True, dir_okay=False),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File that holds the bearer token (or set ATTENDANT_CLIENT_TOKEN).",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Attention models, with the reasons for their answers.

    `make run` starts the service that these commands ask.
    """
    context.obj = security(
        tls=tls, roots=tls_roots, certificate=tls_certificate, key=tls_key, token_file=token_file
    )


def main() -> None:
    """Entry point of the console command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that cannot show a character shows a question mark
    app()
