"""The sarcasm model on labelled tweets, through the same code that serves it."""

from collections.abc import Callable, Sequence

import numpy as np

from attendant.analysis.classification import ClassificationScores, score
from attendant.analysis.rows import DataError, TweetRow
from attendant.errors import AttendantError
from attendant.models.sarcasm import PreparedTweet, SarcasmModel
from attendant.types import Tweet

BATCH = 64


def evaluate_sarcasm(
    model: SarcasmModel, tweets: Sequence[TweetRow], report: Callable[[int, int], None]
) -> ClassificationScores:
    """Scores of the model's labels and probabilities.

    Raises DataError, naming the row, for a tweet that the service would refuse.
    """
    probabilities: list[float] = []
    for start in range(0, len(tweets), BATCH):
        rows = tweets[start : start + BATCH]
        prepared = [_prepare(model, row) for row in rows]
        probabilities += [outcome.prediction.probability for outcome in model.infer(prepared)]
        report(len(probabilities), len(tweets))
    labels = np.array([tweet.label for tweet in tweets])
    return score(labels, np.array(probabilities), model.threshold)


def _prepare(model: SarcasmModel, row: TweetRow) -> PreparedTweet:
    try:
        return model.prepare(Tweet(text=row.text, attributes=row.attributes))
    except AttendantError as error:
        raise DataError(f"{row.where}: {error}") from error
