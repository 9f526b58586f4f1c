"""What is refused before a model sees it, field by field; nothing but an AttendantError ever comes of bytes."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from attendant.errors import AttendantError, Reason
from attendant.methods import ExplainOptions as Options
from attendant.methods import Method, PermutationOptions
from attendant.types import MODALITIES, Modality, MosaicShape
from attendant.v1.explanation_pb2 import ExplainOptions
from attendant.v1.instance_pb2 import FloatVector, Instance, Mosaic, Segment, Tweet
from attendant.v1.service_pb2 import ExplainRequest, PredictRequest
from attendant.wire.envelope import Operation
from attendant.wire.requests import CacheMode
from services.gateway.instances import Limits
from services.gateway.validation import Validator

LIMITS = Limits(message_bytes=200_000, image_bytes=5_000, image_pixels=10_000, text_bytes=100)


@pytest.fixture(scope="module")
def validator():
    from attendant.manifest import FileEntry, ModelManifest, VersionManifest

    version = VersionManifest("1", "One.", {"hfm": FileEntry("hfm", "a" * 64, 1)})

    def model(name, **changes):
        values = {"archive": "sarcasm", "modalities": MODALITIES, "methods": ()} | changes
        return ModelManifest(
            name=name, classes=("no", "yes"), default_version="1", versions={"1": version}, **values
        )

    models = [
        model("sarcasm"),
        model("irony", methods=("permutation",)),
        model("open", methods=tuple(Method)),
        *(
            model(
                name,
                archive="sdc",
                modalities=(Modality.SEGMENT,),
                methods=("permutation", "leave_one_out", "adversarial", "erasure"),
                mosaic=MosaicShape(3, segment),
            )
            for name, segment in (("mosaics", (2,)), ("pictures", (8, 16, 3)))
        ),
    ]
    return Validator({model.name: model for model in models}, LIMITS)


def picture(width=8, height=8, kind="PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, kind)
    return file.getvalue()


def refusal(call, message) -> AttendantError:
    with pytest.raises(AttendantError) as caught:
        call(message.SerializeToString())
    return caught.value


def fields(error: AttendantError) -> list[str]:
    assert error.reason is Reason.INVALID_INPUT
    return [violation.field for violation in error.violations]


def predict(tweet=None, model="sarcasm", **more) -> PredictRequest:
    return PredictRequest(model=model, instance=Instance(tweet=tweet), **more)


def mosaic(*segments, model="mosaics", **more) -> PredictRequest:
    return PredictRequest(model=model, instance=Instance(mosaic=Mosaic(segments=segments, **more)))


def vector(*values) -> Segment:
    return Segment(vector=FloatVector(values=values))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_whole_tweet_is_let_through(validator, kind):
    tweet = Tweet(text="what a day", image=picture(kind=kind), attributes=["sky"])
    request = predict(tweet, request_id="x" * 128).SerializeToString()
    question = validator.predict(request)
    assert question.request is request
    assert (question.operation, question.request_id) == (Operation.PREDICT, "x" * 128)
    row = question.row(1.5)
    assert (row.model, row.version, row.budget, row.request) == ("sarcasm", "1", 1.5, request)


@pytest.mark.parametrize(
    ("tweet", "field", "says"),
    [
        (Tweet(), "instance.tweet", "empty"),
        (Tweet(text=" \n\t"), "instance.tweet", "empty"),
        (Tweet(text="x" * 101), "instance.tweet.text", "101 bytes; at most 100"),
        (Tweet(text="ü" * 51), "instance.tweet.text", "102 bytes; at most 100"),
        (Tweet(text="x", image=b"GIF89a" + b"x" * 100), "instance.tweet.image", "image"),
        (Tweet(image=b"x"), "instance.tweet.image", "image"),
        (Tweet(image=b"x" * 5001), "instance.tweet.image", "5,000"),
        (Tweet(image=picture(101, 100)), "instance.tweet.image", "10,000"),
        (Tweet(attributes=["a"] * 6), "instance.tweet.attributes", "6 words; at most 5"),
        (Tweet(attributes=["a", ""]), "instance.tweet.attributes[1]", "empty"),
        (Tweet(attributes=["a", "b", " "]), "instance.tweet.attributes[2]", "empty"),
        (Tweet(attributes=["x" * 65]), "instance.tweet.attributes[0]", "65 bytes; at most 64"),
    ],
)
def test_a_tweet_that_cannot_be_read_is_refused_by_field_and_limit(validator, tweet, field, says):
    for call, message in (
        (validator.predict, predict(tweet)),
        (validator.explain, ExplainRequest(model="sarcasm", instance=Instance(tweet=tweet))),
    ):
        error = refusal(call, message)
        assert fields(error) == [field]
        assert says in error.violations[0].description
        assert says in error.message


def test_everything_wrong_is_said_at_once(validator):
    tweet = Tweet(text="x" * 101, image=b"no", attributes=["", "y" * 65])
    assert fields(refusal(validator.predict, predict(tweet, request_id="z" * 129))) == [
        "instance.tweet.text",
        "instance.tweet.image",
        "instance.tweet.attributes[0]",
        "instance.tweet.attributes[1]",
        "request_id",
    ]


def test_the_longest_of_everything_is_taken(validator):
    tweet = Tweet(text="x" * 100, image=picture(100, 100), attributes=["y" * 64] * 5)
    assert validator.predict(predict(tweet).SerializeToString()).instance.tweet == tweet


def tile(width=16, height=8, **more) -> Segment:
    return Segment(image=picture(width, height, **more))


PLACE = "instance.mosaic.segments"
FEW = [vector(1, 2), vector(3, 4)]
PAIR = [tile(), tile()]


def test_the_instance_must_be_of_the_models_kind(validator):
    for message, says in (
        (PredictRequest(model="sarcasm"), "it is empty; model 'sarcasm' takes a tweet"),
        (PredictRequest(model="mosaics"), "it is empty; model 'mosaics' takes a mosaic"),
        (mosaic(*FEW, model="sarcasm"), "it is a mosaic; model 'sarcasm' takes a tweet"),
        (predict(Tweet(text="x"), model="mosaics"), "it is a tweet; model 'mosaics' takes a mosaic"),
        (predict(Tweet(), model="pictures"), "it is a tweet; model 'pictures' takes a mosaic"),
    ):
        error = refusal(validator.predict, message)
        assert [(one.field, one.description) for one in error.violations] == [("instance", says)]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_mosaic_is_let_through(validator, kind):
    validator.predict(mosaic(*FEW, vector(-0.0, 1e6), foreground_index=2).SerializeToString())
    tiles = [tile(kind=kind)] * 3
    validator.predict(mosaic(*tiles, model="pictures", foreground_index=0).SerializeToString())


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (mosaic(), {PLACE: "there are 0; 3 are taken"}),
        (
            mosaic(*FEW, vector(-1.1e6, 0)),
            {f"{PLACE}[2].vector.values": "one is too large; -1,000,000 to 1,000,000 are taken"},
        ),
        (mosaic(vector(1, 2)), {PLACE: "there are 1; 3 are taken"}),
        (mosaic(*[vector(1, 2)] * 65), {PLACE: "there are 65; 3 are taken"}),
        (
            mosaic(*FEW, FEW[0], foreground_index=3),
            {"instance.mosaic.foreground_index": "it is 3; 0 to 2 are taken"},
        ),
        *(
            (
                mosaic(FEW[0], vector(1, float(number)), FEW[1]),
                {f"{PLACE}[1].vector.values": "one is NaN or infinite; only finite numbers are taken"},
            )
            for number in ("nan", "inf", "-inf")
        ),
        (mosaic(*FEW, vector()), {f"{PLACE}[2].vector.values": "there are 0; 2 are taken"}),
        (mosaic(*FEW, vector(1, 2, 3)), {f"{PLACE}[2].vector.values": "there are 3; 2 are taken"}),
        (mosaic(*FEW, Segment()), {f"{PLACE}[2]": "it is empty; vectors are taken"}),
        (mosaic(*FEW, tile()), {f"{PLACE}[2]": "it is an image; vectors are taken"}),
        (
            mosaic(*[tile()] * 3),
            {f"{PLACE}[{n}]": "it is an image; vectors are taken" for n in range(3)},
        ),
        (mosaic(*PAIR, FEW[0], model="pictures"), {f"{PLACE}[2]": "it is a vector; images are taken"}),
        (mosaic(*PAIR, Segment(), model="pictures"), {f"{PLACE}[2]": "it is empty; images are taken"}),
        (
            mosaic(*PAIR, Segment(image=b""), model="pictures"),
            {f"{PLACE}[2].image": "the image is empty"},
        ),
        (
            mosaic(*PAIR, Segment(image=b"x"), model="pictures"),
            {f"{PLACE}[2].image": "the image is not an image; send a JPEG, PNG or WebP"},
        ),
        (
            mosaic(*PAIR, tile(8, 16), model="pictures"),
            {f"{PLACE}[2].image": "the image has 8 x 16 pixels; 16 x 8 are taken"},
        ),
        (
            mosaic(*PAIR, Segment(image=picture() + b"x" * 5001), model="pictures"),
            {
                f"{PLACE}[2].image": f"the image has {len(picture()) + 5001:,} bytes; at most 5,000 are accepted"
            },
        ),
        (
            mosaic(tile(), FEW[0], foreground_index=9, model="pictures"),
            {
                PLACE: "there are 2; 3 are taken",
                "instance.mosaic.foreground_index": "it is 9; 0 to 2 are taken",
                f"{PLACE}[1]": "it is a vector; images are taken",
            },
        ),
    ],
)
def test_a_mosaic_that_the_model_does_not_take_is_refused_by_field_and_limit(validator, message, found):
    question = ExplainRequest(model=message.model, instance=message.instance)
    for call, asked in ((validator.predict, message), (validator.explain, question)):
        error = refusal(call, asked)
        assert {one.field: one.description for one in error.violations} == found
        assert len(error.violations) == len(found)


segments = st.one_of(
    st.just(Segment()),
    st.builds(Segment, image=st.binary(max_size=60) | st.sampled_from([picture(16, 8), picture(8, 8)])),
    st.builds(vector, st.floats(width=32), st.floats(width=32)),
    st.lists(st.floats(width=32), max_size=3).map(lambda numbers: vector(*numbers)),
)


@given(
    st.lists(segments, min_size=2, max_size=4),
    st.none() | st.integers(0, 2**32 - 1) | st.integers(0, 3),
    st.sampled_from(["mosaics", "pictures", "sarcasm"]),
)
def test_any_mosaic_is_one_that_the_model_takes_or_has_violations_with_fields(validator, parts, index, model):
    message = mosaic(*parts, foreground_index=index, model=model)
    try:
        validator.predict(message.SerializeToString())
    except AttendantError as error:
        named = [one.field.startswith("instance") and bool(one.description) for one in error.violations]
        assert set(named) == {True}
    else:
        assert len(parts) == 3
        assert index is None or index < 3
        if model == "mosaics":
            assert all(np.isfinite(part.vector.values).all() for part in parts)
            assert all(len(part.vector.values) == 2 for part in parts)
        else:
            assert all(part.image == picture(16, 8) for part in parts)


@pytest.mark.parametrize("method", ["permutation", "leave_one_out", "adversarial", "erasure"])
@pytest.mark.parametrize("target", [1, 2, 3])
def test_a_target_that_the_model_does_not_read_is_refused(validator, method, target):
    message = ExplainRequest(
        model="mosaics",
        instance=mosaic(*FEW, FEW[0]).instance,
        options={method: {"targets": [4, target]}},
    )
    error = refusal(validator.explain, message)
    assert [(one.field, one.description) for one in error.violations] == [
        (
            f"options.{method}.targets",
            f"model 'mosaics' reads no {MODALITIES[target - 1]}; it reads: segment",
        )
    ]
    getattr(message.options, method).targets[:] = [4]
    question = validator.explain(message.SerializeToString())
    assert getattr(question.options, method).targets == (Modality.SEGMENT,)
    message = explain("open", options={method: {"targets": [4]}})
    assert fields(refusal(validator.explain, message)) == [f"options.{method}.targets"]


def test_a_model_must_be_named_and_known(validator):
    assert fields(refusal(validator.predict, predict(Tweet(text="x"), model=""))) == ["model"]
    error = refusal(validator.predict, predict(Tweet(), model="nope"))
    assert error.reason is Reason.MODEL_NOT_FOUND
    error = refusal(validator.predict, predict(Tweet(), version="7"))
    assert error.reason is Reason.VERSION_NOT_FOUND


def explain(model, **more) -> ExplainRequest:
    return ExplainRequest(model=model, instance=Instance(tweet=Tweet(text="x")), **more)


@pytest.mark.parametrize("method", [field.name for field in ExplainOptions.DESCRIPTOR.fields])
def test_each_method_that_a_model_does_not_offer_is_named(validator, method):
    options = ExplainOptions()
    getattr(options, method).SetInParent()
    error = refusal(validator.explain, explain("sarcasm", options=options))
    assert error.reason is Reason.METHOD_NOT_AVAILABLE
    assert error.metadata["method"] == method
    assert repr(method) in error.message


def test_a_method_that_a_model_offers_is_let_through_with_its_defaults(validator):
    request = explain("irony", options={"permutation": {"seed": 3}}).SerializeToString()
    assert validator.explain(request).options == Options(permutation=PermutationOptions(seed=3))


def test_options_are_refused_together_with_the_rest(validator):
    message = explain("open", cache_mode=9, options={"permutation": {"samples": 10**9}, "box_alignment": {}})
    message.instance.tweet.text = "x" * 101
    assert fields(refusal(validator.explain, message)) == [
        "instance.tweet.text",
        "cache_mode",
        "options.box_alignment",
        "options.permutation.samples",
        "options.box_alignment.boxes",
    ]


WORDS, PHOTOGRAPH = Tweet(attributes=["sky"]), Tweet(image=picture())


@pytest.mark.parametrize("method", ["permutation", "leave_one_out", "adversarial", "erasure"])
@pytest.mark.parametrize(
    ("tweet", "target", "absent"),
    [
        (Tweet(text="x"), 1, False),
        (Tweet(text="x"), 2, True),
        (Tweet(text="x"), 3, True),
        (Tweet(text=" ", attributes=["sky"]), 1, True),
        (WORDS, 2, True),
        (WORDS, 3, False),
        (PHOTOGRAPH, 1, True),
        (PHOTOGRAPH, 2, False),
        (PHOTOGRAPH, 3, False),  # words are found in the image
    ],
)
def test_a_target_that_the_tweet_lacks_is_refused(validator, method, tweet, target, absent):
    message = ExplainRequest(
        model="open", instance=Instance(tweet=tweet), options={method: {"targets": [target]}}
    )
    if absent:
        assert fields(refusal(validator.explain, message)) == [f"options.{method}.targets"]
    else:
        validator.explain(message.SerializeToString())


def test_boxes_need_an_image(validator):
    box = {"x": 0, "y": 0, "width": 1, "height": 1}
    message = explain("open", options={"box_alignment": {"boxes": [box]}})
    assert fields(refusal(validator.explain, message)) == ["options.box_alignment"]
    message.instance.tweet.image = picture()
    validator.explain(message.SerializeToString())


def test_the_class_to_explain_is_one_of_the_models(validator):
    error = refusal(validator.explain, explain("open", options={"class_activation": {"label": "maybe"}}))
    assert [(one.field, one.description) for one in error.violations] == [
        ("options.class_activation.label", "it is none of: no, yes")
    ]
    for label in ("", "no", "yes"):
        validator.explain(explain("open", options={"class_activation": {"label": label}}).SerializeToString())


def test_cache_modes(validator):
    modes = [CacheMode.USE, CacheMode.USE, CacheMode.REFRESH, CacheMode.BYPASS]
    for number, mode in enumerate(modes):
        message = explain("sarcasm", cache_mode=number)
        assert validator.explain(message.SerializeToString()).cache_mode is mode
    assert fields(refusal(validator.explain, explain("sarcasm", cache_mode=9))) == ["cache_mode"]


def test_a_message_over_the_limit_is_not_parsed(validator):
    with pytest.raises(AttendantError, match=r"200001 bytes; at most 200000"):
        validator.predict(b"\xff" * 200_001)


def test_text_that_is_not_utf8_is_bad_input(validator):
    request = predict(Tweet(text="abcd")).SerializeToString().replace(b"abcd", b"ab\xff\xfe")
    with pytest.raises(AttendantError) as caught:
        validator.predict(request)
    assert fields(caught.value) == ["request"]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_question_or_an_attendant_error(validator, request_bytes):
    for call in (validator.predict, validator.explain):
        with contextlib.suppress(AttendantError):
            call(request_bytes)


@given(
    st.builds(
        Tweet,
        text=st.text(max_size=120),
        image=st.binary(max_size=60),
        attributes=st.lists(st.text(max_size=70), max_size=7),
    )
)
def test_any_tweet_without_a_violation_is_one_that_the_limits_allow(validator, tweet):
    try:
        validator.predict(predict(tweet).SerializeToString())
    except AttendantError as error:
        assert error.violations  # noqa: PT017 - either may be
    else:
        assert not tweet.image  # so few bytes are no image
        assert tweet.text.strip() or tweet.attributes
        assert len(tweet.text.encode()) <= 100
        assert len(tweet.attributes) <= 5
        assert all(word.strip() and len(word.encode()) <= 64 for word in tweet.attributes)
