"""What a batch tells of its explanations in numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_attention import SETS, focus_on, outcome, random_explanation

from attendant.methods import Permutation, PermutationImpact, PermutationOptions
from attendant.statistics.samples import Statistic, Stream, sample
from attendant.types import Attention
from attendant.wire.samples import decode_samples
from handlers.sampling import comparable, sample_rows

IMPACT = PermutationImpact(None, 0.25, 0.0, (0, 1), 0.0, 0.0, 0.0, 6, True, None)
PERMUTED = Permutation((IMPACT,), 0)


@given(st.dictionaries(st.integers(0, 63), st.tuples(st.sampled_from(SETS), st.integers(0, 999)), max_size=8))
def test_each_row_is_sampled_as_if_it_were_alone(drawn):
    outcomes = {
        key: outcome(random_explanation(modalities, seed)) for key, (modalities, seed) in drawn.items()
    }
    numbers = sample_rows(outcomes)
    assert numbers.keys() == outcomes.keys()
    for key, found in numbers.items():
        alone = sample([outcomes[key]])
        decoded = decode_samples(found)
        assert decoded.modalities == alone.modalities
        np.testing.assert_allclose(decoded.values, alone.values, atol=1e-6)


def test_impacts_are_their_rows():
    outcomes = {key: outcome(random_explanation(SETS[-1], key)) for key in (3, 5)}
    numbers = sample_rows(outcomes, {5: PERMUTED})
    impact = Stream(Statistic.IMPACT, "modality")
    assert np.isnan(decode_samples(numbers[3]).column(impact))
    assert decode_samples(numbers[5]).column(impact) == 0.25


def test_what_cannot_be_sampled_is_missing_and_said(caplog):
    whole = random_explanation(SETS[-1], 0)
    numbers = sample_rows(
        {
            0: outcome(Attention(whole.vectors[1:], ())),
            1: outcome(focus_on([0.5, 0.5]), risk=0.1),
        }
    )
    assert numbers.keys() == {1}
    assert "could not be sampled" in caplog.text


@pytest.mark.parametrize(
    ("asked", "found", "is_comparable"),
    [
        (PermutationOptions(), PERMUTED, True),
        (PermutationOptions(seed=7, modality=True), PERMUTED, True),
        (PermutationOptions(samples=11), PERMUTED, False),
        (PermutationOptions(modality_samples=6), PERMUTED, False),
        (PermutationOptions(tolerance=0.1), PERMUTED, False),
        (PermutationOptions(), Permutation((replace(IMPACT, truncated=True),), 0), False),
        (None, None, False),
    ],
)
def test_only_impacts_measured_as_usual_are_compared(asked, found, is_comparable):
    assert comparable(asked, found) is (found if is_comparable else None)
