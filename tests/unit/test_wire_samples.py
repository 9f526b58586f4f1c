"""Explanations in numbers on the wire."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_attention import SETS, focus_on, outcome, random_explanation

from attendant.statistics.samples import Samples, concatenate, sample
from attendant.wire.samples import decode_samples, encode_rows, encode_samples
from attendant.worker.v1 import worker_pb2

ATTENTIONS = (*(random_explanation(modalities, 0) for modalities in SETS), focus_on([0.5, 0.25, 0.25]))


def equal(first: Samples, second: Samples) -> None:
    assert first.modalities == second.modalities
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.maps, second.maps)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("rows", [1, 3])
def test_what_is_decoded_was_encoded(attention, rows):
    samples = sample([outcome(attention, 1 / (1 + row), risk=0.5) for row in range(rows)])
    equal(decode_samples(encode_samples(samples)), samples)
    alone = [decode_samples(row) for row in encode_rows(samples)]
    assert len(alone) == rows
    equal(concatenate(alone), samples)


def test_rows_joined_are_rows_encoded_together():
    parts = [sample([outcome(random_explanation(SETS[-1], seed))]) for seed in range(3)]
    decoded = [decode_samples(encode_samples(part)) for part in parts]
    equal(concatenate(decoded), concatenate(parts))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        decode_samples(data)


@pytest.mark.parametrize(
    "message",
    [
        {"modalities": ["text"]},
        {"modalities": ["image", "text"], "values": bytes(4)},
        {"modalities": ["smell"], "values": bytes(4)},
        {"modalities": ["text", "segment"], "values": bytes(4)},
        {"modalities": ["text"], "values": bytes(7)},
        {"modalities": ["segment"], "values": bytes(36), "maps": bytes(2)},
    ],
)
def test_what_does_not_fit_together_is_refused(message):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        decode_samples(worker_pb2.Samples(**message).SerializeToString())
