"""`attendant predict`: the answer alone."""

import typer

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli import terminal
from attendant.cli.connection import Address, Json, Model, Timeout, Version, connect
from attendant.cli.console import print_json, screen
from attendant.cli.documents import predict_document
from attendant.cli.instances import (
    AttributeOption,
    Foreground,
    ImageOption,
    MosaicFile,
    MosaicOption,
    TextOption,
    find_mosaic_model,
    instance_of,
)
from attendant.questions import DEFAULT_MODEL


def predict(  # noqa: PLR0913 - the command's options
    context: typer.Context,
    *,
    text: TextOption = None,
    image: ImageOption = None,
    attribute: AttributeOption = None,
    mosaic: MosaicOption = None,
    foreground: Foreground = None,
    model: Model = DEFAULT_MODEL,
    version: Version = "",
    address: Address = DEFAULT_ADDRESS,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: Json = False,
) -> None:
    """Ask a model about a tweet (text, an image, or both), or about a mosaic.

    Example: attendant predict --text "what a great monday" --image photo.jpg
    """
    asked = instance_of("predict", text, image, attribute, mosaic, foreground)
    with connect(context, address, timeout) as client:
        instance = (
            asked.read(find_mosaic_model(client, model).shape) if isinstance(asked, MosaicFile) else asked
        )
        result = client.predict(instance, model=model, version=version)
    if as_json:
        print_json(predict_document(result))
    else:
        screen().print(terminal.answer(result))
