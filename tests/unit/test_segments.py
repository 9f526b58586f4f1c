"""A mosaic as it is read: exactly its pixels or its numbers, or every violation by name."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_fcam import small_mosaic, to_png

from attendant.errors import AttendantError, Reason
from attendant.models.segments import PreparedMosaic, decode_mosaic
from attendant.types import MAX_VALUE, Mosaic, MosaicShape, Segment, WarningCode

IMAGES = MosaicShape(3, (32, 32, 3))
VECTORS = MosaicShape(3, (2,))
PICTURE = to_png(np.zeros((32, 32, 3), np.uint8))


def violations(mosaic: Mosaic, shape: MosaicShape) -> dict[str, str]:
    with pytest.raises(AttendantError) as caught:
        decode_mosaic(mosaic, shape)
    assert caught.value.reason is Reason.INVALID_INPUT
    return {violation.field: violation.description for violation in caught.value.violations}


def pictures(*segments: Segment) -> Mosaic:
    """Those, and black ones up to three."""
    return Mosaic((*segments, *[PICTURE] * (3 - len(segments))))


def test_pixels_are_scaled_one_by_one() -> None:
    mosaic = small_mosaic(seed=4, foreground_index=2)
    prepared = decode_mosaic(mosaic, IMAGES)
    assert prepared.segments.shape == (3, 3, 32, 32)
    assert prepared.segments.dtype == np.float32
    for read, segment in zip(prepared.segments, mosaic.segments, strict=True):
        picture = np.asarray(Image.open(io.BytesIO(segment)))  # type: ignore[arg-type]
        np.testing.assert_allclose(read.transpose(1, 2, 0), (picture / 255 - 0.5) / 0.5, atol=1e-6)
    assert prepared.foreground_index == 2
    assert prepared.warnings == ()


def test_numbers_are_kept() -> None:
    prepared = decode_mosaic(Mosaic(((1.0, -2.5), (0.1, 7.0), (0.0, 1e6))), VECTORS)
    np.testing.assert_array_equal(prepared.segments, np.float32([[1, -2.5], [0.1, 7], [0, 1e6]]))
    assert prepared.foreground_index is None


def test_a_conversion_is_told_once_with_its_segments() -> None:
    grey, palette = io.BytesIO(), io.BytesIO()
    Image.new("L", (32, 32), 90).save(grey, "PNG")
    Image.new("P", (32, 32)).save(palette, "PNG")
    prepared = decode_mosaic(Mosaic((grey.getvalue(), palette.getvalue(), grey.getvalue())), IMAGES)
    assert {warning.code for warning in prepared.warnings} == {WarningCode.IMAGE_CONVERTED}
    assert [warning.message for warning in prepared.warnings] == [
        "grey repeated over the three channels (segments: 0, 2)",
        "palette colours expanded to RGB (segments: 1)",
    ]
    np.testing.assert_allclose(prepared.segments[0], 90 / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_other_formats_are_read(form: str) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), (10, 200, 60)).save(picture, form, quality=100)
    prepared = decode_mosaic(pictures(picture.getvalue()), IMAGES)
    expected = np.array([10, 200, 60]) / 127.5 - 1
    np.testing.assert_allclose(prepared.segments[0].mean((1, 2)), expected, atol=0.05)


@pytest.mark.parametrize(
    ("mosaic", "shape", "expected"),
    [
        (Mosaic(()), IMAGES, {"instance.mosaic.segments": "takes 3 segments, not 0"}),
        (Mosaic((PICTURE,) * 4), IMAGES, {"instance.mosaic.segments": "takes 3 segments, not 4"}),
        (
            Mosaic((PICTURE,) * 3, 3),
            IMAGES,
            {"instance.mosaic.foreground_index": "it is 3; this model takes 0 to 2"},
        ),
        (Mosaic((PICTURE,) * 3, -1), IMAGES, {"instance.mosaic.foreground_index": "it is -1"}),
        (pictures((1.0, 2.0)), IMAGES, {"instance.mosaic.segments[0]": "segments that are images"}),
        (
            Mosaic(((1.0, 2.0), PICTURE, (1.0, 2.0))),
            VECTORS,
            {"instance.mosaic.segments[1]": "segments that are vectors"},
        ),
        (pictures(b""), IMAGES, {"instance.mosaic.segments[0].image": "is empty"}),
        (pictures(PICTURE, b"no image"), IMAGES, {"instance.mosaic.segments[1].image": "the image"}),
        (pictures(PICTURE[:-30]), IMAGES, {"instance.mosaic.segments[0].image": "the image"}),
        (
            pictures(PICTURE, PICTURE, to_png(np.zeros((31, 32, 3), np.uint8))),
            IMAGES,
            {"instance.mosaic.segments[2].image": "has 32 x 31 pixels; this model takes 32 x 32"},
        ),
        (
            Mosaic(((1.0, 2.0), (1.0,), ()), 8),
            VECTORS,
            {
                "instance.mosaic.foreground_index": "it is 8",
                "instance.mosaic.segments[1].vector.values": "has 1 values; this model takes 2",
                "instance.mosaic.segments[2].vector.values": "has 0 values",
            },
        ),
        (
            Mosaic(((1.0, math.nan), (math.inf, 0.0), (0.0, -1e7))),
            VECTORS,
            {f"instance.mosaic.segments[{i}].vector.values": "finite numbers" for i in range(3)},
        ),
    ],
)
def test_every_violation_is_named(mosaic: Mosaic, shape: MosaicShape, expected: dict[str, str]) -> None:
    found = violations(mosaic, shape)
    assert found.keys() == expected.keys()
    for field, words in expected.items():
        assert words in found[field]


def test_a_large_picture_is_refused_by_its_header() -> None:
    """Its pixels would take 900 MB."""
    head = to_png(np.zeros((2, 2, 3), np.uint8))
    large = head[:16] + (6_000).to_bytes(4) * 2 + head[24:]
    (told,) = violations(pictures(large), IMAGES).values()
    assert "6000 x 6000" in told


@given(
    st.lists(st.lists(st.floats(width=32), max_size=3).map(tuple), max_size=4).map(tuple), st.integers(-2, 4)
)
def test_vectors_are_kept_or_refused(segments: tuple[tuple[float, ...], ...], index: int) -> None:
    good = (
        len(segments) == 3
        and all(len(one) == 2 for one in segments)
        and all(abs(value) <= MAX_VALUE for one in segments for value in one)
        and 0 <= index < 3
    )
    if good:
        prepared = decode_mosaic(Mosaic(segments, index), VECTORS)
        assert isinstance(prepared, PreparedMosaic)
        np.testing.assert_array_equal(prepared.segments, np.float32(segments))
    else:
        assert all(
            field.startswith("instance.mosaic.") for field in violations(Mosaic(segments, index), VECTORS)
        )


@given(st.binary(max_size=200) | st.integers(0, len(PICTURE) - 1).map(lambda end: PICTURE[:end]))
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    assert set(violations(pictures(data), IMAGES)) == {"instance.mosaic.segments[0].image"}
