"""What a request's headers, lengths and numbers tell about its instance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attendant.errors import AttendantError, Violation
from attendant.images import read_header
from attendant.manifest import ModelManifest
from attendant.types import MAX_ATTRIBUTES, MAX_VALUE, MosaicShape
from attendant.v1 import instance_pb2

ATTRIBUTE_BYTES = 64


@dataclass(frozen=True)
class Limits:
    """The largest request, image (as a file, and in pixels) and text (bytes of UTF-8) that are taken."""

    message_bytes: int
    image_bytes: int
    image_pixels: int
    text_bytes: int


def instance_violations(
    instance: instance_pb2.Instance, model: ModelManifest, limits: Limits
) -> Iterator[Violation]:
    """Everything that is wrong with the instance of a request for `model`."""
    kind = instance.WhichOneof("instance")
    wanted = "tweet" if model.mosaic is None else "mosaic"
    if kind != wanted:
        found = "empty" if kind is None else f"a {kind}"
        yield Violation("instance", f"it is {found}; model {model.name!r} takes a {wanted}")
    elif model.mosaic is None:
        yield from _tweet_violations(instance.tweet, limits)
    else:
        yield from _mosaic_violations(instance.mosaic, model.mosaic, limits)


def _tweet_violations(tweet: instance_pb2.Tweet, limits: Limits) -> Iterator[Violation]:
    if not (tweet.text.strip() or tweet.image or tweet.attributes):
        yield Violation("instance.tweet", "it is empty; give text, an image or attributes")
    length = len(tweet.text.encode())
    if length > limits.text_bytes:
        yield Violation(
            "instance.tweet.text", f"it has {length} bytes; at most {limits.text_bytes} are taken"
        )
    if tweet.image:
        yield from _image_violations("instance.tweet.image", tweet.image, limits)
    yield from _attribute_violations(tweet)


def _attribute_violations(tweet: instance_pb2.Tweet) -> Iterator[Violation]:
    field = "instance.tweet.attributes"
    count = len(tweet.attributes)
    if count > MAX_ATTRIBUTES:
        yield Violation(field, f"there are {count} words; at most {MAX_ATTRIBUTES} are taken")
        return
    for index, word in enumerate(tweet.attributes):
        length = len(word.encode())
        if not word.strip():
            yield Violation(f"{field}[{index}]", "it is empty; an attribute is a word")
        elif length > ATTRIBUTE_BYTES:
            yield Violation(
                f"{field}[{index}]", f"it has {length} bytes; at most {ATTRIBUTE_BYTES} are taken"
            )


def _image_violations(
    field: str, image: bytes, limits: Limits, size: tuple[int, int] | None = None
) -> Iterator[Violation]:
    """`size`: the one width and height that are taken, where it is one."""
    try:
        header = read_header(image, max_bytes=limits.image_bytes, max_pixels=limits.image_pixels, field=field)
    except AttendantError as error:
        yield from error.violations
        return
    found = (header.width, header.height)
    if size is not None and found != size:
        yield Violation(
            field, f"the image has {found[0]} x {found[1]} pixels; {size[0]} x {size[1]} are taken"
        )


def _mosaic_violations(
    mosaic: instance_pb2.Mosaic, shape: MosaicShape, limits: Limits
) -> Iterator[Violation]:
    field = "instance.mosaic"
    count = len(mosaic.segments)
    if count != shape.segments:
        yield Violation(f"{field}.segments", f"there are {count}; {shape.segments} are taken")
    if mosaic.HasField("foreground_index") and mosaic.foreground_index >= shape.segments:
        yield Violation(
            f"{field}.foreground_index",
            f"it is {mosaic.foreground_index}; 0 to {shape.segments - 1} are taken",
        )
    for index, segment in enumerate(mosaic.segments[: shape.segments]):
        yield from _segment_violations(f"{field}.segments[{index}]", segment, shape, limits)


def _segment_violations(
    field: str, segment: instance_pb2.Segment, shape: MosaicShape, limits: Limits
) -> Iterator[Violation]:
    kind = segment.WhichOneof("segment")
    if kind != ("image" if shape.of_images else "vector"):
        found = {"image": "an image", "vector": "a vector"}.get(kind or "", "empty")
        wanted = "images" if shape.of_images else "vectors"
        yield Violation(field, f"it is {found}; {wanted} are taken")
    elif shape.of_images:
        height, width, _ = shape.segment
        yield from _image_violations(f"{field}.image", segment.image, limits, (width, height))
    else:
        yield from _vector_violations(f"{field}.vector.values", segment.vector.values, shape)


def _vector_violations(field: str, values: Sequence[float], shape: MosaicShape) -> Iterator[Violation]:
    (length,) = shape.segment
    if len(values) != length:
        yield Violation(field, f"there are {len(values)}; {length} are taken")
    elif not all(map(math.isfinite, values)):
        yield Violation(field, "one is NaN or infinite; only finite numbers are taken")
    elif max(map(abs, values)) > MAX_VALUE:
        yield Violation(field, f"one is too large; {-MAX_VALUE:,.0f} to {MAX_VALUE:,.0f} are taken")
