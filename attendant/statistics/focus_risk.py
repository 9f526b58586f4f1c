"""How likely it is that attention looks at the wrong segment, told from what an answer shows (spec: SDC, served).

The paper's observation: where the focus is wrong, attention is not sparse. Here it becomes a probability. Each evidence
is large where attention is spread or the model unsure; a score that never falls with any of them is fitted to mosaics
that training has not seen (logistic regression with coefficients of at least 0), and then calibrated on them. So no
answer has a higher risk than one with even weights, wherever in between the fitted mosaics lay. After Pandey, Vashisht
& Ramaswamy 2022, "On the Interpretability of Attention Networks"; calibration by pooling adjacent violators (Zadrozny &
Elkan 2002).

N mosaics of m segments, k classes, F evidence, K knots.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from attendant.statistics.divergences import entropy
from attendant.statistics.summaries import summarise

EVIDENCE = ("entropy", "dist", "nnz", "rest", "rivalry", "doubt")
KNOTS = 25  # groups of equally many mosaics that calibration looks at
_RIDGE = 1e-4  # of the squared coefficients, a mosaic
_SAME = 1e-9  # a deviation below it says nothing

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class FocusRisk:
    """P(the focus is wrong): a calibrated score, which is the weighted sum of standardised evidence.

    `mean`, `deviation` and `coefficients`, F each, make the score; `scores` and `risks`, K each and rising, say what
    risk goes with it, in straight lines between them and level outside.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    coefficients: tuple[float, ...]
    scores: tuple[float, ...]
    risks: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "deviation", "coefficients"):
            if len(getattr(self, name)) != len(EVIDENCE):
                raise ValueError(f"{name} has {len(EVIDENCE)} numbers, not {len(getattr(self, name))}")
        if not self.scores or len(self.scores) != len(self.risks):
            raise ValueError(
                f"scores and risks go together, but there are {len(self.scores)} and {len(self.risks)}"
            )
        for name, values in vars(self).items():
            if not np.isfinite(values).all():
                raise ValueError(f"{name} has finite numbers only")
        if min(self.deviation) <= 0:
            raise ValueError("a deviation is above 0")
        if min(self.coefficients) < 0:
            raise ValueError("coefficients are at least 0")
        if (np.diff(self.scores) <= 0).any() or (np.diff(self.risks) < 0).any():
            raise ValueError("scores rise, and risks never fall")
        if not 0 <= self.risks[0] <= self.risks[-1] <= 1:
            raise ValueError("risks are in [0, 1]")

    def __call__(self, weights: NDArray[np.floating], probabilities: NDArray[np.floating]) -> Doubles:
        """N probabilities in [0, 1], from weights N x m, m >= 2, and class probabilities N x k.

        The weights are those that the mechanism is trained with: for hard attention the softmax of its scores.
        """
        standard = (find_evidence(weights, probabilities) - self.mean) / self.deviation
        risks: Doubles = np.interp(standard @ np.array(self.coefficients), self.scores, self.risks)
        return risks


def find_evidence(weights: NDArray[np.floating], probabilities: NDArray[np.floating]) -> Doubles:
    """What the risk is told from, N x F, in the order of EVIDENCE, each the larger the less the focus is sure.

    Entropy, Dist and NNZ of the weights; what is left beside the largest weight; the second largest as a share of it;
    and the probability that the class is another.
    """
    ordered = np.sort(weights.astype(np.float64), axis=1)
    summaries: Sequence[tuple[float, float]] = [(s.dist, s.nnz) for s in summarise(list(weights))]
    dist, nnz = np.array(summaries).T
    doubt = 1 - probabilities.astype(np.float64).max(axis=1)
    rest, rivalry = 1 - ordered[:, -1], ordered[:, -2] / ordered[:, -1]
    return np.stack((np.maximum(entropy(weights), 0.0), dist, nnz, rest, rivalry, doubt), axis=1)


def fit_focus_risk(
    weights: NDArray[np.floating], probabilities: NDArray[np.floating], wrong: NDArray[np.bool_]
) -> FocusRisk:
    """From N mosaics, of which N flags say that the focus was wrong. RuntimeError where the fit finds no end."""
    from scipy.optimize import minimize  # noqa: PLC0415 - see `ranks`

    evidence = find_evidence(weights, probabilities)
    mean, deviation = evidence.mean(axis=0), evidence.std(axis=0)
    deviation = np.where(deviation > _SAME, deviation, 1.0)
    standard = (evidence - mean) / deviation
    target = wrong.astype(np.float64)

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        logits = parameters[0] + standard @ parameters[1:]
        ridge = np.concatenate(([0.0], _RIDGE * parameters[1:]))
        likelihood = (np.logaddexp(0.0, logits) - target * logits).mean()
        errors = (expit(logits) - target) / len(target)
        gradient = np.concatenate(([errors.sum()], standard.T @ errors)) + 2 * ridge
        return float(likelihood + ridge @ parameters), gradient

    bounds = [(-30.0, 30.0)] + [(0.0, None)] * len(EVIDENCE)
    found = minimize(loss, np.zeros(1 + len(EVIDENCE)), jac=True, method="L-BFGS-B", bounds=bounds)
    if not found.success:
        raise RuntimeError(f"the focus risk was not fitted: {found.message}")
    coefficients = found.x[1:]
    scores, risks = _calibrate(standard @ coefficients, target)
    return FocusRisk(*(tuple(map(float, part)) for part in (mean, deviation, coefficients, scores, risks)))


def _calibrate(scores: Doubles, wrong: Doubles) -> tuple[Doubles, Doubles]:
    """Knots: the mean score of groups of neighbours, and the share of wrong ones, made to rise with it."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - see `ranks`

    order = np.argsort(scores, kind="stable")
    groups = np.array_split(order, min(KNOTS, len(order)))
    centres = np.array([scores[group].mean() for group in groups])
    # Equal scores are one group, wherever they were split
    places, group_of = np.unique(np.round(centres, 9), return_inverse=True)
    sizes = np.bincount(group_of, [len(group) for group in groups])
    hits = np.bincount(group_of, [wrong[group].sum() for group in groups])
    shares = (hits + 0.5) / (sizes + 1)  # never quite sure (Krichevsky & Trofimov 1981)
    return places, np.asarray(isotonic_regression(shares, weights=sizes).x)
