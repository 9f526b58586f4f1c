"""Arrays there and back, and everything that is no parcel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save

from attendant.statistics.parcels import Parcel

ARRAYS = st.dictionaries(
    st.sampled_from(["a", "b/c", "text+image/fast/processes"]),
    st.sampled_from([np.float16, np.float32, np.float64, np.int64]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=3, min_side=0))
    ),
)


@given(st.text(), ARRAYS)
def test_what_was_packed_comes_out_bit_by_bit(header, packed):
    parcel = Parcel.from_bytes(Parcel(header, packed).to_bytes())
    assert parcel.header == header
    for name, array in packed.items():
        assert parcel.take(name, array.dtype.type, *array.shape).tobytes() == array.tobytes()
    parcel.finish()


def test_the_order_of_the_axes_in_memory_does_not_matter():
    table = np.arange(6).reshape(2, 3)
    for array in (np.asfortranarray(table), table.T.copy().T, np.arange(12).reshape(2, 6)[:, ::2] // 2):
        parcel = Parcel.from_bytes(Parcel("", {"a": array}).to_bytes())
        np.testing.assert_array_equal(parcel.take("a", np.int64, 2, 3), table)


def test_what_does_not_fit_is_refused():
    parcel = Parcel("", {"a": np.zeros((2, 3))})
    with pytest.raises(ValueError, match="b is missing"):
        parcel.take("b", np.float64)
    with pytest.raises(ValueError, match=r"a is float64 \(2, 3\)"):
        Parcel("", {"a": np.zeros((2, 3))}).take("a", np.float32, 2, 3)
    for shape in ((2,), (2, 4), (None, 2), (2, 3, 1)):
        with pytest.raises(ValueError, match="is expected"):
            Parcel("", {"a": np.zeros((2, 3))}).take("a", np.float64, *shape)
    with pytest.raises(ValueError, match="a belongs to nothing"):
        parcel.finish()
    parcel.take("a", np.float64, None, 3)
    parcel.finish()


FOREIGN = b'{"header":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing of the kind",
        save({"a": np.zeros(1)}),
        save({"header": np.array([255], np.uint8)}),
        len(FOREIGN).to_bytes(8, "little") + FOREIGN + b"\0",
    ],
    ids=["empty", "text", "no header", "not utf-8", "foreign type"],
)
def test_what_is_no_parcel_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - also Unicode's
        Parcel.from_bytes(content)


@given(st.binary(max_size=300), st.integers(0, 200))
def test_bytes_of_any_kind_are_a_parcel_or_refused(noise, start):
    good = Parcel("header", {"a": np.arange(5.0)}).to_bytes()
    for content in (noise, good[:start], good[:start] + noise + good[start + len(noise) :]):
        try:
            Parcel.from_bytes(content)
        except ValueError:
            continue
