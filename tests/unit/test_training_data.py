import numpy as np
import pytest
from tiny_data import build_tiny_data

from attendant.analysis.rows import DataError
from attendant.models.pixels import resize
from attendant.training import photographs
from attendant.training.data import find_data, read_coco, read_mvsa, sarcasm_file
from attendant.training.photographs import cached_array, load_photographs
from attendant.training.progress import Silent


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_tiny_data(tmp_path_factory.mktemp("data"))


def test_the_folder_is_named_or_found(data, tmp_path, monkeypatch):
    assert find_data(data) == data
    monkeypatch.setenv("ATTENDANT_DATA", str(data))
    assert find_data(None) == data
    monkeypatch.setenv("ATTENDANT_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match="--data PATH"):
        find_data(None)


def test_pictures_come_with_what_is_known_of_them(data):
    assert sarcasm_file(data, "train").is_file()
    posted = read_mvsa(data)
    assert posted[0].name == "mvsa/0"
    assert posted[0].tweet
    assert not posted[0].words
    (seen,) = read_coco(data)
    assert {"dog", "sign"} <= set(seen.words)
    assert not seen.tweet


def test_missing_archives_are_named(tmp_path):
    with pytest.raises(DataError, match=r"images\.zip"):
        read_mvsa(tmp_path)


def test_duplicates_are_left_out_and_the_split_follows_the_picture(data, tmp_path):
    posted = read_mvsa(data)
    photographs = load_photographs([*posted, *posted[:3]], tmp_path / "a", Silent())
    assert set(photographs.items) == set(posted)
    assert len(photographs) == len(posted)
    assert photographs.pixels.shape == (len(posted), 448, 448, 3)
    backwards = load_photographs(posted[::-1], tmp_path / "b", Silent())
    split = dict(zip(photographs.items, photographs.held_out, strict=True))
    assert split == dict(zip(backwards.items, backwards.held_out, strict=True))


def test_pixels_resized_in_another_way_are_other_pixels(data, tmp_path, monkeypatch):
    items = read_mvsa(data)[:3]
    today = load_photographs(items, tmp_path, Silent())
    assert load_photographs(items, tmp_path, Silent()).key == today.key
    monkeypatch.setattr(photographs, "resize", lambda pixels: 255 - resize(pixels))
    other = load_photographs(items, tmp_path, Silent())
    assert other.key != today.key
    assert not np.array_equal(other.pixels, today.pixels)


def test_a_cached_array_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "numbers.npy"
    computed = []

    def numbers(part):
        if part.start >= 32 and not computed.count("again"):
            raise KeyboardInterrupt
        computed.append(part.start)
        return np.arange(part.start, part.stop)[:, None] * 2

    with pytest.raises(KeyboardInterrupt):
        cached_array(path, (40, 1), np.int64, numbers, lambda done, total: None)
    computed.append("again")
    array = cached_array(path, (40, 1), np.int64, numbers, lambda done, total: None)
    assert computed == [0, 16, "again", 32]
    assert array[:, 0].tolist() == list(range(0, 80, 2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["numbers.npy"]
