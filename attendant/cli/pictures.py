"""`--picture FILE`: refused before anything is computed, written at the end."""

from pathlib import Path
from typing import TYPE_CHECKING

from attendant.cli.console import WrongUse, plain, screen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDINGS = (".png", ".svg", ".pdf")


def check(picture: Path | None, option: str = "--picture") -> None:
    """WrongUse, naming the option, for a file that cannot be drawn."""
    if picture is None:
        return
    if picture.suffix.lower() not in _ENDINGS:
        raise WrongUse(f"{option} draws {', '.join(_ENDINGS)}; the name {picture.name!r} ends otherwise")
    if not picture.parent.is_dir():
        raise WrongUse(f"{option}: there is no folder {str(picture.parent)!r}")


def save(figure: "Figure", picture: Path) -> None:
    """Writes a figure and says so."""
    from attendant.pictures.charts import render  # noqa: PLC0415 - `attendant --help` stays fast

    picture.write_bytes(render(figure, format=picture.suffix.lower()[1:]))
    screen(stderr=True).print(f"drawn: {plain(str(picture))}", soft_wrap=True)
