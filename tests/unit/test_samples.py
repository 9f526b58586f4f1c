"""Explanations in numbers against closed forms, and against the summaries of their vectors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sample_attention import (
    ATTRIBUTE,
    IMAGE,
    SETS,
    TEXT,
    explanation,
    focus_on,
    outcome,
    random_explanation,
)

from attendant.methods import Permutation, PermutationImpact
from attendant.statistics.divergences import jensen_shannon
from attendant.statistics.samples import (
    FUSION,
    MEAN,
    Samples,
    Statistic,
    Stream,
    concatenate,
    log_ratios,
    map_sources,
    modalities_of,
    name_of,
    sample,
    shares,
    streams,
)
from attendant.statistics.summaries import summarise
from attendant.types import MODALITIES, REGIONS, AttentionKind, AttentionSummary, Modality


def of_one(weights) -> AttentionSummary:
    (summary,) = summarise([weights])
    return summary


LENGTHS = {TEXT: 20, IMAGE: REGIONS, ATTRIBUTE: 5}
sets = st.sampled_from(SETS)
seeds = st.integers(0, 2**32 - 1)


def value(samples: Samples, statistic: Statistic, target: str = "", source: str = "") -> float:
    (found,) = samples.column(Stream(statistic, target, source))
    return float(found)


def uniform(target: Modality, source: Modality) -> NDArray[np.float64]:
    return np.full(LENGTHS[target], 1 / LENGTHS[target])


def one_hot(target: Modality, source: Modality) -> NDArray[np.float64]:
    """Each source looks elsewhere: text at the first element, image at the second, attribute at the third."""
    return np.eye(LENGTHS[target])[MODALITIES.index(source)]


def test_streams_of_a_text_are_few_and_of_a_full_tweet_all() -> None:
    keys = [stream.key for stream in streams((TEXT,))]
    assert "entropy_ratio/text/text" in keys
    assert not any("image" in key or "log_ratio" in key or "disagreement" in key for key in keys)
    full = [stream.key for stream in streams(MODALITIES)]
    assert len(full) == len(set(full))
    assert {"max_weight/text/image", "dist/modality", "centre_row/image/mean"} <= set(full)
    assert {"log_ratio/text", "log_ratio/image", "disagreement/attribute", "probability"} <= set(full)
    assert "element_count/image" not in full  # always 196
    assert "top5_mass/attribute/text" not in full  # always 1


def test_uniform_attention_has_closed_forms() -> None:
    samples = sample([outcome(explanation(MODALITIES, uniform, np.full(3, 1 / 3)), 0.25)])
    for stream in streams(MODALITIES):
        if stream.statistic is Statistic.IMPACT:  # was not measured
            assert math.isnan(value(samples, stream.statistic, stream.target))
            continue
        length = 3 if stream.target == FUSION else LENGTHS.get(stream.target, 1)
        expected = {
            Statistic.ENTROPY_RATIO: 1,
            Statistic.EFFECTIVE_SUPPORT: 1,
            Statistic.MAX_WEIGHT: 1 / length,
            Statistic.TOP5_MASS: 5 / length,
            Statistic.NNZ: length if length < 100 else 0,
            Statistic.DIST: math.sqrt(1 - 1 / length),
            Statistic.CENTRE_ROW: 0.5,
            Statistic.CENTRE_COLUMN: 0.5,
            Statistic.BORDER_MASS: 52 / 196,
            Statistic.DISAGREEMENT: 0,
            Statistic.ELEMENT_COUNT: length,
            Statistic.LOG_RATIO: 0,
            Statistic.PROBABILITY: 0.25,
        }[stream.statistic]
        assert value(samples, stream.statistic, stream.target, stream.source) == pytest.approx(
            expected, abs=1e-6
        )
    np.testing.assert_allclose(samples.maps[0].astype(float), 1 / 49, rtol=1e-3)


def test_attention_on_single_elements_has_closed_forms() -> None:
    samples = sample([outcome(explanation(MODALITIES, one_hot, np.array([1, 0, 0])), 1.0)])
    assert value(samples, Statistic.ENTROPY_RATIO, TEXT, IMAGE) == 0
    assert value(samples, Statistic.EFFECTIVE_SUPPORT, TEXT, IMAGE) == pytest.approx(1 / 20)
    assert value(samples, Statistic.ENTROPY_RATIO, TEXT, MEAN) == pytest.approx(math.log(3) / math.log(20))
    assert value(samples, Statistic.DISAGREEMENT, IMAGE) == pytest.approx(math.log(3))
    assert value(samples, Statistic.CENTRE_ROW, IMAGE, TEXT) == pytest.approx(0.5 / 14)
    assert value(samples, Statistic.CENTRE_COLUMN, IMAGE, ATTRIBUTE) == pytest.approx(2.5 / 14)
    assert value(samples, Statistic.BORDER_MASS, IMAGE, TEXT) == 1
    assert value(samples, Statistic.DIST, FUSION) == 0
    by_text, _, by_attribute, mean = samples.maps[0].astype(float)
    assert by_text[0, 0] == 1
    assert by_attribute[0, 1] == 1
    np.testing.assert_allclose(mean[0, :2], [2 / 3, 1 / 3], rtol=1e-3)
    assert np.isfinite(samples.values[:, :-4]).all()  # the last are impacts


def test_one_token_has_no_entropy_ratio() -> None:
    """H / ln L is 0 / 0: neither spread out nor concentrated, so it is left out, not counted as either."""
    samples = sample([outcome(random_explanation((TEXT,), 0, tokens=1))])
    assert math.isnan(value(samples, Statistic.ENTROPY_RATIO, TEXT, TEXT))
    assert value(samples, Statistic.MAX_WEIGHT, TEXT, TEXT) == 1
    assert value(samples, Statistic.ELEMENT_COUNT, TEXT) == 1


@given(sets, seeds)
def test_samples_are_the_summaries_of_every_vector(modalities: tuple[Modality, ...], seed: int) -> None:
    attention = random_explanation(modalities, seed)
    samples = sample([outcome(attention)])
    assert modalities_of(attention) == modalities
    for stream in streams(modalities):
        if stream.statistic not in vars(of_one([1.0])):
            continue
        if stream.target == FUSION:
            weights = attention.find(AttentionKind.MODALITY).weights
            weights = weights[[MODALITIES.index(modality) for modality in modalities]]
        elif stream.source == MEAN:
            weights = attention.find(AttentionKind.REPRESENTATION_MEAN, stream.target).weights
        else:
            weights = attention.find(AttentionKind.REPRESENTATION, stream.target, stream.source).weights
        expected = getattr(of_one(weights), stream.statistic)
        found = value(samples, stream.statistic, stream.target, stream.source)
        if stream.statistic is Statistic.ENTROPY_RATIO and len(weights) == 1:
            assert math.isnan(found)
        else:
            assert found == np.float32(expected) or found == pytest.approx(expected, abs=1e-6)
    for target in modalities:
        sources = [
            attention.find(AttentionKind.REPRESENTATION, target, source).weights for source in modalities
        ]
        if len(sources) > 1:
            expected = jensen_shannon(sources)
            assert value(samples, Statistic.DISAGREEMENT, target) == pytest.approx(expected, abs=1e-6)


@given(sets, st.lists(seeds, min_size=1, max_size=5))
def test_a_batch_is_its_rows(modalities: tuple[Modality, ...], drawn: list[int]) -> None:
    outcomes = [outcome(random_explanation(modalities, seed), seed / 2**32) for seed in drawn]
    together = sample(outcomes)
    alone = [sample([one]) for one in outcomes]
    assert len(together) == len(drawn)
    np.testing.assert_allclose(together.values, np.concatenate([one.values for one in alone]), atol=1e-6)
    np.testing.assert_allclose(together.maps, np.concatenate([one.maps for one in alone]), atol=1e-4)
    joined = concatenate(alone)
    np.testing.assert_array_equal(joined.values, np.concatenate([one.values for one in alone]))
    np.testing.assert_array_equal(joined.rows(slice(1)).maps, alone[0].maps)
    np.testing.assert_allclose(together.mean_maps().sum(axis=(-2, -1)), 1, rtol=1e-9)
    assert together.maps.shape[1] == len(map_sources(modalities))


@given(seeds)
def test_places_follow_the_picture(seed: int) -> None:
    """A picture upside down has its centre of mass upside down, and its border where it was."""
    weights = np.random.default_rng(seed).dirichlet(np.full(REGIONS, 0.1))

    def turned(target: Modality, source: Modality) -> NDArray[np.float64]:
        return weights.reshape(14, 14)[::-1].ravel() if target is IMAGE else uniform(target, source)

    def upright(target: Modality, source: Modality) -> NDArray[np.float64]:
        return weights if target is IMAGE else uniform(target, source)

    before, after = (
        sample([outcome(explanation(MODALITIES, one, np.full(3, 1 / 3)))]) for one in (upright, turned)
    )
    row = Statistic.CENTRE_ROW, IMAGE, TEXT
    assert 0 < value(before, *row) < 1
    assert value(before, *row) == pytest.approx(1 - value(after, *row), abs=1e-6)
    for statistic in (Statistic.CENTRE_COLUMN, Statistic.BORDER_MASS):
        assert value(before, statistic, IMAGE, TEXT) == pytest.approx(
            value(after, statistic, IMAGE, TEXT), abs=1e-6
        )
    np.testing.assert_array_equal(before.maps, after.maps[:, :, ::-1])


def test_log_ratios_have_closed_forms() -> None:
    np.testing.assert_allclose(log_ratios([math.e / (1 + math.e), 1 / (1 + math.e)]), [math.sqrt(0.5)])
    x = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(
        log_ratios(x),
        [math.sqrt(2 / 3) * math.log(0.5 / math.sqrt(0.06)), math.sqrt(1 / 2) * math.log(0.3 / 0.2)],
    )
    assert np.isfinite(log_ratios([1, 0, 0])).all()


@given(st.integers(2, 5).flatmap(lambda n: arrays(np.float64, (3, n), elements=st.floats(1e-4, 1))))
def test_shares_undo_log_ratios(drawn: NDArray[np.float64]) -> None:
    weights = drawn / drawn.sum(axis=-1, keepdims=True)
    coordinates = log_ratios(weights)
    np.testing.assert_allclose(shares(coordinates), weights, atol=1e-12)
    # isometric: as long as the centred logs
    centred = np.log(weights) - np.log(weights).mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        np.linalg.norm(coordinates, axis=-1), np.linalg.norm(centred, axis=-1), atol=1e-9
    )


def test_what_cannot_be_sampled_is_refused() -> None:
    text, full = random_explanation((TEXT,), 0), random_explanation(MODALITIES, 0)
    with pytest.raises(ValueError, match="0 explanations"):
        sample([])
    with pytest.raises(ValueError, match="1 explanations and 2"):
        sample([outcome(text)], [None, None])
    with pytest.raises(ValueError, match=r"text\+image\+attribute and text"):
        sample([outcome(text), outcome(full)])
    with pytest.raises(ValueError, match="lacks the vector"):
        sample([outcome(type(full)(full.vectors[1:], ()))])
    with pytest.raises(ValueError, match="values are"):
        Samples((TEXT,), np.zeros((1, 3), np.float32), np.zeros((1, 0, 7, 7), np.float16))
    with pytest.raises(ValueError, match="maps are"):
        Samples((TEXT,), sample([outcome(text)]).values, np.zeros((1, 4, 7, 7), np.float16))
    assert name_of(MODALITIES) == "text+image+attribute"
    with pytest.raises(ValueError, match="2 sets"):
        concatenate([sample([outcome(text)]), sample([outcome(full)])])
    with pytest.raises(ValueError, match="0 sets"):
        concatenate([])


@given(st.integers(2, 64), seeds)
def test_a_mosaic_is_sampled_by_its_focus(length: int, seed: int) -> None:
    weights = np.random.default_rng(seed).dirichlet(np.ones(length))
    samples = sample([outcome(focus_on(weights), 0.75, risk=0.25)])
    assert samples.modalities == (Modality.SEGMENT,)
    assert samples.maps.shape == (1, 0, 7, 7)
    summary = of_one(weights.astype(np.float32))
    for stream in streams((Modality.SEGMENT,)):
        expected = {
            Statistic.FOCUS_RISK: 0.25,
            Statistic.PROBABILITY: 0.75,
            Statistic.IMPACT: math.nan,
        }.get(stream.statistic)
        if expected is None:
            expected = getattr(summary, stream.statistic)
        assert value(samples, stream.statistic, stream.target, stream.source) == pytest.approx(
            expected, abs=1e-6, nan_ok=True
        )


def test_impacts_stand_with_the_targets_that_were_permuted() -> None:
    impacts = tuple(
        PermutationImpact(target, impact, 0.0, (0, 1), 0.0, 0.0, 0.0, 6, True, None)
        for target, impact in ((ATTRIBUTE, 0.25), (None, 0.5))
    )
    outcomes = [outcome(random_explanation(MODALITIES, seed)) for seed in range(2)]
    samples = sample(outcomes, [None, Permutation(impacts, seed=0)])
    found = {
        stream.target: samples.column(stream).tolist()
        for stream in streams(MODALITIES)
        if stream.statistic is Statistic.IMPACT
    }
    assert list(found) == [TEXT, IMAGE, ATTRIBUTE, FUSION]
    assert found[ATTRIBUTE][1] == 0.25
    assert found[FUSION][1] == 0.5
    assert np.isnan([*found[TEXT], *found[IMAGE], found[ATTRIBUTE][0], found[FUSION][0]]).all()
