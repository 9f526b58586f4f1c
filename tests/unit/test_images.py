"""attendant.images: what comes of good, odd and hostile bytes; the expectations stand in tests/evil_images.py."""

import contextlib
import io
import threading
import time
import warnings

import numpy as np
import pytest
from evil_images import EVIL_IMAGES, Accepted, Refused, drawn, encode, exif, photograph
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from attendant.errors import AttendantError, Reason
from attendant.image_containers import ImageFormat
from attendant.images import ImageHeader, decode, read_header
from attendant.models.pixels import resize

ACCEPTED = [name for name, (_, expected) in EVIL_IMAGES.items() if isinstance(expected, Accepted)]
REFUSED = [name for name, (_, expected) in EVIL_IMAGES.items() if isinstance(expected, Refused)]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_and_says_what_it_converted(name: str):
    data, expected = EVIL_IMAGES[name]
    read_header(data)
    decoded = decode(data)
    assert len(decoded.conversions) == len(expected.conversions), decoded.conversions
    for phrase, start in zip(decoded.conversions, expected.conversions, strict=True):
        assert phrase.startswith(start)
    assert decoded.pixels.shape == (expected.size[1], expected.size[0], 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_naming_field_and_cause(name: str):
    data, expected = EVIL_IMAGES[name]
    callers = (read_header, decode) if expected.by_header else (decode,)
    for caller in callers:
        with pytest.raises(AttendantError) as caught:
            caller(data)
        assert caught.value.reason is Reason.INVALID_INPUT
        (violation,) = caught.value.violations
        assert violation.field == "instance.tweet.image"
        assert expected.words in violation.description


@pytest.mark.parametrize("name", [name for name in REFUSED if not EVIL_IMAGES[name][1].by_header])
def test_the_header_alone_cannot_tell(name: str):
    assert read_header(EVIL_IMAGES[name][0]).width > 0


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "webp lossy", "alpha webp"])
def test_header_agrees_with_pillow(name: str):
    data = EVIL_IMAGES[name][0]
    with Image.open(io.BytesIO(data)) as image:
        assert read_header(data) == ImageHeader(getattr(ImageFormat, image.format), *image.size)


@pytest.mark.parametrize(
    "name", ["png", "webp", "animated webp", "animated png", "opaque alpha", "text bomb"]
)
def test_lossless_pixels_arrive_unchanged(name: str):
    assert np.array_equal(decode(EVIL_IMAGES[name][0]).pixels, np.asarray(drawn()))


def test_transparency_lies_over_white():
    red = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
    red.putpixel((1, 0), (0, 0, 0, 0))
    pixels = decode(encode(red, "PNG")).pixels
    assert pixels[0, 0].tolist() == [255, 127, 127]
    assert pixels[0, 1].tolist() == [255, 255, 255]


def test_sixteen_bits_keep_the_high_byte():
    assert set(decode(EVIL_IMAGES["16-bit grey"][0]).pixels.ravel()) == {0x80}
    assert decode(EVIL_IMAGES["16-bit colour"][0]).pixels[0, 0].tolist() == [255, 0, 0]


def test_cmyk_keeps_its_colours():
    pixels = decode(EVIL_IMAGES["cmyk"][0]).pixels.astype(int)
    assert np.abs(pixels[5, 5] - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_as_pillow_applies_it(orientation: int):
    data = encode(drawn(), "PNG", exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    decoded = decode(data)
    assert np.array_equal(decoded.pixels, upright)
    assert len(decoded.conversions) == (orientation != 1)


def test_limits_are_the_callers():
    data = EVIL_IMAGES["png"][0]
    assert decode(data, max_bytes=len(data), max_pixels=2400).pixels.shape == (40, 60, 3)
    with pytest.raises(AttendantError, match=f"has {len(data)} bytes; at most {len(data) - 1} "):
        decode(data, max_bytes=len(data) - 1)
    with pytest.raises(AttendantError, match="60 x 40 = 2,400 pixels; at most 2,399 "):
        read_header(data, max_pixels=2399)
    with pytest.raises(AttendantError, match=r"^a\.field: the image is empty"):
        read_header(b"", field="a.field")


@pytest.mark.parametrize(
    ("size", "options", "reduced"),
    [
        ((1800, 1800), {"format": "PNG", "compress_level": 1}, (900, 900)),
        ((2400, 1800), {"format": "JPEG"}, (1200, 900)),
        ((2400, 1800), {"format": "JPEG", "progressive": True}, (1200, 900)),
        ((3600, 900), {"format": "JPEG"}, (3600, 900)),
        ((1780, 1780), {"format": "JPEG"}, (1780, 1780)),
    ],
    ids=str,
)
def test_a_big_photograph_is_decoded_small_and_alike(
    size: tuple[int, int], options: dict[str, object], reduced: tuple[int, int]
):
    file = io.BytesIO()
    photograph(*size).save(file, **options)
    pixels = decode(file.getvalue(), max_bytes=1 << 24).pixels
    assert pixels.shape == (*reduced[::-1], 3)
    with Image.open(file) as whole:
        full = np.asarray(whole.resize((448, 448), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(resize(pixels) - full)
    assert difference.mean() <= 0.5  # of 255
    assert difference.max() <= 4


def test_a_reduced_photograph_is_turned_upright():
    stored = photograph(1792, 2688)
    decoded = decode(encode(stored, "JPEG", exif=exif(6), quality=95))
    assert decoded.pixels.shape == (896, 1344, 3)
    upright = np.asarray(ImageOps.exif_transpose(stored.rotate(-90, expand=True)).resize((448, 448)))
    assert np.abs(resize(decoded.pixels).astype(int) - upright).mean() < 2


def test_metadata_bombs_cost_nothing():
    start = time.perf_counter()
    decode(EVIL_IMAGES["text bomb"][0])
    assert time.perf_counter() - start < 0.5


def test_pillow_and_warnings_are_left_alone():
    before = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, tuple(warnings.filters))
    answers: list[bytes] = []

    def work() -> None:
        answers.extend(decode(EVIL_IMAGES[name][0]).pixels.tobytes() for name in ACCEPTED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 * len(ACCEPTED)
    assert len(set(answers)) == len({decode(EVIL_IMAGES[name][0]).pixels.tobytes() for name in ACCEPTED})
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, tuple(warnings.filters))
    assert before[0] is False


SMALL = [name for name in EVIL_IMAGES if len(EVIL_IMAGES[name][0]) < 20_000]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), name=st.sampled_from(SMALL))
def test_damage_is_an_answer_or_invalid_input(data: st.DataObject, name: str):
    """Any change of any of these files: a picture or a refusal, no other exception and no warning."""
    damaged = bytearray(EVIL_IMAGES[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged)))
        end = min(len(damaged), start + data.draw(st.integers(0, 8)))
        damaged[start:end] = data.draw(st.binary(max_size=8))
    for caller in (read_header, decode):
        with contextlib.suppress(AttendantError):
            caller(bytes(damaged), max_pixels=1_000_000)


@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP"]),
)
def test_rubbish_is_invalid_input(data: bytes, start: bytes):
    with pytest.raises(AttendantError):
        decode(start + data)
