"""`attendant train`: makes the models of model_store from the data."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

INTERRUPTED = 130

app = typer.Typer(help="Train the models of model_store from the data.", no_args_is_help=True)


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Stage(StrEnum):
    TEXT = "text"
    ENCODER = "encoder"
    JOINT = "joint"
    RELEASE = "release"


@app.callback()
def train() -> None:
    """Train the models of model_store from the data."""


@app.command()
def sarcasm(  # noqa: PLR0913, PLR0917 - a command's options
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The model's folder.")] = Path("model_store/sarcasm"),
    version: Annotated[str, typer.Option(help="The version to write.")] = "1",
    runs: Annotated[Path, typer.Option(help="Checkpoints and caches (some 6 GB).")] = Path("runs/sarcasm"),
    stage: Annotated[
        Stage, typer.Option(help="Where to stop; a stage runs those that it needs.")
    ] = Stage.RELEASE,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice.")] = 1,
    device: Annotated[Device, typer.Option(help="auto takes CUDA where there is one.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the text and of the joint stage, at most.")
    ] = None,
    encoder_epochs: Annotated[int | None, typer.Option(min=1, help="Of the encoder.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints.")] = True,
) -> None:
    """Train the sarcasm model: text and attributes, region encoder, all three modalities, release.

    Interrupted, the same command goes on where it was. On two CPU cores it takes about an hour.
    """
    import torch  # noqa: PLC0415 - `attendant --help` stays fast

    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.training.recipes import make_recipe  # noqa: PLC0415
    from attendant.training.release import Release, release  # noqa: PLC0415
    from attendant.training.sarcasm import SarcasmTraining  # noqa: PLC0415

    if threads:
        torch.set_num_threads(threads)
    recipe = make_recipe(epochs, encoder_epochs)
    console = Console(stderr=True)
    try:
        with shown(console) as progress:
            training = SarcasmTraining(find_data(data), runs, seed, progress, recipe, device, resume)
            training.run(stage)
            if stage is Stage.RELEASE:
                manifest = release(training, Release(out, version, _command(), seed))
                progress.say(
                    f"released {manifest.name} {version}, digest {manifest.versions[version].digest}"
                )
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from the last checkpoint")
        raise typer.Exit(INTERRUPTED) from None


def _command() -> str:
    """The command as a person would type it again."""
    return shlex.join(["attendant", *sys.argv[1:]])
