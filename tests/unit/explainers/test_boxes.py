"""Cosines with boxes against pictures that are really drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_explainable import ToyExplainable

from attendant.errors import AttendantError
from attendant.explainers.boxes import SIDE, box_alignment, cosine, rasterise
from attendant.methods import Box, BoxAlignmentOptions
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
BOXES = (Box(0.1, 0.2, 0.35, 0.5), Box(0.3, 0.6, 0.2, 0.3))


def by_hand(weights, grid, mask):
    """The cosine of two pictures; a grid whose cells are whole pixels."""
    picture = np.kron(weights.reshape(grid), np.ones((SIDE // grid[0], SIDE // grid[1])))
    return (picture * mask).sum() / np.linalg.norm(picture) / np.linalg.norm(mask)


@pytest.mark.parametrize("grid", [(14, 14), (7, 4), (1, 1), (2, 32)])
def test_it_is_the_cosine_of_two_pictures(grid):
    weights = np.random.default_rng(0).dirichlet(np.ones(grid[0] * grid[1]), size=5)
    mask = rasterise(BOXES)
    expected = [by_hand(row, grid, mask) for row in weights]
    np.testing.assert_allclose(cosine(weights, grid, mask), expected)


def test_a_grid_that_does_not_divide_the_pixels():
    weights = np.random.default_rng(1).random(3 * 5)
    centres = (np.arange(SIDE) + 0.5) / SIDE
    rows, columns = np.floor(centres * 3).astype(int), np.floor(centres * 5).astype(int)
    picture = weights.reshape(3, 5)[np.ix_(rows, columns)]
    mask = rasterise(BOXES)
    expected = (picture * mask).sum() / np.linalg.norm(picture) / np.linalg.norm(mask)
    assert cosine(weights, (3, 5), mask) == pytest.approx(expected)


def test_all_of_the_attention_its_top_and_random_regions():
    subject = ToyExplainable({TEXT: 2, IMAGE: 196}, grid=(14, 14), seed=3)
    weights, mask = subject.attention(IMAGE), rasterise(BOXES)
    found = box_alignment(subject, BoxAlignmentOptions(BOXES))
    assert found.full == pytest.approx(by_hand(weights, (14, 14), mask))
    highest = sorted(range(196), key=lambda i: -weights[i])[:20]
    top = np.where(np.isin(np.arange(196), highest), weights, 0)
    assert found.top20 == pytest.approx(by_hand(top, (14, 14), mask))
    generator = np.random.default_rng(9)
    draws = [np.isin(np.arange(196), generator.choice(196, 20, replace=False)) for _ in range(300)]
    cosines = [by_hand(weights * kept, (14, 14), mask) for kept in draws]
    error = np.std(cosines) * np.sqrt(1 / 100 + 1 / 300)
    assert found.random20 == pytest.approx(np.mean(cosines), abs=4 * error)


def test_twenty_regions_are_the_highest_and_twenty_random():
    subject = ToyExplainable({IMAGE: 196}, grid=(14, 14))
    subject._alpha[IMAGE] = torch.full((196,), 1 / 196)
    found = box_alignment(subject, BoxAlignmentOptions((Box(0, 0, 1, 1),)))
    assert found.full == pytest.approx(1)
    assert found.top20 == pytest.approx(np.sqrt(20 / 196))
    assert found.random20 == pytest.approx(np.sqrt(20 / 196))


def test_a_seed_fixes_the_random_regions():
    subject = ToyExplainable({IMAGE: 196}, grid=(14, 14))
    one, same, other = (box_alignment(subject, BoxAlignmentOptions(BOXES, seed)) for seed in (1, 1, 2))
    assert one == same
    assert (one.full, one.top20) == (other.full, other.top20)
    assert one.random20 != other.random20


def test_of_few_regions_all_count():
    found = box_alignment(ToyExplainable(grid=(3, 3)), BoxAlignmentOptions(BOXES))
    assert found.full == found.top20 == pytest.approx(found.random20)


def test_attention_on_the_box_alone_is_aligned():
    weights = np.zeros((14, 14))
    weights[2:5, 3:9] = 1 / 18
    box = Box(*np.array([3 / 14, 2 / 14, 6 / 14, 3 / 14], dtype=np.float32).tolist())
    assert cosine(weights.ravel(), (14, 14), rasterise([box])) == pytest.approx(1)


def test_nothing_on_a_box_is_not_aligned():
    assert cosine(np.zeros(4), (2, 2), rasterise(BOXES)) == 0
    assert cosine(np.ones(4), (2, 2), rasterise([])) == 0


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        (Box(0, 0, 1, 1), (0, 224, 0, 224)),
        (Box(0.5, 0.25, 0.5, 0.25), (56, 112, 112, 224)),
        (Box(0.9, 0.9, 0.5, 0.5), (202, 224, 202, 224)),  # 201.6; what is outside is cut off
        (
            Box(10.5 / 224, 0, 2 / 224, 1),
            (0, 224, 10, 12),
        ),  # from a centre on to a centre, which is not in it
        (Box(11.5 / 224, 0, 2 / 224, 1), (0, 224, 11, 13)),
        (Box(10.7 / 224, 0, 0.1 / 224, 1), (0, 224, 10, 11)),  # no centre: the pixel of its corner
        (Box(0.99999, 0.99999, 1e-9, 1e-9), (223, 224, 223, 224)),
    ],
)
def test_a_box_has_the_pixels_whose_centres_lie_in_it(box, pixels):
    mask = rasterise([box])
    top, bottom, left, right = pixels
    assert mask[top:bottom, left:right].all()
    assert mask.sum() == (bottom - top) * (right - left)


@given(st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_min=True)))
def test_every_box_has_pixels(edges):
    assert rasterise([Box(edges[0], edges[0], edges[1], edges[1])]).any()


@settings(max_examples=30)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.tuples(*[st.floats(0.01, 0.9)] * 4), min_size=1, max_size=3),
)
def test_cosines_are_in_range(rows, columns, boxes):
    subject = ToyExplainable({IMAGE: rows * columns}, grid=(rows, columns))
    found = box_alignment(subject, BoxAlignmentOptions(tuple(Box(*box) for box in boxes)))
    assert all(0 <= value <= 1 for value in (found.full, found.top20, found.random20))


def test_boxes_need_a_grid():
    with pytest.raises(
        AttendantError, match=r"options\.box_alignment: boxes need an image; .*: text, attribute"
    ):
        box_alignment(ToyExplainable({TEXT: 2, ATTRIBUTE: 2}), BoxAlignmentOptions(BOXES))
