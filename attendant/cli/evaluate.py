"""`attendant evaluate`: how good a model is on labelled rows, through the pipeline that serves it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from attendant.analysis.classification import ClassificationScores

app = typer.Typer(help="Measure a model on labelled data.", no_args_is_help=True)


@app.callback()
def evaluate() -> None:
    """Measure a model on labelled data."""


@app.command()
def sarcasm(
    data: Annotated[
        Path,
        typer.Option(
            help="Rows with text, label and maybe attributes: .jsonl or .jsonl.gz.",
            exists=True,
            dir_okay=False,
        ),
    ],
    text_field: Annotated[str, typer.Option(help="The field with the tweet's text.")] = "text",
    label_field: Annotated[str, typer.Option(help="The field with the label: 1 sarcastic, 0 not.")] = "label",
    version: Annotated[str, typer.Option(help="The model's version; else the manifest's default.")] = "",
    model_store: Annotated[Path, typer.Option(help="The folder of models.")] = Path("model_store"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Accuracy, precision, recall, F1 and calibration error (15 bins) of the sarcasm model.

    Rows without `attributes` are answered from their text alone.
    """
    # `attendant --help` stays fast
    from attendant.analysis.rows import read_tweets  # noqa: PLC0415
    from attendant.analysis.sarcasm import evaluate_sarcasm  # noqa: PLC0415
    from attendant.errors import AttendantError  # noqa: PLC0415
    from attendant.manifest import ManifestError  # noqa: PLC0415
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    tweets = read_tweets(data, text_field, label_field)
    try:
        model = SarcasmModel.open_torch(model_store / "sarcasm", version)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error
    with shown(Console(stderr=True)) as progress:
        scores = evaluate_sarcasm(model, tweets, progress.task("evaluating"))
    if as_json:
        typer.echo(json.dumps(asdict(scores)))
    else:
        Console().print(_table(scores, f"sarcasm {model.ref.version} on {data.name}"))


def _table(scores: "ClassificationScores", title: str) -> Table:
    table = Table(title=title, show_header=False)
    names = {"f1": "F1", "ece": "calibration error", "n": "rows"}
    for name, value in asdict(scores).items():
        table.add_row(names.get(name, name), f"{value:,}" if isinstance(value, int) else f"{value:.4f}")
    return table
