"""`attendant evaluate`: how good a model is on labelled rows, through the pipeline that serves it."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from attendant.cli import pictures

if TYPE_CHECKING:
    from attendant.analysis.classification import ClassificationEstimates, ClassificationScores
    from attendant.analysis.sarcasm import Forecasts
    from attendant.statistics.intervals import Estimate
    from attendant.training.encoder_evaluation import EncoderEvaluation


app = typer.Typer(help="Measure a model on labelled data.", no_args_is_help=True)


class Shown(StrEnum):
    """What of a row the model gets to see: text, attributes."""

    BOTH = "TA"
    TEXT = "T"
    ATTRIBUTES = "A"


@app.callback()
def evaluate() -> None:
    """Measure a model on labelled data."""


@app.command()
def sarcasm(  # noqa: PLR0913, PLR0917 - a command's options
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
    shown: Annotated[
        Shown, typer.Option(help="What the model sees of a row: text (T), attributes (A), both.")
    ] = Shown.BOTH,
    version: Annotated[str, typer.Option(help="The model's version; else the manifest's default.")] = "",
    model_store: Annotated[Path, typer.Option(help="The folder of models.")] = Path("model_store"),
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw a reliability diagram into this file: .png, .svg or .pdf.", dir_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Accuracy, precision, recall, F1 and calibration error (15 bins) of the sarcasm model, with 95 % intervals.

    Rows without `attributes` are answered from their text alone. Example:
    attendant evaluate sarcasm --data rows.jsonl --picture reliability.png
    """
    pictures.check(picture)
    # `attendant --help` stays fast
    from attendant.analysis.classification import estimate, score  # noqa: PLC0415
    from attendant.analysis.rows import read_tweets  # noqa: PLC0415
    from attendant.analysis.sarcasm import forecast, show  # noqa: PLC0415
    from attendant.errors import AttendantError  # noqa: PLC0415
    from attendant.manifest import ManifestError  # noqa: PLC0415
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415
    from attendant.training.progress import shown as shown_on  # noqa: PLC0415

    tweets = [
        show(tweet, text=shown is not Shown.ATTRIBUTES, attributes=shown is not Shown.TEXT)
        for tweet in read_tweets(data, text_field, label_field)
    ]
    try:
        model = SarcasmModel.open_torch(model_store / "sarcasm", version)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error
    with shown_on(Console(stderr=True)) as progress:
        forecasts = forecast(model, tweets, progress.task("evaluating"))
    answered = forecasts.labels, forecasts.probabilities, model.threshold
    scores, estimates = score(*answered), estimate(*answered)
    title = f"sarcasm {model.ref.version} on {data.name}"
    if as_json:
        typer.echo(json.dumps(_document(scores, estimates)))
    else:
        Console().print(_table(scores, estimates, title))
    if picture is not None:
        _draw(picture, forecasts, title, scores)


@app.command()
def encoder(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    version: Annotated[str, typer.Option(help="The model's version; else the manifest's default.")] = "",
    model_store: Annotated[Path, typer.Option(help="The folder of models.")] = Path("model_store"),
    runs: Annotated[Path, typer.Option(help="Its cache keeps the teacher's features (some 20 MB).")] = Path(
        "runs/sarcasm"
    ),
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many photographs of a kind, for a quick look.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """The region encoder beside its teacher, on held-out photographs: agreement, features, objects, sentiment, speed.

    docs/evaluation.md says what each figure means. Takes some minutes on two cores. Example:
    attendant evaluate encoder --limit 50
    """
    # `attendant --help` stays fast
    from attendant.errors import AttendantError  # noqa: PLC0415
    from attendant.manifest import ManifestError, read_manifest  # noqa: PLC0415
    from attendant.models.encoders import CompactEncoder  # noqa: PLC0415
    from attendant.models.store import load_encoder  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.encoder_evaluation import evaluate_encoder  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    folder = find_data(data)
    try:
        manifest = read_manifest(model_store / "sarcasm")
        entry = manifest.version_or_default(version)
        loaded = load_encoder(model_store / "sarcasm", entry)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error
    if not isinstance(loaded, CompactEncoder):
        raise AttendantError(f"version {entry.version!r} has the paper's encoder, which names no classes")
    with shown(Console(stderr=True)) as progress:
        evaluation = evaluate_encoder(loaded, folder, runs / "cache", progress, limit, threads)
    if as_json:
        typer.echo(json.dumps({"version": entry.version, **_encoder_document(evaluation)}))
    else:
        _print_encoder(evaluation, f"region encoder of sarcasm {entry.version}")


def _draw(picture: Path, forecasts: "Forecasts", title: str, scores: "ClassificationScores") -> None:
    from attendant.analysis.classification import reliability  # noqa: PLC0415
    from attendant.pictures.reliability import render_reliability  # noqa: PLC0415

    bins = reliability(forecasts.labels, forecasts.probabilities)
    note = f"expected calibration error {scores.ece:.3f}, {scores.n:,} rows"
    picture.write_bytes(render_reliability(bins, title, note, format=picture.suffix.lower()[1:]))
    Console(stderr=True).print(f"drawn: {picture}", markup=False, soft_wrap=True)


def _document(scores: "ClassificationScores", estimates: "ClassificationEstimates") -> dict[str, object]:
    """The scores at the top, their intervals [low, high] by the same names, and the chance part of the ECE."""
    found: dict[str, Estimate] = {name: getattr(estimates, name) for name in vars(estimates)}
    chance = found.pop("ece_if_calibrated")
    return {
        **asdict(scores),
        "intervals": {name: one.interval for name, one in found.items()},
        "ece_if_calibrated": {"mean": chance.value, "interval": chance.interval},
    }


def _table(scores: "ClassificationScores", estimates: "ClassificationEstimates", title: str) -> Table:
    table = Table(title=title, caption=f"{scores.n:,} rows; 95 % intervals")
    for column in ("", "measured", "interval"):
        table.add_column(column, justify="left" if not column else "right")
    names = {
        "f1": "F1",
        "ece": "calibration error",
        "ece_if_calibrated": "the same, were the probabilities true",
    }
    for name, one in vars(estimates).items():
        table.add_row(names.get(name, name), f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}")
    return table


def _encoder_document(evaluation: "EncoderEvaluation") -> dict[str, object]:
    """Measures by name; an estimate is an object of value, low and high."""
    document = asdict(evaluation)
    return document | {"measures": {measure.pop("name"): measure for measure in document["measures"]}}


def _print_encoder(evaluation: "EncoderEvaluation", title: str) -> None:
    table = Table(
        title=title,
        caption="n photographs; 95 % intervals in brackets; docs/evaluation.md says what is measured",
    )
    for column in (
        "",
        "photographs",
        "encoder",
        "teacher",
        "centred teacher",
        "constant",
        "encoder - teacher",
    ):
        table.add_column(column, justify="left" if not column else "right")
    for measure in evaluation.measures:
        table.add_row(
            measure.title,
            f"{measure.n:,}",
            _figure(measure.encoder),
            _figure(measure.teacher),
            _figure(measure.centred_teacher),
            f"{measure.constant:.3f}",
            _figure(measure.difference),
        )
    latency = evaluation.latency
    console = Console()
    console.print(table)
    console.print(
        f"one photograph in ONNX Runtime, {evaluation.threads} threads, median of {latency.rounds}: "
        f"encoder {_figure(latency.this_ms, 1, ' ')} ms, teacher {_figure(latency.other_ms, 1, ' ')} ms, "
        f"the teacher takes {_figure(latency.ratio, 2, ' ')} times as long",
        markup=False,
        highlight=False,
    )


def _figure(one: "Estimate | None", digits: int = 3, gap: str = "\n") -> str:
    """0.512 (0.480, 0.544), on two lines; the interval is left out where there is no doubt."""
    if one is None:
        return ""
    value = f"{one.value:.{digits}f}"
    if one.low == one.high:
        return value
    return f"{value}{gap}({one.low:.{digits}f}, {one.high:.{digits}f})"
