import json

import numpy as np
import pytest
from tiny_cifar import draw_images, write_tiny_cifar

from attendant.cli.main import app
from attendant.cli.mosaic_files import read_mosaic_file
from attendant.images import decode
from attendant.training.cifar import read_cifar
from attendant.training.mosaics import MODE_2, Split, cifar_mosaics, plane_mosaics
from attendant.types import MosaicShape


def draw(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        app(["mosaic", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_points_are_those_of_the_held_out_mosaic(tmp_path, capsys) -> None:
    out = tmp_path / "mosaic.json"
    assert draw("sdc-error-mode-2", "--number", 3, "--out", out) == 0
    expected = plane_mosaics(MODE_2, 10, split=Split.TEST)
    found = read_mosaic_file(out, MosaicShape(9, (2,)))
    np.testing.assert_array_equal(np.array(found.segments, np.float32), expected.gather([3])[0])
    assert found.foreground_index == expected.foreground[3]
    said = capsys.readouterr().out
    assert f"segment {expected.foreground[3]}, class {expected.labels[3] + 1}" in said
    assert json.loads(out.read_text())["foreground_index"] == expected.foreground[3]


def test_pictures_are_those_of_the_held_out_mosaic(tmp_path) -> None:
    data = write_tiny_cifar(tmp_path / "data", draw_images())
    out = tmp_path / "mosaic.png"
    assert draw("sdc-cifar-hard-6", "--number", 2, "--data", data, "--out", out) == 0
    expected = cifar_mosaics(read_cifar(data), Split.TEST, 3)
    found = read_mosaic_file(out, MosaicShape(9, (32, 32, 3)))
    pixels = np.stack([decode(segment).pixels for segment in found.segments if isinstance(segment, bytes)])
    np.testing.assert_array_equal(pixels, expected.gather([2])[0])
    assert found.foreground_index == expected.foreground[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sarcasm", "--out", "mosaic.json"), "sdc-error-mode-1"),
        (("sdc-error-mode-1", "--out", "mosaic.png"), ".json"),
        (("sdc-error-mode-1", "--number", -1, "--out", "mosaic.json"), "--number"),
        (("sdc-error-mode-1",), "--out"),
    ],
)
def test_wrong_use(arguments, said, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert draw(*arguments) != 0
    assert said in " ".join(capsys.readouterr().err.split())
