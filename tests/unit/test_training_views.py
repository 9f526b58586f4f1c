import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import build_tiny_data

from attendant.training.teacher import Teacher
from attendant.training.views import cut_view, watch

CPU = torch.device("cpu")
SIDE = 32
ROWS = np.array([0, 2, 3])


class Counted(Teacher):
    """Counts the pictures that it looks at, and is interrupted when it was asked for more than `patience`."""

    def __init__(self, data, patience=10_000):
        super().__init__(data, CPU)
        self.looked = 0
        self.patience = patience

    def maps(self, pixels):
        self.looked += len(pixels)
        if self.looked > self.patience:
            raise KeyboardInterrupt
        return super().maps(pixels)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), tweets=2, pictures=1)


@pytest.fixture(scope="module")
def teacher(data):
    return Counted(data)


@pytest.fixture(scope="module")
def pictures():
    blocks = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)


def look(pictures, teacher, cache, each=2, seed=1):
    return watch(pictures, ROWS, each, SIDE, teacher, cache, seed, lambda done, total: None)


def test_views_are_squares_of_the_pictures_in_order(pictures, teacher, tmp_path):
    views = look(pictures, teacher, tmp_path / "views")
    assert len(views) == 6
    assert views.pixels.shape == (6, SIDE, SIDE, 3)
    assert views.rows.tolist() == [0, 0, 2, 2, 3, 3]
    assert [grid.shape for grid in views.maps] == [
        (6, 32, 4, 4),
        (6, 96, 2, 2),
        (6, 160, 1, 1),
        (6, 320, 1, 1),
    ]


def test_views_and_maps_stay_together(pictures, teacher, tmp_path):
    views = look(pictures, teacher, tmp_path / "views", each=7)
    for start in range(0, len(views), 5):
        part = slice(start, start + 5)
        for grid, expected in zip(views.maps, teacher.maps(views.pixels[part]), strict=True):
            np.testing.assert_allclose(grid[part], expected, atol=2e-3, rtol=2e-3)


def test_whole_pictures_stay_as_they_are(pictures, teacher, tmp_path):
    views = look(pictures, teacher, tmp_path / "views", each=0)
    np.testing.assert_array_equal(views.pixels, pictures[ROWS])
    assert views.rows.tolist() == ROWS.tolist()
    assert views.maps[0].shape == (3, 32, 8, 8)


def test_a_seed_decides_the_views(pictures, teacher, tmp_path):
    first, again, other = (look(pictures, teacher, tmp_path / f"{i}", seed=i // 2) for i in range(3))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_interrupted_it_goes_on_where_it_was(pictures, teacher, data, tmp_path):
    straight = look(pictures, teacher, tmp_path / "straight", each=120)
    with pytest.raises(KeyboardInterrupt):
        look(pictures, Counted(data, patience=340), tmp_path / "begun", each=120)
    rest = Counted(data)
    resumed = look(pictures, rest, tmp_path / "begun", each=120)
    assert rest.looked == 360 - 320  # it is kept every 320 views
    np.testing.assert_array_equal(resumed.pixels, straight.pixels)
    for grid, expected in zip(resumed.maps, straight.maps, strict=True):
        np.testing.assert_array_equal(grid, expected)
    idle = Counted(data, patience=0)
    np.testing.assert_array_equal(look(pictures, idle, tmp_path / "begun", each=120).pixels, straight.pixels)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([32, 64]), st.sampled_from([64, 96]))
def test_a_view_of_a_slope_is_a_slope(seed, side, whole):
    slope = np.linspace(0, 255, whole).astype(np.uint8)
    picture = np.stack([np.broadcast_to(slope[:, None], (whole, whole))] * 3, axis=-1)
    view = cut_view(picture, side, np.random.default_rng(seed))
    assert view.shape == (side, side, 3)
    assert view.dtype == np.uint8
    assert (np.diff(view[:, 0, 0].astype(int)) >= 0).all()  # never upside down, and light keeps the order
    assert np.ptp(view, axis=1).max() == 0


def test_half_of_the_views_are_mirrored():
    slope = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.stack([np.broadcast_to(slope[None, :], (64, 64))] * 3, axis=-1)
    views = [cut_view(picture, 32, np.random.default_rng(seed)) for seed in range(200)]
    mirrored = [int(view[0, 0, 0]) > int(view[0, -1, 0]) for view in views]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.12)


def test_two_views_in_five_have_the_served_scale():
    stripes = np.where(np.arange(448) // 16 % 2, 255, 0).astype(np.uint8)
    picture = np.tile(stripes[:, None, None], (1, 448, 3))
    edges = []
    for seed in range(100):
        column = cut_view(picture, 224, np.random.default_rng(seed))[:, 0, 0].astype(int)
        edges.append(np.count_nonzero(np.diff(column > (column.max() + column.min()) / 2)))
    assert 176 / 16 - 1 <= min(edges) < 13
    assert 22 < max(edges) <= 448 / 16
    served = np.isin(edges, (13, 14))  # 224 pixels; a few of the others are nearly as large
    assert served.mean() == pytest.approx(0.45, abs=0.12)
