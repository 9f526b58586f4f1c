"""How atheris is run: libFuzzer's options come from the command line, after those that every target has."""

import sys
from collections.abc import Callable

import atheris

from fuzz import KEPT

MEGABYTES = 2048  # beyond which an input is a finding


def run(target: Callable[[bytes], None], corpus: str, longest: int) -> None:
    """Never returns. What breaks the target is kept in runs/fuzz; a folder on the command line collects inputs."""
    KEPT.mkdir(parents=True, exist_ok=True)
    options = (
        f"-max_len={longest}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-artifact_prefix={KEPT}/",
    )
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:], corpus], target)
    atheris.Fuzz()
