"""The explanation methods: what can be asked of each (defaults are the papers'), and what each answers.

L elements of a target: tokens, regions (row-major), attribute words, segments. Probabilities and impacts are in [0, 1].
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from math import ceil

from attendant.types import Modality, Weights

MAX_SAMPLES = 100_000
MAX_ADVERSARIES = 20
MAX_STEPS = 2_000
MAX_RANDOM_MASKS = 200
MAX_BOXES = 64
MAX_SEED = 2**64 - 1
EPSILON_WIDE = 0.05  # the second epsilon that adversaries are reported at (Jain and Wallace 2019)
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the elements, at which ERASER measures (DeYoung et al. 2020)


def share_counts(length: int) -> tuple[int, ...]:
    """How many of L elements each of SHARES is: rounded up, at least 1, and at most L - 1."""
    return tuple(min(max(ceil(share * length), 1), length - 1) for share in SHARES)


class Method(StrEnum):
    """The explanation methods of the contract, named as their fields in `ExplainOptions`."""

    PERMUTATION = "permutation"
    GRADIENT = "gradient"
    CLASS_ACTIVATION = "class_activation"
    LEAVE_ONE_OUT = "leave_one_out"
    ADVERSARIAL = "adversarial"
    ERASURE = "erasure"
    CROSS_MODAL = "cross_modal"
    BOX_ALIGNMENT = "box_alignment"


class Diversity(StrEnum):
    """The term that keeps adversaries apart."""

    RELEASED_CODE = "released_code"  # the mean divergence over all K x K pairs
    PUBLISHED = "published"  # 1 / (K (K - 1)) times the sum over pairs i < j


class Masking(StrEnum):
    """What stands in for elements that are taken away."""

    MEAN = "mean"  # the training set's mean element
    ZERO = "zero"
    DROP = "drop"  # nothing: the modality has fewer elements, or is absent
    REORDER = "reorder"  # the same elements in another order: what changes is their place
    NOISE = "noise"  # the element, and Gaussian noise as large as the training set's elements vary


@dataclass(frozen=True)
class PermutationOptions:
    """No targets: all that are present. `tolerance`: stop once the standard error is below it; 0 never stops."""

    targets: tuple[Modality, ...] = ()
    modality: bool = True
    samples: int = 10
    modality_samples: int = 5
    tolerance: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class GradientOptions:
    through_attention: bool = False


@dataclass(frozen=True)
class ClassActivationOptions:
    """An empty label is the predicted one."""

    label: str = ""


@dataclass(frozen=True)
class LeaveOneOutOptions:
    targets: tuple[Modality, ...] = ()


@dataclass(frozen=True)
class AdversarialOptions:
    targets: tuple[Modality, ...] = ()
    adversaries: int = 5
    steps: int = 500
    epsilon: float = 0.01
    diversity: Diversity = Diversity.RELEASED_CODE
    seed: int = 0


@dataclass(frozen=True)
class ErasureOptions:
    targets: tuple[Modality, ...] = ()


@dataclass(frozen=True)
class CrossModalOptions:
    """`top_k` 0 is a tenth of the elements, at least 1."""

    masking: Masking = Masking.MEAN
    top_k: int = 0
    random_masks: int = 20
    visual_group: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Box:
    """In shares of the image's width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BoxAlignmentOptions:
    boxes: tuple[Box, ...]
    seed: int = 0


@dataclass(frozen=True)
class ExplainOptions:
    """What to compute beyond attention: a method is asked for by its options."""

    permutation: PermutationOptions | None = None
    gradient: GradientOptions | None = None
    class_activation: ClassActivationOptions | None = None
    leave_one_out: LeaveOneOutOptions | None = None
    adversarial: AdversarialOptions | None = None
    erasure: ErasureOptions | None = None
    cross_modal: CrossModalOptions | None = None
    box_alignment: BoxAlignmentOptions | None = None

    @property
    def methods(self) -> tuple[Method, ...]:
        """Those asked for, in the contract's order."""
        return tuple(Method(field.name) for field in fields(self) if getattr(self, field.name) is not None)


@dataclass(frozen=True)
class PermutationImpact:
    """How far the answer moved when one vector was shuffled; `target` None is the modality vector.

    impact mean |p - p_a|, its standard error (0 when exhaustive) and 95 % confidence interval; signed_change mean of
    p_a - p; flip_share of permutations that change the label; median_total_variation of the class distribution.
    """

    target: Modality | None
    impact: float
    standard_error: float
    interval: tuple[float, float]
    signed_change: float
    flip_share: float
    median_total_variation: float
    samples: int
    exhaustive: bool
    impact_without_identity: float | None = None  # only when exhaustive, and there is another permutation
    truncated: bool = False  # by the deadline


@dataclass(frozen=True)
class Permutation:
    impacts: tuple[PermutationImpact, ...]
    seed: int


@dataclass(frozen=True)
class RankedImportance:
    """A score for each of L elements, at least 0, and Kendall's tau-b between attention and the scores.

    tau and its p-value are None where undefined: one element, or all equal.
    """

    target: Modality
    scores: Weights
    kendall_tau: float | None
    p_value: float | None


@dataclass(frozen=True)
class Gradient:
    importances: tuple[RankedImportance, ...]


@dataclass(frozen=True)
class LeaveOneOut:
    importances: tuple[RankedImportance, ...]
    truncated: bool = False  # by the deadline: the last targets are missing


@dataclass(frozen=True)
class ElementScores:
    """A score for each of L elements, at least 0."""

    target: Modality
    scores: Weights


@dataclass(frozen=True)
class ClassActivation:
    label: str
    scores: tuple[ElementScores, ...]


@dataclass(frozen=True)
class AdversarialAttention:
    """The most different attention found that gives the same answer.

    max_jensen_shannon in nats, at most ln 2, among the `feasible` of `adversaries` that move the answer by at most
    epsilon; `weights` (L) reach it and move the answer by `change`. None, and no weights, where none is feasible.
    """

    target: Modality
    max_jensen_shannon: float | None
    weights: Weights
    change: float
    feasible: int
    adversaries: int
    max_jensen_shannon_wide: float | None  # at EPSILON_WIDE
    truncated: bool = False


@dataclass(frozen=True)
class Adversarial:
    attentions: tuple[AdversarialAttention, ...]
    seed: int


@dataclass(frozen=True)
class ErasureCurve:
    """The answer as the highest-weighted elements go: L probabilities, after 0, 1, ... L - 1 of them.

    flip_share in (0, 1] is the smallest share whose erasure changes the label, None where none does; comprehensiveness
    and sufficiency are changes of the predicted class's probability, one for each of SHARES.
    """

    target: Modality
    probabilities: Weights
    flip_share: float | None
    comprehensiveness: tuple[float, ...]
    sufficiency: tuple[float, ...]


@dataclass(frozen=True)
class Erasure:
    curves: tuple[ErasureCurve, ...]


@dataclass(frozen=True)
class CrossModalProbe:
    """What the gradients of `target` say when `masked` is taken away; the proto documents each field."""

    target: Modality
    masked: Modality
    norm_change: float
    class_changed: bool
    probability: float
    contributes: bool
    important_elements: tuple[int, ...]
    similarity: float
    norm_correlation: float
    relative_distance: float
    random_similarity: float
    confirmed: bool


@dataclass(frozen=True)
class JointMask:
    """What the gradients of `target` say when both others are masked; fields as a probe's."""

    target: Modality
    norm_change: float
    class_changed: bool
    probability: float


@dataclass(frozen=True)
class CrossModal:
    """`joint_masks` has one a target where there are three."""

    probes: tuple[CrossModalProbe, ...]
    joint_masks: tuple[JointMask, ...]
    seed: int
    truncated: bool = False  # by the deadline: the last targets are missing


@dataclass(frozen=True)
class BoxAlignment:
    """Cosines in [0, 1] between attention and boxes: all of it, its 20 highest regions, 20 random ones."""

    full: float
    top20: float
    random20: float
    seed: int


@dataclass(frozen=True)
class Explanations:
    """What was computed beyond attention: a method that was asked for, unless the deadline came before it."""

    permutation: Permutation | None = None
    gradient: Gradient | None = None
    class_activation: ClassActivation | None = None
    leave_one_out: LeaveOneOut | None = None
    adversarial: Adversarial | None = None
    erasure: Erasure | None = None
    cross_modal: CrossModal | None = None
    box_alignment: BoxAlignment | None = None
