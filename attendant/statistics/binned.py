"""Two older ways to look at a window, for those who know them: over the reference's deciles, and on the mean map
(spec: attention drift). They are shown beside the alarm and never raise one.

n values a window, m in the reference, K cells.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.divergences import pairwise_jensen_shannon

Floats = NDArray[np.float64]

LEAST = 500  # values in a window: with fewer, chi-squared is no approximation of ten cells
CELLS = 10
CONFIDENCE = 0.99  # a threshold is passed by 1 % of windows without drift
RESAMPLES = 400
SEED = 20_270_203


@dataclass(frozen=True)
class Binned:
    """The population stability index and the Jensen-Shannon divergence (nats), each with its threshold.

    NaN where nothing can be said: too few values, or a reference that is all one value.
    """

    psi: float = np.nan
    psi_threshold: float = np.nan
    jsd: float = np.nan
    jsd_threshold: float = np.nan


def bin_and_compare(window: NDArray[np.float32], reference: NDArray[np.float32]) -> Binned:
    """Over the cells of `boundaries`; both ascend.

    PSI is the sum of (p - q) ln(p / q) over the shares of the two, with half a value more in every cell: an empty one
    would make it infinite. Without drift it is (1/n + 1/m) chi-squared with K - 1 degrees of freedom, and the
    divergence an eighth of that.
    """
    n, m = len(window), len(reference)
    if n < LEAST or not m:
        return Binned()
    edges = boundaries(reference)
    if not len(edges):
        return Binned()
    counts = np.stack([_count(window, edges), _count(reference, edges)])
    p, q = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    psi = float(np.sum((p - q) * np.log(p / q)))
    jsd = float(pairwise_jensen_shannon(*(counts / counts.sum(axis=1, keepdims=True))))
    threshold = (1 / n + 1 / m) * _chi_squared(len(edges))
    return Binned(psi, threshold, jsd, threshold / 8)


def boundaries(reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """The K - 1 upper ends, themselves included, of all cells but the last, which has none; `reference` ascends.

    The deciles are values of the reference. Those that coincide count once, and there is none at the largest value,
    so that no cell is empty in the reference; where values repeat there are fewer than ten.
    """
    places = -(-len(reference) * np.arange(1, CELLS) // CELLS) - 1
    deciles = np.unique(reference[places])
    ends: NDArray[np.float32] = deciles[deciles < reference[-1]]
    return ends


def map_divergence(maps: NDArray[np.float16], reference: NDArray[np.float16]) -> float:
    """The Jensen-Shannon divergence of the mean maps, nats; n x C and m x C cells, neither empty."""
    return float(pairwise_jensen_shannon(_normalised(_mean(maps)), _normalised(_mean(reference))))


def map_threshold(reference: NDArray[np.float16], n: int) -> float:
    """What `map_divergence` passes in 1 % of windows without drift.

    Both a window of n and a reference of m are drawn from the reference's rows, with replacement: the reference was
    drawn from a population too, and is as far from it in every window. The same reference gives the same threshold.
    """
    rng = np.random.default_rng(SEED)
    window, other = (_resample(reference, size, rng) for size in (n, len(reference)))
    return float(np.quantile(pairwise_jensen_shannon(window, other), CONFIDENCE))


def _count(values: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.int64]:
    below = np.searchsorted(values, edges, side="right")
    return np.diff(below, prepend=0, append=len(values))


@cache
def _chi_squared(degrees: int) -> float:
    from scipy.stats import chi2  # noqa: PLC0415 - scipy.stats takes a second, which a worker would pay

    return float(chi2.ppf(CONFIDENCE, degrees))


def _resample(maps: NDArray[np.float16], size: int, rng: np.random.Generator) -> Floats:
    """The mean maps of draws of `size` rows, RESAMPLES x C: how often each row was drawn, times the row."""
    rows = len(maps)
    often = rng.multinomial(size, np.full(rows, 1 / rows), size=RESAMPLES)
    return _normalised(often.astype(np.float64) @ maps.astype(np.float64))


def _mean(maps: NDArray[np.float16]) -> Floats:
    mean: Floats = maps.mean(axis=0, dtype=np.float64)
    return mean


def _normalised(maps: Floats) -> Floats:
    shares: Floats = maps / maps.sum(axis=-1, keepdims=True)
    return shares
