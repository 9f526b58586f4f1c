"""Permutation impact against every permutation, one after another."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError
from attendant.explainers.base import Deadline
from attendant.explainers.permutation import permutation
from attendant.methods import PermutationImpact, PermutationOptions
from attendant.types import MODALITIES, Modality

TEXT, IMAGE, ATTRIBUTE = MODALITIES


class Recorded(ToyExplainable):
    """Keeps the weights that it is asked about."""

    def attend(self, target, weights):
        self.asked = [*getattr(self, "asked", []), weights]
        return super().attend(target, weights)


def measure(subject, target=IMAGE, *, deadline=None, **options) -> PermutationImpact:
    chosen = PermutationOptions((target,), modality=False, **options)
    return permutation(subject, chosen, deadline or Deadline()).impacts[0]


@pytest.fixture(scope="module")
def eight() -> ToyExplainable:
    """8 regions: 40,320 permutations, sampled up to that many samples."""
    return ToyExplainable({TEXT: 3, IMAGE: 8}, seed=1)


@pytest.fixture(scope="module")
def truth(eight) -> PermutationImpact:
    found = measure(eight, samples=40_320)
    assert found.exhaustive
    return found


@pytest.mark.parametrize("subject", [ToyExplainable({IMAGE: 4, ATTRIBUTE: 2}, seed=3), three_classes(4)])
def test_few_permutations_are_all_evaluated(subject):
    own = subject.probabilities
    answers = np.array(
        [
            subject.attend(IMAGE, np.array([row], dtype=np.float32))[0]
            for row in permutations(subject.attention(IMAGE))
        ]
    )
    changes = answers[:, subject.tracked] - own[subject.tracked]
    found = measure(subject)
    assert (found.target, found.exhaustive, found.samples, found.truncated) == (IMAGE, True, 24, False)
    assert found.impact == pytest.approx(np.abs(changes).mean(), abs=1e-12)
    assert found.impact > 0.01
    assert found.impact_without_identity == pytest.approx(np.abs(changes[1:]).mean(), abs=1e-7)
    assert found.signed_change == pytest.approx(changes.mean(), abs=1e-12)
    assert found.flip_share == np.mean(subject.decide(answers) != subject.decide(own[None]))
    distances = [0.5 * np.abs(answer - own).sum() for answer in answers]
    assert found.median_total_variation == pytest.approx(np.median(distances), abs=1e-12)
    assert found.standard_error == 0
    assert found.interval == (found.impact, found.impact)


def test_the_modality_vector_comes_last_and_its_values_stay():
    subject = ToyExplainable({TEXT: 2, IMAGE: 3, ATTRIBUTE: 1}, seed=2)
    found = permutation(subject, PermutationOptions(), Deadline()).impacts
    assert [impact.target for impact in found] == [TEXT, IMAGE, ATTRIBUTE, None]
    rows = [subject.fuse(np.array([row], dtype=np.float32))[0, 1] for row in permutations(subject.fusion)]
    assert found[-1].impact == pytest.approx(np.abs(rows - subject.probabilities[1]).mean(), abs=1e-12)
    assert found[-1].impact > 0.01
    assert (found[-1].samples, found[-1].exhaustive) == (6, True)


@pytest.mark.parametrize(
    "subject", [three_classes(3), ToyExplainable({TEXT: 3}), ToyExplainable({TEXT: 3, IMAGE: 2}, fused=False)]
)
def test_a_modality_vector_is_shuffled_only_where_there_is_one(subject):
    found = permutation(subject, PermutationOptions(), Deadline())
    assert [impact.target for impact in found.impacts] == list(subject.targets)


def test_it_can_be_left_out():
    found = permutation(ToyExplainable(), PermutationOptions(modality=False), Deadline())
    assert [impact.target for impact in found.impacts] == list(MODALITIES)


@pytest.mark.parametrize("samples", [50, 1_000], ids=["uniform", "blocks"])
@pytest.mark.parametrize("seed", range(3))
def test_samples_come_near_the_truth(eight, truth, samples, seed):
    found = measure(eight, samples=samples, seed=seed)
    assert not found.exhaustive
    assert found.impact_without_identity is None
    assert found.impact == pytest.approx(truth.impact, abs=4 * found.standard_error)
    assert found.signed_change == pytest.approx(truth.signed_change, abs=0.25)
    assert found.flip_share == pytest.approx(truth.flip_share, abs=0.25)


@pytest.mark.parametrize("samples", [40, 128], ids=["uniform", "blocks"])
def test_the_interval_covers_the_truth_as_often_as_it_says(eight, truth, samples):
    found = [measure(eight, samples=samples, seed=seed) for seed in range(400)]
    covered = np.mean([low <= truth.impact <= high for low, high in (impact.interval for impact in found)])
    assert 0.92 <= covered <= 0.98
    spread = np.std([impact.impact for impact in found])
    assert np.sqrt(np.mean([impact.standard_error**2 for impact in found])) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("samples", "t"), [(10, 2.262157), (80, 2.262157), (3, 4.302653)])
def test_the_interval_is_students(eight, samples, t):
    # 9, 9 (of ten blocks) and 2 degrees of freedom
    found = measure(eight, samples=samples)
    half = t * found.standard_error
    low, high = max(found.impact - half, 0), min(found.impact + half, 1)
    assert found.interval == pytest.approx((low, high), abs=1e-6)
    assert found.standard_error > 0


def test_blocks_vary_less(eight):
    uniform, blocks = (
        np.var([measure(eight, samples=samples, seed=seed).impact for seed in range(200)])
        for samples in (63, 64)
    )
    assert blocks < uniform / 2  # measured: a sixteenth


def test_a_block_has_every_weight_once_with_each_element():
    subject = Recorded({IMAGE: 8}, seed=4)
    assert measure(subject, samples=100).samples == 96
    squares = np.concatenate([asked for asked in subject.asked if len(asked) > 1]).reshape(-1, 8, 8)
    expected = np.sort(subject.attention(IMAGE))
    assert len(squares) == 12
    for square in squares:
        np.testing.assert_array_equal(np.sort(square, axis=0), np.tile(expected[:, None], 8))
        np.testing.assert_array_equal(np.sort(square, axis=1), np.tile(expected, (8, 1)))
    assert len({square[0].tobytes() for square in squares}) == 12


def test_uniform_permutations_keep_the_weights():
    subject = Recorded({IMAGE: 8}, seed=4)
    assert measure(subject, samples=63).samples == 63
    rows = subject.asked[0]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.sort(subject.attention(IMAGE)), (63, 1)))
    assert len({row.tobytes() for row in rows}) > 60


def test_of_one_sample_the_error_is_unknown(eight):
    found = measure(eight, samples=1)
    assert (found.samples, found.standard_error, found.interval) == (1, 0.5, (0.0, 1.0))


def test_a_tolerance_stops_early(eight):
    found = measure(eight, samples=30_000, tolerance=0.004)
    assert 1_000 <= found.samples < 30_000
    assert found.standard_error < 0.004
    assert not found.truncated
    assert measure(eight, samples=30_000, tolerance=0.0).samples == 30_000


def test_a_tolerance_is_not_believed_of_few_blocks():
    # Five blocks of 196 at a time: ten are the first that are at least eight.
    assert measure(ToyExplainable({IMAGE: 196}), samples=100_000, tolerance=0.5).samples == 10 * 196


def test_a_tolerance_does_not_stop_an_enumeration():
    assert measure(ToyExplainable({IMAGE: 7}), tolerance=1.0).samples == 5_040


@pytest.mark.parametrize("length", [7, 9])
def test_the_deadline_leaves_a_sample(length):
    subject = ToyExplainable({IMAGE: length}, seed=1)
    full = measure(subject, samples=100_000)
    found = measure(subject, samples=100_000, deadline=Deadline(0))
    assert found.truncated
    assert not found.exhaustive
    assert 140 <= found.samples <= 150
    assert found.standard_error > 0
    assert found.impact == pytest.approx(full.impact, abs=4 * found.standard_error)


def test_a_deadline_after_the_last_sample_cuts_nothing(eight):
    assert not measure(eight, samples=100, deadline=Deadline(0)).truncated


def test_a_target_that_is_absent_is_refused():
    with pytest.raises(
        AttendantError, match=r"options\.permutation\.targets: the instance has no image; .*text"
    ):
        measure(ToyExplainable({TEXT: 3, ATTRIBUTE: 2}))


def test_targets_are_not_shuffled_alike():
    subject = Recorded({TEXT: 8, IMAGE: 8}, seed=1)
    permutation(subject, PermutationOptions(samples=20, modality=False), Deadline())
    text, image = (rows.argsort(axis=1) for rows in subject.asked if len(rows) == 20)
    own = [subject.attention(target).argsort() for target in (TEXT, IMAGE)]
    assert not np.array_equal(text[:, own[0].argsort()], image[:, own[1].argsort()])


def test_a_stream_does_not_depend_on_what_else_is_asked_for():
    subject = ToyExplainable({TEXT: 8, IMAGE: 8}, seed=1)
    both = permutation(subject, PermutationOptions((IMAGE, TEXT)), Deadline()).impacts
    assert [impact.target for impact in both] == [TEXT, IMAGE, None]
    assert measure(subject) == both[1]
    assert measure(subject, seed=2**64 - 1) != both[1]


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 10), min_size=1),
    st.integers(1, 300),
    st.sampled_from([0.0, 0.01, 0.5]),
    st.integers(0, 2**64 - 1),
    st.sampled_from([1.0, 50.0]),
)
def test_anything_gives_numbers_in_range(lengths, samples, tolerance, seed, scale):
    subject = ToyExplainable(lengths, seed=seed % 1000, scale=scale)
    options = PermutationOptions(samples=samples, modality_samples=samples, tolerance=tolerance, seed=seed)
    found = permutation(subject, options, Deadline())
    assert found == permutation(subject, options, Deadline())
    for impact in found.impacts:
        low, high = impact.interval
        assert 0 <= low <= impact.impact <= high <= 1
        assert 0 <= impact.standard_error <= 0.5
        assert abs(impact.signed_change) <= impact.impact + 1e-12
        assert 0 <= impact.flip_share <= 1
        assert 0 <= impact.median_total_variation <= 1
        assert impact.samples <= max(samples, 5_040)
        assert not impact.truncated
        if impact.exhaustive:
            assert (impact.impact_without_identity is None) == (impact.samples == 1)


def test_one_element_has_one_permutation():
    found = measure(ToyExplainable({TEXT: 1, IMAGE: 2}), TEXT)
    assert (found.samples, found.exhaustive, found.impact_without_identity) == (1, True, None)
    assert found.impact == pytest.approx(0, abs=1e-7)
    assert found.target is Modality.TEXT
