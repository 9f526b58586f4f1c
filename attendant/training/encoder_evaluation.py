"""The region encoder beside its teacher, on photographs as the service sees them.

R = 196 regions, F features of a region, N photographs. The teacher is measured twice: as it stands, and centred, which
is what the encoder is trained to follow (its padding shifts the teacher by half a region, see `teacher.MARGIN`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from attendant import images
from attendant.analysis.encoder import (
    Agreement,
    Box,
    Comparison,
    agreement,
    compare,
    coverage,
)
from attendant.analysis.latency import Latency, time_in_turn
from attendant.analysis.probe import Labelled, Probe, probe
from attendant.analysis.rows import DataError, read_rows
from attendant.models.encoders import CompactEncoder
from attendant.models.pixels import resize
from attendant.statistics.intervals import Estimate, mean, proportion
from attendant.statistics.similarities import cosine
from attendant.training.data import Photograph, read_coco, read_mvsa
from attendant.training.eyes import Eyes, open_eyes
from attendant.training.photographs import cached_array
from attendant.training.progress import Progress
from attendant.types import REGIONS

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Measure:
    """One figure of the encoder, and the same of the teacher, of the centred teacher and of a constant answer.

    `name` is for programs, `title` for people. `n` counts photographs. `difference`: encoder less teacher, picture by
    picture.
    """

    name: str
    title: str
    n: int
    encoder: Estimate
    teacher: Estimate
    centred_teacher: Estimate | None
    constant: float
    difference: Estimate | None = None


@dataclass(frozen=True)
class EncoderEvaluation:
    """`latency`: the encoder against the teacher, one photograph in ONNX Runtime on `threads`.

    `probe_strengths`: of the regularisation that the valid split chose, for the encoder and for the teacher.
    """

    measures: tuple[Measure, ...]
    latency: Latency
    probe_strengths: tuple[float, float]
    threads: int


@dataclass(frozen=True)
class _Picture:
    """A photograph with what is known of it; `label` and `split` are empty where MVSA has none."""

    image: bytes
    held_out: bool
    boxes: tuple[Box, ...] = ()
    label: str = ""
    split: str = ""

    def pixels(self) -> Pixels:
        return resize(images.decode(self.image).pixels)


def evaluate_encoder(
    encoder: CompactEncoder,
    data: Path,
    cache: Path,
    progress: Progress,
    limit: int | None = None,
    threads: int = 2,
) -> EncoderEvaluation:
    """Everything that docs/evaluation.md tells of. `cache` keeps the teacher's view of the labelled photographs.

    `limit`: at most so many held-out photographs, photographs with boxes, and photographs of a labelled split.
    Raises DataError where the data folder has no held-out photographs or lacks a labelled split.
    """
    pictures = _read_pictures(data)
    held_out = [picture for picture in pictures if picture.held_out][:limit]
    boxed = [picture for picture in pictures if picture.boxes][:limit]
    if not held_out:
        raise DataError(f"none of the {len(pictures)} photographs in {data} is held out")
    with TemporaryDirectory() as folder:
        eyes = open_eyes(encoder, data, Path(folder), threads)
    agreements = _agreements(eyes, held_out, progress)
    localisations = _localisations(eyes, boxed, progress)
    sentiment, strengths = _probes(eyes, pictures, data, cache, progress, limit)
    feeds = {"pixels": held_out[0].pixels()[None]}
    latency = time_in_turn(
        lambda: eyes.served.run(eyes.served.outputs, feeds),
        lambda: eyes.teacher.session.run(eyes.teacher.session.outputs, feeds),
        progress.task("latency"),
    )
    return EncoderEvaluation((*agreements, *localisations, sentiment), latency, strengths, threads)


def _read_pictures(data: Path) -> list[_Picture]:
    """The photographs of MVSA and COCO, each once (the first of exact duplicates, as in training)."""
    unique: dict[bytes, Photograph] = {}
    for item in read_mvsa(data) + read_coco(data):
        unique.setdefault(item.image, item)
    labels = {
        f"mvsa/{row['id']}": (row.get("label") or "", row.get("split") or "")
        for _, row in read_rows(data / "mvsa" / "mvsa_single.jsonl.gz")
    }
    boxes = {
        f"coco/{row['id']}": tuple(tuple(box[1:5]) for box in row["boxes_xywh_norm"])
        for _, row in read_rows(data / "coco" / "coco_small.jsonl.gz")
    }
    return [
        _Picture(item.image, item.held_out, boxes.get(item.name, ()), *labels.get(item.name, ("", "")))
        for item in unique.values()
    ]


def _agreements(eyes: Eyes, held_out: Sequence[_Picture], progress: Progress) -> list[Measure]:
    """Against the teacher as it stands, and against the centred one."""
    report = progress.task("held-out photographs")
    classes = len(eyes.teacher.classifier.bias)
    pairs: tuple[list[Comparison], ...] = ([], [], [], [])
    for number, picture in enumerate(held_out):
        pixels = picture.pixels()
        encoder, teacher, centred = (eye.see(pixels) for eye in (eyes.encoder, eyes.teacher, eyes.centred))
        against = ((encoder, teacher), (centred, teacher), (encoder, centred), (teacher, centred))
        for pair, (sight, reference) in zip(pairs, against, strict=True):
            pair.append(compare(sight, reference, classes))
        report(number + 1, len(held_out))
    followed = [agreement(pair) for pair in pairs]
    itself = Estimate(1.0, 1.0, 1.0)
    by_teacher = [
        Measure(name, title, len(held_out), ours, itself, other, constant)
        for name, title, ours, other, constant in _side_by_side(followed[0], followed[1])
    ]
    by_centred = [
        Measure(f"{name}_centred", f"{title}, centred", len(held_out), ours, other, itself, constant)
        for name, title, ours, other, constant in _side_by_side(followed[2], followed[3])
    ]
    return by_teacher + by_centred


def _side_by_side(ours: Agreement, other: Agreement) -> Iterator[tuple[str, str, Estimate, Estimate, float]]:
    yield (
        "pooled_agreement",
        "a picture's class is in the teacher's five",
        ours.pooled,
        other.pooled,
        ours.constant_pooled,
    )
    yield (
        "regional_agreement",
        "a region's class is in the teacher's five",
        ours.regional,
        other.regional,
        ours.constant_regional,
    )
    yield "pooled_r2", "R2 of pooled features", ours.pooled_r2, other.pooled_r2, 0.0
    yield "regional_r2", "R2 of regional features", ours.regional_r2, other.regional_r2, 0.0


def _localisations(eyes: Eyes, boxed: Sequence[_Picture], progress: Progress) -> list[Measure]:
    """Over the photographs with boxes that training left out, and over all of them."""
    report = progress.task("photographs with boxes")
    cosines, correlations = np.zeros((len(boxed), 4)), np.zeros((len(boxed), 4))
    for number, picture in enumerate(boxed):
        pixels, mask = picture.pixels(), coverage(picture.boxes)
        maps = [eye.see(pixels).activation for eye in (eyes.encoder, eyes.teacher, eyes.centred)]
        maps.append(np.ones(REGIONS, np.float32))
        cosines[number] = [cosine(one, mask) for one in maps]
        correlations[number] = [cosine(one - one.mean(), mask - mask.mean()) for one in maps]
        report(number + 1, len(boxed))
    left_out = np.array([picture.held_out for picture in boxed], bool)
    everything = np.ones(len(boxed), bool)
    return [
        _localisation(f"{name}_{part}", f"{title}, {where}", scores[rows])
        for part, where, rows in (
            ("held_out", "COCO held out", left_out),
            ("all", "COCO, mostly trained on", everything),
        )
        for name, title, scores in (
            ("localisation", "class activation on objects: cosine", cosines),
            ("localisation_correlation", "the same: correlation", correlations),
        )
        if rows.any()
    ]


def _localisation(name: str, title: str, scores: NDArray[np.float64]) -> Measure:
    """Scores N x 4: encoder, teacher, centred teacher, even map."""
    encoder, teacher, centred, even = scores.T
    return Measure(
        name,
        title,
        len(scores),
        mean(encoder),
        mean(teacher),
        mean(centred),
        float(even.mean()),
        mean(encoder - teacher),
    )


def _probes(
    eyes: Eyes,
    pictures: Sequence[_Picture],
    data: Path,
    cache: Path,
    progress: Progress,
    limit: int | None,
) -> tuple[Measure, tuple[float, float]]:
    """Accuracy on the test split, and the strengths chosen. The constant is the train split's most frequent label."""
    splits = {
        name: [one for one in pictures if one.split == name][:limit] for name in ("train", "valid", "test")
    }
    for name, part in splits.items():
        if not part:
            raise DataError(f"no photograph of the split {name!r} in {data / 'mvsa'}")
    shown = [picture for part in splits.values() for picture in part]
    names = sorted({picture.label for picture in shown})
    labels = np.array([names.index(picture.label) for picture in shown])
    ends = np.cumsum([len(part) for part in splits.values()])[:-1]
    features = {
        "encoder": _encoder_features(eyes, shown, progress),
        "teacher": _teacher_features(eyes, shown, cache, progress),
    }
    probes: list[Probe] = []
    for name, seen in features.items():
        train, valid, test = (
            Labelled(*part) for part in zip(np.split(seen, ends), np.split(labels, ends), strict=True)
        )
        probes.append(probe(train, valid, test, len(names), progress.task(f"probe on the {name}")))
    ours, theirs = (one.hits for one in probes)
    most = np.bincount(train.labels).argmax()
    measure = Measure(
        "sentiment_probe",
        "MVSA sentiment from pooled features",
        len(ours),
        proportion(int(ours.sum()), len(ours)),
        proportion(int(theirs.sum()), len(theirs)),
        None,
        float((test.labels == most).mean()),
        mean(ours.astype(np.float64) - theirs),
    )
    return measure, (probes[0].strength, probes[1].strength)


def _encoder_features(eyes: Eyes, shown: Sequence[_Picture], progress: Progress) -> Floats:
    """Pooled, N x F."""
    report = progress.task("encoder, labelled photographs")
    features = []
    for picture in shown:
        features.append(eyes.encoder.pooled(picture.pixels()))
        report(len(features), len(shown))
    return np.stack(features)


def _teacher_features(eyes: Eyes, shown: Sequence[_Picture], cache: Path, progress: Progress) -> Floats:
    """Pooled, N x F, from the cache where they are there."""
    key = hashlib.sha256(b"".join(hashlib.sha256(picture.image).digest() for picture in shown))

    def compute(part: slice) -> Floats:
        return np.stack([eyes.teacher.pooled(picture.pixels()) for picture in shown[part]])

    found = cached_array(
        cache / f"teacher-pooled-{key.hexdigest()[:12]}.npy",
        (len(shown), eyes.teacher.classifier.weight.shape[1]),
        np.float32,
        compute,
        progress.task("teacher, labelled photographs"),
    )
    return np.array(found)
