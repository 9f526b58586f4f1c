"""Two ways to run the same model: ONNX Runtime serves, torch trains and evaluates.

B rows, T tokens, R regions (196, or 1 in a batch without images), A attribute words.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.models.encoders import RegionEncoder
from attendant.models.hfm import HfmInput, HierarchicalFusion
from attendant.models.onnx import HFM_OUTPUTS, HFM_TAIL_OUTPUTS
from attendant.models.runtime import Session
from attendant.types import Runtime

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class FusionInput:
    """`HfmInput` in numpy: the named inputs of the ONNX graph."""

    tokens: Integers  # B x T
    token_counts: Integers  # B
    attributes: Integers  # B x A
    attribute_counts: Integers  # B
    regions: Floats  # B x R x d_region
    present: NDArray[np.bool_]  # B x 3


class PerModality(NamedTuple):
    text: Floats
    image: Floats
    attribute: Floats


@dataclass(frozen=True)
class TailInput:
    """What explanations start from."""

    raw: PerModality  # X_m, each B x L_m x d_m
    scores: Floats  # of the fusion, B x 3
    values: Floats  # v_m, B x 3 x F


@dataclass(frozen=True)
class FusionOutput:
    """What the answer and its attention are read from."""

    logit: Floats  # B
    modality: Floats  # B x 3
    representation: PerModality  # each B x 3 sources x L_m
    representation_mean: PerModality  # each B x L_m
    tail: TailInput | None = None  # where it was asked for


class Engine(Protocol):
    """Runs the two parts of a sarcasm model."""

    @property
    def region_width(self) -> int: ...

    @property
    def runtime(self) -> Runtime: ...

    def encode(self, pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Pixels B x 448 x 448 x 3: regions B x 196 x d_region, attribute logits B x vocabulary."""
        ...

    def fuse(self, batch: FusionInput, *, tail: bool = False) -> FusionOutput:
        """The answers and their attention; `tail`: also what explanations start from."""
        ...


class OnnxEngine:
    """The served path: the graphs that `attendant archive` exported."""

    def __init__(self, encoder: Session, fusion: Session, region_width: int) -> None:
        self._encoder = encoder
        self._fusion = fusion
        self.region_width = region_width

    @property
    def runtime(self) -> Runtime:
        return self._fusion.runtime

    def encode(self, pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        regions, logits = self._encoder.run(["regions", "attribute_logits"], {"pixels": pixels})
        return regions, logits

    def fuse(self, batch: FusionInput, *, tail: bool = False) -> FusionOutput:
        feeds = {field.name: getattr(batch, field.name) for field in fields(batch)}
        outputs = (*HFM_OUTPUTS, *HFM_TAIL_OUTPUTS) if tail else HFM_OUTPUTS
        logit, modality, *found = self._fusion.run(outputs, feeds)
        attention = PerModality(*found[:3]), PerModality(*found[3:6])
        start = TailInput(PerModality(*found[6:9]), *found[9:]) if tail else None
        return FusionOutput(logit, modality, *attention, start)


class TorchEngine:
    """The same model in eager torch."""

    def __init__(self, encoder: RegionEncoder, fusion: HierarchicalFusion, device: str = "cpu") -> None:
        self._encoder = encoder
        self._fusion = fusion
        self._device = torch.device(device)
        self.region_width = encoder.region_width

    @property
    def runtime(self) -> Runtime:
        return Runtime(str(self._device), "torch", torch.get_num_threads())

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        encoding = self._encoder(torch.from_numpy(pixels).to(self._device))
        if encoding.attribute_logits is None:
            raise ValueError("this encoder names no attributes")
        return encoding.regions.cpu().numpy(), encoding.attribute_logits.cpu().numpy()

    @torch.no_grad()
    def fuse(self, batch: FusionInput, *, tail: bool = False) -> FusionOutput:
        tensors = {
            field.name: torch.from_numpy(getattr(batch, field.name)).to(self._device)
            for field in fields(batch)
        }
        output = self._fusion(HfmInput(**tensors))
        return FusionOutput(
            output.logit.cpu().numpy(),
            output.modality.cpu().numpy(),
            PerModality(*(alpha.cpu().numpy() for alpha in output.representation)),
            PerModality(*(alpha.cpu().numpy() for alpha in output.representation_mean)),
            TailInput(
                PerModality(*(elements.cpu().numpy() for elements in output.raw)),
                output.scores.cpu().numpy(),
                output.values.cpu().numpy(),
            )
            if tail
            else None,
        )
