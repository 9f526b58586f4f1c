"""Attention summaries against closed forms, and by their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sample_attention import (
    SETS,
    focus_on,
    random_explanation,
)
from scipy.stats import entropy as scipy_entropy

from attendant.statistics.summaries import summarise, summarise_each
from attendant.types import AttentionSummary


def of_one(weights) -> AttentionSummary:
    (summary,) = summarise([weights])
    return summary


def test_each_vector_is_summarised_as_if_it_were_alone():
    rng = np.random.default_rng(0)
    vectors = [rng.dirichlet(np.ones(length)).astype(np.float32) for length in (1, 3, 196, 5, 2, 40)]
    for summary, vector in zip(summarise(vectors), vectors, strict=True):
        approximately(summary, of_one(vector))
    assert summarise([]) == []


@given(st.lists(st.tuples(st.sampled_from((*SETS, None)), st.integers(0, 999)), max_size=6))
def test_company_changes_not_a_bit(drawn):
    attentions = [
        focus_on(np.random.default_rng(seed).dirichlet(np.ones(2 + seed % 200)))
        if modalities is None
        else random_explanation(modalities, seed)
        for modalities, seed in drawn
    ]
    alone = [summarise([vector.weights for vector in attention.vectors]) for attention in attentions]
    assert summarise_each(attentions) == alone


def approximately(summary: AttentionSummary, expected: AttentionSummary) -> None:
    for name, value in vars(expected).items():
        assert getattr(summary, name) == pytest.approx(value, abs=1e-12), name


def test_one_element() -> None:
    approximately(of_one([1.0]), AttentionSummary(0.0, 1.0, 1.0, 0, 1.0, 1, 0.0))


@pytest.mark.parametrize("length", [2, 5, 75, 196])
def test_uniform(length: int) -> None:
    share = 1 / length
    expected = AttentionSummary(
        entropy_ratio=1.0,
        effective_support=1.0,
        max_weight=share,
        max_index=0,
        top5_mass=min(5, length) * share,
        nnz=length if share > 0.01 else 0,
        dist=math.sqrt(1 - share),
    )
    approximately(of_one(np.full(length, share)), expected)


def test_all_on_one_element() -> None:
    expected = AttentionSummary(0.0, 0.25, 1.0, 2, 1.0, 1, 0.0)
    approximately(of_one([0, 0, 1, 0]), expected)


def test_half_and_half() -> None:
    expected = AttentionSummary(0.5, 0.5, 0.5, 1, 1.0, 2, math.sqrt(0.5))
    approximately(of_one([0, 0.5, 0.5, 0]), expected)


def test_a_weight_at_the_threshold_does_not_count() -> None:
    assert of_one([0.01, 0.011, 0.979]).nnz == 2


positive = arrays(np.float64, st.integers(1, 200), elements=st.floats(1e-6, 1.0))


@given(positive)
def test_by_definition(rows: NDArray[np.float64]) -> None:
    alpha = rows / rows.sum()
    length = alpha.size
    summary = of_one(alpha)
    nats = scipy_entropy(alpha)
    if length > 1:
        assert summary.entropy_ratio == pytest.approx(nats / math.log(length), abs=1e-9)
    assert summary.effective_support == pytest.approx(math.exp(nats) / length, abs=1e-9)
    assert summary.max_weight == alpha.max() == alpha[summary.max_index]
    assert summary.top5_mass == pytest.approx(sum(sorted(alpha, reverse=True)[:5]), abs=1e-9)
    assert summary.nnz == sum(1 for weight in alpha if weight > 0.01)
    assert summary.dist == pytest.approx(min(np.linalg.norm(alpha - e) for e in np.eye(length)), abs=1e-9)


@given(positive)
def test_order_matters_only_to_where_the_largest_is(rows: NDArray[np.float64]) -> None:
    alpha = (rows / rows.sum()).astype(np.float32)
    before, after = of_one(alpha), of_one(alpha[::-1])
    for name in ("entropy_ratio", "effective_support", "max_weight", "top5_mass", "nnz", "dist"):
        assert getattr(before, name) == pytest.approx(getattr(after, name), abs=1e-12), name
    assert 0 <= before.entropy_ratio <= 1
    assert 0 < before.effective_support <= 1
    assert 0 < before.top5_mass <= 1


@pytest.mark.parametrize("bad", [[], [[0.5, 0.5]], 1.0])
def test_what_is_not_a_vector_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="one vector"):
        of_one(bad)
