import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_explainable import ToyExplainable, three_classes

from attendant.errors import AttendantError
from attendant.explainers.class_activation import class_activation
from attendant.methods import ClassActivationOptions
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
STEP = 1e-3  # of float32 elements


def log_odds(subject, tables, label):
    own = {target: np.arange(len(rows)) for target, rows in tables.items()}
    p = subject.answer(tables, [own])[0]
    return np.log(p[label] / np.delete(p, label).sum())


def slopes(subject, target, label):
    """Of the log-odds with respect to the target's elements, L x d, by central differences."""
    own = {t: subject.features(t) for t in subject.targets}
    found = np.zeros(own[target].shape)
    for place in np.ndindex(found.shape):
        values = []
        for step in (STEP, -STEP):
            rows = own[target].astype(np.float64)
            rows[place] += step
            values.append(log_odds(subject, {**own, target: rows}, label))
        found[place] = (values[0] - values[1]) / (2 * STEP)
    return found


@pytest.mark.parametrize("label", ["negative", "positive"])
def test_regions_by_grad_cam_and_the_others_by_norm(label):
    subject = ToyExplainable(seed=2, grid=(3, 3))
    found = class_activation(subject, ClassActivationOptions(label))
    assert found.label == label
    assert [scores.target for scores in found.scores] == list(MODALITIES)
    for scores in found.scores:
        gradients = slopes(subject, scores.target, subject.classes.index(label))
        features = subject.features(scores.target)
        expected = np.linalg.norm(gradients * features, axis=1)
        if scores.target is IMAGE:
            weights = [gradients[:, channel].mean() for channel in range(gradients.shape[1])]
            expected = [max(sum(w * e for w, e in zip(weights, row, strict=True)), 0) for row in features]
        np.testing.assert_allclose(scores.scores, expected, rtol=1e-3, atol=1e-5)
        assert np.any(scores.scores > 0)


def test_what_speaks_for_a_class_does_not_speak_for_the_other():
    subject = ToyExplainable(seed=2, grid=(3, 3))
    for_it, against_it = (
        class_activation(subject, ClassActivationOptions(label)).scores[1].scores for label in subject.classes
    )
    assert not np.any((for_it > 0) & (against_it > 0))


@pytest.mark.parametrize("subject", [ToyExplainable(seed=seed) for seed in range(4)] + [three_classes()])
def test_the_predicted_class_by_default(subject):
    label = subject.classes[subject.decide(subject.probabilities[None])[0]]
    found = class_activation(subject, ClassActivationOptions())
    assert found.label == label
    same = class_activation(subject, ClassActivationOptions(label))
    for one, other in zip(found.scores, same.scores, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_scores_are_finite_where_the_answer_does_not_move():
    for scores in class_activation(ToyExplainable(grid=(3, 3), scale=0), ClassActivationOptions()).scores:
        np.testing.assert_array_equal(scores.scores, np.zeros(len(scores.scores), dtype=np.float32))


def test_a_class_that_is_unknown_is_refused():
    with pytest.raises(
        AttendantError,
        match=r"options\.class_activation\.label: 'up' is none of the classes: left, middle, right",
    ):
        class_activation(three_classes(), ClassActivationOptions("up"))


@settings(max_examples=20)
@given(
    st.dictionaries(st.sampled_from(MODALITIES), st.integers(1, 6), min_size=1),
    st.integers(0, 1000),
    st.sampled_from(["", "negative", "positive"]),
)
def test_anything_gives_numbers_in_range(lengths, seed, label):
    grid = (1, lengths[IMAGE]) if IMAGE in lengths else None
    subject = ToyExplainable(lengths, seed=seed, grid=grid)
    for scores in class_activation(subject, ClassActivationOptions(label)).scores:
        assert scores.scores.dtype == np.float32
        assert scores.scores.shape == (lengths[scores.target],)
        assert np.all(np.isfinite(scores.scores) & (scores.scores >= 0))
