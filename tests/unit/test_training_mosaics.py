import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import chisquare
from tiny_cifar import NAMES, draw_images, write_tiny_cifar

from attendant.analysis.rows import DataError
from attendant.training.cifar import SHEETS, Cifar, read_cifar, read_sheet
from attendant.training.mosaics import (
    CIFAR_FOREGROUND,
    CIFAR_MOSAICS,
    CLUSTERS,
    ERROR_MODES,
    MODE_1,
    MODE_3,
    Gaussian,
    Mosaics,
    Plane,
    Split,
    bank_mosaics,
    cifar_mosaics,
    plane_mosaics,
)


@pytest.fixture(scope="module")
def drawn():
    return draw_images()


@pytest.fixture(scope="module")
def data(drawn, tmp_path_factory):
    return write_tiny_cifar(tmp_path_factory.mktemp("data"), drawn)


@pytest.fixture(scope="module")
def images(data):
    return read_cifar(data)


def both(images, **options):
    return (cifar_mosaics(images, split, 3_000, **options) for split in Split)


def used(mosaics):
    return set(mosaics.indices.ravel().tolist())


# Images as they lie in files


def test_sheets_hold_images_row_by_row(drawn, images):
    assert np.array_equal(images.pixels, drawn["train"])
    assert images.pixels.dtype == np.uint8
    assert images.labels.dtype == np.int64
    assert images.labels[:12].tolist() == [*range(10), 0, 1]
    assert images.classes == NAMES


def test_the_test_split_has_labels_for_the_images_that_are_there(drawn, data):
    test = read_cifar(data, "test")
    assert np.array_equal(test.pixels, drawn["test"])
    assert test.labels.tolist() == [number % 7 for number in range(80)]


def test_an_image_is_held_out_by_its_own_bytes(images):
    expected = [hashlib.sha256(image.tobytes()).digest()[0] < 51 for image in images.pixels]
    assert images.held_out.tolist() == expected
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = Cifar(images.pixels[order], images.labels[order], images.classes)
    assert np.array_equal(shuffled.held_out, images.held_out[order])


def test_what_is_missing_is_named(data, tmp_path):
    with pytest.raises(DataError, match=r"no such file: .*labels\.npz"):
        read_cifar(tmp_path)
    folder = tmp_path / "cifar10"
    folder.mkdir()
    (folder / "labels.npz").write_bytes((data / "cifar10" / "labels.npz").read_bytes())
    with pytest.raises(DataError, match=r"no such file: .*train_0\.webp"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("arrays", [{}, {"train": np.arange(3)}, {"train": np.arange(3), "classes": NAMES}])
def test_labels_that_do_not_fit_are_refused(arrays, data, tmp_path):
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name in SHEETS["train"]:
        (folder / name).symlink_to(data / "cifar10" / name)
    np.savez(folder / "labels.npz", **arrays)
    with pytest.raises(DataError, match="cifar10"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"not an image", b"PK\x03\x04 not labels"])
def test_damaged_files_are_named(damage, tmp_path):
    (tmp_path / "sheet.webp").write_bytes(damage)
    with pytest.raises(DataError, match=r"sheet\.webp cannot be read"):
        read_sheet(tmp_path / "sheet.webp")
    folder = tmp_path / "cifar10"
    folder.mkdir()
    (folder / "labels.npz").write_bytes(damage)
    with pytest.raises(DataError, match=r"labels\.npz cannot be read"):
        read_cifar(tmp_path)


def test_a_sheet_is_whole_images(tmp_path):
    Image.new("RGB", (64, 33)).save(tmp_path / "sheet.webp", lossless=True)
    with pytest.raises(DataError, match="64 x 33"):
        read_sheet(tmp_path / "sheet.webp")


def test_labels_name_classes():
    with pytest.raises(ValueError, match="0 to 1"):
        Cifar(np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 2]), ("a", "b"))
    with pytest.raises(ValueError, match="2 labels"):
        Cifar(np.zeros((3, 32, 32, 3), np.uint8), np.array([0, 1]), ("a", "b"))


# Mosaics of images


@pytest.mark.parametrize("protocol", ["leak-free", "authors"])
def test_the_foreground_is_of_the_class_and_the_background_of_none(images, protocol):
    for mosaics in both(images, protocol=protocol):
        assert mosaics.indices.shape == (3_000, 9)
        assert mosaics.classes == 3
        assert np.array_equal(images.labels[mosaics.foreground_indices], mosaics.labels)
        assert not np.isin(images.labels[mosaics.background_indices], CIFAR_FOREGROUND).any()
        assert set(images.labels[mosaics.background_indices].ravel()) == {3, 4, 5, 6, 7, 8, 9}


def test_test_mosaics_have_no_training_image(images):
    training, test = both(images)
    assert not images.held_out[training.indices].any()
    assert images.held_out[test.indices].all()
    assert not used(training) & used(test)


def test_the_authors_test_mosaics_are_of_training_images(images):
    training, test = both(images, protocol="authors")
    assert not images.held_out[test.indices].any()
    assert len(used(training) & used(test)) > 0.99 * len(used(training))
    assert np.array_equal(training.indices, cifar_mosaics(images, Split.TRAINING, 3_000).indices)
    assert not np.array_equal(training.indices, test.indices)
    with pytest.raises(ValueError, match="leaky"):
        cifar_mosaics(images, Split.TRAINING, 5, protocol="leaky")


def test_every_image_of_a_pool_is_as_likely(images):
    for mosaics in both(images):
        for chosen, expected in (
            (mosaics.foreground_indices[mosaics.labels == 1], images.labels == 1),
            (mosaics.background_indices, images.labels > 2),
        ):
            counts = np.bincount(chosen.ravel(), minlength=len(images))
            pool = expected & (images.held_out == images.held_out[chosen.flat[0]])
            assert chisquare(counts[pool]).pvalue > 0.001
            assert not counts[~pool].any()


def test_sizes_are_those_of_the_paper_unless_given(images):
    assert CIFAR_MOSAICS == {Split.TRAINING: 30_000, Split.TEST: 10_000}
    assert len(cifar_mosaics(images, Split.TEST)) == 10_000
    assert len(cifar_mosaics(images, Split.TEST, 0)) == 0


def test_images_are_gathered_a_batch_at_a_time(images):
    mosaics = cifar_mosaics(images, Split.TRAINING, 20)
    assert mosaics.bank is images.pixels
    batch = mosaics.gather([3, 17])
    assert batch.shape == (2, 9, 32, 32, 3)
    assert np.array_equal(batch[1, 4], images.pixels[mosaics.indices[17, 4]])
    assert np.array_equal(mosaics.gather(slice(3, 18, 14)), batch)
    assert mosaics.gather([]).shape == (0, 9, 32, 32, 3)


def test_a_class_without_images_is_refused(images):
    with pytest.raises(ValueError, match="no elements"):
        cifar_mosaics(Cifar(images.pixels[3:10], images.labels[3:10], images.classes), Split.TRAINING, 5)


# Mosaics of points


@pytest.mark.parametrize("plane", [*ERROR_MODES, CLUSTERS])
def test_positions_classes_and_parts_are_uniform(plane):
    mosaics = plane_mosaics(plane, 6_000, seed=1)
    assert chisquare(np.bincount(mosaics.foreground, minlength=9)).pvalue > 0.001
    assert chisquare(np.bincount(mosaics.labels, minlength=len(plane.foreground))).pvalue > 0.001
    together = np.bincount(mosaics.labels * 9 + mosaics.foreground, minlength=9 * len(plane.foreground))
    assert chisquare(together).pvalue > 0.001


@pytest.mark.parametrize("plane", ERROR_MODES)
def test_points_lie_in_their_boxes(plane):
    mosaics = plane_mosaics(plane, 500)
    foreground = mosaics.bank[mosaics.foreground_indices]
    for label, box in enumerate(plane.foreground):
        assert_fills(foreground[mosaics.labels == label], box)
    assert_fills(mosaics.bank[mosaics.background_indices].reshape(-1, 2), *plane.background)


def assert_fills(points, box):
    low, high = np.transpose([box.x1, box.x2])
    share = (points - low) / (high - low)
    assert -1e-5 < share.min() < 0.1
    assert 0.9 < share.max() < 1 + 1e-5
    np.testing.assert_allclose(share.mean(axis=0), 0.5, atol=0.15)


def test_the_boxes_are_the_papers():
    assert [[written(box) for box in mode.foreground] for mode in ERROR_MODES] == [
        ["[5,6]x[2,4]", "[5,6]x[-5,-3]", "[8,9]x[-2,0]"],
        ["[5,6]x[2,4]", "[5,6]x[-5,-3]", "[-3,-2]x[-2,0]"],
        [f"[1.5,1.6]x[{b},{b + 0.1:g}]" for b in (7, 5, 3, 1, -1, -3)],
    ]
    behind = [[written(box) for box in mode.background] for mode in ERROR_MODES]
    assert behind == [["[1,2]x[-1,5]"], ["[1,2]x[-8,5]"], ["[2.1,2.2]x[2,2.1]"]]
    assert len(plane_mosaics(MODE_1)) == 200
    assert plane_mosaics(MODE_1).segments == 9


def written(box):
    return f"[{box.x1[0]:g},{box.x1[1]:g}]x[{box.x2[0]:g},{box.x2[1]:g}]"


def test_gaussians_have_the_means_and_deviations_given():
    plane = Plane(
        (Gaussian((2, -1), 0.5), Gaussian((0, 3), 2.0)), (Gaussian((10, 10), 1), Gaussian((-10, 0), 1))
    )
    mosaics = plane_mosaics(plane, 4_000, segments=3)
    foreground = mosaics.bank[mosaics.foreground_indices]
    for label, gaussian in enumerate(plane.foreground):
        points = foreground[mosaics.labels == label]
        margin = 4 * gaussian.deviation / np.sqrt(len(points))
        np.testing.assert_allclose(points.mean(axis=0), gaussian.mean, atol=margin)
        np.testing.assert_allclose(points.std(axis=0), gaussian.deviation, atol=margin)
    right = mosaics.bank[mosaics.background_indices][..., 0] > 0
    assert chisquare([right.sum(), (~right).sum()]).pvalue > 0.001
    np.testing.assert_allclose(right.all(axis=1).mean(), 0.25, atol=0.04)  # drawn independently


seeds = st.integers(0, 2**40)
counts = st.integers(0, 40)
makers = st.sampled_from(
    [
        lambda count, **options: plane_mosaics(MODE_3, count, **options),
        lambda count, **options: plane_mosaics(CLUSTERS, count, **options),
        lambda count, **options: bank_mosaics(
            np.arange(12), [np.arange(3), np.arange(3, 5)], np.arange(5, 12), count, **options
        ),
    ]
)


@given(makers, counts, counts, st.integers(1, 9), st.sampled_from(Split), seeds)
def test_a_smaller_set_is_the_beginning_of_a_larger(make, count, more, segments, split, seed):
    options = {"segments": segments, "split": split, "seed": seed}
    small, large = make(count, **options), make(count + more, **options)
    assert len(small) == count
    assert small.segments == segments
    assert np.array_equal(small.gather(slice(None)), large.gather(slice(count)))
    assert np.array_equal(small.labels, large.labels[:count])
    assert np.array_equal(small.foreground, large.foreground[:count])


@given(makers, st.sampled_from(Split), seeds)
def test_seed_and_split_fix_everything(make, split, seed):
    first, again = make(30, split=split, seed=seed), make(30, split=split, seed=seed)
    assert np.array_equal(first.gather(slice(None)), again.gather(slice(None)))
    for other in (make(30, split=Split(1 - split), seed=seed), make(30, split=split, seed=seed + 1)):
        assert not np.array_equal(first.labels, other.labels)
        assert not np.array_equal(first.foreground, other.foreground)
        assert not np.array_equal(first.gather(slice(None)), other.gather(slice(None)))


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("indices", [[0, 4]], "indices are 0 to 3"),
        ("indices", [[0, -1]], "indices are 0 to 3"),
        ("indices", [0], "N x m"),
        ("labels", [2], "labels are 0 to 1"),
        ("labels", [0, 1], "N x m"),
        ("foreground", [2], "foreground are 0 to 1"),
    ],
)
def test_a_mosaic_that_cannot_be_is_refused(part, values, message):
    parts = {"indices": [[0, 3]], "labels": [1], "foreground": [0]}
    arrays = {name: np.array(value) for name, value in {**parts, part: values}.items()}
    with pytest.raises(ValueError, match=message):
        Mosaics(np.arange(4.0), classes=2, **arrays)


@pytest.mark.parametrize("options", [{"count": -1}, {"count": 1, "segments": 0}])
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="mosaics of"):
        plane_mosaics(MODE_1, **options)


# What lies in ../shared/data


def test_the_published_set_is_drawn_from_the_clusters(shared_data):
    with np.load(shared_data / "sdc" / "sdc_dataset1.npz") as published:
        points, labels, places = (published[name] for name in ("mosaic_list", "mosaic_label", "fore_idx"))
    rows = np.arange(len(points))
    others = np.arange(9) != places[:, None]
    for label, cluster in enumerate(CLUSTERS.foreground):
        assert_normal(points[rows, places][labels == label], cluster)
    background = points[others]
    means = np.array([cluster.mean for cluster in CLUSTERS.background])
    nearest = np.linalg.norm(background[:, None] - means, axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / len(background), 1 / 7, atol=0.01)
    for number, cluster in enumerate(CLUSTERS.background):
        assert_normal(background[nearest == number], cluster)


def assert_normal(points, cluster):
    """As near as 500 points of a cluster, which the published mosaics repeat, can come."""
    np.testing.assert_allclose(points.mean(axis=0), cluster.mean, atol=4 * cluster.deviation / np.sqrt(400))
    np.testing.assert_allclose(points.std(axis=0), cluster.deviation, rtol=0.15)


def test_real_images_and_labels_belong_together(shared_data):
    """Were sheets cut in another order, the nearest mean image would be right for one in ten."""
    folder = shared_data / "cifar10"
    test = read_cifar(shared_data, "test")
    assert len(test) == 1_000
    pixels = read_sheet(folder / "train_0.webp")
    with np.load(folder / "labels.npz") as arrays:
        images = Cifar(pixels, arrays["train"][: len(pixels)].astype(np.int64), test.classes)
    flat = test.pixels[:, ::4, ::4].reshape(1_000, -1).astype(np.float32)
    small = images.pixels[:, ::4, ::4].reshape(len(images), -1).astype(np.float32)
    means = np.stack([small[images.labels == label].mean(axis=0) for label in range(10)])
    distances = np.square(flat[:, None] - means).sum(axis=2)
    assert (distances.argmin(axis=1) == test.labels).mean() > 0.2
    assert images.held_out.mean() == pytest.approx(51 / 256, abs=0.02)
    assert [images.classes[label] for label in CIFAR_FOREGROUND] == ["airplane", "automobile", "bird"]
    training, held = both(images)
    assert not used(training) & used(held)
    for mosaics in (training, held):
        assert np.array_equal(images.labels[mosaics.foreground_indices], mosaics.labels)
