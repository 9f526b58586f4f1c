"""What checkpoints of SDC trainings tell before any model is built: how far they came, and how."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from attendant.analysis.dynamics import Course, Look, Shares
from attendant.analysis.rows import DataError


def read_courses(runs: Path) -> list[Course]:
    """Of every checkpoint in the folder, finished or not, in order of name; none where there is no folder."""
    return [read_course(path) for path in sorted(runs.glob("*.pt"))]


def read_course(path: Path) -> Course:
    """A look an epoch. DataError for what is no checkpoint of an SDC training."""
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
        return Course(path.stem, tuple(map(_look, saved["state"]["stage"]["moments"])))
    except (KeyError, TypeError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise DataError(f"{path} is no checkpoint of an SDC training: {type(error).__name__}") from error


def _look(moment: Mapping[str, Any]) -> Look:
    parts = [
        Shares(*(moment[split][share]["value"] for share in ("ftpt", "ffpt", "ftpf", "ffpf")))
        for split in ("training", "test")
    ]
    return Look(moment["epoch"], moment["loss"], *parts)
