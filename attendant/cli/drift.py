"""`attendant drift`: what the drift monitor would say, without a service: of simulated traffic, or of a log."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from attendant.cli import pictures
from attendant.cli.console import WrongUse, plain, print_json, screen
from attendant.cli.long_work import command_line, interruptible
from attendant.cli.stored import find_version, open_reference, open_store, serve
from attendant.errors import AttendantError

if TYPE_CHECKING:
    from attendant.analysis.drift_simulation import Subject
    from attendant.manifest import ModelManifest
    from attendant.statistics.references import Reference

DRIFT, UNSAID = 3, 2  # exit statuses of `check`; 1 is a failure, as everywhere

app = typer.Typer(help="Whether attention drifts: simulated, or in a log.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="The model's folder in the model store.")]
Version = Annotated[str, typer.Option(help="Its version; else the manifest's default.")]
ModelStore = Annotated[Path, typer.Option(help="The folder of models.", exists=True, file_okay=False)]
Picture = Annotated[
    Path | None, typer.Option(help="Also draw it into this file: .png, .svg or .pdf.", dir_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def drift() -> None:
    """Whether attention drifts: simulated, or in a log."""


@app.command("simulate")
def simulate_traffic(  # noqa: PLR0913, PLR0917 - a command's options
    model: Model = "sarcasm",
    version: Version = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every version of every model that has a reference.")
    ] = False,
    windows: Annotated[
        int, typer.Option(min=1, help="Windows of 200 without drift, of each set of modalities.")
    ] = 10_000,
    simulations: Annotated[int, typer.Option(min=1, help="Of each planted drift and share of traffic.")] = 50,
    most: Annotated[int, typer.Option(min=1, help="Windows that a planted drift is looked for.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    archives: Annotated[
        Path, typer.Option(help="The built archives, which are what serves.", file_okay=False)
    ] = Path("build/archives"),
    model_store: ModelStore = Path("model_store"),
    kept: Annotated[
        Path, typer.Option(help="Where explanations are kept for the next time.", file_okay=False)
    ] = Path("build/drift"),
    write: Annotated[
        Path | None,
        typer.Option(help="Folder for the report: Markdown, JSON and PNG.", file_okay=False),
    ] = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """How often drift is announced that is not there, and how soon drift is that is.

    Explains the replay rows that no reference has (once; they are kept), and draws windows from them. A minute or two
    for the sarcasm model, and longer where explanations are not kept yet.
    Example: attendant drift simulate --windows 1000
    """
    pictures.check(picture)
    if everything and version:
        raise WrongUse("--all is of every version: leave --version out")
    # `attendant --help` stays fast
    from attendant.analysis.drift_simulation import Plan, simulate, simulate_general  # noqa: PLC0415
    from attendant.analysis.pools import Pools  # noqa: PLC0415
    from attendant.cli.drift_simulated import (  # noqa: PLC0415
        simulation_document,
        simulation_markdown,
        simulation_tables,
    )
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    store = open_store(model_store)
    chosen = _with_reference(store) if everything else [(model, find_version(store, model, version).version)]
    references = [open_reference(model_store / name, name, store[name].versions[one]) for name, one in chosen]
    plan = Plan(windows, simulations, most, seed)
    console = Console(stderr=True)
    with (
        interruptible(console, "the same command goes on with the explanations that are kept"),
        shown(console) as progress,
    ):
        pools = Pools(kept, progress)
        simulated = []
        for reference in references:
            progress.say(f"reading what {reference.origin.model} was not trained on")
            simulated.append(
                simulate(_subject(store, reference, lambda: find_data(data), archives), plan, pools, progress)
            )
        general = simulate_general(plan, progress)
    document = simulation_document(plan, general, simulated, command_line())
    if as_json:
        print_json(document)
    else:
        screen().print(*simulation_tables(plan, general, simulated), sep="\n")
    if picture is None and write is None:
        return
    from attendant.pictures.drift import draw_simulation  # noqa: PLC0415

    figure = draw_simulation(general, simulated)
    if picture is not None:
        pictures.save(figure, picture)
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        markdown = simulation_markdown(plan, general, simulated, command_line())
        (write / "drift.md").write_text(markdown, encoding="utf-8")
        (write / "drift.json").write_text(
            json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        pictures.save(figure, write / "drift.png")


@app.command("check")
def check_file(
    log: Annotated[
        Path,
        typer.Option(
            help="Explanations, one JSON object a line: .jsonl or .jsonl.gz.", exists=True, dir_okay=False
        ),
    ],
    model: Model = "sarcasm",
    version: Version = "",
    reference: Annotated[
        Path | None,
        typer.Option(
            help="A reference file, in place of the one shipped with the version.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    model_store: Annotated[Path, typer.Option(help="The folder of models.", file_okay=False)] = Path(
        "model_store"
    ),
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Whether the explanations of a log drift from the reference. Exit status: 0 no, 3 yes, 2 it cannot be said.

    Lines are what `attendant explain --json` prints, or answers of the HTTP API. Example:
    attendant drift check --log explanations.jsonl
    """
    pictures.check(picture)
    # `attendant --help` stays fast
    from attendant.analysis.drift_check import check_log  # noqa: PLC0415
    from attendant.analysis.explanation_log import read_log  # noqa: PLC0415
    from attendant.cli.drift_checked import check_document, check_tables, verdict  # noqa: PLC0415

    try:
        opened = _open(reference, model_store, model, version)
        checked = check_log(read_log(log), opened, model, version or opened.origin.version)
    except AttendantError as error:
        raise WrongUse(error.message) from error
    if not checked.sets:
        raise WrongUse(f"{log}: no explanation of {model} {version or opened.origin.version} is in there")
    if as_json:
        print_json(check_document(checked, opened.origin))
    else:
        screen().print(*check_tables(checked), sep="\n")
        screen().print(verdict(checked), soft_wrap=True)
    if picture is not None:
        from attendant.pictures.drift import draw_check  # noqa: PLC0415

        pictures.save(draw_check(checked, f"{plain(log.name)} and the reference of {model}"), picture)
    if checked.drifts or not checked.is_said:
        raise typer.Exit(DRIFT if checked.drifts else UNSAID)


def _with_reference(store: "dict[str, ModelManifest]") -> list[tuple[str, str]]:
    """Model and version of each reference that is shipped."""
    from attendant.manifest import REFERENCE  # noqa: PLC0415 - `attendant --help` stays fast

    return [
        (name, version)
        for name, manifest in store.items()
        for version, entry in manifest.versions.items()
        if REFERENCE in entry.files
    ]


def _subject(
    store: "dict[str, ModelManifest]", reference: "Reference", find: Callable[[], Path], archives: Path
) -> "Subject":
    """AttendantError where the archive is not of the weights that made the reference."""
    from attendant.analysis.drift_simulation import Subject  # noqa: PLC0415 - `attendant --help` stays fast
    from attendant.analysis.held_back import replay_inputs  # noqa: PLC0415

    model, version = reference.origin.model, reference.origin.version
    served = serve(store[model], version, archives)
    if served.ref.weights_digest != reference.origin.weights_digest:
        raise AttendantError(
            f"the archive of {model} {version} has other weights than those that made its reference: `make archive` "
            "builds it anew"
        )
    other = next(_replacements(store, model, version), None)
    return Subject(
        served,
        reference,
        replay_inputs(store[model], find, seed=reference.origin.seed),
        serve(store[other[0]], other[1], archives) if other else None,
    )


def _replacements(store: "dict[str, ModelManifest]", model: str, version: str) -> Iterator[tuple[str, str]]:
    """Other versions; then, in the order of names, other models of the same requests and classes."""
    manifest = store[model]
    yield from ((model, other) for other in manifest.versions if other != version)
    names = list(store)
    place = names.index(model)
    for name in names[place + 1 :] + names[:place]:
        other = store[name]
        if (other.archive, other.mosaic, other.classes) == (
            manifest.archive,
            manifest.mosaic,
            manifest.classes,
        ):
            yield name, other.default_version


def _open(file: Path | None, model_store: Path, model: str, version: str) -> "Reference":
    from attendant.statistics.references import (  # noqa: PLC0415 - `attendant --help` stays fast
        BadReference,
        read_reference,
    )

    if file is None:
        return open_reference(
            model_store / model, model, find_version(open_store(model_store), model, version)
        )
    try:
        return read_reference(file, hashlib.sha256(file.read_bytes()).hexdigest())
    except (BadReference, OSError) as error:
        raise AttendantError(f"the reference cannot be read: {error}") from error
