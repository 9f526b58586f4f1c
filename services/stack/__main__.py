"""`python -m services.stack run|stop|status`: the local stack, started and ended as one."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from services.settings import ConfigError
from services.stack import config, main
from services.torchserve.java import NoArchiveError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The local stack: TorchServe and the gateway."
)


@app.command()
def run(
    backend: Annotated[
        str, typer.Option(help="torchserve or embedded; else ATTENDANT_BACKEND says it.")
    ] = "",
) -> None:
    """Starts the stack, says when it is ready, and runs it until Ctrl-C or `stop`."""
    _exit_with(main.run, backend)


@app.command()
def stop() -> None:
    """Ends a running stack."""
    _exit_with(main.stop)


@app.command()
def status() -> None:
    """Says whether the stack runs and where; exit status 1 where it is not ready."""
    _exit_with(main.status)


def _exit_with(action: Callable[[config.Settings, main.Say], int], backend: str = "") -> None:
    try:
        code = action(config.read(backend), _say)
    except (ConfigError, main.StackError, NoArchiveError) as error:
        typer.echo(str(error), err=True)
        code = 1
    raise typer.Exit(code)


def _say(line: str) -> None:
    try:
        typer.echo(line)
        sys.stdout.flush()
    except OSError:
        pass  # the terminal is gone, and nobody reads; ending in order matters more


if __name__ == "__main__":
    app()
