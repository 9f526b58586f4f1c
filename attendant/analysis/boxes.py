"""Whether attention over an image lies on the objects in it: photographs of COCO with boxes around objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attendant.analysis.rows import DataError, read_rows
from attendant.explainers.base import Explainable
from attendant.explainers.boxes import box_alignment, choose_grid, cosine, rasterise
from attendant.methods import Box, BoxAlignmentOptions
from attendant.statistics.intervals import Estimate, mean
from attendant.training.data import Photograph, read_coco


@dataclass(frozen=True)
class Published:
    """The mean cosines that were published for another encoder and other photographs."""

    full: float
    top20: float
    random20: float


PUBLISHED = Published(0.539, 0.429, 0.24)


@dataclass(frozen=True)
class Boxed:
    """A photograph, and the boxes around the objects in it."""

    photograph: Photograph
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Alignment:
    """Cosines in [0, 1] of a photograph's boxes with attention, as in `methods.BoxAlignment`, and with an even one."""

    held_out: bool
    full: float
    top20: float
    random20: float
    even: float


@dataclass(frozen=True)
class Alignments:
    """Mean cosines over `n` photographs.

    `over_even` is full less even, `over_random` top 20 less random 20, photograph by photograph.
    """

    n: int
    full: Estimate
    top20: Estimate
    random20: Estimate
    even: Estimate
    over_even: Estimate
    over_random: Estimate


def read_boxed(data: Path, limit: int | None = None) -> list[Boxed]:
    """The first `limit` photographs of the data folder that have boxes, without exact duplicates.

    Raises DataError where there is none.
    """
    boxes = {
        f"coco/{row['id']}": tuple(Box(*box[1:5]) for box in row["boxes_xywh_norm"])
        for _, row in read_rows(data / "coco" / "coco_small.jsonl.gz")
    }
    photographs = {one.image: one for one in reversed(read_coco(data))}  # the first of exact duplicates
    boxed = [Boxed(one, boxes[one.name]) for one in reversed(photographs.values()) if boxes[one.name]]
    if not boxed:
        raise DataError(f"no photograph in {data / 'coco'} has boxes")
    return boxed[:limit]


def align(subject: Explainable, boxed: Boxed, seed: int) -> Alignment:
    """One photograph; the seed is of the random regions."""
    found = box_alignment(subject, BoxAlignmentOptions(boxed.boxes, seed))
    target, grid = choose_grid(subject)
    even = cosine(np.ones(len(subject.attention(target))), grid, rasterise(boxed.boxes))
    return Alignment(boxed.photograph.held_out, found.full, found.top20, found.random20, float(even))


def summarise(found: Sequence[Alignment]) -> dict[str, Alignments]:
    """Of the photographs that training left out ("held_out", where there are any) and of all ("all")."""
    return dict(_parts(found))


def _parts(found: Sequence[Alignment]) -> Iterator[tuple[str, Alignments]]:
    held_out = [one for one in found if one.held_out]
    if held_out:
        yield "held_out", _means(held_out)
    yield "all", _means(found)


def _means(found: Sequence[Alignment]) -> Alignments:
    full, top20, random20, even = np.array([(one.full, one.top20, one.random20, one.even) for one in found]).T
    return Alignments(
        len(found),
        mean(full),
        mean(top20),
        mean(random20),
        mean(even),
        mean(full - even),
        mean(top20 - random20),
    )
