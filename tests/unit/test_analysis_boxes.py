import numpy as np
import pytest
from tiny_data import _write_pictures, _write_rows, build_tiny_data
from toy_explainable import ToyExplainable

from attendant.analysis.boxes import Alignment, Boxed, align, read_boxed, summarise
from attendant.analysis.rows import DataError
from attendant.methods import Box
from attendant.training.data import Photograph
from attendant.types import Modality

IMAGE = Modality.IMAGE
QUARTER = Box(0.0, 0.0, 0.5, 0.5)


@pytest.fixture
def data(tmp_path):
    return build_tiny_data(tmp_path)


def test_photographs_with_boxes_are_read_once(data):
    rows = [
        {"id": number, "boxes_xywh_norm": boxes, "captions": []}
        for number, boxes in (
            (7, [["dog", 0.1, 0.2, 0.3, 0.4, 0], ["cat", 0.5, 0.5, 0.5, 0.5, 0]]),
            (8, []),
            (9, [["dog", 0, 0, 1, 1, 0]]),
            (10, [["dog", 0, 0, 1, 1, 0]]),
        )
    ]
    _write_rows(data / "coco" / "coco_small.jsonl.gz", rows)
    _write_pictures(data / "coco" / "images.zip", [f"{number:012d}.jpg" for number in (7, 8, 9, 10)], 1)
    found = read_boxed(data)
    assert [one.photograph.name for one in found] == ["coco/7", "coco/9", "coco/10"]
    assert found[0].boxes == (Box(0.1, 0.2, 0.3, 0.4), Box(0.5, 0.5, 0.5, 0.5))
    assert read_boxed(data, limit=1) == found[:1]


def test_no_boxes_is_a_data_error(data):
    _write_rows(
        data / "coco" / "coco_small.jsonl.gz", [{"id": 7, "boxes_xywh_norm": [], "captions": ["A sign."]}]
    )
    with pytest.raises(DataError, match="has boxes"):
        read_boxed(data)


def test_attention_on_the_box_and_even_attention():
    subject = ToyExplainable({IMAGE: 16}, grid=(4, 4))
    on_it = np.zeros((4, 4), np.float32)
    on_it[:2, :2] = 0.25
    subject.attention = lambda target: on_it.ravel()
    found = align(subject, Boxed(Photograph("a", b"x"), (QUARTER,)), seed=0)
    assert found.full == pytest.approx(1)
    # Of an even map and a mask the cosine is the root of the mask's share.
    assert found.even == pytest.approx(0.5)
    assert found.top20 == pytest.approx(1)


def test_held_out_photographs_and_all():
    found = [
        Alignment(held, full, 0.5, 0.25, 0.5) for held, full in ((True, 0.9), (False, 0.7), (False, 0.5))
    ]
    parts = summarise(found)
    assert list(parts) == ["held_out", "all"]
    assert (parts["held_out"].n, parts["all"].n) == (1, 3)
    assert parts["all"].full.value == pytest.approx(0.7)
    assert parts["all"].over_even.value == pytest.approx(0.2)
    assert parts["all"].over_random.value == pytest.approx(0.25)
    assert list(summarise(found[1:])) == ["all"]
