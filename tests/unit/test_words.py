import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.analysis.words import count_words, measure_skew

counts = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 50), min_size=1)


def test_words_are_counted_over_rows():
    assert count_words([("man", "sign"), (), ("man",)]) == Counter(man=2, sign=1)


def test_the_same_counts_have_no_skew():
    skew = measure_skew({"man": 2, "sign": 1}, {"man": 4, "sign": 2})
    assert skew.divergence == pytest.approx(0)
    assert (skew.unknown, skew.rare, skew.overused, skew.underused) == (0, 0, (), ())


def test_nothing_in_common():
    skew = measure_skew({"man": 1}, {"sign": 3})
    assert skew.divergence == pytest.approx(math.log(2))
    assert skew.unknown == 1
    assert [share.word for share in skew.overused] == ["man"]
    assert [share.word for share in skew.underused] == ["sign"]


def test_shares_by_hand():
    skew = measure_skew({"man": 6, "zebra": 2, "tie": 2}, {"man": 500, "tie": 499, "zebra": 1}, rare=0.01)
    assert skew.unknown == 0
    assert skew.rare == pytest.approx(0.2)
    assert [share.word for share in skew.overused] == ["zebra", "man"]
    first = skew.overused[0]
    assert (first.predicted, first.reference) == pytest.approx((0.2, 0.001))
    assert [share.word for share in skew.underused] == ["tie"]


def test_only_so_many_are_shown():
    skew = measure_skew(dict.fromkeys("abc", 1), dict.fromkeys("xyz", 1), shown=2)
    assert [share.word for share in skew.overused] == ["a", "b"]
    assert len(skew.underused) == 2


def test_nothing_counted_is_refused():
    with pytest.raises(ValueError, match="no words"):
        measure_skew({}, {"man": 1})
    with pytest.raises(ValueError, match="no words"):
        measure_skew({"man": 1}, {"man": 0})


@given(counts, counts, st.integers(2, 9))
def test_bounds_symmetry_and_scale(predicted, reference, factor):
    skew = measure_skew(predicted, reference)
    assert 0 <= skew.divergence <= math.log(2)
    assert 0 <= skew.unknown <= skew.rare <= 1
    assert skew.divergence == pytest.approx(measure_skew(reference, predicted).divergence, abs=1e-12)
    scaled = measure_skew({word: factor * count for word, count in predicted.items()}, reference)
    assert scaled.divergence == pytest.approx(skew.divergence, abs=1e-9)
    assert all(share.predicted > share.reference for share in skew.overused)
    assert all(share.predicted < share.reference for share in skew.underused)
