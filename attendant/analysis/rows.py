"""Labelled tweets as they lie in files: JSON lines, plain or gzipped."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attendant.errors import AttendantError, Reason


class DataError(AttendantError):
    """A file or a row of the data is not as it should be; the message says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.INVALID_INPUT)


@dataclass(frozen=True)
class TweetRow:
    """A labelled tweet; `label` 1 is sarcastic. `attributes` may be empty (text alone). `where`: its file and row."""

    text: str
    label: int
    attributes: tuple[str, ...]
    where: str = field(default="", compare=False)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a .jsonl or .jsonl.gz file, each with its line number from 1. Blank lines are left out."""
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(line, f"{path}: row {number}")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is not an object")
    return row


def read_tweets(path: Path, text_field: str = "text", label_field: str = "label") -> list[TweetRow]:
    """The labelled tweets of a file; rows without `attributes` have text alone.

    Raises DataError naming the row and the field that is missing or wrong, or when the file has no rows.
    """
    tweets = [
        _tweet(row, text_field, label_field, f"{path}: row {number}") for number, row in read_rows(path)
    ]
    if not tweets:
        raise DataError(f"{path} has no rows")
    return tweets


def _tweet(row: dict[str, Any], text_field: str, label_field: str, where: str) -> TweetRow:
    text = _field(row, text_field, where)
    if not isinstance(text, str):
        raise DataError(f"{where}: field {text_field!r} is {text!r}, not a string")
    label = _field(row, label_field, where)
    if isinstance(label, bool) or label not in (0, 1):
        raise DataError(f"{where}: field {label_field!r} is {label!r}; it is 0 or 1 (1 is sarcastic)")
    attributes = row.get("attributes", [])
    if not isinstance(attributes, list) or not all(isinstance(word, str) for word in attributes):
        raise DataError(f"{where}: field 'attributes' is {attributes!r}, not a list of words")
    return TweetRow(text, int(label), tuple(attributes), where)


def _field(row: dict[str, Any], field: str, where: str) -> Any:
    if field not in row:
        raise DataError(f"{where} has no field {field!r}; it has: {', '.join(row)}")
    return row[field]
