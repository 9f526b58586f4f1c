"""`attendant token`: make, list and revoke the bearer tokens that a gateway takes (ATTENDANT_TOKENS)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attendant.cli.connection import Json
from attendant.cli.console import WrongUse, print_json, screen

if TYPE_CHECKING:
    from attendant.tokens import Token

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the tokens that a gateway takes.")

Existing = Annotated[
    Path, typer.Option(help="File of tokens.", envvar="ATTENDANT_TOKENS", exists=True, dir_okay=False)
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Who will hold it.")],
    model: Annotated[list[str], typer.Option(help="A model that it may use; repeat it, or '*' for all.")],
    rate: Annotated[
        float | None, typer.Option(help="Requests a second, on average, of each gateway; default: no limit.")
    ] = None,
    burst: Annotated[int | None, typer.Option(help="Requests at once; default: those of one second.")] = None,
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day that it is good for, UTC.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="File to add its entry to (.json, or else YAML); without one the entry is printed.",
            envvar="ATTENDANT_TOKENS",
            dir_okay=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a new token, for the only time: a file keeps its SHA-256 alone. Gateways take it within a second or two."""
    from attendant.tokens import (  # noqa: PLC0415 - the other commands start without pydantic
        EVERY_MODEL,
        dump_token,
        hash_token,
        make_token,
        parse_tokens,
        write_tokens,
    )

    secret = make_token()
    wanted = {
        "name": name,
        "sha256": hash_token(secret),
        "models": EVERY_MODEL if model == [EVERY_MODEL] else model,
        "requests_per_second": rate,
        "burst": burst,
        "expires": expires and expires.date().isoformat(),
    }
    before = list(_read(file)) if file is not None and file.exists() else []
    try:
        (entry,) = parse_tokens(
            json.dumps([{key: value for key, value in wanted.items() if value is not None}]).encode()
        )
    except ValueError as error:
        raise WrongUse(str(error).removeprefix(f"entry 1 ({name}): ")) from error
    if file is not None:
        if name in {token.name for token in before}:
            raise WrongUse(
                f"{file} has a token named {name!r} already; revoke it first, or take another name"
            )
        write_tokens(file, [*before, entry])
    if as_json:
        print_json({"token": secret, "entry": dump_token(entry)})
        return
    typer.echo(secret)
    if file is None:
        typer.echo(json.dumps(dump_token(entry)))


@app.command("list")
def list_tokens(*, file: Existing, as_json: Json = False) -> None:
    """List the entries of a file: names, and what each may do."""
    from attendant.tokens import dump_token  # noqa: PLC0415

    tokens = _read(file)
    if as_json:
        print_json({"tokens": [dump_token(token) for token in tokens]})
        return
    for token in tokens:
        screen().print(_describe(token), soft_wrap=True)
    if not tokens:
        screen().print("there are no tokens: nobody may ask")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The entry's name.")], *, file: Existing) -> None:
    """Remove an entry (and the comments of a YAML file). Gateways turn its token away within a second or two."""
    from attendant.tokens import write_tokens  # noqa: PLC0415

    tokens = _read(file)
    left = [token for token in tokens if token.name != name]
    if len(left) == len(tokens):
        raise WrongUse(f"{file} has no token named {name!r}")
    write_tokens(file, left)
    typer.echo(f"revoked {name}")


def _read(file: Path) -> "tuple[Token, ...]":
    from attendant.tokens import TokensError, read_tokens  # noqa: PLC0415

    try:
        return read_tokens(file)
    except TokensError as error:
        raise WrongUse(f"{file}: {error}") from error


def _describe(token: "Token") -> str:
    models = token.models if isinstance(token.models, str) else ", ".join(token.models)
    facts = [f"{token.name}: models {models}"]
    if token.requests_per_second is not None:
        facts.append(f"{token.requests_per_second:g} requests a second")
    if token.expires is not None:
        gone = token.expired(datetime.now(UTC).date())
        facts.append(f"{'expired' if gone else 'expires'} {token.expires.isoformat()}")
    return "; ".join(facts)
