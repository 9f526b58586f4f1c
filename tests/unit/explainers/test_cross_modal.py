"""Cross-modal probing against the specification's steps, taken one variant at a time on the toy model."""

import itertools
from collections import Counter
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_explainable import ToyExplainable, three_classes

from attendant.explainers.base import Deadline
from attendant.explainers.cross_modal import Masks, cross_modal, group, strongest
from attendant.methods import CrossModalOptions, Masking
from attendant.types import MODALITIES, Modality

PAIRS = list(itertools.permutations(MODALITIES, 2))
LONG = {Modality.TEXT: 20, Modality.IMAGE: 36, Modality.ATTRIBUTE: 5}
REPLACING = [Masking.MEAN, Masking.ZERO, Masking.NOISE]

present = st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 7), min_size=1)
maskings = st.sampled_from(Masking)


def masks(subject, masking, *, visual=False, seed=0):
    return Masks(
        subject, group(subject.targets, visual=visual), CrossModalOptions(masking=masking, seed=seed)
    )


def elements(made, variant):
    return {target: made.tables[target][rows] for target, rows in variant.items()}


def test_groups():
    text, image, attribute = MODALITIES
    singles = {target: (target,) for target in MODALITIES}
    assert group(MODALITIES, visual=False) == singles
    assert group(MODALITIES, visual=True) == {text: (text,), Modality.VISUAL: (image, attribute)}
    assert group((image, attribute), visual=True) == {Modality.VISUAL: (image, attribute)}
    assert group((text, image), visual=True) == {text: (text,), image: (image,)}


@pytest.mark.parametrize("masking", Masking)
@pytest.mark.parametrize("visual", [False, True])
def test_nothing_hidden_is_the_instance_itself(masking, visual):
    subject = ToyExplainable()
    made = masks(subject, masking, visual=visual)
    for name in group(subject.targets, visual=visual):
        found = elements(made, made.apply({name: np.zeros(made.size(name), dtype=np.bool_)}))
        assert tuple(found) == subject.targets
        for target in subject.targets:
            np.testing.assert_array_equal(found[target], subject.features(target))


@settings(max_examples=60, deadline=None)
@given(present, maskings, st.booleans(), st.data())
def test_a_mask_does_to_each_element_what_the_full_mask_does(lengths, masking, visual, data):
    subject = ToyExplainable(lengths)
    made = masks(subject, masking, visual=visual, seed=data.draw(st.integers(0, 2**64 - 1)))
    groups = group(subject.targets, visual=visual)
    name = data.draw(st.sampled_from(sorted(groups)))
    size = made.size(name)
    hidden = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    some = made.apply({name: hidden})
    full = made.apply({name: np.ones(size, dtype=np.bool_)})
    start = 0
    for target in subject.targets:
        own = np.arange(lengths[target])
        if target not in groups[name]:
            np.testing.assert_array_equal(some[target], own)
            continue
        part = hidden[start : start + len(own)]
        start += len(own)
        if masking is Masking.DROP:
            assert target not in full
            assert some.get(target, np.zeros(0)).tolist() == own[~part].tolist()
        elif masking is Masking.REORDER:
            assert some[target][~part].tolist() == own[~part].tolist()
            assert some[target][part].tolist() == [i for i in full[target] if part[i]]
        else:
            assert (full[target] >= len(own)).all()
            np.testing.assert_array_equal(some[target], np.where(part, full[target], own))


def test_what_stands_in():
    subject, unknown = ToyExplainable(LONG), ToyExplainable(LONG, typical=False)
    for target, size in LONG.items():
        hidden, own, typical = (
            np.ones(size, dtype=np.bool_),
            subject.features(target),
            subject.typical(target),
        )

        def stand_ins(subject, masking, target=target, hidden=hidden):
            made = masks(subject, masking)
            return elements(made, made.apply({target: hidden}))[target]

        np.testing.assert_array_equal(stand_ins(subject, Masking.MEAN), np.tile(typical.mean, (size, 1)))
        for found in (stand_ins(unknown, Masking.MEAN), stand_ins(subject, Masking.ZERO)):
            assert found.shape == own.shape
            assert not found.any()
        noise = (stand_ins(subject, Masking.NOISE) - own) / typical.deviation
        assert noise.std() == pytest.approx(1, abs=0.3)
        noise = (stand_ins(unknown, Masking.NOISE) - own) / own.std()
        assert noise.std() == pytest.approx(1, abs=0.3)
        reordered = stand_ins(subject, Masking.REORDER)
        assert sorted(map(tuple, reordered)) == sorted(map(tuple, own))
        assert (reordered != own).any()


class Different(ToyExplainable):
    """The same instance, but for the elements of its text."""

    def features(self, target):
        return super().features(target) + (target is Modality.TEXT)


@pytest.mark.parametrize("masking", [Masking.MEAN, Masking.ZERO, Masking.DROP])
def test_a_full_mask_forgets_what_it_hides(masking):
    others, read = (Modality.IMAGE, Modality.ATTRIBUTE), []
    for subject in (ToyExplainable(), Different()):
        made = masks(subject, masking)
        hidden = made.hide(Modality.TEXT)
        read.append(subject.gradients(made.tables, [hidden], 1, others, through_attention=True))
    np.testing.assert_array_equal(read[0].probabilities, read[1].probabilities)
    for target in others:
        np.testing.assert_array_equal(read[0].elements[target], read[1].elements[target])


def by_hand(subject, target, masked, k):
    """Steps 1 to 4 of the specification with mean masking, for a pair of single modalities."""
    label = int(subject.decide(subject.probabilities[None])[0])

    def read(hide, of, which=None):
        tables = {t: subject.features(t).copy() for t in subject.targets}
        if hide is not None:
            tables[hide][slice(None) if which is None else which] = subject.typical(hide).mean
        variant = {t: np.arange(len(rows)) for t, rows in tables.items()}
        found = subject.gradients(tables, [variant], label, [of], through_attention=True)
        return found.probabilities[0], found.elements[of][0].astype(np.float64)

    _, before = read(None, target)
    probabilities, after = read(masked, target)
    important = np.linalg.norm(after, axis=1).argsort()[::-1][:k]
    full, partial = read(target, masked)[1], read(target, masked, important)[1]
    singles = [read(target, masked, [i])[1] for i in range(len(before))]

    def compare(gradient):
        return (gradient * full).sum() / np.linalg.norm(gradient) / np.linalg.norm(full)

    return {
        "norm_change": abs(np.linalg.norm(after) - np.linalg.norm(before)) / np.linalg.norm(before),
        "class_changed": int(subject.decide(probabilities[None])[0]) != label,
        "probability": probabilities[subject.tracked],
        "important_elements": tuple(important),
        "similarity": compare(partial),
        "norm_correlation": np.corrcoef(np.linalg.norm(partial, axis=1), np.linalg.norm(full, axis=1))[0, 1],
        "relative_distance": np.linalg.norm(partial - full) / np.linalg.norm(full),
    }, {"none": compare(read(None, masked)[1]), "singles": max(map(compare, singles))}


@pytest.mark.parametrize("seed", range(3))
def test_each_pair_is_the_specification(seed):
    subject = ToyExplainable(seed=seed)
    found = cross_modal(subject, CrossModalOptions(seed=seed, random_masks=200), Deadline())
    assert [(probe.target, probe.masked) for probe in found.probes] == PAIRS
    for probe in found.probes:
        expected, similarities = by_hand(subject, probe.target, probe.masked, k=1)
        for field, value in expected.items():
            assert getattr(probe, field) == pytest.approx(value, abs=1e-5), field
        assert probe.contributes == (expected["class_changed"] or expected["norm_change"] > 0.1)
        # Of 200 masks of one of at most 9 elements, more than 5 % are the best one.
        assert probe.random_similarity == pytest.approx(similarities["singles"], abs=1e-5)
        assert not probe.confirmed


def test_what_is_confirmed_is_better_than_chance_and_than_no_mask():
    confirmed = 0
    for seed in range(3, 6):
        subject = ToyExplainable(LONG, seed=seed)
        for probe in cross_modal(subject, CrossModalOptions(), Deadline()).probes:
            k = max(1, LONG[probe.target] // 10)
            assert len(set(probe.important_elements)) == k
            expected, similarities = by_hand(subject, probe.target, probe.masked, k)
            assert probe.similarity == pytest.approx(expected["similarity"], abs=1e-5)
            assert probe.confirmed == (
                probe.similarity >= 0.9
                and probe.similarity > probe.random_similarity + 1e-6
                and probe.similarity > similarities["none"] + 1e-6
            )
            confirmed += probe.confirmed
    assert confirmed > 0


@pytest.mark.parametrize("visual", [False, True])
def test_all_elements_are_the_full_mask(visual):
    options = CrossModalOptions(top_k=1000, visual_group=visual)
    for masking in Masking:
        subject = ToyExplainable()
        for probe in cross_modal(subject, replace(options, masking=masking), Deadline()).probes:
            assert probe.similarity == pytest.approx(1, abs=1e-6)
            assert probe.norm_correlation == pytest.approx(1, abs=1e-6)
            assert probe.relative_distance == pytest.approx(0, abs=1e-6)
            assert probe.random_similarity == probe.similarity
            assert not probe.confirmed  # any other mask of that size is the same


def test_image_and_attributes_as_one():
    subject = ToyExplainable()
    found = cross_modal(subject, CrossModalOptions(visual_group=True, top_k=12), Deadline())
    text, visual = found.probes
    assert (text.target, text.masked) == (visual.masked, visual.target) == (Modality.TEXT, Modality.VISUAL)
    assert sorted(text.important_elements) == list(range(6))
    assert sorted(visual.important_elements) == list(range(12))  # 9 regions, then 3 words
    (first,) = cross_modal(subject, CrossModalOptions(visual_group=True), Deadline()).probes[1:]
    assert first.important_elements == visual.important_elements[:1]
    alone = ToyExplainable({Modality.IMAGE: 4, Modality.ATTRIBUTE: 2})
    assert cross_modal(alone, CrossModalOptions(visual_group=True), Deadline()).probes == ()


def test_one_target_has_no_pair():
    assert cross_modal(three_classes(), CrossModalOptions(seed=5), Deadline()).probes == ()


def test_an_order_that_is_not_read_confirms_nothing():
    """The toy reads the order of words, not of regions."""
    subject = ToyExplainable(LONG)
    for probe in cross_modal(subject, CrossModalOptions(masking=Masking.REORDER), Deadline()).probes:
        if Modality.TEXT not in (probe.target, probe.masked):
            assert not probe.class_changed
            assert not probe.contributes
            assert not probe.confirmed
            assert probe.similarity == pytest.approx(1)
        if probe.masked is Modality.TEXT:
            assert probe.norm_change > 1e-3


class Counting(ToyExplainable):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.calls = []

    def gradients(self, tables, variants, label, targets, *, through_attention, check):
        assert through_attention
        self.calls.append((len(variants), *targets))
        return super().gradients(tables, variants, label, targets, through_attention=True, check=check)


def test_few_variants_are_read():
    text, image, attribute = MODALITIES
    subject = Counting(LONG)
    cross_modal(subject, CrossModalOptions(), Deadline())
    read = Counter()
    for count, *targets in subject.calls:
        assert count <= 8  # between two looks at the deadline, and in memory
        read[tuple(targets)] += count
    assert read.pop((text, image, attribute)) == 4
    assert [read.pop((target,)) for target in MODALITIES] == [1, 1, 1]  # both others masked
    assert 20 <= read.pop((image, attribute)) <= 22
    assert 20 <= read.pop((text, attribute)) <= 22
    assert read.pop((text, image)) <= 5  # five words, one of them masked
    assert not read
    subject.calls.clear()
    cross_modal(subject, CrossModalOptions(masking=Masking.DROP), Deadline())
    assert subject.calls[:4] == [
        (1, text, image, attribute),
        (1, image, attribute),
        (1, text, attribute),
        (1, text, image),
    ]


def test_both_others_are_masked_at_once():
    subject = ToyExplainable(LONG)
    found = cross_modal(subject, CrossModalOptions(masking=Masking.ZERO), Deadline()).joint_masks
    own = {target: subject.features(target) for target in MODALITIES}
    whole = {target: np.arange(len(rows)) for target, rows in own.items()}
    label = int(subject.decide(subject.probabilities[None])[0])
    assert [mask.target for mask in found] == list(MODALITIES)
    for mask in found:
        tables = {target: rows * (target is mask.target) for target, rows in own.items()}
        before, after = (
            subject.gradients(made, [whole], label, (mask.target,), through_attention=True)
            for made in (own, tables)
        )
        norms = [np.linalg.norm(reading.elements[mask.target]) for reading in (before, after)]
        assert mask.norm_change == pytest.approx(abs(norms[1] - norms[0]) / norms[0], rel=1e-5)
        assert mask.probability == pytest.approx(after.probabilities[0, subject.tracked])
        assert mask.class_changed == (int(subject.decide(after.probabilities)[0]) != label)


@pytest.mark.parametrize("options", [CrossModalOptions(visual_group=True), CrossModalOptions()])
def test_two_groups_have_no_both_others(options):
    lengths = LONG if options.visual_group else {Modality.TEXT: 4, Modality.IMAGE: 5}
    assert cross_modal(ToyExplainable(lengths), options, Deadline()).joint_masks == ()


class Rounded(ToyExplainable):
    """Whose answer has another label than what is run again: rounding, close to the threshold."""

    @property
    def probabilities(self):
        return super().probabilities[::-1]


def test_what_changes_nothing_does_not_change_the_class():
    """Regions have no order in the toy either: another one is the same answer."""
    probes = cross_modal(Rounded(), CrossModalOptions(masking=Masking.REORDER), Deadline()).probes
    unread = [probe for probe in probes if probe.masked is not Modality.TEXT]
    assert len(unread) == 4
    assert not any(probe.class_changed or probe.contributes for probe in unread)


@pytest.mark.parametrize("masking", Masking)
def test_a_seed_is_a_result(masking):
    subject = ToyExplainable(LONG)
    options = CrossModalOptions(masking=masking, random_masks=5, seed=1)
    first, again, other = (
        cross_modal(subject, chosen, Deadline()) for chosen in (options, options, replace(options, seed=2))
    )
    assert first == again
    assert (first.seed, other.seed) == (1, 2)
    assert first.probes != other.probes


def test_dead_gradients_are_no_similarity():
    for probe in cross_modal(ToyExplainable(scale=0), CrossModalOptions(), Deadline()).probes:
        assert probe.norm_change == probe.relative_distance == 0
        assert probe.similarity == probe.norm_correlation == probe.random_similarity == 0
        assert not probe.contributes
        assert not probe.confirmed


def test_the_deadline_leaves_out_targets():
    ticks = itertools.count()
    # Looked at before and in each call: one of whole masks, three of joint ones, one of the text's; then it has passed.
    late = Deadline(10.5, clock=lambda: next(ticks))
    found = cross_modal(ToyExplainable(), CrossModalOptions(random_masks=2), late)
    assert found.truncated
    assert [probe.target for probe in found.probes] == [Modality.TEXT, Modality.TEXT]
    assert len(found.joint_masks) == 3


@pytest.mark.parametrize(("words", "most"), [(80, 1), (41, 1), (35, 2), (15, 4)])
def test_the_longer_the_text_the_fewer_variants_between_two_looks(words, most):
    calls = []

    class Counted(ToyExplainable):
        def gradients(self, tables, variants, *rest, **options):
            calls.append(len(variants))
            return super().gradients(tables, variants, *rest, **options)

    cross_modal(
        Counted({Modality.TEXT: words, Modality.ATTRIBUTE: 5}), CrossModalOptions(random_masks=20), Deadline()
    )
    assert max(calls) == most


def test_without_time_there_is_nothing():
    found = cross_modal(ToyExplainable(), CrossModalOptions(), Deadline(0))
    assert (found.probes, found.joint_masks, found.truncated) == ((), (), True)


@settings(max_examples=40, deadline=None)
@given(
    present,
    st.builds(
        CrossModalOptions,
        masking=maskings,
        top_k=st.integers(0, 9),
        random_masks=st.integers(1, 4),
        visual_group=st.booleans(),
        seed=st.integers(0, 2**64 - 1),
    ),
    st.booleans(),
)
def test_any_options_give_numbers_in_range(lengths, options, typical):
    subject = ToyExplainable(lengths, seed=options.seed % 5, typical=typical)
    groups = group(subject.targets, visual=options.visual_group)
    found = cross_modal(subject, options, Deadline())
    assert [(probe.target, probe.masked) for probe in found.probes] == list(itertools.permutations(groups, 2))
    for probe in found.probes:
        assert np.isfinite([value for value in astuple(probe) if isinstance(value, float)]).all()
        assert probe.norm_change >= 0
        assert 0 <= probe.probability <= 1
        assert min(probe.similarity, probe.norm_correlation, probe.random_similarity) >= -1
        assert max(probe.similarity, probe.norm_correlation, probe.random_similarity) <= 1
        assert probe.relative_distance >= 0
        size = sum(lengths[member] for member in groups[probe.target])
        k = min(options.top_k or max(1, size // 10), size)
        assert len(set(probe.important_elements)) == k
        assert set(probe.important_elements) <= set(range(size))


def test_of_norms_alike_the_first_is_the_strongest():
    assert strongest(np.array([1.0, 3, 2, 3]), 3).tolist() == [1, 3, 2]
