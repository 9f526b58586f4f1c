"""A linear probe: how much of some labels can be read off features. Pure numpy and scipy.

N photographs, F features of each, K labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

SMALLEST_DEVIATION = 1e-2  # a feature that hardly ever varies would outweigh all others
STRENGTHS = tuple(float(strength) for strength in 10.0 ** np.arange(2, -3.5, -0.5))

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """`features` N x F and `labels` N, 0 to K - 1."""

    features: Floats
    labels: Integers


@dataclass(frozen=True)
class Probe:
    """A linear probe's answers on the test photographs: `hits` bool N; `strength`: of the regularisation chosen."""

    hits: NDArray[np.bool_]
    strength: float


def probe(
    train: Labelled, valid: Labelled, test: Labelled, classes: int, report: Callable[[int, int], None]
) -> Probe:
    """Multinomial logistic regression on standardised features, with an L2 penalty.

    The strength, of `STRENGTHS`, is that with the least log loss on `valid`. `report` gets the strengths done.
    """
    centre, deviation = train.features.mean(0), np.maximum(train.features.std(0), SMALLEST_DEVIATION)
    learnt, chosen_on, asked = (
        np.hstack([(part.features - centre) / deviation, np.ones((len(part.labels), 1))])
        for part in (train, valid, test)
    )
    weights = np.zeros((learnt.shape[1], classes))
    least, best, strength = np.inf, weights, STRENGTHS[0]
    for number, candidate in enumerate(STRENGTHS):
        weights = _fit(learnt, train.labels, candidate, weights)
        chances = log_softmax(chosen_on @ weights, axis=1)
        loss = -float(chances[np.arange(len(chances)), valid.labels].mean())
        if loss < least:
            least, best, strength = loss, weights, candidate
        report(number + 1, len(STRENGTHS))
    return Probe((asked @ best).argmax(1) == test.labels, strength)


def _fit(inputs: Wide, labels: Integers, strength: float, start: Wide) -> Wide:
    """Weights (F + 1) x K of least mean log loss + strength / 2 * |weights|^2; the last row, the bias, is free."""
    wanted = np.eye(start.shape[1])[labels]

    def loss(flat: Wide) -> tuple[float, Wide]:
        weights = flat.reshape(start.shape)
        penalised = weights.copy()
        penalised[-1] = 0
        chances = log_softmax(inputs @ weights, axis=1)
        value = -(chances * wanted).sum() / len(inputs) + strength / 2 * np.square(penalised).sum()
        slope = inputs.T @ (np.exp(chances) - wanted) / len(inputs) + strength * penalised
        return float(value), slope.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x).reshape(start.shape)
