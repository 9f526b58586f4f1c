import numpy as np
import pytest
from tiny_store import build_tiny_store

from attendant.analysis import subjects
from attendant.analysis.rows import DataError, TweetRow
from attendant.analysis.subjects import Asked, ask, choose, gather, inspect
from attendant.models.sarcasm import SarcasmModel
from attendant.types import Modality, Tweet

ROWS = [TweetRow(f"so much fun {'! ' * number}", 0, ("dog",), f"row {number}") for number in range(40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return SarcasmModel.open_torch(build_tiny_store(tmp_path_factory.mktemp("store")) / "sarcasm")


def test_a_random_sample_in_the_order_of_the_file():
    chosen = choose(ROWS, 5, 10, seed=0)
    numbers = [int(row.where.split()[1]) for row in chosen.rows]
    assert chosen.short == 2  # three and four tokens
    assert len(numbers) == 10
    assert numbers == sorted(numbers)
    assert numbers != list(range(2, 12))
    assert choose(ROWS, 5, 10, seed=0) == chosen
    assert choose(ROWS, 5, 10, seed=1) != chosen
    assert len(choose(ROWS, 5, 500, seed=0).rows) == 38


def test_no_row_is_long_enough():
    with pytest.raises(DataError, match="none of 3 rows has a text of at least 9 tokens"):
        choose(ROWS[:3], 9, 10, seed=0)


def test_subjects_come_in_order_and_are_counted(model, monkeypatch):
    monkeypatch.setattr(subjects, "BATCH", 3)
    counted = []
    found = list(inspect(model, ask(ROWS[:8]), lambda *done: counted.append(done)))
    assert [len(one.attention(Modality.TEXT)) for one in found] == [3 + number for number in range(8)]
    assert counted == [(number + 1, 8) for number in range(8)]
    alone = next(inspect(model, ask(ROWS[4:5]), lambda *_: None))
    np.testing.assert_allclose(found[4].attention(Modality.TEXT), alone.attention(Modality.TEXT), atol=1e-6)


def test_measurements_are_gathered_by_target(model):
    subjects = inspect(model, ask(ROWS[:3]), lambda *_: None)
    found, skipped = gather(subjects, lambda subject: {Modality.TEXT: len(subject.attention(Modality.TEXT))})
    assert found == {Modality.TEXT: [3, 4, 5]}
    assert skipped == {Modality.ATTRIBUTE: 3}


def test_a_tweet_that_is_refused_is_named(model):
    asked = [Asked("rows.jsonl: row 3", Tweet("fun", attributes=("a", "b", "c", "d", "e", "f")))]
    with pytest.raises(DataError, match=r"rows\.jsonl: row 3: .*at most 5"):
        list(inspect(model, asked, lambda *_: None))
