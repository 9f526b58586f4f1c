"""Windows against slices of the whole stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.statistics.windows import Rows, Windows

SIZES = (3, 4, 12)


def numbered(count) -> Rows:
    """Rows that say which they are."""
    numbers = np.arange(count)
    return Rows(np.stack([numbers, -numbers], axis=1).astype(np.float32), numbers.astype(np.float16)[:, None])


def parts(rows, lengths):
    start = 0
    for length in (*lengths, len(rows)):
        yield rows.part(start, min(start + length, len(rows)))
        start = min(start + length, len(rows))


@given(st.integers(0, 60), st.lists(st.integers(0, 20), max_size=10))
def test_windows_of_each_size_are_disjoint_and_miss_nothing(count, lengths):
    windows, rows = Windows(SIZES, 2, 1), numbered(count)
    found = [
        (window.values.copy(), window.maps.copy())
        for part in parts(rows, lengths)
        for window in windows.cut(part)
    ]
    for size in SIZES:
        of_size = [window for window in found if len(window[0]) == size]
        assert len(of_size) == count // size
        for number, (values, maps) in enumerate(of_size):
            expected = rows.part(number * size, (number + 1) * size)
            assert (values == expected.values).all()
            assert (maps == expected.maps).all()
        assert windows.filled(size) == count % size
    assert (windows.begun.values == rows.values[count - count % 12 :]).all()


@given(st.integers(0, 40), st.integers(0, 40))
def test_another_one_goes_on_from_what_has_begun(before, after):
    rows = numbered(before + after)
    first, second = Windows(SIZES, 2, 1), Windows(SIZES, 2, 1)
    list(first.cut(rows.part(0, before)))
    second.resume(first.begun)
    left = [window.values.tolist() for window in first.cut(rows.part(before, len(rows)))]
    assert [window.values.tolist() for window in second.cut(rows.part(before, len(rows)))] == left


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="divide the largest"):
        Windows((5, 12), 1, 0)
    with pytest.raises(ValueError, match="would have been a window"):
        Windows(SIZES, 2, 1).resume(numbered(12))
    with pytest.raises(ValueError, match="rows of"):
        Rows(np.zeros((3, 2), np.float32), np.zeros((2, 1), np.float16))
