"""atheris finds nothing in some thousand steps, and would find what is there; `make fuzz` takes more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS = {"images": 6000, "texts": 600}  # some seconds each


def run(target, *command):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run(
        [sys.executable, *command, f"-atheris_runs={RUNS[target]}", "-seed=6", "-verbosity=0"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["images", "texts"])
def test_nothing_is_found(target):
    code, said = run(target, "-m", f"fuzz.{target}")
    assert code == 0, said[-4000:]


PLANTED = """
from pathlib import Path
from fuzz import coverage, {target}

coverage.KEPT = Path({kept!r})
real = {target}.{name}
{target}.{name} = lambda data, *_, **__: 1 / 0 if {broken} else real(data, *_, **__)
{target}.main()
"""


@pytest.mark.parametrize(
    ("target", "name", "broken"),
    [("images", "decode", "b'IDAT' in data"), ("texts", "tokenise", "'#' in data")],
)
def test_what_is_there_is_found_and_kept(target, name, broken, tmp_path):
    code, said = run(
        target, "-c", PLANTED.format(target=target, name=name, broken=broken, kept=str(tmp_path))
    )
    assert code != 0
    assert "ZeroDivisionError" in said
    assert list(tmp_path.glob("crash-*"))
