"""What a service answers, as its client sees it."""

from dataclasses import dataclass

from attendant.methods import Explanations
from attendant.types import Attention, CacheStatus, Focus, ModelRef, Prediction, Timing, Warning_


@dataclass(frozen=True)
class PredictResult:
    """The client's view of a PredictResponse."""

    prediction: Prediction
    model: ModelRef
    timing: Timing
    warnings: tuple[Warning_, ...]
    request_id: str


@dataclass(frozen=True)
class ExplainResult:
    """The client's view of an ExplainResponse."""

    prediction: Prediction
    attention: Attention
    model: ModelRef
    timing: Timing
    warnings: tuple[Warning_, ...]
    request_id: str
    cache: CacheStatus | None
    explanations: Explanations
    focus: Focus | None = None  # for mosaics
