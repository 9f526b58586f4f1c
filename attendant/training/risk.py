"""The focus risk of a trained model: fitted on one half of the held-out images, measured on the other."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.analysis.classification import Reliability, area_under_roc, calibration_error, reliability
from attendant.models.fcam import Fcam
from attendant.statistics.focus import Outcomes
from attendant.statistics.focus_risk import FocusRisk, fit_focus_risk
from attendant.statistics.intervals import Estimate
from attendant.training.mosaics import Mosaics
from attendant.training.sdc import Response, respond

BINS = 10


@dataclass(frozen=True)
class RiskScores:
    """How well the risk tells N wrong focuses: `error` is the expected calibration error, `area` that under the ROC."""

    mosaics: int
    wrong: float  # share of the mosaics
    error: float
    area: Estimate  # NaN where every focus was right, or every one wrong
    curve: Reliability


def fit_risk(model: Fcam, fitted_on: Mosaics, measured_on: Mosaics) -> tuple[FocusRisk, RiskScores]:
    """The risk of the model's focus, and how good it is on mosaics that it was not fitted on."""
    cpu = torch.device("cpu")
    found = respond(model, fitted_on, cpu)
    risk = fit_focus_risk(training_weights(model, found), found.probabilities, _wrong(found, fitted_on))
    found = respond(model, measured_on, cpu)
    wrong = _wrong(found, measured_on).astype(np.int64)
    told = risk(training_weights(model, found), found.probabilities)
    scores = RiskScores(
        len(wrong),
        float(wrong.mean()),
        calibration_error(wrong, told, BINS),
        area_under_roc(wrong, told),
        reliability(wrong, told, BINS),
    )
    return risk, scores


def training_weights(model: Fcam, response: Response) -> NDArray[np.float32]:
    """The weights that the mechanism is trained with: those of hard attention's answers tell nothing."""
    weights: NDArray[np.float32] = model.config.mechanism.focus_map.training_weights(
        torch.from_numpy(response.scores)
    ).numpy()
    return weights


def _wrong(response: Response, mosaics: Mosaics) -> NDArray[np.bool_]:
    predicted = response.probabilities.argmax(axis=1)
    return ~Outcomes(response.weights, predicted, mosaics.labels, mosaics.foreground).focus_true
