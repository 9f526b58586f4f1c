"""`attendant predict`: the answer alone."""

import typer

from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT
from attendant.cli import terminal
from attendant.cli.connection import (
    Address,
    AttributeOption,
    ImageOption,
    Json,
    Model,
    TextOption,
    Timeout,
    Version,
    connect,
    tweet_of,
)
from attendant.cli.console import print_json, screen
from attendant.cli.documents import predict_document
from attendant.questions import DEFAULT_MODEL


def predict(  # noqa: PLR0913 - the command's options
    context: typer.Context,
    *,
    text: TextOption = None,
    image: ImageOption = None,
    attribute: AttributeOption = None,
    model: Model = DEFAULT_MODEL,
    version: Version = "",
    address: Address = DEFAULT_ADDRESS,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: Json = False,
) -> None:
    """Ask a model about a tweet: text, an image, or both.

    Example: attendant predict --text "what a great monday" --image photo.jpg
    """
    tweet = tweet_of("predict", text, image, attribute)
    with connect(context, address, timeout) as client:
        result = client.predict(tweet, model=model, version=version)
    if as_json:
        print_json(predict_document(result))
    else:
        screen().print(terminal.answer(result))
