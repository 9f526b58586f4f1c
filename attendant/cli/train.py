"""`attendant train`: makes the models of model_store from the data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from attendant.cli.long_work import Device, command_line, interruptible

VERSIONS = {"original": "1", "mmsd2": "2"}

app = typer.Typer(help="Train the models of model_store from the data.", no_args_is_help=True)


class Protocol(StrEnum):
    FIXED = "fixed"
    FRESH = "fresh"


class Labels(StrEnum):
    ORIGINAL = "original"
    MMSD2 = "mmsd2"


class Stage(StrEnum):
    LABELS = "labels"
    TEXT = "text"
    ENCODER = "encoder"
    IMAGE = "image"
    RELEASE = "release"


ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(
        help="fixed: the same 30,000 mosaics in every epoch, as the paper's; fresh: drawn anew at each step, three "
        "times as fast. Default: as each model was shipped."
    ),
]


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
    labels: Annotated[
        Labels, typer.Option(help="The authors' texts and labels, or those of MMSD2.0.")
    ] = Labels.ORIGINAL,
    version: Annotated[
        str, typer.Option(help="The version to write; else 1 for original labels, 2 for mmsd2.")
    ] = "",
    runs: Annotated[Path, typer.Option(help="Checkpoints and caches (some 12 GB).")] = Path("runs/sarcasm"),
    stage: Annotated[
        Stage, typer.Option(help="Where to stop; a stage runs those that it needs.")
    ] = Stage.RELEASE,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice.")] = 1,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, help="Fusion models to train, from --seed on; the best on validation is released."
        ),
    ] = 5,
    device: Annotated[Device, typer.Option(help="auto takes CUDA where there is one.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of each stage of the fusion model, at most.")
    ] = None,
    encoder_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the whole encoder, after its parts.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints.")] = True,
) -> None:
    """Train the sarcasm model: soft labels, text and attributes, region encoder, image side, release.

    Interrupted, the same command goes on where it was. On two CPU cores it takes hours, on a GPU minutes.
    """
    import torch  # noqa: PLC0415 - `attendant --help` stays fast

    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.training.recipes import make_recipe  # noqa: PLC0415
    from attendant.training.release import Release, release  # noqa: PLC0415
    from attendant.training.sarcasm import Labels as TrainingLabels  # noqa: PLC0415
    from attendant.training.sarcasm import SarcasmTraining  # noqa: PLC0415

    if threads:
        torch.set_num_threads(threads)
    recipe = make_recipe(epochs, encoder_epochs)
    console = Console(stderr=True)
    with interruptible(console), shown(console) as progress:
        training = SarcasmTraining(
            find_data(data),
            runs,
            range(seed, seed + seeds),
            progress,
            recipe,
            TrainingLabels(labels),
            device,
            resume,
        )
        training.run(stage)
        if stage is Stage.RELEASE:
            version = version or VERSIONS[labels]
            manifest = release(training, Release(out, version, command_line()), progress.say)
            progress.say(f"released {manifest.name} {version}, digest {manifest.versions[version].digest}")


@app.command()
def typical(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The model's folder.")] = Path("model_store/sarcasm"),
    labels: Annotated[Labels, typer.Option(help="Whose texts the version was trained on.")] = Labels.ORIGINAL,
    version: Annotated[str, typer.Option(help="The version; else 1 for original labels, 2 for mmsd2.")] = "",
) -> None:
    """Measure what the elements of a version's training set look like, for cross-modal probing.

    Writes VERSION/typical.safetensors into the model's folder and lists it in the manifest, which changes the
    version's digest: build the archive and the reference again.
    """
    from attendant.models.sarcasm import SarcasmModel  # noqa: PLC0415 - as above
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.training.sarcasm import Labels as TrainingLabels  # noqa: PLC0415
    from attendant.training.typical import measure_typical, release_typical  # noqa: PLC0415

    version = version or VERSIONS[labels]
    model = SarcasmModel.open_torch(out, version)
    text_field, _ = TrainingLabels(labels).fields
    with shown(Console(stderr=True)) as progress:
        entry = release_typical(measure_typical(model, find_data(data), text_field, progress), out, version)
    typer.echo(f"wrote {out / entry.path}, {entry.bytes:,} bytes, sha256 {entry.sha256}")


@app.command()
def sdc(  # noqa: PLR0913, PLR0917 - a command's options
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Which to make, such as sdc-cifar-sparsemax-0 or sdc-error-mode-1; default: all thirteen."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; else ATTENDANT_DATA, else ../shared/data.", exists=True, file_okay=False
        ),
    ] = None,
    store: Annotated[Path, typer.Option(help="Where the models' folders are written.")] = Path("model_store"),
    runs: Annotated[Path, typer.Option(help="Checkpoints.")] = Path("runs/sdc"),
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice of the CIFAR models.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of 30,000 mosaics each, for the CIFAR models.")
    ] = None,
    protocol: ProtocolOption = None,
    device: Annotated[Device, typer.Option(help="auto takes CUDA where there is one.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints.")] = True,
) -> None:
    """Train focus-classify models (FCAM) and release them, with the risk that their focus is wrong.

    Interrupted, the same command goes on where it was. A CIFAR model takes up to an hour on one CPU core, an error mode
    seconds.
    """
    import torch  # noqa: PLC0415 - as above

    from attendant.training.compute import choose_device  # noqa: PLC0415
    from attendant.training.data import find_data  # noqa: PLC0415
    from attendant.training.progress import shown  # noqa: PLC0415
    from attendant.training.sdc_models import Making, make_models  # noqa: PLC0415
    from attendant.training.variants import Protocol as TrainingProtocol  # noqa: PLC0415

    if threads:
        torch.set_num_threads(threads)
    console = Console(stderr=True)
    with interruptible(console), shown(console) as progress:
        chosen = None if protocol is None else TrainingProtocol(protocol)
        making = Making(store, runs, progress, choose_device(device), seed, epochs, chosen, resume)
        make_models(models or (), making, lambda: find_data(data))
