"""What the explainers are run on: which rows of a file, and each of them answered and encoded once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from attendant.analysis.rows import DataError, TweetRow
from attendant.errors import AttendantError
from attendant.models.explained import ExplainedTweet
from attendant.models.prepared import PreparedTweet
from attendant.models.sarcasm import SarcasmModel
from attendant.text import tokenise
from attendant.types import Modality, Tweet

Found = TypeVar("Found")

BATCH = 16  # photographs then take some 100 MB


@dataclass(frozen=True)
class Chosen:
    """Rows to look at, in the file's order; `short` is how many rows of the file have too few tokens."""

    rows: tuple[TweetRow, ...]
    short: int


@dataclass(frozen=True)
class Asked:
    """A tweet to answer; `where` names it in messages."""

    where: str
    tweet: Tweet


def choose(rows: Sequence[TweetRow], tokens: int, limit: int, seed: int) -> Chosen:
    """At most `limit` random rows of those whose text has at least `tokens` tokens. DataError where none has."""
    long = [row for row in rows if len(tokenise(row.text)) >= tokens]
    if not long:
        raise DataError(f"none of {len(rows)} rows has a text of at least {tokens} tokens")
    places = np.random.default_rng(seed).permutation(len(long))[:limit]
    return Chosen(tuple(long[place] for place in sorted(places)), len(rows) - len(long))


def ask(rows: Sequence[TweetRow]) -> list[Asked]:
    """Text and attributes of rows."""
    return [Asked(row.where, Tweet(row.text, attributes=row.attributes)) for row in rows]


def inspect(
    model: SarcasmModel, asked: Sequence[Asked], report: Callable[[int, int], None]
) -> Iterator[ExplainedTweet]:
    """Each as the explainers see it, in order; `report` gets how many the caller is done with, and of how many.

    Raises DataError, naming the tweet, for one that the service would refuse.
    """
    for start in range(0, len(asked), BATCH):
        prepared = [prepare(model, one) for one in asked[start : start + BATCH]]
        for done, (_, subject) in enumerate(model.inspect(prepared), start + 1):
            yield subject
            report(done, len(asked))


def gather(
    subjects: Iterable[ExplainedTweet], measure: Callable[[ExplainedTweet], Mapping[Modality, Found]]
) -> tuple[dict[Modality, list[Found]], Counter[Modality]]:
    """What is measured of the subjects, by target; and how many have a target of which nothing is."""
    found: dict[Modality, list[Found]] = {}
    skipped: Counter[Modality] = Counter()
    for subject in subjects:
        measured = measure(subject)
        for target in subject.targets:
            if target in measured:
                found.setdefault(target, []).append(measured[target])
            else:
                skipped[target] += 1
    return found, skipped


def prepare(model: SarcasmModel, asked: Asked) -> PreparedTweet:
    """As the model reads it. Raises DataError, naming the tweet, for one that the service would refuse."""
    try:
        return model.prepare(asked.tweet)
    except AttendantError as error:
        raise DataError(f"{asked.where}: {error}") from error
