"""Whether modalities that weigh more also matter more: the fusion weights against what permuting a modality's weights
changes, over the latest explanations whose impacts were measured (the paper's Table 1, live). Pure numpy.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from attendant.statistics.samples import Samples, Statistic, Stream, shares, streams
from attendant.types import MODALITIES, Modality

LATEST = 2_000  # explanations
LEAST = 20  # pairs; fewer have no correlation
_95 = 1.959964  # standard deviations of a normal

_D = len(MODALITIES)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of a modality's n weights and impacts, with Fisher's 95 % interval; NaN where it has none.

    It has none of fewer than 20 pairs, nor where all weights or all impacts are the same.
    """

    modality: Modality
    n: int
    r: float
    low: float
    high: float


class Pairs:
    """The latest weights and impacts, whatever other modalities an explanation has; at least two."""

    def __init__(self) -> None:
        self.rows = np.empty((0, 2 * _D), np.float32)  # weights, then impacts; NaN of absent modalities

    def add(self, samples: Samples) -> None:
        """Takes those that have impacts, in order."""
        present = samples.modalities
        if len(present) < 2:
            return
        impacts = samples.values[:, _places(present, Statistic.IMPACT)]
        measured = np.isfinite(impacts).any(axis=1)
        if not measured.any():
            return
        coordinates = samples.values[measured][:, _places(present, Statistic.LOG_RATIO)]
        places = [MODALITIES.index(modality) for modality in present]
        rows = np.full((int(measured.sum()), 2, _D), np.nan, np.float32)
        rows[:, 0, places] = shares(coordinates)
        rows[:, 1, places] = impacts[measured]
        self.rows = np.concatenate([self.rows, rows.reshape(-1, 2 * _D)])[-LATEST:]

    def correlations(self) -> tuple[Correlation, ...]:
        """Of every modality that has pairs."""
        weights, impacts = self.rows[:, :_D].astype(np.float64), self.rows[:, _D:].astype(np.float64)
        both = np.isfinite(weights) & np.isfinite(impacts)
        return tuple(
            _correlate(modality, weights[both[:, i], i], impacts[both[:, i], i])
            for i, modality in enumerate(MODALITIES)
            if both[:, i].any()
        )


@cache
def _places(modalities: tuple[Modality, ...], statistic: Statistic) -> NDArray[np.intp]:
    """Where in `Samples` that statistic of each modality is."""
    order = streams(modalities)
    found = [Stream(statistic, target) for target in modalities]
    return np.array([order.index(stream) for stream in found if stream in order])


def _correlate(modality: Modality, weights: NDArray[np.float64], impacts: NDArray[np.float64]) -> Correlation:
    n = len(weights)
    if n < LEAST or np.ptp(weights) == 0 or np.ptp(impacts) == 0:
        return Correlation(modality, n, np.nan, np.nan, np.nan)
    x, y = weights - weights.mean(), impacts - impacts.mean()
    r = float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))
    with np.errstate(divide="ignore"):  # of r = 1, whose interval is 1
        z = np.arctanh(r)
    half = _95 / np.sqrt(n - 3)
    return Correlation(modality, n, r, float(np.tanh(z - half)), float(np.tanh(z + half)))
