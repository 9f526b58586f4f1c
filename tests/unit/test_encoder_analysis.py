import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.analysis.encoder import Classifier, agreement, compare, coverage
from attendant.statistics.similarities import cosine

CLASSES, WIDTH, REGIONS = 9, 6, 196


@pytest.fixture
def classifier():
    generator = np.random.default_rng(0)
    return Classifier(
        generator.normal(size=(CLASSES, WIDTH)).astype(np.float32),
        generator.normal(size=CLASSES).astype(np.float32),
    )


def features(seed, count=1):
    generator = np.random.default_rng(seed)
    grids = generator.random((count, REGIONS, WIDTH)) * generator.random((count, 1, WIDTH)) * 4
    return grids.astype(np.float32)


def test_a_sight_by_plain_counting(classifier):
    (seen,) = features(1)
    sight = classifier.see(seen)
    logits = seen @ classifier.weight.T + classifier.bias
    np.testing.assert_array_equal(sight.best, logits.argmax(1))
    assert set(sight.top[7]) == set(np.argsort(-logits[7])[:5])
    pooled = seen.mean(0) @ classifier.weight.T + classifier.bias
    assert sight.pooled_best == pooled.argmax()
    assert set(sight.pooled_top) == set(np.argsort(-pooled)[:5])
    expected = np.maximum(seen @ (classifier.weight - classifier.weight.mean(0))[pooled.argmax()], 0)
    np.testing.assert_allclose(sight.activation, expected, atol=1e-5)


def test_what_all_classes_have_in_common_changes_nothing(classifier):
    (seen,) = features(1)
    common = np.random.default_rng(5).normal(size=WIDTH).astype(np.float32)
    sight, shifted = (
        classifier.see(seen),
        Classifier(classifier.weight + common, classifier.bias + 3).see(seen),
    )
    assert shifted.pooled_best == sight.pooled_best
    np.testing.assert_array_equal(shifted.best, sight.best)
    np.testing.assert_allclose(shifted.activation, sight.activation, atol=1e-4)


def followed(classifier, ours, theirs):
    return agreement(
        [compare(classifier.see(a), classifier.see(b), CLASSES) for a, b in zip(ours, theirs, strict=True)]
    )


def test_the_reference_agrees_with_itself(classifier):
    grids = features(2, 12)
    found = followed(classifier, grids, grids)
    assert found.pooled.value == found.regional.value == 1
    assert found.pooled_r2.value == pytest.approx(1)
    assert found.regional_r2.interval == pytest.approx((1, 1))


def test_the_mean_explains_nothing(classifier):
    grids = features(3, 12)
    found = followed(classifier, np.broadcast_to(grids.mean((0, 1)), grids.shape), grids)
    assert found.regional_r2.value == pytest.approx(0, abs=1e-5)
    assert found.pooled_r2.value == pytest.approx(0, abs=1e-5)


def test_r2_by_its_definition(classifier):
    theirs = features(4, 8)
    ours = theirs + np.random.default_rng(0).normal(scale=0.3, size=theirs.shape).astype(np.float32)
    found = followed(classifier, ours, theirs)
    regions, deviation = theirs.reshape(-1, WIDTH).astype(np.float64), theirs.std((0, 1), dtype=np.float64)
    errors = np.square((ours.reshape(-1, WIDTH) - regions) / deviation).sum()
    spread = np.square((regions - regions.mean(0)) / deviation).sum()
    assert found.regional_r2.value == pytest.approx(1 - errors / spread, abs=1e-4)
    assert found.regional_r2.low <= found.regional_r2.value <= found.regional_r2.high


def test_a_feature_that_the_reference_never_shows_does_not_outweigh_the_others(classifier):
    theirs = features(5, 8)
    theirs[..., 2] = 0
    ours = theirs.copy()
    ours[..., 2] = 0.01
    assert followed(classifier, ours, theirs).regional_r2.value > 0.7


def test_agreement_and_its_constant_by_plain_counting(classifier):
    ours, theirs = features(6, 10), features(7, 10)
    found = followed(classifier, ours, theirs)
    logits = [grids @ classifier.weight.T + classifier.bias for grids in (ours, theirs)]
    best, top = logits[0].argmax(-1), np.argsort(-logits[1], -1)[..., :5]
    assert found.regional.value == pytest.approx((best[..., None] == top).any(-1).mean())
    constants = [(top == number).any(-1).mean() for number in range(CLASSES)]
    assert found.constant_regional == pytest.approx(max(constants))
    assert 0 <= found.pooled.low <= found.pooled.value <= found.pooled.high <= 1


def test_boxes_cover_what_they_cover():
    whole = coverage([(0, 0, 1, 1)])
    np.testing.assert_array_equal(whole, np.ones(REGIONS))
    cell = coverage([(2 / 14, 5 / 14, 1 / 14, 0.5 / 14)]).reshape(14, 14)
    assert cell[5, 2] == pytest.approx(0.5)
    assert cell.sum() == pytest.approx(0.5)


@given(st.lists(st.tuples(*[st.floats(-0.2, 1.2)] * 4), max_size=4))
def test_coverage_is_a_share_and_boxes_twice_are_boxes_once(boxes):
    once = coverage(boxes)
    assert ((once >= 0) & (once <= 1)).all()
    np.testing.assert_array_equal(coverage(boxes * 2), once)


def test_cosine():
    assert cosine([1, 0], [1, 1]) == pytest.approx(np.sqrt(0.5))
    assert cosine([0, 0], [1, 1]) == 0
    assert cosine([2, 2], [1, 1]) == pytest.approx(1)
