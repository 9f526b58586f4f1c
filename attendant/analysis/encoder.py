"""How close a region encoder comes to its teacher: pure numpy.

R = 196 regions of a photograph (row-major), F features of a region, C ImageNet classes, N photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.intervals import Estimate, bootstrap, mean, proportion
from attendant.types import GRID, IMAGE_SIZE

TOP = 5
SMALLEST_DEVIATION = 1e-2  # a feature that hardly ever varies would outweigh all others

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sight:
    """What an encoder sees in one photograph.

    `features` R x F; `best` R and `top` R x 5: a region's most probable classes (the five in no order). `pooled`: the
    mean over regions F, `pooled_best` and `pooled_top` 5 its classes. `activation`, R, says where the picture's most
    probable class is seen.
    """

    features: Floats
    best: Integers
    top: Integers
    pooled: Floats
    pooled_best: int
    pooled_top: Integers
    activation: Floats


@dataclass(frozen=True)
class Classifier:
    """The linear layer from features to class logits: `weight` C x F, `bias` C."""

    weight: Floats
    bias: Floats

    def see(self, features: Floats) -> Sight:
        """From features R x F. The activation is relu((w - m) f) of the class whose pooled logit is largest.

        That is Grad-CAM of a network that ends in mean pooling and one linear layer (Selvaraju et al. 2017), with the
        mean m of all classes' weights taken off: classes are told apart by a softmax, which a vector that all weights
        have in common does not touch, but which can outweigh all else in an activation.
        """
        logits = features @ self.weight.T
        pooled = logits.mean(0) + self.bias
        pooled_best = int(pooled.argmax())
        activation = np.maximum(logits[:, pooled_best] - logits.mean(1), 0)
        logits += self.bias
        return Sight(
            features=features,
            best=logits.argmax(-1),
            top=_top(logits),
            pooled=features.mean(0),
            pooled_best=pooled_best,
            pooled_top=_top(pooled),
            activation=activation,
        )


def _top(logits: Floats) -> Integers:
    count = min(TOP, logits.shape[-1])
    return np.argpartition(-logits, count - 1, axis=-1)[..., :count]


@dataclass(frozen=True)
class Comparison:
    """One photograph, an encoder against a reference.

    `hits`: share of regions whose class is in the reference's five; `tops`: how many regions have a class among the
    reference's five, C. Sums over regions, all F: `errors` squared, `sums` and `squares` of the reference.
    """

    pooled_hit: bool
    hits: float
    tops: Integers
    pooled_top: Integers
    errors: Wide
    sums: Wide
    squares: Wide
    pooled_errors: Wide
    pooled: Wide
    regions: int


def compare(sight: Sight, reference: Sight, classes: int) -> Comparison:
    """What one photograph says about how `sight` follows `reference`; C classes."""
    wanted = reference.features.astype(np.float64)
    return Comparison(
        pooled_hit=sight.pooled_best in reference.pooled_top,
        hits=float((sight.best[:, None] == reference.top).any(-1).mean()),
        tops=np.bincount(reference.top.ravel(), minlength=classes),
        pooled_top=reference.pooled_top,
        errors=np.square(sight.features - wanted).sum(0),
        sums=wanted.sum(0),
        squares=np.square(wanted).sum(0),
        pooled_errors=np.square(sight.pooled - reference.pooled.astype(np.float64)),
        pooled=reference.pooled.astype(np.float64),
        regions=len(wanted),
    )


@dataclass(frozen=True)
class Agreement:
    """How an encoder follows a reference over N photographs, in the features and in the classes made of them.

    Agreement: the share of pictures, or regions, whose class is among the reference's five. R2 is of features
    standardised each: 1 - squared error / variance, 0 for the mean, 1 for the reference itself. `constant_*` is what
    the best single class would get.
    """

    pooled: Estimate
    regional: Estimate
    pooled_r2: Estimate
    regional_r2: Estimate
    constant_pooled: float
    constant_regional: float


def agreement(comparisons: Sequence[Comparison]) -> Agreement:
    """Intervals treat a photograph, not a region, as what is drawn: neighbouring regions are alike."""
    count = len(comparisons)
    regions = sum(one.regions for one in comparisons)
    tops = np.sum([one.tops for one in comparisons], axis=0)
    pooled_tops = np.bincount(np.concatenate([one.pooled_top for one in comparisons]))
    return Agreement(
        pooled=proportion(sum(one.pooled_hit for one in comparisons), count),
        regional=mean([one.hits for one in comparisons]),
        pooled_r2=_pooled_r2(comparisons),
        regional_r2=_regional_r2(comparisons, regions),
        constant_pooled=float(pooled_tops.max() / count),
        constant_regional=float(tops.max() / regions),
    )


def _pooled_r2(comparisons: Sequence[Comparison]) -> Estimate:
    wanted = np.stack([one.pooled for one in comparisons])
    deviation = np.maximum(wanted.std(0), SMALLEST_DEVIATION)
    errors = np.stack([one.pooled_errors for one in comparisons])
    spread = np.square(wanted - wanted.mean(0))
    return _explained((errors / deviation**2).sum(-1), (spread / deviation**2).sum(-1))


def _regional_r2(comparisons: Sequence[Comparison], regions: int) -> Estimate:
    sums = np.stack([one.sums for one in comparisons])
    squares = np.stack([one.squares for one in comparisons])
    centre = sums.sum(0) / regions
    # sum of (x - centre)^2 over a picture's regions, from its sums
    each = np.array([[one.regions] for one in comparisons])
    spread = np.maximum(squares - 2 * centre * sums + each * centre**2, 0)
    deviation = np.maximum(np.sqrt(spread.sum(0) / regions), SMALLEST_DEVIATION)
    errors = np.stack([one.errors for one in comparisons])
    return _explained((errors / deviation**2).sum(-1), (spread / deviation**2).sum(-1))


def _explained(errors: Wide, spread: Wide) -> Estimate:
    """1 - errors / spread over photographs N; NaN where the reference never varies."""

    def r2(errors: Wide, spread: Wide, axis: int = -1) -> Wide:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - errors.sum(axis) / spread.sum(axis))

    return bootstrap(r2, errors, spread)


Box = tuple[float, float, float, float]
"""Left, top, width and height as shares of the picture's sides."""


def coverage(boxes: Sequence[Box], grid: int = GRID) -> Floats:
    """The share of each region, grid * grid row-major, that lies in some box (to a pixel of 448)."""
    side = IMAGE_SIZE // grid
    mask = np.zeros((grid * side, grid * side), np.float32)
    for left, top, width, height in boxes:
        x, y, right, bottom = (
            round(min(max(share, 0), 1) * len(mask)) for share in (left, top, left + width, top + height)
        )
        mask[y:bottom, x:right] = 1
    shares: Floats = mask.reshape(grid, side, grid, side).mean((1, 3)).ravel()
    return shares
