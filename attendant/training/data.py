"""The training data as it lies in a data folder: tweets, tweet-image pairs, photographs with boxes.

The folder is given by `--data`, else by ATTENDANT_DATA, else it is ../shared/data beside the repository.
Its files are read, never copied.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attendant.analysis.rows import DataError, read_rows

HELD_OUT_SHARE = 26  # of 256: one picture in ten
DATA_VARIABLE = "ATTENDANT_DATA"
DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Photograph:
    """An encoded picture and what is known of it.

    `words` name things that people saw in it (COCO); `tweet` is what it was posted with (MVSA).
    """

    name: str
    image: bytes
    words: tuple[str, ...] = ()
    tweet: str = ""

    @property
    def held_out(self) -> bool:
        """Whether training leaves this picture, and what it was posted with, out: by the encoded picture's digest."""
        return hashlib.sha256(self.image).digest()[0] < HELD_OUT_SHARE


def find_data(option: Path | None) -> Path:
    """The data folder. Raises DataError where there is none."""
    folder = option or Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA))
    if not folder.is_dir():
        raise DataError(f"no data folder at {folder}; name it with --data PATH or {DATA_VARIABLE}")
    return folder


def sarcasm_file(data: Path, split: str) -> Path:
    return data / "sarcasm" / f"sarcasm_{split}.jsonl.gz"


def read_mvsa(data: Path) -> list[Photograph]:
    """Tweets with the pictures they were posted with."""
    folder = data / "mvsa"
    with _archive(folder / "images.zip") as archive:
        return [
            Photograph(f"mvsa/{row['id']}", archive.read(f"{row['id']}.jpg"), tweet=row["text"])
            for _, row in read_rows(folder / "mvsa_single.jsonl.gz")
        ]


def read_coco(data: Path) -> list[Photograph]:
    """Photographs with the names of the objects in them and the words of their captions."""
    folder = data / "coco"
    with _archive(folder / "images.zip") as archive:
        return [
            Photograph(f"coco/{row['id']}", archive.read(f"{row['id']:012d}.jpg"), words=_coco_words(row))
            for _, row in read_rows(folder / "coco_small.jsonl.gz")
        ]


def _archive(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    return zipfile.ZipFile(path)


def _coco_words(row: dict[str, Any]) -> tuple[str, ...]:
    text = " ".join([box[0] for box in row["boxes_xywh_norm"]] + row["captions"])
    return tuple(sorted({word.strip(".,!?\"'()").lower() for word in text.split()}))
