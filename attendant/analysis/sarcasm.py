"""The sarcasm model on labelled tweets, through the same code that serves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from attendant.analysis.classification import ClassificationScores, Labels, Probabilities, score
from attendant.analysis.rows import TweetRow
from attendant.analysis.subjects import ask, prepare
from attendant.models.sarcasm import SarcasmModel

BATCH = 64


@dataclass(frozen=True)
class Forecasts:
    """What N rows are, and P(sarcastic) as the model sees it; both N."""

    labels: Labels
    probabilities: Probabilities


def show(tweet: TweetRow, *, text: bool = True, attributes: bool = True) -> TweetRow:
    """The row with nothing but what is to be shown of it."""
    return replace(tweet, text=tweet.text if text else "", attributes=tweet.attributes if attributes else ())


def forecast(
    model: SarcasmModel, tweets: Sequence[TweetRow], report: Callable[[int, int], None]
) -> Forecasts:
    """The model's probabilities. `report` gets the rows done and all rows.

    Raises DataError, naming the row, for a tweet that the service would refuse.
    """
    probabilities: list[float] = []
    for start in range(0, len(tweets), BATCH):
        rows = tweets[start : start + BATCH]
        prepared = [prepare(model, asked) for asked in ask(rows)]
        probabilities += [outcome.prediction.probability for outcome in model.infer(prepared)]
        report(len(probabilities), len(tweets))
    return Forecasts(np.array([tweet.label for tweet in tweets]), np.array(probabilities))


def evaluate_sarcasm(
    model: SarcasmModel, tweets: Sequence[TweetRow], report: Callable[[int, int], None]
) -> ClassificationScores:
    """Scores of the model's labels and probabilities. Raises DataError as `forecast` does."""
    forecasts = forecast(model, tweets, report)
    return score(forecasts.labels, forecasts.probabilities, model.threshold)
