"""Mosaics in files: what is written is what is read, and what cannot be read is named with what was expected."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from canned_service import points, tile, tiles
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attendant.cli.console import WrongUse
from attendant.cli.mosaic_files import describe_shape, encode_tile, read_mosaic_file, write_mosaic
from attendant.types import Mosaic, MosaicShape

IMAGES, POINTS = MosaicShape(9, (32, 32, 3)), MosaicShape(9, (2,))


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def refusal(path: Path, shape: MosaicShape) -> str:
    with pytest.raises(WrongUse) as caught:
        read_mosaic_file(path, shape)
    message = caught.value.format_message()
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@settings(deadline=None, max_examples=30)
@given(
    st.integers(2, 64),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.data(),
    st.sampled_from(["sheet.png", "folder"]),
)
def test_images_that_are_written_are_read(tmp_path_factory, count, height, width, seed, data, name):
    drawn = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    foreground = data.draw(st.none() | st.integers(0, count - 1))
    mosaic = Mosaic(tuple(map(encode_tile, drawn)), foreground)
    path = tmp_path_factory.mktemp("mosaics") / name
    write_mosaic(path, mosaic)
    assert read_mosaic_file(path, MosaicShape(count, (height, width, 3))) == mosaic


@settings(deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * width), min_size=2, max_size=12
        )
    ),
    st.data(),
)
def test_vectors_that_are_written_are_read(tmp_path_factory, segments, data):
    mosaic = Mosaic(tuple(segments), data.draw(st.none() | st.integers(0, len(segments) - 1)))
    path = tmp_path_factory.mktemp("mosaics") / "vectors.json"
    write_mosaic(path, mosaic)
    assert read_mosaic_file(path, MosaicShape(len(segments), (len(segments[0]),))) == mosaic


def test_a_sheet_is_cut_row_by_row(tmp_path):
    sheet = np.zeros((96, 96, 3), np.uint8)
    for index in range(9):
        row, column = divmod(index, 3)
        sheet[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = index
    Image.fromarray(sheet).save(tmp_path / "square.png")
    Image.fromarray(sheet.reshape(3, 32, 3, 32, 3).swapaxes(1, 2).reshape(288, 32, 3)).save(
        tmp_path / "column.webp", lossless=True
    )
    for name in ("square.png", "column.webp"):
        mosaic = read_mosaic_file(tmp_path / name, IMAGES)
        assert [pixels(segment).max() for segment in mosaic.segments] == list(range(9))
        assert {pixels(segment).shape for segment in mosaic.segments} == {(32, 32, 3)}
        assert mosaic.foreground_index is None


def test_a_sheet_that_is_written_is_as_square_as_a_full_one_can_be(tmp_path):
    for count, size in ((9, (96, 96)), (6, (96, 64)), (12, (128, 96)), (7, (224, 32)), (64, (256, 256))):
        write_mosaic(tmp_path / "sheet.png", tiles(count=count))
        assert pixels((tmp_path / "sheet.png").read_bytes()).shape == (*reversed(size), 3)


def test_a_folder_is_read_in_the_order_of_its_names_and_keeps_its_files_as_they_are(tmp_path):
    images = {
        f"{letter}.{kind.lower()}": tile(n, kind=kind)
        for n, (letter, kind) in enumerate(zip("ihgfedcba", ["PNG", "JPEG", "WEBP"] * 3, strict=True))
    }
    for name, image in images.items():
        (tmp_path / name).write_bytes(image)
    (tmp_path / "notes.txt").write_text("not a segment")
    mosaic = read_mosaic_file(tmp_path, IMAGES)
    assert mosaic == Mosaic(tuple(images[name] for name in sorted(images)))
    (tmp_path / "e.jpeg").rename(tmp_path / "e-foreground.jpeg")
    assert read_mosaic_file(tmp_path, IMAGES) == Mosaic(mosaic.segments, 4)
    (tmp_path / "a.webp").rename(tmp_path / "a-foreground.webp")
    assert "are both marked as the foreground" in refusal(tmp_path, IMAGES)


def test_the_names_in_a_folder_that_is_written(tmp_path):
    write_mosaic(tmp_path / "few", Mosaic((tile(0), tile(1, kind="JPEG"))))
    assert sorted(file.name for file in (tmp_path / "few").iterdir()) == ["0.png", "1.jpeg"]
    write_mosaic(tmp_path / "many", tiles(10, 11))
    names = sorted(file.name for file in (tmp_path / "many").iterdir())
    assert names == [*(f"{index:02}.png" for index in range(10)), "10-foreground.png"]
    with pytest.raises(FileExistsError):
        write_mosaic(tmp_path / "many", tiles())


SHEET_WANTED = "the model takes 9 images of 32 x 32 pixels, for example a sheet of 96 x 96"


@pytest.mark.parametrize("size", [(96, 95), (95, 96), (64, 64), (32, 32), (128, 96), (1, 1), (96, 192)])
def test_a_sheet_of_another_size_is_refused_with_the_right_one(tmp_path, size):
    path = tmp_path / "sheet.png"
    Image.new("RGB", size).save(path)
    assert refusal(path, IMAGES) == f": it has {size[0]} x {size[1]} pixels; {SHEET_WANTED}"


def test_a_sheet_that_is_no_picture(tmp_path):
    for data, says in ((b"", "the image is empty"), (b"GIF89a", "a GIF"), (tile(0)[:80], "truncated")):
        (tmp_path / "sheet.png").write_bytes(data)
        assert says in refusal(tmp_path / "sheet.png", IMAGES)
    (tmp_path / "sheet.gif").write_bytes(tile(0))
    assert "a mosaic of images is a folder, or one of .png, .jpg" in refusal(tmp_path / "sheet.gif", IMAGES)
    with pytest.raises(FileNotFoundError):
        read_mosaic_file(tmp_path / "no.png", IMAGES)


@pytest.mark.parametrize("said", ["9", "x", "-1", "1.5", ""])
def test_a_sheet_whose_foreground_is_none_of_its_segments(tmp_path, said):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("foreground_index", said)
    Image.new("RGB", (96, 96)).save(tmp_path / "sheet.png", pnginfo=info)
    assert "foreground" in refusal(tmp_path / "sheet.png", IMAGES)


def test_a_jpeg_by_a_pngs_name_is_a_sheet_too(tmp_path):
    (tmp_path / "sheet.png").write_bytes(tile(0, 96, 96, "JPEG"))
    mosaic = read_mosaic_file(tmp_path / "sheet.png", IMAGES)
    assert len(mosaic.segments) == 9
    whole = pixels(tile(0, 96, 96, "JPEG"))
    np.testing.assert_array_equal(pixels(mosaic.segments[5]), whole[32:64, 64:])


def test_a_folder_that_is_not_what_the_model_takes(tmp_path):
    assert refusal(tmp_path, IMAGES).startswith(
        ": it has 0 images (.png, .jpg, .jpeg, .webp); the model takes 9"
    )
    for index in range(9):
        (tmp_path / f"{index}.png").write_bytes(tile(index))
    (tmp_path / "4.png").write_bytes(tile(4, 32, 31))
    with pytest.raises(WrongUse, match=r"4\.png: it has 32 x 31 pixels; the model takes 9 images of 32 x 32"):
        read_mosaic_file(tmp_path, IMAGES)
    (tmp_path / "4.png").write_bytes(b"junk")
    with pytest.raises(WrongUse, match=r"4\.png: the image is not an image"):
        read_mosaic_file(tmp_path, IMAGES)


GOOD = {"segments": [[1, 2.5]] * 9}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"segments": [[NaN, 1]]}', "NaN is not a number in JSON"),
        ("[]", "it is an object with segments and, if known, foreground_index"),
        ("{}", "it is an object with segments"),
        (json.dumps(GOOD | {"foreground": 1}), "it is an object with segments"),
        (json.dumps({"segments": 3}), "it has no list of segments; the model takes 9 vectors of 2 numbers"),
        (json.dumps({"segments": [[1, 2]] * 8}), "it has 8 segments; the model takes 9 vectors of 2 numbers"),
        (json.dumps({"segments": [*[[1, 2]] * 8, [1]]}), "segment 8 has 1 numbers; the model takes 2"),
        (json.dumps({"segments": [*[[1, 2]] * 8, 1]}), "segment 8 is no list of numbers"),
        (json.dumps({"segments": [*[[1, 2]] * 8, ["1", 2]]}), "segment 8 is no list of numbers"),
        (json.dumps({"segments": [*[[1, 2]] * 8, [True, 2]]}), "segment 8 is no list of numbers"),
        (json.dumps({"segments": [*[[1, 2]] * 8, [10**400, 2]]}), "segment 8 has a number that is too large"),
        (json.dumps(GOOD).replace("2.5", "1e999"), "segment 0 has a number that is too large"),
        (json.dumps(GOOD | {"foreground_index": 9}), "the foreground is segment 0 to 8, not 9"),
        (json.dumps(GOOD | {"foreground_index": -1}), "the foreground is segment 0 to 8, not -1"),
        (json.dumps(GOOD | {"foreground_index": 1.0}), "foreground_index is 1.0, which is no index"),
        (json.dumps(GOOD | {"foreground_index": True}), "foreground_index is True, which is no index"),
        ("\xff", "it is not JSON"),
    ],
)
def test_vectors_that_are_not_what_the_model_takes(tmp_path, text, says):
    path = tmp_path / "vectors.json"
    path.write_bytes(text.encode("latin-1"))
    assert says in refusal(path, POINTS)


def test_a_foreground_that_is_not_known_may_be_null(tmp_path):
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(GOOD | {"foreground_index": None}))
    assert read_mosaic_file(path, POINTS) == Mosaic(((1.0, 2.5),) * 9)


def test_a_file_of_the_other_kind_is_refused(tmp_path):
    write_mosaic(tmp_path / "sheet.png", tiles())
    write_mosaic(tmp_path / "vectors.json", points())
    assert "the model takes 9 vectors of 2 numbers, as {" in refusal(tmp_path / "sheet.png", POINTS)
    assert "in a .json file" in refusal(tmp_path, POINTS)
    assert "a mosaic of images is a folder" in refusal(tmp_path / "vectors.json", IMAGES)
    for path, mosaic in ((tmp_path / "a.png", points()), (tmp_path / "a.json", tiles())):
        with pytest.raises(WrongUse, match=f"the name '{path.name}'"):
            write_mosaic(path, mosaic)


def test_shapes_in_words():
    assert describe_shape(IMAGES) == "9 images of 32 x 32 pixels"
    assert describe_shape(MosaicShape(4, (8, 16, 3))) == "4 images of 16 x 8 pixels"
    assert describe_shape(POINTS) == "9 vectors of 2 numbers"
