"""What a request's headers, lengths and numbers tell about its instance."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from attendant.errors import AttendantError, Violation
from attendant.images import read_header
from attendant.manifest import ModelManifest
from attendant.types import MAX_ATTRIBUTES, MODALITIES
from attendant.v1 import instance_pb2

ATTRIBUTE_BYTES = 64
MIN_SEGMENTS = 2
MAX_SEGMENTS = 64


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
    wanted = "tweet" if set(MODALITIES) & set(model.modalities) else "mosaic"
    if kind is None:
        yield Violation("instance", f"it is empty; model {model.name!r} takes a {wanted}")
    elif kind != wanted:
        yield Violation("instance", f"it is a {kind}; model {model.name!r} takes a {wanted}")
    if kind == "tweet":
        yield from _tweet_violations(instance.tweet, limits)
    elif kind == "mosaic":
        yield from _mosaic_violations(instance.mosaic, limits)


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


def _image_violations(field: str, image: bytes, limits: Limits) -> Iterator[Violation]:
    try:
        read_header(image, max_bytes=limits.image_bytes, max_pixels=limits.image_pixels, field=field)
    except AttendantError as error:
        yield from error.violations


def _mosaic_violations(mosaic: instance_pb2.Mosaic, limits: Limits) -> Iterator[Violation]:
    field = "instance.mosaic"
    count = len(mosaic.segments)
    if not MIN_SEGMENTS <= count <= MAX_SEGMENTS:
        yield Violation(f"{field}.segments", f"there are {count}; {MIN_SEGMENTS} to {MAX_SEGMENTS} are taken")
        return
    if mosaic.HasField("foreground_index") and mosaic.foreground_index >= count:
        yield Violation(
            f"{field}.foreground_index", f"it is {mosaic.foreground_index}; 0 to {count - 1} are taken"
        )
    if len({segment.WhichOneof("segment") for segment in mosaic.segments}) > 1:
        yield Violation(f"{field}.segments", "they are of different kinds; all must be of one")
    for index, segment in enumerate(mosaic.segments):
        yield from _segment_violations(f"{field}.segments[{index}]", segment, limits)


def _segment_violations(field: str, segment: instance_pb2.Segment, limits: Limits) -> Iterator[Violation]:
    kind = segment.WhichOneof("segment")
    if kind is None:
        yield Violation(field, "it is empty; give an image or a vector")
    elif kind == "image":
        yield from _image_violations(f"{field}.image", segment.image, limits)
    elif not segment.vector.values:
        yield Violation(f"{field}.vector.values", "there are none")
    elif not all(map(math.isfinite, segment.vector.values)):
        yield Violation(f"{field}.vector.values", "one is NaN or infinite; only finite numbers are taken")
