"""`attendant reference`: the frozen statistics that drift of attention is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import ArrayLike
from rich.console import Console
from rich.table import Table

from attendant.cli import pictures
from attendant.cli.console import print_json
from attendant.cli.stored import open_model, open_reference, serve
from attendant.errors import AttendantError
from attendant.manifest import FileEntry, ManifestError, read_store

if TYPE_CHECKING:
    from attendant.statistics.references import Reference, ReferenceSet

app = typer.Typer(
    help="The frozen statistics that drift of attention is measured against.", no_args_is_help=True
)

Model = Annotated[str, typer.Option(help="The model's folder in the model store.")]
Version = Annotated[str, typer.Option(help="Its version; else the manifest's default.")]
ModelStore = Annotated[Path, typer.Option(help="The folder of models.", exists=True, file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def reference() -> None:
    """The frozen statistics that drift of attention is measured against."""


@app.command()
def build(  # noqa: PLR0913, PLR0917 - a command's options
    model: Model = "sarcasm",
    version: Version = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every version of every model of the store.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data. Error modes need none.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    archives: Annotated[Path, typer.Option(help="The built archives, which are what serves.")] = Path(
        "build/archives"
    ),
    model_store: ModelStore = Path("model_store"),
    in_torch: Annotated[
        bool, typer.Option("--torch", help="Run eager torch from the model store instead of the archive.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the split into reference and replay.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run what no training has seen through the served pipeline and freeze what attention looks like there.

    Writes MODEL_STORE/MODEL/VERSION/reference.safetensors and lists it in the manifest; the weights' digest stays.
    Half of it: the other half is kept for replay. Inputs themselves are not stored. `make archive` first, and
    again afterwards, so that the archive carries the reference along. docs/references.md says what is in it.
    """
    # `attendant --help` stays fast
    from attendant.analysis.held_back import hold_back  # noqa: PLC0415
    from attendant.analysis.references import build_reference, check_weights, release_reference  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    if everything and version:
        raise typer.BadParameter("--all is of every version", param_hint="--version")
    written = []
    with _one_thread(), shown(Console(stderr=True)) as progress:
        for name in _names(model_store) if everything else (model,):
            manifest = open_model(model_store / name)
            versions = tuple(manifest.versions) if everything else (version,)
            opened = [serve(manifest, one, archives, model_store if in_torch else None) for one in versions]
            for served in opened:
                check_weights(model_store / name, served.ref)
            progress.say(f"reading what {name} was not trained on")
            held_back = hold_back(manifest, lambda: find_data(data), seed=seed)
            for served in opened:
                built = build_reference(served, held_back, progress)
                written.append((built, release_reference(built, model_store / name)))
    if as_json:
        print_json({"references": [_written(built, entry, model_store) for built, entry in written]})
        return
    for built, entry in written:
        path = model_store / built.origin.model / entry.path
        typer.echo(f"wrote {path}, {entry.bytes:,} bytes, sha256 {entry.sha256}")
        for found in built.sets:
            refused = f", {found.refused} more that the service refuses" if found.refused else ""
            typer.echo(f"  {found.name}: {len(found.samples)} of {found.eligible} {found.source}{refused}")


@app.command()
def show(
    model: Model = "sarcasm",
    version: Version = "",
    model_store: ModelStore = Path("model_store"),
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Also draw histograms into this file (.png, .svg, .pdf).", dir_okay=False, writable=True
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version's reference: how concentrated its attention is, and how much weight each input gets.

    For every set of modalities and every vector the mean and the middle 90 %. --json has every statistic.
    """
    pictures.check(picture)
    folder = model_store / model
    manifest = open_model(folder)
    opened = open_reference(folder, manifest.name, manifest.version_or_default(version))
    if as_json:
        print_json(_document(opened))
    else:
        console = Console()
        for found in opened.sets:
            console.print(_vectors(found), _scalars(found), sep="\n")
        origin = opened.origin
        console.print(
            f"{origin.model} {origin.version} ({origin.weights_digest[:12]}), {origin.pipeline}",
            highlight=False,
        )
    if picture is not None:
        from attendant.pictures.references import draw_reference  # noqa: PLC0415 - matplotlib takes its time

        pictures.save(draw_reference(opened), picture)


def _names(model_store: Path) -> tuple[str, ...]:
    try:
        return tuple(read_store(model_store))
    except ManifestError as error:
        raise AttendantError(f"the models cannot be read: {error}") from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """For what torch computes: beside other work, its threads mostly wait for each other."""
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _written(built: "Reference", entry: FileEntry, model_store: Path) -> dict[str, Any]:
    origin = built.origin
    return {
        "model": origin.model,
        "version": origin.version,
        "path": str(model_store / origin.model / entry.path),
        "sha256": entry.sha256,
        "bytes": entry.bytes,
        "n": {found.name: len(found.samples) for found in built.sets},
    }


def _spread(column: ArrayLike) -> tuple[float, float, float] | None:
    """Mean, 5 % and 95 % quantile of the numbers in a column; None where there is none."""
    values = np.asarray(column, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, (0.05, 0.95))
    return float(values.mean()), float(low), float(high)


def _vectors(found: "ReferenceSet") -> Table:
    from attendant.statistics.samples import Statistic, Stream, streams  # noqa: PLC0415

    table = Table(
        title=f"{found.name}: {len(found.samples)} explanations ({found.source})", title_justify="left"
    )
    table.add_column("attention over", no_wrap=True)
    for name in ("entropy ratio", "5 %", "95 %", "max weight", "5 %", "95 %"):
        table.add_column(name, justify="right", max_width=7)
    for stream in streams(found.modalities):
        if stream.statistic is Statistic.MAX_WEIGHT:
            ratio = Stream(Statistic.ENTROPY_RATIO, stream.target, stream.source)
            cells = [_cells(found.samples.column(one)) for one in (ratio, stream)]
            table.add_row(_name_of(stream.target, stream.source), *cells[0], *cells[1])
    return table


def _scalars(found: "ReferenceSet") -> Table:
    """What is one number an explanation: the modalities' weights, the answer, the impacts of permuting weights."""
    from attendant.statistics.samples import MOSAIC, Statistic, Stream  # noqa: PLC0415

    column = found.samples.column
    rows = {f"weight of {name}": weights for name, weights in found.modality_weights.items()}
    if found.modalities == MOSAIC:
        rows["focus risk"] = column(Stream(Statistic.FOCUS_RISK))
    rows["P(label)" if found.modalities == MOSAIC else "P(sarcastic)"] = column(Stream(Statistic.PROBABILITY))
    rows |= {f"impact of permuting {_name_of(name)}": impacts for name, impacts in found.impacts.items()}
    table = Table()
    table.add_column("")
    for name in ("mean", "5 %", "95 %"):
        table.add_column(name, justify="right")
    for name, values in rows.items():
        table.add_row(name, *_cells(values))
    return table


def _cells(column: ArrayLike) -> tuple[str, ...]:
    spread = _spread(column)
    return tuple(f"{value:.3f}" for value in spread) if spread else ("-", "-", "-")


def _name_of(target: str, source: str = "") -> str:
    """Of a vector."""
    if not source:
        return {"modality": "modalities", "segment": "segments"}.get(target, target)
    return f"{target}, all together" if source == "mean" else f"{target} by {source}"


def _document(opened: "Reference") -> dict[str, Any]:
    from attendant.statistics.samples import streams  # noqa: PLC0415

    origin = opened.origin
    sets = []
    for found in opened.sets:
        described = []
        for stream in streams(found.modalities):
            mean, low, high = _spread(found.samples.column(stream)) or (None, None, None)
            described.append(
                {
                    "statistic": stream.statistic,
                    "target": stream.target,
                    "source": stream.source,
                    "mean": mean,
                    "q05": low,
                    "q95": high,
                }
            )
        sets.append(
            {
                "modalities": list(found.modalities),
                "source": found.source,
                "eligible": found.eligible,
                "refused": found.refused,
                "n": len(found.samples),
                "streams": described,
            }
        )
    return {
        "model": {"name": origin.model, "version": origin.version, "weights_digest": origin.weights_digest},
        "pipeline": origin.pipeline,
        "inputs": origin.inputs,
        "seed": origin.seed,
        "rule": origin.rule,
        "sets": sets,
    }
