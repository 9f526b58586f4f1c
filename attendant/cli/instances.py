"""Options that say what a command asks about, and what they make: a tweet, or a mosaic once its model is known."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from attendant.cli.console import WrongUse
from attendant.cli.mosaic_files import check_foreground, read_mosaic_file
from attendant.client import Client
from attendant.errors import model_not_found
from attendant.methods import Method
from attendant.questions import DEFAULT_OPTIONS
from attendant.types import Mosaic, MosaicShape, Tweet

TextOption = Annotated[str | None, typer.Option("--text", help="The tweet's text; - reads it from stdin.")]
ImageOption = Annotated[
    Path | None,
    typer.Option("--image", help="The tweet's image: JPEG, PNG or WebP.", exists=True, dir_okay=False),
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        help="A word that names what the image shows; up to five. Default: the service finds them.",
    ),
]
MosaicOption = Annotated[
    Path | None,
    typer.Option(
        "--mosaic",
        help="In place of a tweet, a mosaic: a sheet of tiles, a folder of images, or vectors as .json.",
        exists=True,
    ),
]
Foreground = Annotated[
    int | None,
    typer.Option(
        "--foreground",
        metavar="INDEX",
        help="Which segment of the mosaic is the foreground, from 0: the answer says whether the model looked there.",
        min=0,
    ),
]


@dataclass(frozen=True)
class MosaicFile:
    """A mosaic that is still to be read: only its model says what shape it has. `foreground` overrides the file's."""

    path: Path
    foreground: int | None

    def read(self, shape: MosaicShape) -> Mosaic:
        """Raises WrongUse where it is of another shape, OSError where it cannot be read."""
        mosaic = read_mosaic_file(self.path, shape)
        if self.foreground is None:
            return mosaic
        index = check_foreground(self.foreground, shape, "--foreground")
        return replace(mosaic, foreground_index=index)


def instance_of(
    command: str,
    text: str | None,
    image: Path | None,
    attributes: list[str] | None,
    mosaic: Path | None,
    foreground: int | None,
) -> Tweet | MosaicFile:
    """What the options describe."""
    if mosaic is None and foreground is not None:
        raise WrongUse("--foreground is about --mosaic, which is not given")
    if mosaic is None:
        return _tweet(command, text, image, attributes)
    if text is not None or image is not None or attributes:
        raise WrongUse("a mosaic is no tweet: give --mosaic without --text, --image and --attribute")
    return MosaicFile(mosaic, foreground)


@dataclass(frozen=True)
class MosaicModel:
    """What a command must know of a model that takes mosaics."""

    shape: MosaicShape
    methods: tuple[Method, ...]


def find_mosaic_model(client: Client, name: str) -> MosaicModel:
    """Asks the service; WrongUse, which lists those that do, if the model takes no mosaics."""
    models = client.list_models()
    found = next((model for model in models if model.name == name), None)
    if found is None:
        raise model_not_found(name, tuple(model.name for model in models))
    if found.mosaic is None:
        takers = ", ".join(model.name for model in models if model.mosaic is not None)
        raise WrongUse(
            f"model {name!r} takes no mosaics; give --model, one of: {takers or '(none is served)'}"
        )
    return MosaicModel(
        found.mosaic, tuple(method for method in DEFAULT_OPTIONS.methods if method in found.methods)
    )


def _tweet(command: str, text: str | None, image: Path | None, attributes: list[str] | None) -> Tweet:
    if text is None and image is None and not attributes:
        raise WrongUse(
            "nothing to ask about: give --text, --image, or --attribute (or all of them), "
            f"for example: attendant {command} --text 'what a great monday' --image photo.jpg"
        )
    return Tweet(_text(text), b"" if image is None else image.read_bytes(), tuple(attributes or ()))


def _text(text: str | None) -> str:
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        return (
            (text or "").encode("utf-8").decode("utf-8")
        )  # what is not UTF-8 in the shell arrives as surrogates
    except UnicodeError as error:
        raise WrongUse("the text is not UTF-8") from error
