"""`attendant reproduce`: the tables and figures of the SDC paper, made again from scratch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from attendant.cli.console import WrongUse, plain, screen
from attendant.cli.long_work import GOES_ON, Device, command_line, interruptible
from attendant.cli.train import ProtocolOption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Out = Annotated[Path, typer.Option(help="Folder for the tables and figures.", file_okay=False)]
Runs = Annotated[Path, typer.Option(help="Checkpoints of the CIFAR models.", file_okay=False)]

app = typer.Typer(help="Make the tables and figures of the SDC paper again.", no_args_is_help=True)


@app.callback()
def reproduce() -> None:
    """Make the tables and figures of the SDC paper again: Markdown, JSON, PNG and SVG."""


@app.command("sdc-error-modes")
def sdc_error_modes(
    out: Out,
    seeds: Annotated[
        int, typer.Option(min=1, help="Initialisations to try of each mode; about a second each.")
    ] = 30,
) -> None:
    """Models that are right nearly always, and look in the wrong place a third of the time (Figures 2 to 4).

    A minute or two. Example: attendant reproduce sdc-error-modes --out error-modes
    """
    # `attendant --help` stays fast
    from attendant.cli.reproduced import error_modes_document, error_modes_markdown  # noqa: PLC0415
    from attendant.pictures.error_modes import draw_error_mode  # noqa: PLC0415
    from attendant.training.error_modes import SHIPPED, scan, survey, train_error_mode  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    found, figures = [], {}
    console = Console(stderr=True)
    with interruptible(console, "the same command starts afresh"), shown(console) as progress:
        for number, seed in SHIPPED.items():
            mode = train_error_mode(number, seed)
            landscape = survey(mode.trained.model, mode.mode, mode.held_out)
            tried = list(scan(number, range(seeds), progress.task(f"initialisations of mode {number}")))
            progress.say(
                f"mode {number}: shown by {sum(one.shown for one in tried)} of {seeds} initialisations"
            )
            found.append((mode, landscape, tried))
            figures[f"error-mode-{number}"] = draw_error_mode(landscape, f"Error mode {number}, seed {seed}")
    _write(
        out,
        "error-modes",
        error_modes_markdown(found, command_line()),
        error_modes_document(found, command_line()),
        figures,
    )


@app.command("sdc-dynamics")
def sdc_dynamics(
    out: Out,
    runs: Runs = Path("runs/sdc"),
    seed: Annotated[int, typer.Option(min=0, help="Of the trainings on clusters.")] = 0,
) -> None:
    """How focus and answers come about in training (Figure 5): error modes, clusters of points, CIFAR models.

    The CIFAR models are those that have checkpoints, finished or not. Half a minute.
    Example: attendant reproduce sdc-dynamics --out dynamics
    """
    # `attendant --help` stays fast
    from attendant.cli.reproduced import dynamics_document, dynamics_markdown  # noqa: PLC0415
    from attendant.models.focus_maps import Mechanism  # noqa: PLC0415
    from attendant.pictures.dynamics import draw_dynamics  # noqa: PLC0415
    from attendant.training.courses import read_courses  # noqa: PLC0415
    from attendant.training.error_modes import SHIPPED, train_error_mode  # noqa: PLC0415
    from attendant.training.planes import train_clusters  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415

    cifar = read_courses(runs)
    console = Console(stderr=True)
    with interruptible(console, "the same command starts afresh"), shown(console) as progress:
        report = progress.task("training on points")
        total = len(SHIPPED) + len(Mechanism)
        modes, clusters = [], []
        for done, (number, shipped) in enumerate(SHIPPED.items(), start=1):
            modes.append(train_error_mode(number, shipped).trained.course)
            report(done, total)
        for done, mechanism in enumerate(Mechanism, start=len(SHIPPED) + 1):
            clusters.append(train_clusters(mechanism, seed))
            report(done, total)
    groups = [
        ("dynamics-error-modes", "The three error modes", modes),
        ("dynamics-clusters", "Five mechanisms on clusters of points", clusters),
    ]
    figures = {figure: draw_dynamics(courses, heading, early=True) for figure, heading, courses in groups}
    if cifar:
        figure, heading = "dynamics-cifar", "CIFAR-SDC"
        groups.append((figure, heading, cifar))
        figures[figure] = draw_dynamics(cifar, heading, early=False)
    _write(
        out,
        "dynamics",
        dynamics_markdown(groups, command_line()),
        dynamics_document(groups, command_line()),
        figures,
    )


@app.command("sdc-table2")
def sdc_table2(  # noqa: PLR0913, PLR0917 - a command's options
    out: Out,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    runs: Runs = Path("runs/sdc"),
    variant: Annotated[
        list[str] | None,
        typer.Option(help="A model of the table, such as sdc-cifar-sparsemax-0; repeatable; default: all."),
    ] = None,
    protocol: ProtocolOption = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="How many, from --seed on.")] = 1,
    device: Annotated[Device, typer.Option(help="auto takes CUDA where there is one.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    only_finished: Annotated[
        bool, typer.Option("--only-finished", help="Train nothing: measure the models that are there.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints.")] = True,
) -> None:
    """Accuracy and focus of five mechanisms at two averaging layers on CIFAR-SDC (Table 2, Figure 6).

    What has no finished training is trained, and that takes about an hour a model on a CPU core.
    Example: attendant reproduce sdc-table2 --out table2 --only-finished
    """
    import torch  # noqa: PLC0415 - `attendant --help` stays fast

    from attendant.analysis.focus_runs import Trainings, measure_variant, train_variants  # noqa: PLC0415
    from attendant.cli.reproduced import table_document, table_markdown  # noqa: PLC0415
    from attendant.pictures.thresholds import draw_thresholds  # noqa: PLC0415
    from attendant.training.compute import choose_device  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.training.sdc_sets import read_sets  # noqa: PLC0415
    from attendant.training.variants import VARIANTS, Protocol  # noqa: PLC0415

    for name in variant or ():
        if name not in VARIANTS:
            raise WrongUse(f"--variant: {name!r} is not in the table; there are: {', '.join(VARIANTS)}")
    if only_finished and not resume:
        raise WrongUse("--no-resume trains afresh, and --only-finished trains nothing: give one of them")
    if threads:
        torch.set_num_threads(threads)
    chosen = [one for name, one in VARIANTS.items() if not variant or name in variant]
    if protocol is not None:
        chosen = [one.by(Protocol(protocol)) for one in chosen]
    trainings = Trainings(runs, range(seed, seed + seeds), choose_device(device), only_finished, resume)
    console = Console(stderr=True)
    remedy = GOES_ON + ("" if resume else ", without --no-resume")
    with interruptible(console, remedy), shown(console) as progress:
        sets = read_sets(find_data(data))
        train_variants(chosen, sets, trainings, progress)
        rows = [measure_variant(one, sets, trainings, progress) for one in chosen]
    figures = {}
    if any(row.runs for row in rows):
        title = "Share of held-out mosaics whose foreground weighs more than a threshold"
        figures["thresholds"] = draw_thresholds(rows, title)
    _write(out, "table2", table_markdown(rows, command_line()), table_document(rows, command_line()), figures)


def _write(
    out: Path, name: str, markdown: str, document: Mapping[str, Any], figures: Mapping[str, "Figure"]
) -> None:
    """The report as Markdown and JSON, its figures as PNG and SVG, and a line that says where."""
    from attendant.pictures.charts import render  # noqa: PLC0415 - `attendant --help` stays fast

    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(markdown, encoding="utf-8")
    (out / f"{name}.json").write_text(
        json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    for stem, figure in figures.items():
        for ending in ("png", "svg"):
            (out / f"{stem}.{ending}").write_bytes(render(figure, format=ending))
    drawn = f" and {len(figures)} figure{'s' * (len(figures) > 1)} (PNG, SVG)" if figures else ""
    screen().print(f"wrote {plain(str(out / name))}.md, .json{drawn}", soft_wrap=True)
