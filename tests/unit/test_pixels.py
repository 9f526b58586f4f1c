"""The pixels that encoders read."""

import numpy as np
import pytest
import torch
from evil_images import drawn, photograph
from PIL import Image

from attendant.models.pixels import resize


def test_resize_squashes_the_whole_picture():
    pixels = resize(np.asarray(drawn()))
    assert pixels.shape == (448, 448, 3)
    assert pixels.dtype == np.uint8
    corners = [pixels[r, c].tolist() for r in (20, 420) for c in (20, 420)]
    assert corners == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    assert resize(np.full((1, 1, 3), 7, np.uint8), 14).tolist() == [[[7, 7, 7]] * 14] * 14


@pytest.mark.parametrize(("width", "height"), [(339, 419), (600, 512), (448, 448), (1500, 1000), (90, 1700)])
def test_resizing_is_pillows_bicubic(width: int, height: int):
    pixels = np.asarray(photograph(width, height))
    wanted = np.asarray(Image.fromarray(pixels).resize((448, 448), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(resize(pixels) - wanted)
    assert difference.mean() < 0.3  # of 255: between its two passes, each of the two rounds in its own way
    assert difference.max() <= 6


def test_any_view_of_pixels_is_resized_and_left_as_it_is():
    pixels = np.asarray(photograph(500, 400))
    before = pixels.copy()
    mirrored = resize(pixels[::-1, ::-1])
    assert np.abs(mirrored[::-1, ::-1].astype(int) - resize(pixels)).max() <= 2
    assert np.array_equal(pixels, before)


def test_a_long_line_of_pixels_takes_no_memory_for_each(monkeypatch):
    sizes = []
    interpolate = torch.nn.functional.interpolate

    def watched(planes, *args, **kwargs):
        sizes.append(planes.shape)
        return interpolate(planes, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    line = resize(np.full((1, 1_000_000, 3), 9, np.uint8))
    assert (line == 9).all()
    assert sizes[0][3] < 4 * 448
