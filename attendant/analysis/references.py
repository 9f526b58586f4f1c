"""Builds the reference that drift is measured against: what no training has seen, through the pipeline that serves.

A tweet belongs to the reference half or to the replay half by a hash of its text, so that no text is in both, whatever
the set; simulations of drift draw from the replay half only. `held_back` has the mosaics, and finds a model's halves.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from attendant.analysis.rows import DataError, read_tweets
from attendant.errors import AttendantError
from attendant.explainers.base import Deadline, Explainable
from attendant.explainers.permutation import permutation
from attendant.manifest import (
    REFERENCE,
    FileEntry,
    VersionManifest,
    describe,
    read_manifest,
    write_manifest,
)
from attendant.methods import Permutation, PermutationOptions
from attendant.statistics.references import Origin, Reference, ReferenceSet, write_reference
from attendant.statistics.samples import modalities_of, name_of, sample
from attendant.text import tokenise
from attendant.training.data import read_mvsa, sarcasm_file
from attendant.training.progress import Progress
from attendant.types import MODALITIES, Instance, Modality, ModelRef, Outcome, Runtime, Tweet

FILE = "reference.safetensors"
SEED = 1
TEXT_FIELD = "text"  # of a labelled tweet: as people write them, whichever labels a version was trained on
RULE = (
    "the first byte of SHA-256('SEED' NUL tokens joined by blanks) is below 128: reference; otherwise replay"
)
BATCH = 8  # as the service's
_TEXT, _IMAGE, _ATTRIBUTE = MODALITIES


class ServedModel(Protocol):
    """One version of any model. Instances and prepared instances are of its own types."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def runtime(self) -> Runtime: ...

    def prepare(self, instance: Any) -> Any:
        """Raises AttendantError for an instance that cannot be answered."""
        ...

    def inspect(self, prepared: Sequence[Any]) -> Sequence[tuple[Outcome, Explainable]]: ...


@dataclass(frozen=True)
class Inputs:
    """Requests of one set of modalities; `source` says in words what they are."""

    modalities: tuple[Modality, ...]
    source: str
    tweets: tuple[Tweet, ...]


@dataclass(frozen=True)
class Halves:
    """Requests of one set of modalities in two halves that share nothing; `source` says in words what they are."""

    modalities: tuple[Modality, ...]
    source: str
    reference: tuple[Instance, ...]
    replay: tuple[Instance, ...]


@dataclass(frozen=True)
class HeldBack:
    """Requests that no training has seen: in words what they are, and by which rule they are parted."""

    inputs: str
    rule: str
    seed: int
    sets: tuple[Halves, ...]


def hold_back_tweets(data: Path, seed: int = SEED) -> HeldBack:
    """`read_inputs` in halves."""
    sets = tuple(Halves(one.modalities, one.source, *split(one.tweets, seed)) for one in read_inputs(data))
    inputs = f"labelled tweets (field {TEXT_FIELD!r}) and MVSA tweets that training leaves out"
    return HeldBack(inputs, RULE.replace("SEED", str(seed)), seed, sets)


def read_inputs(data: Path) -> tuple[Inputs, ...]:
    """The held-back rows of a data folder by set of modalities, reference and replay rows together.

    Left out are texts that a model was trained on: they stand in the training split, or were posted with a photograph
    that is not held out. Raises DataError for files that are not as they should be.
    """
    trained = {read_as(row.text) for row in read_tweets(sarcasm_file(data, "train"), TEXT_FIELD)}
    rows = [
        row
        for row in read_tweets(sarcasm_file(data, "valid"), TEXT_FIELD)
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


def build_reference(model: ServedModel, held_back: HeldBack, progress: Progress) -> Reference:
    """The statistics of the reference halves. DataError for a set of which the service reads no row."""
    sets = tuple(_build_set(model, one, progress) for one in held_back.sets)
    return Reference(origin_of(model, held_back), sets)


def origin_of(model: ServedModel, held_back: HeldBack) -> Origin:
    """What a reference that `model` makes of these requests says of itself."""
    return Origin(
        model=model.ref.name,
        version=model.ref.version,
        weights_digest=model.ref.weights_digest,
        pipeline=f"{model.runtime.provider} on {model.runtime.device}",
        inputs=held_back.inputs,
        seed=held_back.seed,
        rule=held_back.rule,
    )


def check_weights(folder: Path, made_by: ModelRef) -> VersionManifest:
    """That version in a model's folder; DataError where that holds other weights."""
    version = read_manifest(folder).version_or_default(made_by.version)
    if version.digest != made_by.weights_digest:
        raise DataError(
            f"{folder} holds version {version.version} with digest {version.digest[:12]}, and what ran has "
            f"{made_by.weights_digest[:12]}: build the archive anew with `make archive`"
        )
    return version


def release_reference(reference: Reference, folder: Path) -> FileEntry:
    """Writes the file beside the version's weights in a model's folder and lists it in the manifest.

    DataError where the folder holds other weights than those that made it.
    """
    origin = reference.origin
    version = check_weights(folder, ModelRef(origin.model, origin.version, origin.weights_digest))
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


def _build_set(model: ServedModel, halves: Halves, progress: Progress) -> ReferenceSet:
    asked = halves.reference
    report = progress.task(f"{model.ref.name} {model.ref.version}, {name_of(halves.modalities)}")
    outcomes: list[Outcome] = []
    impacts: list[Permutation] = []
    for start in range(0, len(asked), BATCH):
        for outcome, impact in answer(model, asked[start : start + BATCH]):
            if modalities_of(outcome.attention) == halves.modalities:
                outcomes.append(outcome)
                impacts.append(impact)
        report(min(start + BATCH, len(asked)), len(asked))
    if not outcomes:
        raise DataError(f"of {len(asked)} rows ({halves.source}) the service reads none")
    eligible = len(asked) + len(halves.replay)
    return ReferenceSet(sample(outcomes, impacts), halves.source, eligible, len(asked) - len(outcomes))


def answer(model: ServedModel, instances: Sequence[Instance]) -> list[tuple[Outcome, Permutation]]:
    """What the service says of those that it reads, in one batch, and the impact of permuting their attention.

    Impacts are by the default options: as sampled of live requests.
    """
    prepared = [one for one in (_prepare(model, instance) for instance in instances) if one is not None]
    inspected = model.inspect(prepared) if prepared else ()
    return [
        (outcome, permutation(subject, PermutationOptions(), Deadline())) for outcome, subject in inspected
    ]


def _prepare(model: ServedModel, instance: Instance) -> Any | None:
    """None for what the service refuses, as an image that cannot be read: no explanation comes of it."""
    try:
        return model.prepare(instance)
    except AttendantError:
        return None
