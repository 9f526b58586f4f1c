"""The domain's types: frozen, checked where they are made, and free of torch and protobuf.

Shapes: T tokens of a tweet, R = 196 regions of its image (14 x 14, row-major), A attribute words; m segments of a
mosaic. Modalities are always in the order text, image, attribute.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

GRID = 14
REGIONS = GRID * GRID
IMAGE_SIZE = 448
MAX_TOKENS = 75
MAX_ATTRIBUTES = 5
MIN_SEGMENTS, MAX_SEGMENTS = 2, 64
MAX_VALUE = 1e6  # of a vector, either way: what is far beyond any training data overflows in a model


class Modality(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    ATTRIBUTE = "attribute"
    VISUAL = "visual"  # image and attributes as one; in cross-modal probing alone
    SEGMENT = "segment"  # of a mosaic


MODALITIES = (Modality.TEXT, Modality.IMAGE, Modality.ATTRIBUTE)  # of a tweet


class AttentionKind(StrEnum):
    """Which of the model's attentions a vector is; `spec` names in docs/model.md."""

    REPRESENTATION = "representation"  # alpha_{m,n}: over the elements of target m, guided by source n
    REPRESENTATION_MEAN = "representation_mean"  # alpha_m: the mean over the present sources
    MODALITY = "modality"  # the fusion weights of text, image, attribute
    FOCUS = "focus"  # SDC: over the segments of a mosaic


class WarningCode(StrEnum):
    """What a caller should know about an answer that is nevertheless an answer."""

    ATTENTION_IS_NOT_IMPORTANCE = "ATTENTION_IS_NOT_IMPORTANCE"
    MODALITY_ABSENT = "MODALITY_ABSENT"
    TEXT_TRUNCATED = "TEXT_TRUNCATED"
    UNKNOWN_ATTRIBUTE = "UNKNOWN_ATTRIBUTE"
    IMAGE_CONVERTED = "IMAGE_CONVERTED"
    ATTRIBUTES_PREDICTED = "ATTRIBUTES_PREDICTED"
    RANK_UNDEFINED = "RANK_UNDEFINED"
    MEAN_UNKNOWN = "MEAN_UNKNOWN"
    FOCUS_AT_RISK = "FOCUS_AT_RISK"
    EXPLANATION_TRUNCATED = "EXPLANATION_TRUNCATED"


@dataclass(frozen=True)
class Warning_:  # noqa: N801 - `Warning` is a builtin
    code: str  # a WarningCode, or one of a newer server's
    message: str


@dataclass(frozen=True)
class Tweet:
    """What a person posted: any subset of text, image (JPEG, PNG or WebP bytes) and attribute words."""

    text: str = ""
    image: bytes = b""
    attributes: tuple[str, ...] = ()


Segment = bytes | tuple[float, ...]
"""An image (JPEG, PNG or WebP bytes), or a vector of finite numbers."""


@dataclass(frozen=True)
class Mosaic:
    """m segments, all of one kind, of which one is the foreground that decides the class.

    `foreground_index`, from 0 to m - 1, says which one it is, where that is known.
    """

    segments: tuple[Segment, ...]
    foreground_index: int | None = None


Instance = Tweet | Mosaic


@dataclass(frozen=True)
class MosaicShape:
    """The mosaics that a model takes: how many segments, and the shape of each.

    (32, 32, 3) is an image of that height, width and number of channels; (2,) a vector of two numbers.
    """

    segments: int
    segment: tuple[int, ...]

    @property
    def of_images(self) -> bool:
        return len(self.segment) > 1


@dataclass(frozen=True)
class Prediction:
    """`probability` is that of the positive class (P(sarcastic)), for mosaics that of `label`.

    `scores` has every class, in the model's order.
    """

    label: str
    probability: float
    scores: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class AttentionSummary:
    """What a vector looks like, without its numbers (spec: attention summaries). L is its length.

    entropy_ratio H/ln L in [0, 1] (0 for L = 1); effective_support e^H / L in (0, 1]; max_weight in (0, 1] at
    max_index; top5_mass in (0, 1]; nnz = #{alpha > 0.01}; dist = min_i ||alpha - e_i||_2.
    """

    entropy_ratio: float
    effective_support: float
    max_weight: float
    max_index: int
    top5_mass: float
    nnz: int
    dist: float


@dataclass(frozen=True)
class AttentionVector:
    """One attention vector; sums to 1. `source` and `target` are None where its kind has none."""

    kind: AttentionKind
    weights: Weights
    target: Modality | None = None
    source: Modality | None = None

    def __post_init__(self) -> None:
        if self.weights.ndim != 1 or self.weights.size == 0:
            raise ValueError(
                f"attention weights are one vector of at least one element, not {self.weights.shape}"
            )


@dataclass(frozen=True)
class Axis:
    """What the elements of a modality are called: tokens, attribute words, or the cells of a grid."""

    modality: Modality
    labels: tuple[str, ...] = ()
    scores: tuple[
        float, ...
    ] = ()  # how sure the encoder was of each attribute word; empty when the caller gave them
    grid_rows: int = 0
    grid_columns: int = 0


@dataclass(frozen=True)
class Attention:
    """Every vector of one answer, the axes they run over, and how far a target's sources disagree (JSD, nats)."""

    vectors: tuple[AttentionVector, ...]
    axes: tuple[Axis, ...]

    def find(
        self, kind: AttentionKind, target: Modality | None = None, source: Modality | None = None
    ) -> AttentionVector | None:
        """The vector of that kind, target and source, or None where the model had none (an absent modality)."""
        for vector in self.vectors:
            if (vector.kind, vector.target, vector.source) == (kind, target, source):
                return vector
        return None

    def axis(self, modality: Modality) -> Axis | None:
        return next((axis for axis in self.axes if axis.modality == modality), None)


@dataclass(frozen=True)
class ModelRef:
    """Which weights answered: `weights_digest` is a SHA-256 over the version's files, hexadecimal."""

    name: str
    version: str
    weights_digest: str


@dataclass(frozen=True)
class Timing:
    """Seconds: waiting, running the model, explaining, and all in all as the server saw it."""

    queue: float = 0.0
    inference: float = 0.0
    explanation: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Typical:
    """What an element of the training set looks like: the mean and the standard deviation of each of d features."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


Check = Callable[[], None]
"""What long work calls between its steps; what it raises ends the work."""


def go_on() -> None:
    """A check that ends nothing."""


@dataclass(frozen=True)
class Gradients:
    """Of a class's log-odds with respect to the elements of B variants; `elements` has a B x L x d a target.

    Within one call, every variant has the same number of elements in the targets that gradients are asked for.
    """

    probabilities: NDArray[np.float64]  # B x C
    elements: Mapping[Modality, NDArray[np.float32]]


@dataclass(frozen=True)
class Focus:
    """Where a model looked in a mosaic of m segments (spec: SDC).

    `index` is the segment with the largest weight, the first of a tie; `risk` the calibrated probability, in [0, 1],
    that it is not the foreground; `nnz` the number of weights above 0.01; `dist` the distance of the weights from the
    nearest corner of the simplex; `entropy` theirs, in nats. `is_true` where the request told the foreground.
    """

    index: int
    risk: float
    nnz: int
    dist: float
    entropy: float
    is_true: bool | None = None


@dataclass(frozen=True)
class Outcome:
    """What a model says of one instance: the prediction, its attention, and what to know about them.

    `focus` is for mosaics.
    """

    prediction: Prediction
    attention: Attention
    warnings: tuple[Warning_, ...] = ()
    focus: Focus | None = None


class CacheStatus(StrEnum):
    MISS = "miss"
    HIT = "hit"
    BYPASS = "bypass"
    REFRESHED = "refreshed"


@dataclass(frozen=True)
class Runtime:
    """Where a model really runs: `device` cpu or cuda:N, `provider` as ONNX Runtime reports it."""

    device: str
    provider: str
    threads: int


@dataclass(frozen=True)
class ModelDescription:
    """One row of ListModels."""

    name: str
    classes: tuple[str, ...]
    modalities: tuple[Modality, ...]
    versions: tuple[str, ...]
    default_version: str
    methods: tuple[str, ...]
    digests: Mapping[str, str]  # version -> weights digest
    descriptions: Mapping[str, str]  # version -> one sentence
    ready: bool
    runtime: Runtime | None
    mosaic: MosaicShape | None = None  # None: it takes tweets
