"""The key against every change of the question."""

import hashlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from attendant.methods import ErasureOptions, ExplainOptions, PermutationOptions
from attendant.v1.instance_pb2 import FloatVector, Instance, Mosaic, Segment, Tweet
from services.gateway.keys import digest_instance, explanation_key

QUESTIONS = st.tuples(
    st.sampled_from(["sarcasm", "sarcas", "m1", "m"]),
    st.sampled_from(["1", "11", "2", ""]),
    st.sampled_from(["a" * 64, "b" * 64]),
    st.builds(
        lambda text, image, attributes: Instance(tweet=Tweet(text=text, image=image, attributes=attributes)),
        st.sampled_from(["", "a", "ab"]),
        st.sampled_from([b"", b"a", b"ab"]),
        st.lists(st.sampled_from(["a", "b", "ab"]), max_size=2),
    )
    | st.builds(
        lambda segments, index: Instance(mosaic=Mosaic(segments=segments, foreground_index=index)),
        st.lists(
            st.sampled_from([b"", b"a", b"ab"]).map(lambda image: Segment(image=image))
            | st.lists(st.sampled_from([0.0, 1.0]), max_size=2).map(
                lambda values: Segment(vector=FloatVector(values=values))
            ),
            max_size=2,
        ),
        st.sampled_from([None, 0, 1]),
    ),
    st.sampled_from(
        [
            ExplainOptions(),
            ExplainOptions(permutation=PermutationOptions()),
            ExplainOptions(permutation=PermutationOptions(seed=1)),
            ExplainOptions(permutation=PermutationOptions(modality=False)),
            ExplainOptions(erasure=ErasureOptions()),
        ]
    ),
)


@given(QUESTIONS, QUESTIONS)
def test_keys_are_equal_exactly_where_questions_are(one, other):
    assert (key_of(*one) == key_of(*other)) == (one == other)


def key_of(model, version, weights, instance, options) -> str:
    return explanation_key(model, version, weights, digest_instance(instance), options)


def test_the_key_is_the_digest_of_its_parts():
    """Entries in a shared cache outlive a release; whoever changes this raises SCHEMA."""
    instance = Instance(tweet=Tweet(text="what a day", attributes=["sky"]))
    tweet = b"\x0a\x0awhat a day\x1a\x03sky"
    asked = hashlib.sha256(b"\x0a" + bytes([len(tweet)]) + tweet).digest()
    parts = [b"attendant.v1/2", b"sarcasm", b"1", b"a" * 64, asked, b""]
    joined = b"".join(struct.pack(">Q", len(part)) + part for part in parts)
    key = explanation_key("sarcasm", "1", "a" * 64, digest_instance(instance), ExplainOptions())
    assert key == hashlib.sha256(joined).hexdigest()
