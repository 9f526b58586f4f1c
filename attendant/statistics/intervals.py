"""How sure a measured figure is: 95 % confidence intervals, from scipy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
RESAMPLES = 2_000
SEED = 20_261_121
_BATCH = 250  # resamples at a time: 2,410 rows then take 5 MB a column

Statistic = Callable[..., NDArray[np.float64]]
"""`statistic(*columns, axis=-1)`: columns ... x N to figures of shape ..."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval. Where a figure is biased, its interval may leave it out."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high


def proportion(hits: int, of: int) -> Estimate:
    """Wilson's score interval (Wilson 1927) of hits in `of` independent trials; 0 of 0 is 0 in [0, 1]."""
    if of == 0:
        return Estimate(0.0, 0.0, 1.0)
    from scipy import stats  # noqa: PLC0415 - see `ranks`

    low, high = stats.binomtest(hits, of).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(hits / of, float(low), float(high))


def bootstrap(
    statistic: Statistic,
    *columns: ArrayLike,
    method: Literal["percentile", "basic"] = "percentile",
    seed: int = SEED,
) -> Estimate:
    """Of any statistic of N independent rows, each drawn whole (Efron & Tibshirani 1993, chapters 13 and 15).

    Columns are N long. `basic` turns the percentiles around the figure, which is right where resampling pushes the
    figure one way, as it does a calibration error. Of one row it is that row's figure.
    """
    rows = tuple(np.asarray(column) for column in columns)
    value = float(statistic(*rows, axis=-1))
    if len(rows[0]) < 2:
        return Estimate(value, value, value)
    from scipy import stats  # noqa: PLC0415 - see `ranks`

    found = stats.bootstrap(
        rows,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method=method,
        rng=np.random.default_rng(seed),
    )
    return Estimate(value, float(found.confidence_interval.low), float(found.confidence_interval.high))


def mean(values: ArrayLike, seed: int = SEED) -> Estimate:
    """The mean of N independent values, by bootstrap."""
    return bootstrap(np.mean, values, seed=seed)


def student(value: float, standard_error: float, degrees: int) -> Estimate:
    """Of a mean whose standard error was estimated with `degrees` >= 1 of freedom (Student 1908).

    Not clipped: a mean in [0, 1] may have an end outside.
    """
    half = _student_quantile(degrees) * standard_error
    return Estimate(value, value - half, value + half)


@lru_cache(1_000)
def _student_quantile(degrees: int) -> float:
    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def correlation(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Pearson's r of N >= 4 pairs, by Fisher's z transformation (Fisher 1921). NaN where a column is constant."""
    from scipy import stats  # noqa: PLC0415 - see `ranks`

    found: Any = stats.pearsonr(first, second)
    low, high = found.confidence_interval(CONFIDENCE)
    return Estimate(float(found.statistic), float(low), float(high))
