"""How far two orders agree, from scipy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b in [-1, 1], and the two-sided p-value in [0, 1] of there being no association."""

    tau: float
    p_value: float


def kendall(first: ArrayLike, second: ArrayLike) -> RankAgreement | None:
    """Tau-b of N pairs (Kendall 1945): ties count for neither order. The p-value is exact for few pairs without ties.

    None where it is undefined: fewer than two pairs, or a side that is all one value. ValueError for two lengths.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"pairs are two vectors of one length, not {x.shape} and {y.shape}")
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    from scipy import stats  # noqa: PLC0415 - it takes a second, which a worker would pay when it starts

    found = stats.kendalltau(x, y, variant="b")
    return RankAgreement(float(found.statistic), float(found.pvalue))
