import gzip
import json

import pytest

from attendant.analysis.rows import DataError, TweetRow, read_rows, read_tweets


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_plain_and_gzipped_files_read_alike(tmp_path):
    row = {"text": "so much fun", "label": 1, "attributes": ["dog"]}
    plain = write(tmp_path / "rows.jsonl", row)
    zipped = tmp_path / "rows.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_tweets(plain) == read_tweets(zipped) == [TweetRow("so much fun", 1, ("dog",))]


def test_fields_are_chosen_and_attributes_may_be_missing(tmp_path):
    path = write(tmp_path / "rows.jsonl", {"body": "hm", "gold": 0, "text": "no"})
    assert read_tweets(path, "body", "gold") == [TweetRow("hm", 0, ())]


def test_blank_lines_keep_row_numbers(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(read_rows(path)) == [(1, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": 1}, r"row 2 has no field 'text'; it has: label"),
        ({"text": "x"}, r"row 2 has no field 'label'"),
        ({"text": 3, "label": 1}, r"row 2: field 'text' is 3, not a string"),
        ({"text": "x", "label": "yes"}, r"row 2: field 'label' is 'yes'; it is 0 or 1"),
        ({"text": "x", "label": True}, r"row 2: field 'label' is True"),
        ({"text": "x", "label": 1, "attributes": "dog"}, r"row 2: field 'attributes' is 'dog'"),
        (["x", 1], "row 2 is not an object"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    path = write(tmp_path / "rows.jsonl", {"text": "fine", "label": 0}, row)
    with pytest.raises(DataError, match=message):
        read_tweets(path)


def test_what_is_not_json_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "x", "label": 1}\n\xff{\n')
    with pytest.raises(DataError, match="row 2 is not JSON"):
        read_tweets(path)


def test_missing_empty_and_broken_files(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_tweets(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="has no rows"):
        read_tweets(tmp_path / "empty.jsonl")
    (tmp_path / "plain.gz").write_text('{"text": "x", "label": 1}')
    with pytest.raises(DataError, match="cannot be read"):
        read_tweets(tmp_path / "plain.gz")
    cut = gzip.compress(b'{"text": "x", "label": 1}\n' * 50)[:-12]
    (tmp_path / "cut.gz").write_bytes(cut)
    with pytest.raises(DataError, match="cannot be read"):
        read_tweets(tmp_path / "cut.gz")
