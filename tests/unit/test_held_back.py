"""What models were not trained on, in halves that share nothing."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reference_data import build_reference_data
from sample_models import manifest
from small_fcam import write_small_sdc
from tiny_cifar import NAMES, draw_images, write_tiny_cifar
from tiny_store import build_tiny_store

from attendant.analysis.held_back import MOSAICS, draw_once, hold_back, replay_inputs
from attendant.analysis.references import build_reference, read_inputs, split
from attendant.analysis.rows import DataError
from attendant.archive import build_archives
from attendant.errors import AttendantError
from attendant.models.sarcasm import SarcasmModel
from attendant.models.sdc import SdcModel
from attendant.statistics.samples import MOSAIC, Statistic, sample, streams
from attendant.training.cifar import Cifar, read_cifar
from attendant.training.mosaics import CIFAR_FOREGROUND, MODE_1, Split, plane_mosaics
from attendant.training.progress import Silent
from attendant.types import Modality, MosaicShape, Tweet

IMAGES, POINTS = "sdc-cifar-softmax-0", "sdc-error-mode-1"
SHAPES = {IMAGES: MosaicShape(9, (32, 32, 3)), POINTS: MosaicShape(9, (2,))}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny_cifar(tmp_path_factory.mktemp("data"), draw_images())


def described(name):
    return manifest(
        name,
        archive="sdc",
        modalities=(Modality.SEGMENT,),
        mosaic=SHAPES.get(name, SHAPES[POINTS]),
    )


def no_data() -> Path:
    raise AssertionError("no data are needed")


def halves_of(name, find_data=no_data, **options):
    (halves,) = hold_back(described(name), find_data, **options).sets
    assert halves.modalities == MOSAIC
    return halves.reference, halves.replay


def pixels_of(segment: bytes):
    with Image.open(BytesIO(segment)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_images_are_held_out_and_each_is_in_one_mosaic(data):
    images = read_cifar(data)
    labels = {image.tobytes(): label for image, label in zip(images.pixels, images.labels, strict=True)}
    held_out = {image.tobytes() for image in images.pixels[images.held_out]}
    seen = []
    for half in halves_of(IMAGES, lambda: data):
        assert half
        for mosaic in half:
            segments = [pixels_of(segment).tobytes() for segment in mosaic.segments]
            ahead = [labels[segment] in CIFAR_FOREGROUND for segment in segments]
            assert ahead == [place == mosaic.foreground_index for place in range(9)]
            seen += segments
    assert len(set(seen)) == len(seen)
    assert set(seen) <= held_out


def test_the_seed_chooses_the_halves(data):
    first = halves_of(IMAGES, lambda: data, seed=1)
    assert first == halves_of(IMAGES, lambda: data, seed=1)
    assert first != halves_of(IMAGES, lambda: data, seed=2)
    rule = hold_back(described(IMAGES), lambda: data, seed=7).rule
    assert rule.startswith("the first byte of SHA-256('7' NUL pixels)")


def test_too_few_images_are_named(tmp_path):
    few = {split: images[:400] for split, images in draw_images().items()}
    few["train"][:] = few["train"][0]  # one digest, which decides for all
    with pytest.raises(DataError, match="CIFAR-10"):
        hold_back(described(IMAGES), lambda: write_tiny_cifar(tmp_path, few))


@given(
    st.integers(10, 200),
    st.integers(0, 50),
    st.floats(0.1, 1),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=50)
def test_every_image_is_drawn_once(number: int, count: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = Cifar(np.zeros((number, 32, 32, 3), np.uint8), rng.integers(0, 10, number), NAMES)
    pool = rng.random(number) < share
    drawn = draw_once(images, pool, count, seed)
    used = drawn.indices.ravel()
    assert len(set(used.tolist())) == len(used)
    assert pool[used].all()
    labels = images.labels[drawn.indices]
    np.testing.assert_array_equal(labels[np.arange(len(drawn)), drawn.foreground], drawn.labels)
    assert (np.isin(labels, CIFAR_FOREGROUND).sum(axis=1) == 1).all()
    members = [int((pool & (images.labels == label)).sum()) for label in CIFAR_FOREGROUND]
    behind = int(pool.sum()) - sum(members)
    assert len(drawn) == min(count, behind // 8, *members)


def test_points_are_newly_drawn_and_need_no_data():
    reference, replay = halves_of(POINTS, mosaics=50)
    assert len(reference) == len(replay) == 50
    known = {mosaic.segments for mosaic in reference}
    assert known.isdisjoint(mosaic.segments for mosaic in replay)
    for part in Split:  # what models and their risk are made of and measured on
        for seed in range(10):
            points = plane_mosaics(MODE_1, 50, split=part, seed=seed).gather(slice(None))
            assert known.isdisjoint(tuple(map(tuple, mosaic.tolist())) for mosaic in points)
    assert halves_of(POINTS, mosaics=10) == (reference[:10], replay[:10])


def test_a_point_of_the_foreground_is_where_the_plane_has_it():
    for mosaic in halves_of(POINTS, mosaics=20)[0]:
        assert mosaic.foreground_index is not None
        x, _ = mosaic.segments[mosaic.foreground_index]
        others = [point[0] for place, point in enumerate(mosaic.segments) if place != mosaic.foreground_index]
        assert x >= 5 > 2 >= max(others)  # as the mode's boxes


def test_models_that_are_not_shipped_are_named():
    with pytest.raises(AttendantError, match="sdc-other"):
        hold_back(described("sdc-other"), no_data)


def test_replay_is_the_other_half_of_any_model(data, tmp_path):
    tweets = build_reference_data(tmp_path)
    replay = replay_inputs(manifest(), lambda: tweets)
    assert replay == {one.modalities: split(one.tweets)[1] for one in read_inputs(tweets)}
    assert all(isinstance(tweet, Tweet) for part in replay.values() for tweet in part)
    assert replay_inputs(described(IMAGES), lambda: data) == {MOSAIC: halves_of(IMAGES, lambda: data)[1]}
    assert len(replay_inputs(described(POINTS), no_data)[MOSAIC]) == MOSAICS


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model of each kind, as archives serve them."""
    store = build_tiny_store(tmp_path_factory.mktemp("store"))
    write_small_sdc(store, IMAGES, segments=9)
    write_small_sdc(store, POINTS, kind="vector", segments=9)
    archives = {path.name: path for path in build_archives(store, tmp_path_factory.mktemp("archives"))}
    return {
        "sarcasm": SarcasmModel.open_served(archives["sarcasm"] / "sarcasm"),
        **{name: SdcModel.open_served(archives["sdc"] / name) for name in (IMAGES, POINTS)},
    }


@pytest.mark.parametrize("name", ["sarcasm", IMAGES, POINTS])
def test_what_explains_answers_as_what_predicts(served, data, tmp_path, name):
    """To the bit: a reference is made while explaining, and most live samples are not."""
    model = served[name]
    read = manifest() if name == "sarcasm" else described(name)
    found = build_reference_data(tmp_path) if name == "sarcasm" else data
    for halves in hold_back(read, lambda: found, mosaics=16).sets:
        prepared = [model.prepare(instance) for instance in halves.reference[:8]]
        explained = sample([outcome for outcome, _ in model.inspect(prepared)])
        np.testing.assert_array_equal(explained.values, sample(model.infer(prepared)).values)
        np.testing.assert_array_equal(explained.maps, sample(model.infer(prepared)).maps)


def test_a_reference_of_mosaics_has_every_statistic(served):
    held_back = hold_back(described(POINTS), no_data, mosaics=20)
    reference = build_reference(served[POINTS], held_back, Silent())
    found = reference.find(MOSAIC)
    assert found is not None
    assert (len(found.samples), found.eligible, found.refused) == (20, 40, 0)
    assert np.isfinite(found.samples.values).all()
    statistics = [stream.statistic for stream in streams(MOSAIC)]
    assert {Statistic.FOCUS_RISK, Statistic.IMPACT} <= set(statistics)
    assert reference.origin.inputs == "mosaics of points drawn from the plane of error mode 1"
    assert reference.origin.rule == "mosaics drawn with seed 1002: reference; with seed 1003: replay"
