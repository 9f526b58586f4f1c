"""`attendant models`: what the service can be asked."""

from collections.abc import Iterable

import typer
from rich.table import Table
from rich.text import Text

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli.connection import Address, Json, Timeout, connect
from attendant.cli.console import plain, print_json, screen
from attendant.cli.documents import models_document
from attendant.cli.mosaic_files import describe_shape
from attendant.types import ModelDescription


def models(
    context: typer.Context,
    *,
    address: Address = DEFAULT_ADDRESS,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: Json = False,
) -> None:
    """List the models that the service has: versions, what they read, and where they run."""
    with connect(context, address, timeout) as client:
        found = client.list_models()
    if as_json:
        print_json(models_document(found))
        return
    console = screen()
    for model in found:
        console.print(_card(model))
    if not found:
        console.print("this service has no models")


def _card(model: ModelDescription) -> Table:
    """One model as a list of facts."""
    state = Text("ready", style="green") if model.ready else Text("not ready", style="red")
    card = Table(box=None, show_header=False, padding=(0, 2))
    card.add_row(Text(plain(model.name), style="bold"), state)
    card.add_row("reads", _list(model.modalities))
    if model.mosaic is not None:
        card.add_row("mosaics of", describe_shape(model.mosaic))
    card.add_row("classes", _list(model.classes))
    card.add_row("methods", _list(["attention", *model.methods]))
    if model.runtime is not None:
        card.add_row(
            "runs on",
            plain(f"{model.runtime.device}, {model.runtime.provider}, {model.runtime.threads} threads"),
        )
    for version in model.versions:
        default = " (default)" if version == model.default_version else ""
        about = f"{model.descriptions[version]} [{model.digests[version][:12]}]"
        card.add_row(f"version {plain(version)}{default}", Text(plain(about)))
    return card


def _list(words: Iterable[str]) -> Text:
    return Text(plain(", ".join(words)))
