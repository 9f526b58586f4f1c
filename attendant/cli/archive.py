"""`attendant archive`: build what TorchServe and the embedded worker load."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def archive(
    model_store: Annotated[Path, typer.Option(help="Folder of models.", exists=True, file_okay=False)] = Path(
        "model_store"
    ),
    output: Annotated[Path, typer.Option(help="Where the archives go.", file_okay=False)] = Path(
        "build/archives"
    ),
    mar: Annotated[bool, typer.Option(help="Also write a .mar file of each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build the archives: weights become ONNX graphs, beside the handler and the manifest."""
    from attendant.archive import build_archives  # noqa: PLC0415 - imports torch

    with Console(stderr=True).status("exporting the models to ONNX …"):
        built = [str(archive) for archive in build_archives(model_store, output, mar=mar)]
    if as_json:
        typer.echo(json.dumps({"built": built}))
    else:
        for archive_folder in built:
            typer.echo(f"built {archive_folder}")
