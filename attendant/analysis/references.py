"""Builds the reference that drift is measured against: held-back rows, through the pipeline that serves requests.

A row belongs to the reference half or to the replay half by a hash of its text, so that no text is in both, whatever
the set; simulations of drift draw from the replay half only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attendant.analysis.rows import DataError, read_tweets
from attendant.errors import AttendantError
from attendant.manifest import (
    REFERENCE,
    FileEntry,
    VersionManifest,
    describe,
    read_manifest,
    write_manifest,
)
from attendant.models.prepared import PreparedTweet
from attendant.models.sarcasm import SarcasmModel
from attendant.statistics.references import Origin, Reference, ReferenceSet, write_reference
from attendant.statistics.summaries import modalities_of, name_of, sample
from attendant.text import tokenise
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.progress import Progress
from attendant.types import MODALITIES, Attention, Modality, Tweet

FILE = "reference.safetensors"
SEED = 1
RULE = (
    "the first byte of SHA-256('SEED' NUL tokens joined by blanks) is below 128: reference; otherwise replay"
)
BATCH = 8  # as the service's
_TEXT, _IMAGE, _ATTRIBUTE = MODALITIES


@dataclass(frozen=True)
class Inputs:
    """Requests of one set of modalities; `source` says in words what they are."""

    modalities: tuple[Modality, ...]
    source: str
    tweets: tuple[Tweet, ...]


def read_inputs(data: Path, text_field: str = "text") -> tuple[Inputs, ...]:
    """The held-back rows of a data folder by set of modalities, reference and replay rows together.

    Left out are texts that a model was trained on: they stand in the training split, or were posted with a photograph
    that is not held out. Raises DataError for files that are not as they should be.
    """
    trained = {read_as(row.text) for row in read_tweets(sarcasm_file(data, "train"), text_field)}
    rows = [
        row
        for row in read_tweets(sarcasm_file(data, "valid"), text_field)
        if read_as(row.text) and read_as(row.text) not in trained
    ]
    return (
        Inputs((_TEXT,), "validation tweets, text alone", tuple(Tweet(row.text) for row in rows)),
        Inputs(
            (_TEXT, _ATTRIBUTE),
            "validation tweets with the authors' attribute words",
            tuple(Tweet(row.text, attributes=row.attributes) for row in rows if row.attributes),
        ),
        Inputs(
            (_TEXT, _IMAGE, _ATTRIBUTE),
            "held-out MVSA tweets with their photographs, attributes predicted",
            _held_out_pairs(data),
        ),
    )


def read_as(text: str) -> str:
    """The text as the model reads it: what two rows are compared by."""
    return " ".join(tokenise(text))


def split(tweets: Sequence[Tweet], seed: int = SEED) -> tuple[tuple[Tweet, ...], tuple[Tweet, ...]]:
    """The reference half and the replay half, by RULE; each in the order given."""
    halves: tuple[list[Tweet], list[Tweet]] = ([], [])
    for tweet in tweets:
        digest = hashlib.sha256(f"{seed}\0{read_as(tweet.text)}".encode()).digest()
        halves[digest[0] >= 128].append(tweet)
    return tuple(halves[0]), tuple(halves[1])


def build_reference(
    model: SarcasmModel, inputs: Sequence[Inputs], origin: Origin, progress: Progress
) -> Reference:
    """The statistics of the reference halves. DataError for a set of which the service reads no row."""
    return Reference(origin, tuple(_build_set(model, one, origin.seed, progress) for one in inputs))


def origin_of(model: SarcasmModel, text_field: str = "text", seed: int = SEED) -> Origin:
    """What a reference that `model` makes from these rows says of itself."""
    return Origin(
        model=model.ref.name,
        version=model.ref.version,
        weights_digest=model.ref.weights_digest,
        pipeline=f"{model.runtime.provider} on {model.runtime.device}",
        text_field=text_field,
        seed=seed,
        rule=RULE.replace("SEED", str(seed)),
    )


def check_weights(folder: Path, origin: Origin) -> VersionManifest:
    """The origin's version in a model's folder; DataError where that holds other weights."""
    version = read_manifest(folder).version_or_default(origin.version)
    if version.digest != origin.weights_digest:
        raise DataError(
            f"{folder} holds version {version.version} with digest {version.digest[:12]}, and what ran has "
            f"{origin.weights_digest[:12]}: build the archive anew with `make archive`"
        )
    return version


def release_reference(reference: Reference, folder: Path) -> FileEntry:
    """Writes the file beside the version's weights in a model's folder and lists it in the manifest.

    DataError where the folder holds other weights than those that made it.
    """
    version = check_weights(folder, reference.origin)
    path = folder / version.version / FILE
    write_reference(path, reference)
    entry = describe(folder, path)
    manifest = read_manifest(folder)
    listed = replace(version, files={**version.files, REFERENCE: entry})
    write_manifest(folder, replace(manifest, versions={**manifest.versions, version.version: listed}))
    return entry


def _held_out_pairs(data: Path) -> tuple[Tweet, ...]:
    photographs = {item.image: item for item in reversed(read_mvsa(data))}  # the first of exact duplicates
    pairs = list(reversed(photographs.values()))
    trained = {read_as(pair.tweet) for pair in pairs if not pair.held_out}
    return tuple(
        Tweet(pair.tweet, pair.image)
        for pair in pairs
        if pair.held_out and read_as(pair.tweet) and read_as(pair.tweet) not in trained
    )


def _build_set(model: SarcasmModel, inputs: Inputs, seed: int, progress: Progress) -> ReferenceSet:
    tweets, _ = split(inputs.tweets, seed)
    report = progress.task(name_of(inputs.modalities))
    attentions: list[Attention] = []
    probabilities: list[float] = []
    for start in range(0, len(tweets), BATCH):
        prepared = [_prepare(model, tweet) for tweet in tweets[start : start + BATCH]]
        for outcome in model.infer([tweet for tweet in prepared if tweet is not None]):
            if modalities_of(outcome.attention) == inputs.modalities:
                attentions.append(outcome.attention)
                probabilities.append(outcome.prediction.probability)
        report(min(start + BATCH, len(tweets)), len(tweets))
    if not attentions:
        raise DataError(f"of {len(tweets)} rows ({inputs.source}) the service reads none")
    return ReferenceSet(
        sample(attentions, probabilities), inputs.source, len(inputs.tweets), len(tweets) - len(attentions)
    )


def _prepare(model: SarcasmModel, tweet: Tweet) -> PreparedTweet | None:
    """None for what the service refuses, as an image that cannot be read: no explanation comes of it."""
    try:
        return model.prepare(tweet)
    except AttendantError:
        return None
