"""`attendant archive`: build what TorchServe and the embedded worker load, check it, copy and unpack it elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from attendant.cli.console import WrongUse, print_json
from attendant.errors import AttendantError, Reason

app = typer.Typer(help="Build the archives, check them, copy and unpack them.", invoke_without_command=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def build(
    context: typer.Context,
    model_store: Annotated[Path, typer.Option(help="Folder of models.", file_okay=False)] = Path(
        "model_store"
    ),
    output: Annotated[Path, typer.Option(help="Where the archives go.", file_okay=False)] = Path(
        "build/archives"
    ),
    mar: Annotated[bool, typer.Option(help="Also write a .mar file of each.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the archives: weights become ONNX graphs, beside the handler and the manifest.

    A seal, archive.sha256, lists every file; `verify` checks it, and so does whoever loads the archive.
    """
    if context.invoked_subcommand is not None:
        return
    if not model_store.is_dir():  # asked for here alone: the other commands need none
        raise WrongUse(f"--model-store: there is no folder {model_store}")
    from attendant.archive import build_archives  # noqa: PLC0415 - imports torch

    with Console(stderr=True).status("exporting the models to ONNX …"):
        built = [str(archive) for archive in build_archives(model_store, output, mar=mar)]
    if as_json:
        print_json({"built": built})
    else:
        for archive_folder in built:
            typer.echo(f"built {archive_folder}")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="An archive's folder, or a folder of such.", exists=True)],
    seal: Annotated[
        str, typer.Option(help="What the SHA-256 of the archive's seal must be; for one archive.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Check that archives hold what they were built with; exit status 1 and one line where one does not."""
    from attendant.seals import check_archives  # noqa: PLC0415 - `attendant --help` stays fast

    try:
        digests = check_archives(path)
    except ValueError as error:
        raise _changed(error) from None
    if seal and set(digests.values()) != {seal.lower()}:
        found = ", ".join(digests.values())
        raise AttendantError(
            f"{path}: the sha256 of its seal is {found}; it must be {seal}", Reason.INVALID_INPUT
        )
    _say(digests, as_json=as_json)


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="A .mar file.", exists=True, dir_okay=False)],
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
    as_json: JsonOption = False,
) -> None:
    """Unpack a .mar file: nothing lands outside the folder, and the folder is there only once it is checked."""
    from attendant.unpacking import unpack as unpack_file  # noqa: PLC0415

    try:
        digest = unpack_file(file, folder)
    except ValueError as error:
        raise _changed(error) from None
    _say({folder.name: digest}, as_json=as_json)


@app.command()
def copy(
    source: Annotated[Path, typer.Argument(help="A folder of archives.", exists=True, file_okay=False)],
    target: Annotated[
        Path, typer.Argument(help="The folder to make: in a volume, one for each release.", file_okay=False)
    ],
    manifests: Annotated[
        bool,
        typer.Option(
            "--manifests",
            help="SOURCE is a model store; copy what gateways and monitors read: manifests and references.",
        ),
    ] = False,
    seals: Annotated[
        Path | None,
        typer.Option(
            help="What the seals' SHA-256 must be, as `sha256sum */archive.sha256 */manifest.json` writes it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy archives and check every file; TARGET is there only once it is whole.

    Done again, it checks what is there and changes nothing; exit status 1 and one line where anything is wrong.
    """
    from attendant.delivery import ARCHIVES, MODEL_STORE, deliver, read_pins  # noqa: PLC0415

    goods = MODEL_STORE if manifests else ARCHIVES
    try:
        with _progress() as progress:
            pins = {} if seals is None else read_pins(seals, goods)
            delivery = deliver(goods, source, target, pins, progress)
    except ValueError as error:
        raise _changed(error) from None
    if as_json:
        print_json({"seals": dict(delivery.seals), "copied": delivery.copied})
        return
    for line in delivery.lines(target):
        typer.echo(line)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on a terminal, nothing elsewhere."""
    columns = (TextColumn("copying"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(digests: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json({"seals": digests})
        return
    for name, digest in digests.items():
        typer.echo(f"{name} is as it was built, seal sha256 {digest}")


def _changed(error: ValueError) -> AttendantError:
    return AttendantError(str(error), Reason.INVALID_INPUT)
