"""`attendant reference`: the frozen statistics that drift of attention is measured against."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import ArrayLike
from rich.console import Console
from rich.table import Table

from attendant.cli.console import print_json
from attendant.errors import AttendantError
from attendant.manifest import REFERENCE, ManifestError, ModelManifest, read_manifest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    archive: Annotated[Path, typer.Option(help="The built archive, which is what serves.")] = Path(
        "build/archives/sarcasm"
    ),
    model_store: ModelStore = Path("model_store"),
    torch: Annotated[
        bool, typer.Option("--torch", help="Run eager torch from the model store instead of the archive.")
    ] = False,
    text_field: Annotated[str, typer.Option(help="The field with a labelled tweet's text.")] = "text",
    seed: Annotated[int, typer.Option(min=0, help="Of the split into reference and replay rows.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run held-back rows through the served pipeline and freeze what their attention looks like.

    Writes MODEL_STORE/MODEL/VERSION/reference.safetensors and lists it in the manifest; the weights' digest stays.
    Half of the rows: the other half is kept for replay. Rows themselves are not stored. `make archive` first, and
    again afterwards, so that the archive carries the reference along. docs/references.md says what is in it.
    """
    # `attendant --help` stays fast
    from attendant.analysis.references import (  # noqa: PLC0415
        build_reference,
        check_weights,
        origin_of,
        read_inputs,
        release_reference,
    )
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    folder = model_store / model
    _manifest(folder)
    try:
        if torch:
            served = SarcasmModel.open_torch(folder, version)
        else:
            served = SarcasmModel.open_served(archive / model, version)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be run: {error}. `make archive` builds it") from error
    origin = origin_of(served, text_field, seed)
    check_weights(folder, origin)
    with shown(Console(stderr=True)) as progress:
        progress.say("reading the data")
        built = build_reference(served, read_inputs(find_data(data), text_field), origin, progress)
    entry = release_reference(built, folder)
    if as_json:
        counts = {found.name: len(found.samples) for found in built.sets}
        print_json(
            {"path": str(folder / entry.path), "sha256": entry.sha256, "bytes": entry.bytes, "n": counts}
        )
        return
    typer.echo(f"wrote {folder / entry.path}, {entry.bytes:,} bytes, sha256 {entry.sha256}")
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
    if picture is not None and picture.suffix not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter("it ends in .png, .svg or .pdf", param_hint="--picture")
    opened = _open(model_store / model, version)
    if as_json:
        print_json(_document(opened))
    else:
        console = Console()
        for found in opened.sets:
            console.print(_vectors(found), _shares(found), sep="\n")
        origin = opened.origin
        console.print(
            f"{origin.model} {origin.version} ({origin.weights_digest[:12]}), {origin.pipeline}",
            highlight=False,
        )
    if picture is not None:
        _draw(opened).savefig(picture, dpi=120)


def _manifest(folder: Path) -> ModelManifest:
    try:
        manifest = read_manifest(folder)
    except ManifestError as error:
        raise AttendantError(f"the model cannot be read: {error}") from error
    if manifest.archive != "sarcasm":
        raise AttendantError(f"{manifest.name} is no sarcasm model; there are references of these alone")
    return manifest


def _open(folder: Path, version: str) -> "Reference":
    from attendant.statistics.references import BadReference, read_reference  # noqa: PLC0415

    manifest = _manifest(folder)
    entry = manifest.version_or_default(version)
    if REFERENCE not in entry.files:
        raise AttendantError(
            f"{manifest.name} {entry.version} has no reference; `attendant reference build --model {manifest.name} "
            f"--version {entry.version}` makes one"
        )
    file = entry.files[REFERENCE]
    try:
        opened = read_reference(folder / file.path, file.sha256)
    except BadReference as error:
        raise AttendantError(f"the reference cannot be read: {error}") from error
    if opened.origin.weights_digest != entry.digest:
        raise AttendantError(
            f"the reference of {manifest.name} {entry.version} was made by other weights "
            f"({opened.origin.weights_digest[:12]}, not {entry.digest[:12]}): build it anew"
        )
    return opened


def _spread(column: ArrayLike) -> tuple[float, float, float] | None:
    """Mean, 5 % and 95 % quantile of the numbers in a column; None where there is none."""
    values = np.asarray(column, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, (0.05, 0.95))
    return float(values.mean()), float(low), float(high)


def _vectors(found: "ReferenceSet") -> Table:
    from attendant.statistics.summaries import Statistic, Stream, streams  # noqa: PLC0415

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


def _shares(found: "ReferenceSet") -> Table:
    from attendant.statistics.summaries import Statistic, Stream  # noqa: PLC0415

    table = Table()
    table.add_column("")
    for name in ("mean", "5 %", "95 %"):
        table.add_column(name, justify="right")
    for name, column in _modality_weights(found).items():
        table.add_row(f"weight of {name}", *_cells(column))
    table.add_row("P(sarcastic)", *_cells(found.samples.column(Stream(Statistic.PROBABILITY))))
    return table


def _modality_weights(found: "ReferenceSet") -> dict[str, Any]:
    """Every modality's share of the fusion weights, N each, back from their coordinates; empty for one modality."""
    from attendant.statistics.summaries import Statistic, Stream, shares  # noqa: PLC0415

    if len(found.modalities) == 1:
        return {}
    columns = [found.samples.column(Stream(Statistic.LOG_RATIO, pivot)) for pivot in found.modalities[:-1]]
    weights = shares(np.stack(columns, axis=-1))
    return {str(modality): weights[:, i] for i, modality in enumerate(found.modalities)}


def _cells(column: ArrayLike) -> tuple[str, ...]:
    spread = _spread(column)
    return tuple(f"{value:.3f}" for value in spread) if spread else ("-", "-", "-")


def _name_of(target: str, source: str) -> str:
    if not source:
        return "modalities"
    return f"{target}, all together" if source == "mean" else f"{target} by {source}"


def _document(opened: "Reference") -> dict[str, Any]:
    from attendant.statistics.summaries import streams  # noqa: PLC0415

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
        "text_field": origin.text_field,
        "seed": origin.seed,
        "rule": origin.rule,
        "sets": sets,
    }


def _draw(opened: "Reference") -> "Figure":
    """A row of histograms a set: entropy ratio and max weight of the mean vectors, modality weights, probability."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    from attendant.pictures.style import INK, MUTED, WIDTH  # noqa: PLC0415
    from attendant.statistics.summaries import MEAN, Statistic, Stream  # noqa: PLC0415

    figure = Figure(figsize=(WIDTH, 2.3 * len(opened.sets) + 0.5), facecolor="white", layout="constrained")
    origin = opened.origin
    figure.suptitle(f"{origin.model} {origin.version}: reference statistics", color=INK)
    rows = figure.subplots(len(opened.sets), 4, squeeze=False)
    for axes, found in zip(rows, opened.sets, strict=True):
        for axis, statistic in zip(axes, (Statistic.ENTROPY_RATIO, Statistic.MAX_WEIGHT), strict=False):
            columns = {
                str(target): found.samples.column(Stream(statistic, target, MEAN))
                for target in found.modalities
            }
            _histogram(axis, f"{statistic.replace('_', ' ')} of means", columns)
        _histogram(axes[2], "modality weights", _modality_weights(found))
        _histogram(axes[3], "P(sarcastic)", {"": found.samples.column(Stream(Statistic.PROBABILITY))})
        axes[0].set_ylabel(f"{found.name}\nn = {len(found.samples)}", color=MUTED, fontsize=8)
        axes[0].legend(fontsize=7, frameon=False)
    return figure


def _histogram(axis: "Axes", title: str, columns: dict[str, Any]) -> None:
    """Shares of explanations in 40 bins of [0, 1], one outline a column; columns are called as their modality."""
    from attendant.pictures.style import COLOURS, MUTED  # noqa: PLC0415
    from attendant.types import Modality  # noqa: PLC0415

    for name, column in columns.items():
        values = column[np.isfinite(column)]
        axis.hist(
            values,
            bins=[edge / 40 for edge in range(41)],
            weights=np.full(len(values), 1 / max(len(values), 1)),
            histtype="step",
            color=COLOURS[Modality(name)] if name else MUTED,
            label=name,
        )
    if not columns:
        axis.text(0.5, 0.5, "one modality", ha="center", color=MUTED, fontsize=8, transform=axis.transAxes)
    axis.set_title(title, fontsize=9)
    axis.set_xlim(0, 1)
    axis.tick_params(labelsize=7, colors=MUTED)
    axis.spines[["top", "right"]].set_visible(False)
