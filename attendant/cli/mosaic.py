"""`attendant mosaic`: a mosaic that a model has not seen in training, in a file that --mosaic reads."""

from pathlib import Path
from typing import Annotated

import typer

from attendant.cli.mosaic_files import encode_tile, write_mosaic
from attendant.types import Mosaic, Segment


def mosaic(
    model: Annotated[
        str, typer.Argument(help="The model it is for, such as sdc-cifar-sparsemax-0 or sdc-error-mode-1.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(help="Where to write it: a sheet (.png) or a new folder for images, .json for points."),
    ],
    number: Annotated[int, typer.Option(min=0, max=9_999, help="Which of the 10,000 held-out mosaics.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder with CIFAR-10; else ATTENDANT_DATA, else ../shared/data. Points need none.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Draw a mosaic to ask a model about, with its foreground marked.

    Example: attendant mosaic sdc-error-mode-1 --number 7 --out mosaic.json
    """
    from attendant.training.data import find_data  # noqa: PLC0415 - `attendant --help` stays fast
    from attendant.training.sdc_sets import draw_held_out  # noqa: PLC0415

    drawn, name = draw_held_out(model, number, lambda: find_data(data))
    segments: list[Segment] = [
        encode_tile(segment) if segment.ndim > 1 else tuple(segment.tolist())
        for segment in drawn.gather([0])[0]
    ]
    index = int(drawn.foreground[0])
    write_mosaic(out, Mosaic(tuple(segments), index))
    typer.echo(f"wrote {out}: the foreground is segment {index}, {name}")
