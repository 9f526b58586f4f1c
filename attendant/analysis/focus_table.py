"""The paper's Table 2, measured here, beside what was published."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from attendant.statistics.focus import FocusMeasures
from attendant.statistics.intervals import Estimate


@dataclass(frozen=True)
class Published:
    """In percent, as printed in Pandey, Vashisht and Ramaswamy 2022."""

    accuracy: float
    focus_true: float


PUBLISHED: Mapping[tuple[str, int], Published] = MappingProxyType(
    {  # by mechanism and averaging layer
        ("softmax", 0): Published(95.04, 79.77),
        ("entropy", 0): Published(94.76, 79.97),
        ("sparsemax", 0): Published(95.8, 91.43),
        ("spherical", 0): Published(95.17, 91.07),
        ("hard", 0): Published(92.13, 87.63),
        ("softmax", 6): Published(95.12, 86.21),
        ("entropy", 6): Published(95.39, 83.64),
        ("sparsemax", 6): Published(94.23, 85.54),
        ("spherical", 6): Published(95.07, 91.34),
        ("hard", 6): Published(74.45, 86.5),
    }
)


@dataclass(frozen=True)
class Run:
    """A finished training of a seed, and what was measured of the model."""

    seed: int
    seconds: float  # of its epochs
    training: FocusMeasures  # on all mosaics that it was given
    held_out: FocusMeasures  # on mosaics of images that it never saw
    authors: FocusMeasures  # on new mosaics of training images, as the paper's


@dataclass(frozen=True)
class Row:
    """A variant: how it is trained, and its finished runs; none where it was not trained."""

    name: str
    mechanism: str
    layer: int
    epochs: int
    learning_rate: float
    mosaics: int  # an epoch
    fresh_images: int  # that the mosaics of a step are drawn anew from; 0: the same mosaics in every epoch
    widths: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def mark(self) -> str:
        """Behind the name of a variant that was not trained on the paper's fixed mosaics."""
        return "†" if self.fresh_images else ""

    @property
    def published(self) -> Published | None:
        return PUBLISHED.get((self.mechanism, self.layer))


@dataclass(frozen=True)
class Spread:
    """The mean over seeds and the deviation of a single seed from it; None where there is one seed."""

    mean: float
    deviation: float | None


class Reached(StrEnum):
    """Whether a figure is as good as the published one: the upper end of its 95 % interval is not below it."""

    LEAK_FREE = "yes"
    AUTHORS = "by the authors' protocol"
    NOT = "no"


def reached(row: Row, published: float, share: Callable[[FocusMeasures], Estimate]) -> Reached:
    """Of a variant that was trained; `published` in percent. The mean over seeds counts."""

    def best(measured: Iterable[FocusMeasures]) -> float:
        return 100 * statistics.fmean(share(one).high for one in measured)

    if best(run.held_out for run in row.runs) >= published:
        return Reached.LEAK_FREE
    return Reached.AUTHORS if best(run.authors for run in row.runs) >= published else Reached.NOT


@dataclass(frozen=True)
class Column:
    """A measure of the table; shares are in percent."""

    name: str
    decimals: int
    of: Callable[[FocusMeasures], float]

    def spread(self, measured: Iterable[FocusMeasures]) -> Spread:
        """Over at least one seed."""
        return spread(map(self.of, measured))


def spread(values: Iterable[float]) -> Spread:
    """Of at least one value."""
    found = list(values)
    return Spread(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None)


def _strictly_true(measures: FocusMeasures) -> float:
    assert measures.focus_strictly_true is not None  # FCAM has scores
    return 100 * measures.focus_strictly_true.value


ACCURACY = Column("accuracy", 2, lambda found: 100 * found.accuracy.value)
FOCUS_TRUE = Column("FT", 2, lambda found: 100 * found.focus_true.value)
STRICTLY_TRUE = Column("FT strict", 2, _strictly_true)
NNZ = Column("NNZ", 2, lambda found: found.nnz)
DIST = Column("Dist", 3, lambda found: found.dist)
ENTROPY = Column("Ent", 3, lambda found: found.entropy_nats)
COLUMNS = (ACCURACY, FOCUS_TRUE, STRICTLY_TRUE, NNZ, DIST, ENTROPY)
