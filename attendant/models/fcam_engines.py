"""Two ways to run the same FCAM: ONNX Runtime serves, torch trains and evaluates.

B mosaics of m segments, k classes.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.models.fcam import Fcam
from attendant.models.onnx import FCAM_INPUTS, FCAM_OUTPUTS, FCAM_TAIL_OUTPUTS
from attendant.models.runtime import Session
from attendant.types import Runtime

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FcamAnswers:
    """What answers and their attention are read from."""

    scores: Floats  # B x m
    weights: Floats  # B x m
    probabilities: Floats  # B x k
    phi: Floats | None = None  # B x m x ..., where it was asked for: what explanations start from


class FcamEngine(Protocol):
    """Answers mosaics."""

    @property
    def runtime(self) -> Runtime: ...

    def answer(self, segments: Floats, *, phi: bool = False) -> FcamAnswers:
        """Segments B x m x ...; `phi`: also what explanations start from."""
        ...


class OnnxFcamEngine:
    """The served path: the graph that `attendant archive` exported."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def runtime(self) -> Runtime:
        return self._session.runtime

    def answer(self, segments: Floats, *, phi: bool = False) -> FcamAnswers:
        outputs = (*FCAM_OUTPUTS, *FCAM_TAIL_OUTPUTS) if phi else FCAM_OUTPUTS
        (name,) = FCAM_INPUTS
        return FcamAnswers(*self._session.run(outputs, {name: segments}))


class TorchFcamEngine:
    """The same model in eager torch."""

    def __init__(self, model: Fcam, device: str = "cpu") -> None:
        self._model = model.to(device)
        self._device = torch.device(device)

    @property
    def runtime(self) -> Runtime:
        return Runtime(str(self._device), "torch", torch.get_num_threads())

    @torch.no_grad()
    def answer(self, segments: Floats, *, phi: bool = False) -> FcamAnswers:
        output = self._model(torch.from_numpy(segments).to(self._device))
        names = (*FCAM_OUTPUTS, *FCAM_TAIL_OUTPUTS) if phi else FCAM_OUTPUTS
        return FcamAnswers(*(getattr(output, name).cpu().numpy() for name in names))
