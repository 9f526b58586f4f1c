"""The rules that most monitoring uses, with the thresholds that come with them: what our alarm stands beside.

A window of n values of one stream, a reference of m.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attendant.statistics.divergences import jensen_shannon
from attendant.statistics.drift import kolmogorov_distance

Floats = NDArray[np.float64]

DISTANCE = 0.1  # of the first three
LEVEL = 0.01  # of the last
_EMPTY = 1e-4  # stands for a bin without values, which has no logarithm


class Rule(StrEnum):
    WASSERSTEIN = "wasserstein"  # distance / standard deviation of the reference >= 0.1
    PSI = "psi"  # population stability index >= 0.1
    JENSEN_SHANNON = "jensen_shannon"  # distance (square root of the divergence in nats) >= 0.1
    KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov"  # p < 0.01


RULES = {
    Rule.WASSERSTEIN: "Wasserstein / sigma >= 0.1",
    Rule.PSI: "PSI >= 0.1",
    Rule.JENSEN_SHANNON: "JS >= 0.1",
    Rule.KOLMOGOROV_SMIRNOV: "KS p < 0.01",
}


def judge(window: ArrayLike, reference: ArrayLike) -> dict[Rule, bool]:
    """Whether each rule raises an alarm; two values at least on either side.

    Bins are as wide as Sturges' rule makes them over both samples, as in the tools that have these thresholds.
    """
    from scipy.stats import kstwo, wasserstein_distance  # noqa: PLC0415 - takes a second, which other commands would pay

    values, usual = np.asarray(window, np.float64), np.asarray(reference, np.float64)
    edges = np.histogram_bin_edges(np.concatenate([values, usual]), "sturges")
    seen, expected = (np.histogram(part, edges)[0] / len(part) for part in (values, usual))
    effective = len(values) * len(usual) / (len(values) + len(usual))
    deviation = usual.std()
    moved = float(wasserstein_distance(values, usual))
    return {
        Rule.WASSERSTEIN: moved >= DISTANCE * deviation if deviation else moved > 0,
        Rule.PSI: _psi(seen, expected) >= DISTANCE,
        Rule.JENSEN_SHANNON: _jensen_shannon(seen, expected) >= DISTANCE,
        Rule.KOLMOGOROV_SMIRNOV: bool(kstwo.sf(kolmogorov_distance(values, usual), round(effective)) < LEVEL),
    }


def _psi(seen: Floats, expected: Floats) -> float:
    first, second = np.where(seen, seen, _EMPTY), np.where(expected, expected, _EMPTY)
    return float(((first - second) * np.log(first / second)).sum())


def _jensen_shannon(seen: Floats, expected: Floats) -> float:
    return float(np.sqrt(jensen_shannon([seen, expected])))
