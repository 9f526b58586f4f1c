"""`attendant analyze`: whether a model's attention explains its answers, measured on many inputs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from attendant.cli import pictures
from attendant.cli.console import print_json, screen
from attendant.errors import AttendantError

if TYPE_CHECKING:
    from attendant.analysis.subjects import Chosen
    from attendant.models.sarcasm import SarcasmModel

_TOKENS = 5  # that a text needs for its first fifth to be one of several
_PAIR = 2  # of one token there is no order

Rows = Annotated[
    Path,
    typer.Option(
        help="Rows with text, label and maybe attributes: .jsonl or .jsonl.gz.", exists=True, dir_okay=False
    ),
]
TextField = Annotated[str, typer.Option(help="The field with the tweet's text.")]
LabelField = Annotated[str, typer.Option(help="The field with the label: 1 sarcastic, 0 not.")]
Version = Annotated[str, typer.Option(help="The model's version; else the manifest's default.")]
ModelStore = Annotated[Path, typer.Option(help="The folder of models.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many tweets, drawn at random.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Picture = Annotated[
    Path | None, typer.Option(help="Also draw it into this file: .png, .svg or .pdf.", dir_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

app = typer.Typer(help="Measure whether attention explains a model's answers.", no_args_is_help=True)


@app.callback()
def analyze() -> None:
    """Measure whether attention explains a model's answers."""


@app.command()
def faithfulness(  # noqa: PLR0913, PLR0917 - a command's options
    data: Rows,
    text_field: TextField = "text",
    label_field: LabelField = "label",
    version: Version = "",
    model_store: ModelStore = Path("model_store"),
    limit: Limit = 500,
    seed: Seed = 0,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Which ranking of a tweet's words tells what the answer depends on: attention, gradient, ... or none?

    Each ranking's first words are deleted, then they alone are kept, and the model answers anew. Example:
    attendant analyze faithfulness --data rows.jsonl --picture faithfulness.png
    """
    pictures.check(picture)
    # `attendant --help` stays fast
    import numpy as np  # noqa: PLC0415

    from attendant.analysis.faithfulness import measure, summarise  # noqa: PLC0415
    from attendant.analysis.rows import read_tweets  # noqa: PLC0415
    from attendant.analysis.subjects import ask, choose, gather, inspect  # noqa: PLC0415
    from attendant.cli.analyzed import faithfulness_document, faithfulness_tables  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    chosen = choose(read_tweets(data, text_field, label_field), _TOKENS, limit, seed)
    model = _open(model_store, version)
    generator = np.random.default_rng(seed)
    with shown(Console(stderr=True)) as progress:
        subjects = inspect(model, ask(chosen.rows), progress.task("deleting"))
        found, skipped = gather(subjects, lambda subject: measure(subject, generator))
    measures = [summarise(target, deletions, skipped[target]) for target, deletions in found.items()]
    if as_json:
        print_json(_about(model, seed, chosen) | faithfulness_document(measures))
    else:
        screen().print(*faithfulness_tables(measures), sep="\n")
        screen().print(_left_out(chosen.short, _TOKENS))
    if picture is not None:
        from attendant.pictures.faithfulness import draw_faithfulness  # noqa: PLC0415

        pictures.save(draw_faithfulness(measures, f"sarcasm {model.ref.version} on {data.name}"), picture)


@app.command()
def agreement(  # noqa: PLR0913, PLR0917 - a command's options
    data: Rows,
    text_field: TextField = "text",
    label_field: LabelField = "label",
    version: Version = "",
    model_store: ModelStore = Path("model_store"),
    limit: Limit = 500,
    seed: Seed = 0,
    skip_adversarial: Annotated[
        bool, typer.Option("--skip-adversarial", help="Rank agreement alone, which takes seconds.")
    ] = False,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Does attention rank words as other measures do, and could it be quite different? (Jain and Wallace 2019.)

    Some three minutes for 500 tweets. Example: attendant analyze agreement --data rows.jsonl --limit 50
    """
    pictures.check(picture)
    # `attendant --help` stays fast
    from attendant.analysis.agreement import examine, summarise  # noqa: PLC0415
    from attendant.analysis.rows import read_tweets  # noqa: PLC0415
    from attendant.analysis.subjects import ask, choose, gather, inspect  # noqa: PLC0415
    from attendant.cli.analyzed import agreement_document, agreement_tables  # noqa: PLC0415
    from attendant.methods import AdversarialOptions  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    chosen = choose(read_tweets(data, text_field, label_field), _PAIR, limit, seed)
    model = _open(model_store, version)
    options = AdversarialOptions(seed=seed)
    with shown(Console(stderr=True)) as progress:
        subjects = inspect(model, ask(chosen.rows), progress.task("comparing"))
        found, skipped = gather(
            subjects, lambda subject: examine(subject, None if skip_adversarial else options)
        )
    agreements = [
        summarise(target, examined, skipped[target], options.epsilon) for target, examined in found.items()
    ]
    if as_json:
        print_json(_about(model, seed, chosen) | agreement_document(agreements))
    else:
        screen().print(*agreement_tables(agreements), sep="\n")
        screen().print(_left_out(chosen.short, _PAIR))
    if picture is not None:
        from attendant.pictures.agreement import draw_agreement  # noqa: PLC0415

        pictures.save(draw_agreement(found, f"sarcasm {model.ref.version} on {data.name}"), picture)


@app.command()
def boxes(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    version: Version = "",
    model_store: ModelStore = Path("model_store"),
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many photographs.")] = None,
    seed: Seed = 0,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Does attention over a photograph lie on the objects in it? Cosines with the boxes of COCO.

    Half a minute for the 204 photographs. Example: attendant analyze boxes --limit 50
    """
    pictures.check(picture)
    # `attendant --help` stays fast
    from attendant.analysis.boxes import align, read_boxed, summarise  # noqa: PLC0415
    from attendant.analysis.subjects import Asked, inspect  # noqa: PLC0415
    from attendant.cli.analyzed import boxes_document, boxes_table  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.types import Tweet  # noqa: PLC0415

    boxed = read_boxed(find_data(data), limit)
    model = _open(model_store, version)
    asked = [Asked(one.photograph.name, Tweet(image=one.photograph.image)) for one in boxed]
    with shown(Console(stderr=True)) as progress:
        subjects = inspect(model, asked, progress.task("photographs with boxes"))
        found = [align(subject, one, seed) for subject, one in zip(subjects, boxed, strict=True)]
    parts = summarise(found)
    if as_json:
        print_json({"version": model.ref.version, "seed": seed} | boxes_document(parts))
    else:
        screen().print(boxes_table(parts))
    if picture is not None:
        from attendant.pictures.alignments import draw_alignments  # noqa: PLC0415

        pictures.save(
            draw_alignments(found, f"sarcasm {model.ref.version} on {len(found)} photographs"), picture
        )


def _open(model_store: Path, version: str) -> "SarcasmModel":
    import torch  # noqa: PLC0415

    from attendant.manifest import ManifestError  # noqa: PLC0415
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415

    torch.set_num_threads(1)  # one tweet's arrays are too small to share: several threads mostly wait
    try:
        return SarcasmModel.open_torch(model_store / "sarcasm", version)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error


def _about(model: "SarcasmModel", seed: int, chosen: "Chosen") -> dict[str, Any]:
    """What a document says first."""
    return {"version": model.ref.version, "seed": seed, "tweets": len(chosen.rows), "short": chosen.short}


def _left_out(short: int, tokens: int) -> str:
    return f"left out: {short:,} rows of the file whose text has fewer than {tokens} tokens"
