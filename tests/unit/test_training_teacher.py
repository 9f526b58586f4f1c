import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import CLASSES, build_tiny_data

from attendant.analysis.rows import DataError
from attendant.models.encoders import scale
from attendant.training.teacher import DEPTHS, MARGIN, Teacher, load_teacher

CPU = torch.device("cpu")
SIDE = 96
CENTRES = (7, 15, 15, 15)  # pixel that the first vector of the map at each depth is centred on


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"), tweets=2, pictures=1)


@pytest.fixture(scope="module")
def teacher(data):
    return Teacher(data, CPU)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_maps_are_those_of_the_network_on_the_picture_with_its_margin(data, teacher, pixels):
    network, _ = load_teacher(data)
    x = F.pad(scale(torch.from_numpy(pixels)), (MARGIN,) * 4, mode="replicate")
    for depth, found in zip(DEPTHS, teacher.maps(pixels), strict=True):
        cells = SIDE // depth.stride
        assert found.dtype == np.float16
        assert found.shape == (2, depth.channels, cells, cells)
        expected = network.features(x, upto=depth.block)
        expected = expected[:, :, depth.first : depth.first + cells, depth.first : depth.first + cells]
        np.testing.assert_allclose(found, expected.numpy(), atol=5e-3, rtol=2e-3)


def test_a_picture_does_not_depend_on_its_neighbours(teacher, pixels):
    for together, alone in zip(teacher.maps(pixels), teacher.maps(pixels[1:]), strict=True):
        np.testing.assert_allclose(together[1:], alone, atol=2e-3, rtol=2e-3)


@settings(max_examples=20)
@given(st.sampled_from(range(len(DEPTHS))), st.data())
def test_the_pixel_in_the_middle_of_a_cell_moves_that_cell_alone(teacher, which, data):
    depth, centre = DEPTHS[which], CENTRES[which]
    cell = st.integers(0, SIDE // depth.stride - 1).filter(
        lambda k: k * depth.stride + centre < SIDE - MARGIN
    )
    row, column = data.draw(cell), data.draw(cell)
    grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
    marked = grey.copy()
    marked[0, row * depth.stride + centre, column * depth.stride + centre] = 255
    moved = np.abs(teacher.maps(marked)[which] - teacher.maps(grey)[which]).max((0, 1))
    assert np.argwhere(moved > 1e-4).tolist() == [[row, column]]


def test_without_a_margin_cells_lie_on_the_corners_of_regions(data):
    network, _ = load_teacher(data)
    x = torch.zeros(1, 3, SIDE, SIDE)
    x[:, :, 32 * 1 + 31, 32 * 0 + 31] = 1
    moved = (network.features(x) - network.features(torch.zeros_like(x))).abs().amax((0, 1))
    assert moved.nonzero().tolist() == [[1, 0]]


def test_the_margin_adds_nothing_to_a_blank_picture(teacher):
    for grid in teacher.maps(np.full((1, SIDE, SIDE, 3), 200, np.uint8)):
        np.testing.assert_allclose(grid, np.broadcast_to(grid[:, :, :1, :1], grid.shape), atol=2e-3)


def test_features_and_classes_are_those_of_the_network(data, teacher, pixels):
    network, _ = load_teacher(data)
    x = F.pad(scale(torch.from_numpy(pixels)), (MARGIN,) * 4, mode="replicate")
    expected = network.features(x)[:, :, : SIDE // 32, : SIDE // 32]
    last = torch.from_numpy(teacher.maps(pixels)[-1]).float()
    found = teacher.features(last.flatten(2).transpose(1, 2))
    torch.testing.assert_close(found, expected.flatten(2).transpose(1, 2), atol=1e-2, rtol=1e-2)
    assert teacher.class_names == CLASSES
    logits = F.conv2d(expected.mean((2, 3), keepdim=True), network.logits_w, network.logits_b).flatten(1)
    torch.testing.assert_close(teacher.classes(found.mean(1)), logits, atol=5e-2, rtol=1e-2)


def test_the_teacher_is_not_trained(teacher):
    assert not any(p.requires_grad for layer in (teacher.head, teacher.classes) for p in layer.parameters())


def test_its_folder_is_read_and_not_written_to(data, teacher):
    names = {path.name for path in (data / "weights").iterdir()}
    assert names == {"mobilenet_v2.py", "imagenet_labels_1001.txt"}


def test_a_missing_teacher_is_named(tmp_path):
    with pytest.raises(DataError, match=r"mobilenet_v2\.py"):
        Teacher(tmp_path, CPU)
