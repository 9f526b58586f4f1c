"""Checkpoints after every epoch: training that was interrupted goes on and ends where it would have ended."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from attendant.errors import AttendantError


def fingerprint(*parts: object) -> str:
    """A name for everything that a training depends on; parts are dataclasses, numbers and strings."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:16]


def digest_arrays(*arrays: NDArray[Any]) -> str:
    """A name for what arrays hold."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def digest_weights(module: nn.Module) -> str:
    """A name for a module's weights."""
    return digest_arrays(*(tensor.cpu().numpy() for tensor in module.state_dict().values()))


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of an epoch: what `torch.save` can hold without pickled code (tensors, numbers, strings)."""

    path: Path
    fingerprint: str

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the former state at once, so that an interruption leaves one or the other."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        torch.save({"fingerprint": self.fingerprint, "state": state}, part)
        part.replace(self.path)

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none yet. Raises AttendantError for that of another training."""
        if not self.path.exists():
            return None
        saved = torch.load(self.path, map_location="cpu", weights_only=True)  # wherever it was trained
        if saved["fingerprint"] != self.fingerprint:
            raise AttendantError(
                f"{self.path} belongs to a training with other data, sizes, seed or precision; "
                "--no-resume starts afresh"
            )
        state: dict[str, Any] = saved["state"]
        return state

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
